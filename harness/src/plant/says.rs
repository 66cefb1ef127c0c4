//! What flatnet is to say of a planted fault: in which checks, of whom, and why.
use flatnet_model::cause::{Basis, CauseId};

/// Somebody or something of the cluster, by its number; numbers count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// A node.
    Node(usize),
    /// A pod of the pod network: with the default pods, busybox-N.
    Pod(usize),
    /// The node whose name ends so, or a pod on it: where only some of a node's clients fail, these are named.
    On(&'static str),
}

/// One finding that is expected.
#[derive(Clone, Copy, Debug)]
pub struct Says {
    /// The checks that turn red with it.
    pub checks: &'static [&'static str],
    /// Whom they call the culprits: all of them, and nobody else.
    pub culprits: &'static [Who],
    /// The cause, and whether it is seen or concluded; none where only the symptom can be told.
    pub cause: Option<(CauseId, Basis)>,
    /// Parameters of the cause by name (`rule.chain`), with their values; `$NAME` in them is a variable of the lab.
    pub with: &'static [(&'static str, &'static str)],
    /// Whether it may be missing: chance decides whether it happens.
    pub sometimes: bool,
    /// Whether it may name nobody instead: chance decides whether packets single one out.
    pub or_nobody: bool,
}

/// These checks are red, name these culprits and have seen this cause, with these parameters.
pub(super) const fn seen(
    checks: &'static [&'static str],
    culprits: &'static [Who],
    cause: CauseId,
    with: &'static [(&'static str, &'static str)],
) -> Says {
    Says {
        checks,
        culprits,
        cause: Some((cause, Basis::Seen)),
        with,
        sometimes: false,
        or_nobody: false,
    }
}

/// The same of a cause that is only concluded.
pub(super) const fn may_be(
    checks: &'static [&'static str],
    culprits: &'static [Who],
    cause: CauseId,
    with: &'static [(&'static str, &'static str)],
) -> Says {
    Says {
        cause: Some((cause, Basis::Inferred)),
        ..seen(checks, culprits, cause, with)
    }
}

/// These checks are red and name these culprits, and why is told elsewhere.
pub(super) const fn red(checks: &'static [&'static str], culprits: &'static [Who]) -> Says {
    Says {
        checks,
        culprits,
        cause: None,
        with: &[],
        sometimes: false,
        or_nobody: false,
    }
}

impl Says {
    /// It may be missing; the checks may then be green.
    pub(super) const fn sometimes(self) -> Says {
        Says {
            sometimes: true,
            ..self
        }
    }

    /// It may name nobody, where packets do not single one out.
    pub(super) const fn or_nobody(self) -> Says {
        Says {
            or_nobody: true,
            ..self
        }
    }
}
