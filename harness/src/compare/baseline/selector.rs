//! Whose a fact is: everybody of a kind, or some by their roles.
use std::fmt;
use std::str::FromStr;

use flatnet_model::fact::{NotARole, Place, Role};
use serde::Deserialize;

/// Everybody of a kind, or some by their roles. Whoever is named is not meant by "every".
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "OneOrMore")]
pub enum Selector {
    /// The cluster.
    #[default]
    Cluster,
    /// `every node`.
    EveryNode,
    /// `every pod`.
    EveryPod,
    /// `every host-pod`.
    EveryHostPod,
    /// `within every node`.
    WithinNodes,
    /// `between all nodes`.
    BetweenNodes,
    /// `node2`, `node2/pod1`, `node1->node2`; never empty.
    Named(Vec<Role>),
}

/// Those that have a word, with it.
const WORDS: [(&str, Selector); 6] = [
    ("cluster", Selector::Cluster),
    ("every node", Selector::EveryNode),
    ("every pod", Selector::EveryPod),
    ("every host-pod", Selector::EveryHostPod),
    ("within every node", Selector::WithinNodes),
    ("between all nodes", Selector::BetweenNodes),
];

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl TryFrom<OneOrMore> for Selector {
    type Error = String;

    fn try_from(words: OneOrMore) -> Result<Self, String> {
        match words {
            OneOrMore::One(word) => word.parse().map_err(|e: NotARole| explained(&e)),
            OneOrMore::More(words) if words.is_empty() => Err("`on` names nobody".to_owned()),
            OneOrMore::More(words) => {
                let roles = words.iter().map(|word| word.parse());
                let roles: Result<Vec<Role>, NotARole> = roles.collect();
                roles.map(Selector::Named).map_err(|e| explained(&e))
            }
        }
    }
}

fn explained(error: &NotARole) -> String {
    let words = WORDS.map(|(word, _)| word).join(", ");
    format!("{error}; or one of: {words}")
}

impl FromStr for Selector {
    type Err = NotARole;

    fn from_str(text: &str) -> Result<Self, NotARole> {
        match WORDS.iter().find(|(word, _)| *word == text) {
            Some((_, selector)) => Ok(selector.clone()),
            None => Ok(Selector::Named(vec![text.parse()?])),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Selector::Named(roles) => {
                let roles: Vec<String> = roles.iter().map(Role::to_string).collect();
                f.write_str(&roles.join(", "))
            }
            other => {
                let word = WORDS.iter().find(|(_, selector)| selector == other);
                f.write_str(word.map_or("", |(word, _)| word))
            }
        }
    }
}

impl Selector {
    /// The word that means everybody of the kind of that role; none for single pairs of pods.
    pub(super) fn every(role: Role) -> Option<Selector> {
        match role {
            Role::At(Place::Cluster) => Some(Selector::Cluster),
            Role::At(Place::Node(_)) => Some(Selector::EveryNode),
            Role::At(Place::Pod { .. }) => Some(Selector::EveryPod),
            Role::At(Place::HostPod { .. }) => Some(Selector::EveryHostPod),
            Role::Between(Place::Node(from), Place::Node(to)) => Some(match from == to {
                true => Selector::WithinNodes,
                false => Selector::BetweenNodes,
            }),
            Role::Between(..) => None,
        }
    }

    /// Whether it means that one.
    pub fn matches(&self, role: Role) -> bool {
        match self {
            Selector::Named(roles) => roles.contains(&role),
            every => Selector::every(role).as_ref() == Some(every),
        }
    }

    /// Whether it names that one.
    pub fn names(&self, role: Role) -> bool {
        self.named().is_some_and(|roles| roles.contains(&role))
    }

    /// Those whom it names; none where it means everybody of a kind.
    pub(super) fn named(&self) -> Option<&[Role]> {
        match self {
            Selector::Named(roles) => Some(roles),
            _ => None,
        }
    }
}
