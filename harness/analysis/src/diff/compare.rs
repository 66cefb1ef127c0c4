//! Pairs facts of two sides by their keys.
use std::collections::{BTreeMap, BTreeSet};

use flatnet_model::fact::{Fact, Key, Kind, Place, Role, Seen};
use flatnet_model::observations::Observations;

/// One of two runs.
pub struct Side<'a> {
    /// What it is, for readers.
    pub label: String,
    /// Its facts.
    pub facts: &'a [Fact],
    /// What it saw, where that is at hand: for examples.
    pub observations: Option<&'a Observations>,
    /// What those in a place are called.
    pub names: BTreeMap<Place, String>,
    /// What a failing check said, by its id.
    pub evidence: BTreeMap<String, Vec<String>>,
}

impl Side<'_> {
    /// Somebody by their place, and by their name where that says more.
    pub(super) fn named(&self, place: Place) -> String {
        match self.names.get(&place) {
            Some(name) if *name != place.to_string() => format!("{place} ({name})"),
            _ => place.to_string(),
        }
    }
}

/// One fact that differs.
pub(super) struct Difference {
    pub(super) key: Key,
    pub(super) before: Option<Seen>,
    pub(super) after: Option<Seen>,
    /// Only what was seen differs, not the value.
    pub(super) noise: bool,
}

/// Why a fact was not compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// It could not be observed on one side.
    Unread(String),
    /// It was not asked for on one side.
    NotTried(&'static str),
}

pub(super) struct Compared {
    pub(super) differences: Vec<(Difference, usize)>,
    pub(super) same: Vec<Key>,
    /// Keys with the reason.
    pub(super) uncompared: Vec<(Key, Why)>,
    pub(super) appeared: Vec<Place>,
    pub(super) gone: Vec<Place>,
}

struct Indexed<'a> {
    facts: BTreeMap<&'a Key, &'a Fact>,
    places: BTreeSet<Place>,
    /// Kinds that could not be observed of somebody at all, with the reason.
    unread: BTreeMap<(Kind, Role), &'a str>,
}

impl<'a> Indexed<'a> {
    fn of(side: &'a Side<'_>) -> Self {
        let facts: BTreeMap<&Key, &Fact> =
            side.facts.iter().map(|fact| (&fact.key, fact)).collect();
        let places = facts.keys().filter_map(|key| match key.subject {
            Role::At(place) => Some(place),
            Role::Between(..) => None,
        });
        let unread = side.facts.iter().filter_map(|fact| match &fact.seen {
            Seen::Unread(why) => Some(((fact.key.id, fact.key.subject), why.as_str())),
            Seen::Value(_) => None,
        });
        Indexed {
            places: places.collect(),
            unread: unread.collect(),
            facts,
        }
    }

    /// A fact; of a pair of pods that is not told by itself, that of their nodes.
    fn get(&self, key: &Key) -> Option<&'a Fact> {
        if let Some(fact) = self.facts.get(key) {
            return Some(fact);
        }
        let Role::Between(from, to) = key.subject else {
            return None;
        };
        let nodes = Role::Between(Place::Node(from.node()?), Place::Node(to.node()?));
        let general = Key {
            subject: nodes,
            ..key.clone()
        };
        self.facts.get(&general).copied()
    }

    /// Whether all that a fact is about is there.
    fn has(&self, role: Role) -> bool {
        match role {
            Role::At(place) => self.places.contains(&place),
            Role::Between(from, to) => self.places.contains(&from) && self.places.contains(&to),
        }
    }
}

pub(super) fn compare(before: &Side<'_>, after: &Side<'_>) -> Compared {
    let (a, b) = (Indexed::of(before), Indexed::of(after));
    let keys: BTreeSet<&Key> = a.facts.keys().chain(b.facts.keys()).copied().collect();
    let mut of: BTreeMap<(Kind, &str), usize> = BTreeMap::new();
    for key in &keys {
        *of.entry((key.id, key.about.as_str())).or_default() += 1;
    }
    let mut compared = Compared {
        differences: Vec::new(),
        same: Vec::new(),
        uncompared: Vec::new(),
        appeared: b.places.difference(&a.places).copied().collect(),
        gone: a.places.difference(&b.places).copied().collect(),
    };
    for key in keys {
        // Whoever is there on one side only is told as such, not fact by fact.
        if !(a.has(key.subject) && b.has(key.subject)) {
            continue;
        }
        match pair(key, &a, &b) {
            Paired::Same => compared.same.push(key.clone()),
            Paired::Uncompared(why) => compared.uncompared.push((key.clone(), why)),
            Paired::Different(difference) => {
                let of = of[&(key.id, key.about.as_str())];
                compared.differences.push((difference, of));
            }
        }
    }
    compared
}

enum Paired {
    Same,
    Different(Difference),
    Uncompared(Why),
}

fn not_tried(before: Option<&Fact>) -> Paired {
    Paired::Uncompared(Why::NotTried(match before {
        None => "not tried before",
        Some(_) => "not tried after",
    }))
}

fn pair(key: &Key, a: &Indexed<'_>, b: &Indexed<'_>) -> Paired {
    let (before, after) = (a.get(key), b.get(key));
    let unread = |of: &Indexed<'_>| {
        of.unread
            .get(&(key.id, key.subject))
            .map(ToString::to_string)
    };
    if let Some(why) = unread(b) {
        return Paired::Uncompared(Why::Unread(format!("after: {why}")));
    }
    if let Some(why) = unread(a) {
        return Paired::Uncompared(Why::Unread(format!("before: {why}")));
    }
    // Pairs and paths are drawn: what was not tried on one side is no difference.
    let drawn = matches!(key.id, Kind::Reach | Kind::PathMtu | Kind::Path);
    if drawn && (before.is_none() || after.is_none()) {
        return not_tried(before);
    }
    // A check that was not asked for is no difference either.
    if key.id == Kind::Verdict && (before.is_none() || after.is_none()) {
        return not_tried(before);
    }
    let seen = |fact: Option<&Fact>| fact.map(|fact| fact.seen.clone());
    let difference = |noise| {
        Paired::Different(Difference {
            key: key.clone(),
            before: seen(before),
            after: seen(after),
            noise,
        })
    };
    match (before, after) {
        (Some(before), Some(after)) if before.seen == after.seen => match before.raw == after.raw {
            true => Paired::Same,
            false => Paired::Different(Difference {
                key: key.clone(),
                before: before.raw.clone().map(|raw| Seen::Value(raw.into())),
                after: after.raw.clone().map(|raw| Seen::Value(raw.into())),
                noise: true,
            }),
        },
        _ => difference(false),
    }
}
