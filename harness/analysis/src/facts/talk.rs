//! What became of dials, and which sizes arrived.
use std::collections::BTreeMap;

use flatnet_model::fact::{Kind, Place, Value};
use flatnet_model::observations::{Dial, Observations};
use flatnet_model::probe::{DialOutcome, Failure};
use flatnet_model::{Endpoint, Family};

use super::collect::Collected;
use super::roles::Roles;
use super::spread::Spread;
use super::whose::Whose;

pub(super) fn facts(
    observations: &Observations,
    roles: &Roles<'_>,
    whose: &Whose<'_>,
    facts: &mut Collected,
) {
    reach(observations, roles, whose, facts);
    sizes(observations, roles, facts);
}

/// Who dials whom: pairs of one kind, in one family.
fn ends(dial: &Dial, from: Place, to: Place) -> String {
    let kind = |place| match place {
        Place::Pod { .. } => "pod",
        Place::HostPod { .. } => "host-pod",
        Place::Node(_) | Place::Cluster => "node",
    };
    let to = match (from.node() == to.node(), kind(to)) {
        (true, "node") if kind(from) != "node" => "own node",
        (_, kind) => kind,
    };
    format!(
        "{} to {to}, {}",
        kind(from),
        Family::of(dial.request.address)
    )
}

fn reach(observations: &Observations, roles: &Roles<'_>, whose: &Whose<'_>, facts: &mut Collected) {
    type Outcomes = BTreeMap<String, Vec<String>>;
    let mut pairs: BTreeMap<(String, Place, Place), Outcomes> = BTreeMap::new();
    for dial in &observations.dials {
        let (Some(from), Some(to)) = (roles.end(&dial.from), roles.end(&dial.to)) else {
            continue;
        };
        let outcomes = pairs.entry((ends(dial, from, to), from, to)).or_default();
        let transports = outcomes
            .entry(outcome(dial, (from, to), roles, whose))
            .or_default();
        let transport = dial.request.transport.to_string();
        if !transports.contains(&transport) {
            transports.push(transport);
        }
    }
    let mut spread = Spread::of(Kind::Reach);
    for ((about, from, to), outcomes) in pairs {
        let words = outcomes.into_iter().map(|(outcome, mut transports)| {
            transports.sort();
            format!("{}: {outcome}", transports.join(", "))
        });
        let words: Vec<String> = words.collect();
        spread.add(&about, (from, to), Value::Text(words.join("; ")), None);
    }
    spread.facts(facts);
}

/// What became of a dial, in normal form.
pub(crate) const KEPT: &str = "answered";

fn outcome(
    dial: &Dial,
    (from, to): (Place, Place),
    roles: &Roles<'_>,
    whose: &Whose<'_>,
) -> String {
    match &dial.result {
        DialOutcome::Answered {
            local,
            responder,
            seen_as,
            reply_from,
            ..
        } => {
            let mut words = KEPT.to_owned();
            let other = responder.as_deref().and_then(|name| stranger(name, dial));
            if let Some(other) = other {
                let place = other.and_then(|end| roles.end(&end));
                let who = place.map_or("somebody else".to_owned(), |place| place.to_string());
                words += &format!(" by {who}");
            }
            if let Some(source) = seen_as.filter(|source| source != local) {
                words += &format!(", client seen as {}", whose.address(source, from));
            }
            if *reply_from != dial.request.address {
                words += &format!(", answer from {}", whose.address(*reply_from, to));
            }
            words
        }
        DialOutcome::Failed { kind, .. } => failure(*kind).to_owned(),
    }
}

/// The responder, where it is not the end that was dialled; an address may be of a node and its hostNetwork pods at once.
fn stranger(name: &str, dial: &Dial) -> Option<Option<Endpoint>> {
    if dial.to.is_called(name) {
        return None;
    }
    let end: Option<Endpoint> = name.parse().ok();
    match (&dial.to, &end) {
        // Which of those that share a node's network has the port says nothing of the network.
        (Endpoint::Node(_), _) => None,
        _ => Some(end),
    }
}

fn failure(kind: Failure) -> &'static str {
    match kind {
        Failure::TimedOut => "no answer",
        Failure::Refused => "refused",
        Failure::Unreachable => "unreachable",
        Failure::Prohibited => "prohibited",
        Failure::NotSent => "not sent",
        Failure::BadAnswer => "answered by something else",
        Failure::Unsupported => "not supported",
    }
}

fn sizes(observations: &Observations, roles: &Roles<'_>, facts: &mut Collected) {
    let mut spread = Spread::of(Kind::PathMtu);
    for run in &observations.mtu {
        let (Some(from), Some(to)) = (roles.end(&run.from), roles.end(&run.to)) else {
            continue;
        };
        let family = Family::of(run.address).to_string();
        if let Ok(trials) = &run.trials {
            let arrived = trials.iter().filter(|trial| trial.arrived);
            // A veth takes some bytes more than its MTU: what the sender's interface carries is what counts.
            let largest = arrived.map(|trial| trial.size.min(run.interface_mtu)).max();
            let value = largest.map_or(Value::Text("none arrived".to_owned()), Value::from);
            spread.add(&family, (from, to), value, None);
        }
    }
    spread.facts(facts);
}
