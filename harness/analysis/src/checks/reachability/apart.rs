//! Tells faults apart that are there at once: what was seen in one place explains the pairs that have to do with that place, and
//! no others.
use std::collections::{BTreeMap, BTreeSet};

use flatnet_model::PodRef;
use flatnet_model::cause::{Cause, CauseId};
use flatnet_model::evidence::{Basis, Subject};
use flatnet_model::reference::{Endpoint, Netns};

use super::Span;
use super::blame::{self, Cell, Direction, Group, Scope};
use super::cause::Context;
use super::pairs::Pair;
use crate::checks::findings::Problem;
use crate::checks::followed;
use crate::checks::topology::Topology;

/// Groups of red pairs of which none holds pairs that are known to have different causes.
pub(super) fn groups<'g, 'a>(
    pairs: &'g [Pair<'a>],
    span: Span,
    context: &Context<'_, 'a>,
) -> Vec<Group<'g, 'a>> {
    let mut known: BTreeSet<Scope<'a>> = BTreeSet::new();
    let mut cleared: BTreeSet<&'a PodRef> = BTreeSet::new();
    loop {
        let groups = blame::groups(pairs, span, context.topology, &known, &cleared);
        let before = cleared.len();
        cleared.extend(groups.iter().filter_map(|group| innocent(group, context)));
        let mut more: BTreeSet<Scope<'a>> = BTreeSet::new();
        for group in &groups {
            // As groups are made: part of what follows for nodes and hostNetwork pods may stay green.
            let pods_only = group.red.iter().any(|pair| pair.pods_only);
            let class: Vec<&Pair<'a>> =
                pairs.iter().filter(|p| p.pods_only || !pods_only).collect();
            more.extend(told(group, span, context, &class));
        }
        more.retain(|scope| !known.contains(scope));
        if more.is_empty() && cleared.len() == before {
            return groups;
        }
        known.extend(more);
    }
}

/// The pod that the picture singles out, where what clients of several nodes sent to it was seen to end at another node than its own:
/// several nodes may lose what is for it, each for itself.
fn innocent<'a>(group: &Group<'_, 'a>, context: &Context<'_, 'a>) -> Option<&'a PodRef> {
    let Scope::Pod(pod, _) = group.scope else {
        return None;
    };
    let home = context.topology.pod(pod)?.object.node.as_str();
    let ends = group
        .red
        .iter()
        .flat_map(|pair| [pair.from_node, pair.to_node]);
    let others: BTreeSet<&str> = ends.filter(|node| *node != home).collect();
    let mut problems = context.problems.iter();
    if others.len() < 2 || problems.any(|problem| problem.pods.contains(pod)) {
        return None;
    }
    let (dial, fate) = followed::fate(&context.followed(group))?;
    let sent_to = match fate.leg.is_back() {
        true => &dial.from,
        false => &dial.to,
    };
    let Some(Netns::Node(at)) = followed::ended_at(fate) else {
        return None;
    };
    (*sent_to == Endpoint::Pod(pod.clone()) && at != home).then_some(pod)
}

/// The scope, of a pod also one direction of it, in which nearly every pair is red: a place that is not cut off is not what cuts off.
fn cut_off<'a>(scope: Scope<'a>, class: &[&Pair<'a>]) -> Option<Scope<'a>> {
    let directions = match scope {
        Scope::Pod(pod, Direction::Both) => {
            vec![
                scope,
                Scope::Pod(pod, Direction::In),
                Scope::Pod(pod, Direction::Out),
            ]
        }
        _ => vec![scope],
    };
    let mut directions = directions.into_iter();
    directions.find(|scope| Cell::of(class, *scope).is_red())
}

/// Scopes of what was seen that explains some pairs of the group, where others are left.
fn told<'a>(
    group: &Group<'_, 'a>,
    span: Span,
    context: &Context<'_, 'a>,
    class: &[&Pair<'a>],
) -> Vec<Scope<'a>> {
    if matches!(group.scope, Scope::Pod(..)) || context.shares(group) {
        return Vec::new();
    }
    let ended = followed::fate(&context.followed(group));
    let problems = context.problems.iter().filter(|problem| {
        followed::agrees(context.topology, ended, problem)
            && group
                .red
                .iter()
                .any(|pair| pair.suffers_from(problem, span))
    });
    let mut kinds: BTreeMap<CauseId, Vec<&Problem>> = BTreeMap::new();
    for problem in problems {
        if let Some(found) = problem.deviation.finding.found() {
            kinds.entry(found.cause.id()).or_default().push(problem);
        }
    }
    let explain_all = |kind: &Vec<&Problem>| {
        let explained =
            |pair: &Pair<'_>| kind.iter().any(|problem| pair.suffers_from(problem, span));
        group.red.iter().all(|pair| explained(pair))
    };
    // One kind of fault in many places is one thing to tell.
    if kinds.values().any(explain_all) {
        return Vec::new();
    }
    let all = kinds.into_values().flatten();
    let scopes: Vec<Scope<'a>> = all.flat_map(|p| scopes(context.topology, p)).collect();
    match scopes.is_empty() {
        false => {
            let scopes = scopes.into_iter();
            scopes.filter_map(|scope| cut_off(scope, class)).collect()
        }
        true => ending(group, context, class).into_iter().collect(),
    }
}

fn scopes<'a>(topology: &Topology<'a>, problem: &Problem) -> Vec<Scope<'a>> {
    let node = |name: &str| Some(topology.node(name)?.object.name.as_str());
    let scope = match &problem.peer {
        _ if !problem.pods.is_empty() => {
            let pods = problem.pods.iter().filter_map(|pod| topology.pod(pod));
            return pods
                .map(|pod| Scope::Pod(pod.reference(), Direction::Both))
                .collect();
        }
        Some(peer) => node(&problem.node)
            .zip(node(peer))
            .map(|(a, b)| between(a, b)),
        None => node(&problem.node).map(|name| Scope::Node(name, Direction::Both)),
    };
    scope.into_iter().collect()
}

/// The place where the packets that were followed ended, where not all pairs of the group have to do with it.
fn ending<'a>(
    group: &Group<'_, 'a>,
    context: &Context<'_, 'a>,
    class: &[&Pair<'a>],
) -> Option<Scope<'a>> {
    let (dial, fate) = followed::fate(&context.followed(group))?;
    let found = fate.cause.as_ref()?;
    // Who asks for an address that nobody tells is not what is wrong.
    if matches!(found.cause, Cause::NeighbourUnresolved { .. }) {
        return None;
    }
    let [culprit] = &followed::blamed(context.topology, fate)[..] else {
        return None;
    };
    let scope = match culprit {
        Subject::Pod(at) => {
            let pod = context.topology.pod(&at.pod)?.reference();
            // What was seen to end packets in a pod ends no others', however few of the pod's it ends.
            let is_its_own = found.basis == Basis::Seen
                && followed::ended_at(fate) == Some(&Netns::Pod(pod.clone()));
            let direction = match dial.from == Endpoint::Pod(pod.clone()) {
                true => Direction::Out,
                false => Direction::In,
            };
            let own = is_its_own.then_some(Scope::Pod(pod, direction));
            cut_off(Scope::Pod(pod, Direction::Both), class).or(own)?
        }
        Subject::Node { node } => {
            let node = context.topology.node(node)?.object.name.as_str();
            let scope = match group.scope {
                Scope::Node(other, _) if other != node => between(node, other),
                _ => Scope::Node(node, Direction::Both),
            };
            cut_off(scope, class)?
        }
        _ => return None,
    };
    let mut covered = group.red.iter().map(|pair| blame::covers(scope, pair));
    (covered.clone().any(|it_does| it_does) && !covered.all(|it_does| it_does)).then_some(scope)
}

fn between<'a>(a: &'a str, b: &'a str) -> Scope<'a> {
    Scope::Between(a.min(b), a.max(b))
}
