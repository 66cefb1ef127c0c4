//! Every cause that is known, in the order in which causes are named: one catalogue for checks and `flatnet diagnose`.
mod catalogue;
mod details;
mod found;
mod macros;

use crate::ids::kebab_case;
pub use catalogue::{ALL, Cause, CauseId};
pub use details::{
    AgentState, Basis, CniDirectory, Loss, NotAProgram, NotRunnable, PullFailure, Refusal, Unfit,
};
pub use found::Found;

/// What a person should know of a cause before they meet it.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The cause that this entry describes.
    pub cause: CauseId,
    /// The cause of which it is a special case.
    pub within: Option<CauseId>,
    /// What is wrong, in a few words.
    pub summary: &'static str,
    /// The words, conditions or files by which it is known; empty for special cases, which checks name.
    pub known_by: &'static str,
    /// What puts it right, in general.
    pub fix: &'static str,
    /// Checks whose evidence names it.
    pub checks: &'static [&'static str],
}

impl CauseId {
    /// What is known of it.
    pub fn entry(self) -> &'static Entry {
        // `the_catalogue_is_in_the_order_of_rank` holds them together.
        &ALL[self as usize]
    }

    /// How it is known, where it can be known in one way only. What a packet filter, a service proxy or a resolver does is
    /// concluded from what does not come back; what was read of a kernel, or answered by one, is seen.
    pub fn basis(self) -> Option<Basis> {
        match self {
            CauseId::GatewayCutOff
            | CauseId::TransportFiltered
            | CauseId::FamilyUnrouted
            | CauseId::Rejected
            | CauseId::NoRouteInTransit
            | CauseId::PacketsLost
            | CauseId::ConntrackFull
            | CauseId::BackendsSilent
            | CauseId::ServiceProxyBehind
            | CauseId::ServiceHairpin
            | CauseId::TranslatedLost
            | CauseId::DnsServerIgnorant
            | CauseId::DnsServerUnreached
            | CauseId::HostPortUnmapped
            | CauseId::NodePortUnmapped
            | CauseId::EgressBlocked
            | CauseId::LengthDropped
            | CauseId::UnderlayCut
            | CauseId::MtuIgnored => Some(Basis::Inferred),
            CauseId::Prohibited
            | CauseId::ForwardingOff
            | CauseId::LoopbackDown
            | CauseId::HairpinOff
            | CauseId::PodMtuLarger
            | CauseId::PathMtuLearned
            | CauseId::RouteMtu
            | CauseId::RewrittenByRule => Some(Basis::Seen),
            _ => None,
        }
    }

    /// Stable identifier, `kebab-case`: that of the JSON form.
    pub fn id(self) -> String {
        kebab_case(&format!("{self:?}"))
    }
}

/// Causes that keep pods from running or from being reached, in the order of rank; special cases are left out.
pub fn ranked() -> impl Iterator<Item = &'static Entry> {
    let ends = CauseId::Unreachable;
    let all = ALL.iter().filter(move |entry| entry.cause <= ends);
    all.filter(|entry| entry.within.is_none())
}

/// Causes that evidence of that check names, in the order of rank.
pub fn named_by(check: &str) -> impl Iterator<Item = &'static Entry> {
    ALL.iter()
        .filter(move |entry| entry.checks.contains(&check))
}

/// The rows of the table of ranked causes in `docs/troubleshooting.md`.
pub fn markdown() -> String {
    let heading = "| cause | what is wrong | known by | fixed by |\n|---|---|---|---|\n";
    let row = |entry: &Entry| {
        format!(
            "| `{}` | {} | {} | {} |\n",
            entry.cause.id(),
            entry.summary,
            entry.known_by,
            entry.fix
        )
    };
    std::iter::once(heading.to_owned())
        .chain(ranked().map(row))
        .collect()
}

/// The rows of the table of causes that evidence of checks names.
pub fn markdown_of_checks() -> String {
    let heading =
        "| cause | what is wrong | known | fixed by | named by |\n|---|---|---|---|---|\n";
    let row = |entry: &Entry| {
        let checks: Vec<String> = entry.checks.iter().map(|id| format!("`{id}`")).collect();
        format!(
            "| `{}` | {} | {} | {} | {} |\n",
            entry.cause.id(),
            entry.summary,
            match entry.cause.basis() {
                Some(Basis::Seen) => "seen",
                Some(Basis::Inferred) => "inferred",
                None => "either",
            },
            entry.fix,
            checks.join(", ")
        )
    };
    let named = ALL.iter().filter(|entry| !entry.checks.is_empty());
    std::iter::once(heading.to_owned())
        .chain(named.map(row))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::has_table;

    #[test]
    fn the_catalogue_is_in_the_order_of_rank() {
        for (at, entry) in ALL.iter().enumerate() {
            assert_eq!(entry.cause as usize, at, "{:?}", entry.cause);
        }
        assert_eq!(ranked().last().unwrap().cause, CauseId::Unreachable);
        assert_eq!(ranked().count(), 31);
    }

    #[test]
    fn an_id_is_what_json_has() {
        for entry in ALL {
            let json = serde_json::to_value(entry.cause).unwrap();
            assert_eq!(json, entry.cause.id());
        }
        let cause = Cause::KubeletSilent {
            node: "node1".to_owned(),
            stopped: true,
        };
        assert_eq!(cause.id(), CauseId::KubeletSilent);
        assert_eq!(
            serde_json::to_value(&cause).unwrap()["id"],
            "kubelet-silent"
        );
    }

    #[test]
    fn a_special_case_is_named_by_a_check() {
        for entry in ALL.iter().filter(|entry| entry.within.is_some()) {
            assert!(!entry.checks.is_empty(), "{:?}", entry.cause);
        }
    }

    #[test]
    fn the_catalogue_in_the_documentation_is_current() {
        has_table("troubleshooting.md", "causes", &markdown());
        has_table(
            "troubleshooting.md",
            "causes of checks",
            &markdown_of_checks(),
        );
    }
}
