//! What is said of differences.
use std::collections::{BTreeMap, BTreeSet};

use flatnet_model::fact::{Key, Kind, Place, Role, Seen, Value};

use super::class::Class;
use super::compare::{Side, Why};
use super::model::{Change, Group, Uncompared};
use crate::checks;

/// Pieces of evidence that are quoted, at most.
const MOST_EVIDENCE: usize = 2;
/// Subjects that are listed by name, at most.
const MOST_NAMED: usize = 4;

pub(super) fn change(group: Group, before: &Side<'_>, after: &Side<'_>) -> Change {
    let Group {
        class,
        id,
        about,
        before: was,
        after: is,
        subjects,
        of,
    } = group;
    let who = who(&subjects, after);
    let label = id.label(&about);
    let of_whom = match who.as_str() {
        "" => String::new(),
        who => format!(" ({who})"),
    };
    let text = match class {
        Class::Noise => {
            format!("{label}{of_whom}: what was seen differs, its normal form does not")
        }
        _ => format!(
            "{label}: {}{of_whom}",
            from_to(id, was.as_ref(), is.as_ref())
        ),
    };
    let check = matches!(id, Kind::Verdict | Kind::Finding).then_some(about.as_str());
    let side = match class {
        Class::PromiseBroken => after,
        _ => before,
    };
    let evidence = check.and_then(|check| side.evidence.get(check));
    let evidence = evidence.into_iter().flatten().take(MOST_EVIDENCE).cloned();
    let evidence: Vec<String> = match (class, id) {
        (Class::PromiseBroken | Class::PromiseRestored, Kind::Verdict) => evidence.collect(),
        _ => Vec::new(),
    };
    let promise = matches!(class, Class::PromiseBroken | Class::PromiseRestored);
    Change {
        example: None,
        rule: rule(id, &about).filter(|_| promise),
        class,
        id,
        about,
        before: was,
        after: is,
        subjects,
        of,
        text,
        evidence,
    }
}

/// Who promises what a fact of that kind is about.
fn rule(id: Kind, about: &str) -> Option<String> {
    let id = match id {
        Kind::Verdict | Kind::Finding => about,
        Kind::Reach => "no-nat",
        Kind::PathMtu => "mtu",
        _ => return None,
    };
    Some(checks::find(id).ok()?.source.to_owned())
}

/// `1500 → 1400 bytes`; of lists only what is on one side.
pub(super) fn from_to(id: Kind, was: Option<&Seen>, is: Option<&Seen>) -> String {
    let unit = match id.unit() {
        "" => String::new(),
        unit => format!(" {unit}"),
    };
    match (was, is) {
        (Some(Seen::Value(Value::List(was))), Some(Seen::Value(Value::List(is)))) => {
            let missing = only(was, is);
            let added = only(is, was);
            match (missing.is_empty(), added.is_empty()) {
                (true, true) => "the same in another order".to_owned(),
                (true, false) => format!("new: {}", added.join("; ")),
                (false, true) => format!("gone: {}", missing.join("; ")),
                (false, false) => format!("{} → {}", missing.join("; "), added.join("; ")),
            }
        }
        (None, Some(is)) => format!("not there → {is}{unit}"),
        (Some(was), None) => format!("{was}{unit} → not there"),
        (Some(was), Some(is)) => format!("{was} → {is}{unit}"),
        (None, None) => "differs".to_owned(),
    }
}

fn only<'a>(these: &'a [String], others: &[String]) -> Vec<&'a str> {
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    for other in others {
        *left.entry(other).or_default() += 1;
    }
    let these =
        these.iter().filter(
            |text| match left.get_mut(text.as_str()).filter(|left| **left > 0) {
                Some(left) => {
                    *left -= 1;
                    false
                }
                None => true,
            },
        );
    these.map(String::as_str).collect()
}

/// Whose difference it is: `every node`, `every pod of node2`, `from node2 to every other node`, or names. Empty for the cluster's.
fn who(subjects: &[Role], side: &Side<'_>) -> String {
    let all: BTreeSet<Role> = side.facts.iter().map(|fact| fact.key.subject).collect();
    let places = |of: fn(Place) -> bool| -> BTreeSet<Place> {
        let places = all.iter().filter_map(|role| match role {
            Role::At(place) if of(*place) => Some(*place),
            _ => None,
        });
        places.collect()
    };
    let at: BTreeSet<Place> = subjects
        .iter()
        .filter_map(|role| match role {
            Role::At(place) => Some(*place),
            Role::Between(..) => None,
        })
        .collect();
    if at.len() == subjects.len() {
        if at.contains(&Place::Cluster) {
            return String::new();
        }
        type IsOf = fn(Place) -> bool;
        let kinds: [(IsOf, &str); 3] = [
            (|place| matches!(place, Place::Node(_)), "every node"),
            (|place| matches!(place, Place::Pod { .. }), "every pod"),
            (
                |place| matches!(place, Place::HostPod { .. }),
                "every hostNetwork pod",
            ),
        ];
        let parts = kinds.into_iter().filter_map(|(is, every)| {
            let (all, these) = (places(is), at.iter().copied().filter(|place| is(*place)));
            let these: BTreeSet<Place> = these.collect();
            match these.is_empty() {
                true => None,
                false if these.len() > 1 && these == all => Some(every.to_owned()),
                false => Some(of_nodes(&these, &all, side)),
            }
        });
        let parts: Vec<String> = parts.collect();
        return match at.len() {
            1 => format!("{} only", parts.concat()),
            _ => parts.join(" and "),
        };
    }
    let pairs: BTreeSet<(Place, Place)> = subjects
        .iter()
        .filter_map(|role| match role {
            Role::Between(from, to) => Some((*from, *to)),
            Role::At(_) => None,
        })
        .collect();
    ways(
        &pairs,
        places(|place| matches!(place, Place::Node(_))).len(),
        side,
    )
}

/// Pods, where they are all of some nodes; else names.
fn of_nodes(at: &BTreeSet<Place>, pods: &BTreeSet<Place>, side: &Side<'_>) -> String {
    let nodes: BTreeSet<u32> = at.iter().filter_map(|place| place.node()).collect();
    let theirs = pods
        .iter()
        .filter(|pod| pod.node().is_some_and(|node| nodes.contains(&node)));
    let theirs: BTreeSet<Place> = theirs.copied().collect();
    if *at == theirs && at.len() > nodes.len() {
        let nodes: Vec<String> = nodes
            .iter()
            .map(|node| side.named(Place::Node(*node)))
            .collect();
        return format!("every pod of {}", listed(&nodes));
    }
    let names: Vec<String> = at.iter().map(|place| side.named(*place)).collect();
    listed(&names)
}

fn ways(pairs: &BTreeSet<(Place, Place)>, nodes: usize, side: &Side<'_>) -> String {
    let within = pairs.iter().filter(|(from, to)| from == to).count();
    let across = pairs.len() - within;
    let between_nodes = pairs
        .iter()
        .all(|(from, to)| matches!((from, to), (Place::Node(_), Place::Node(_))));
    if between_nodes && nodes > 1 {
        let every = across == nodes * (nodes - 1);
        match (within == nodes, every) {
            (true, true) => return "within and between all nodes".to_owned(),
            (true, false) if across == 0 => return "within every node".to_owned(),
            (false, true) if within == 0 => return "between all nodes".to_owned(),
            _ => {}
        }
    }
    let from: BTreeSet<Place> = pairs.iter().map(|(from, _)| *from).collect();
    let to: BTreeSet<Place> = pairs.iter().map(|(_, to)| *to).collect();
    let (from_one, to_one) = (from.first().copied(), to.first().copied());
    if between_nodes && within == 0 && nodes > 2 && across == nodes - 1 {
        if let (1, Some(one)) = (from.len(), from_one) {
            return format!("from {} to every other node", side.named(one));
        }
        if let (1, Some(one)) = (to.len(), to_one) {
            return format!("from every other node to {}", side.named(one));
        }
    }
    if between_nodes && within == 0 && nodes > 2 && across == 2 * (nodes - 1) {
        let touched = |one: &Place| pairs.iter().all(|(from, to)| from == one || to == one);
        if let Some(one) = from.iter().find(|one| touched(one)) {
            return format!("between {} and every other node", side.named(*one));
        }
    }
    let all = pairs.len();
    if all > MOST_NAMED {
        if let (1, Some(one)) = (from.len(), from_one) {
            return format!("from {} to {all} others", side.named(one));
        }
        if let (1, Some(one)) = (to.len(), to_one) {
            return format!("from {all} others to {}", side.named(one));
        }
    }
    let names = pairs
        .iter()
        .map(|(from, to)| format!("{} to {}", side.named(*from), side.named(*to)));
    let names: Vec<String> = names.collect();
    match &names[..] {
        [one] => format!("{one} only"),
        names => listed(names),
    }
}

fn listed(names: &[String]) -> String {
    match names.len() {
        n if n > MOST_NAMED + 1 => {
            format!(
                "{} and {} more",
                names[..MOST_NAMED].join(", "),
                n - MOST_NAMED
            )
        }
        _ => names.join(", "),
    }
}

pub(super) fn uncompared(uncompared: Vec<(Key, Why)>, side: &Side<'_>) -> Vec<Uncompared> {
    let mut groups: BTreeMap<(Kind, Why), Vec<Role>> = BTreeMap::new();
    for (key, why) in uncompared {
        groups.entry((key.id, why)).or_default().push(key.subject);
    }
    let grouped = groups.into_iter().map(|((id, why), mut subjects)| {
        subjects.sort();
        subjects.dedup();
        Uncompared {
            id,
            who: who(&subjects, side),
            by_choice: matches!(why, Why::NotTried(_)),
            why: match why {
                Why::Unread(why) => why,
                Why::NotTried(why) => why.to_owned(),
            },
        }
    });
    grouped.collect()
}

/// What is the same, and how much was compared.
pub(super) fn summary(changes: &[Change], same: &[Key], uncompared: &[(Key, Why)]) -> String {
    let noise: usize = changes
        .iter()
        .filter(|change| change.class == Class::Noise)
        .map(|change| change.subjects.len())
        .sum();
    let compared = same.len() + noise;
    let of = |kind: Kind| same.iter().filter(|key| key.id == kind).count();
    let about = |is: fn(&Role) -> bool| {
        let subjects: BTreeSet<&Role> = same.iter().map(|key| &key.subject).collect();
        subjects.into_iter().filter(|role| is(role)).count()
    };
    let parts = [
        (of(Kind::Verdict), "verdict"),
        (
            about(|role| matches!(role, Role::At(Place::Node(_)))),
            "node",
        ),
        (
            about(|role| matches!(role, Role::At(Place::Pod { .. }))),
            "pod",
        ),
        (
            about(|role| matches!(role, Role::Between(Place::Node(_), Place::Node(_)))),
            "way within and between nodes",
        ),
    ];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, what)| counted(count, what)).collect();
    let what = match parts.is_empty() {
        true => String::new(),
        false => format!(" of {}", parts.join(", ")),
    };
    let rest = match uncompared.len() {
        0 => String::new(),
        n => format!("; {} could not be compared", counted(n, "fact")),
    };
    format!(
        "{} the same{what}{rest}",
        match compared {
            1 => "1 fact is".to_owned(),
            n => format!("{n} facts are"),
        }
    )
}

fn counted(count: usize, what: &str) -> String {
    match (count, what.split_once(' ')) {
        (1, _) => format!("1 {what}"),
        (n, Some((first, rest))) => format!("{n} {first}s {rest}"),
        (n, None) => format!("{n} {what}s"),
    }
}
