//! What the other dials say of one of a pod to itself that failed: whether the way back is at fault, every translated packet, or more.
use std::collections::BTreeMap;

use flatnet_model::PodRef;
use flatnet_model::evidence::Complaint;
use flatnet_model::observations::{Dial, Endpoint, Fate, Translated};
use flatnet_model::probe::{DialOutcome, Failure, Transport};

use crate::checks::calls::answered_by;
use crate::checks::topology::Topology;

/// Dials that differ in neither transport nor family.
type Kind = (Transport, bool);

fn kind(dial: &Dial) -> Kind {
    (dial.request.transport, dial.request.address.is_ipv6())
}

/// Dials of pods to others: at translated addresses, and at their own.
pub(super) struct Controls<'a> {
    translated: Vec<&'a Dial>,
    /// Whether every dial from the one to the other was answered by it, from the address that was dialled.
    direct: BTreeMap<(&'a Endpoint, &'a Endpoint, Kind), bool>,
}

/// What they say.
pub(super) enum Says<'a> {
    /// Such addresses lead from this pod to another, and from another to this one.
    OnlyItself,
    /// They do not, and yet the same ends reach each other untranslated: these dials.
    Translated(Vec<&'a Dial>),
    /// The same ends do not reach each other untranslated either, or their answers are rewritten, which other checks tell.
    Everything,
    /// Nothing: they were not made.
    Nothing,
}

/// A probe that could not dial says nothing.
pub(super) fn is_made(dial: &Dial) -> bool {
    !matches!(
        dial.result,
        DialOutcome::Failed {
            kind: Failure::Unsupported,
            ..
        }
    )
}

/// Whether the answer had the address that was dialled. Connection tracking does not know one that was rewritten before it, and
/// leaves it untranslated.
fn is_own_reply(dial: &Dial) -> bool {
    matches!(&dial.result, DialOutcome::Answered { reply_from, .. } if *reply_from == dial.request.address)
}

/// What is wrong with a dial, where something is.
pub(super) fn wrong(dial: &Dial) -> Option<Complaint> {
    if let DialOutcome::Failed { detail, .. } = &dial.result {
        return Some(Complaint::Said(detail.clone()));
    }
    let Endpoint::Pod(to) = &dial.to else {
        return None;
    };
    answered_by(std::iter::once(to), &dial.result).err()
}

impl<'a> Controls<'a> {
    pub(super) fn of(translated: &'a Translated, topology: &Topology<'a>) -> Self {
        let all = translated.dials.iter();
        let mut direct = BTreeMap::new();
        for dial in &topology.observations.dials {
            if dial.from != dial.to && is_made(dial) {
                let ends = (&dial.from, &dial.to, kind(dial));
                *direct.entry(ends).or_insert(true) &=
                    topology.observations.fate(dial) == Fate::Reached && is_own_reply(dial);
            }
        }
        Controls {
            translated: all
                .filter(|dial| dial.from != dial.to && is_made(dial))
                .collect(),
            direct,
        }
    }

    /// Of a dial of that pod to itself that failed.
    pub(super) fn of_failed(&self, pod: &PodRef, own: &Dial) -> Says<'a> {
        let is = |end: &Endpoint| matches!(end, Endpoint::Pod(name) if name == pod);
        let of_pod = |dial: &&&Dial| kind(dial) == kind(own) && (is(&dial.from) || is(&dial.to));
        let all: Vec<&Dial> = self.translated.iter().filter(of_pod).copied().collect();
        if all.is_empty() {
            return self.of_only_pod(is, kind(own));
        }
        let mut fine = all.iter().filter(|dial| wrong(dial).is_none());
        if fine.clone().any(|dial| is(&dial.from)) && fine.any(|dial| is(&dial.to)) {
            return Says::OnlyItself;
        }
        let lost: Vec<&Dial> = all.into_iter().filter(|d| wrong(d).is_some()).collect();
        let untranslated = |dial: &&Dial| {
            let ends = (&dial.from, &dial.to, kind(dial));
            self.direct.get(&ends).copied()
        };
        let direct: Option<Vec<bool>> = lost.iter().map(untranslated).collect();
        match direct {
            Some(direct) if direct.iter().all(|reached| *reached) && !lost.is_empty() => {
                Says::Translated(lost)
            }
            _ if lost.iter().any(|dial| untranslated(dial) == Some(false)) => Says::Everything,
            _ => Says::Nothing,
        }
    }

    /// No other pod is on the node: what it sends to others and gets from them is all that there is to compare with.
    fn of_only_pod(&self, is: impl Fn(&Endpoint) -> bool, kind: Kind) -> Says<'a> {
        let direct = |away: bool| -> Vec<bool> {
            let of_kind = self.direct.iter().filter(|((.., of), _)| *of == kind);
            let of_pod = of_kind.filter(|((from, to, _), _)| is(if away { from } else { to }));
            of_pod.map(|(_, reached)| *reached).collect()
        };
        match [direct(true), direct(false)].map(|all| all.into_iter().reduce(|a, b| a && b)) {
            [Some(true), Some(true)] => Says::OnlyItself,
            [Some(false), _] | [_, Some(false)] => Says::Everything,
            _ => Says::Nothing,
        }
    }

    /// Whether a dial of that kind at a translated address reached any other pod of the node.
    pub(super) fn any_passes(&self, topology: &Topology<'_>, node: &str, own: &Dial) -> bool {
        let mut all = self.translated.iter();
        all.any(|dial| {
            kind(dial) == kind(own)
                && topology.node_of(&dial.from) == Some(node)
                && wrong(dial).is_none()
        })
    }
}
