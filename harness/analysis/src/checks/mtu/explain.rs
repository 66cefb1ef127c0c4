//! Which device or rule keeps a size from passing: what following saw, then what was read of devices; else it is left open.
use std::collections::{BTreeMap, BTreeSet};

use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Finding, Found, State, Subject, Symptom, Talk};
use flatnet_model::follow::Fate;
use flatnet_model::observations::{Endpoint, MtuRun};
use flatnet_model::probe::watch::Passing;
use flatnet_model::reference::Netns;

use super::groups::{Group, directions, ended};
use super::run::{Fault, detail, largest};
use super::{data, learned};
use crate::checks::Deviation;
use crate::checks::followed;
use crate::checks::topology::{Topology, at, common};
use crate::checks::veth::{BEYOND_MTU, Wire, follow, own_interface};
use crate::mtus;

pub(super) fn evidence(topology: &Topology<'_>, group: &Group<'_>) -> Deviation {
    let shown = group.between(topology);
    let pod = group.common_pod(topology);
    let subjects = group.subjects(topology);
    let look = |bytes: u32| {
        let first = group.runs[0];
        // ping's -s counts the payload: 20 bytes IPv4 or 40 bytes IPv6 header and 8 bytes ICMP header come on top.
        let header = if first.address.is_ipv4() { 28 } else { 48 };
        let payload = bytes.saturating_sub(header);
        let ping = format!("ping -c 1 -W 1 -s {payload} {}", first.address);
        crate::look::in_end(&first.from, &ping)
    };
    match group.fault {
        Fault::DataCut { back, altered } => data::evidence(topology, group, (back, altered)),
        Fault::TooLarge { mtu } => {
            let fate = ended(topology, &group.runs, group.fault).map(|(_, fate)| fate);
            let (culprits, found) = explain(topology, group, mtu, fate);
            let cause = Found {
                cause: of_uplink(topology, group, mtu, &found.cause).unwrap_or(found.cause),
                ..found
            };
            let mut observed: Vec<State> = fate.cloned().map(State::Followed).into_iter().collect();
            observed.push(limits(topology, &group.runs, mtu, &cause.cause).into());
            observed.extend(learned::states(&group.runs));
            observed.extend(followed::withheld(topology));
            let look = crate::look::at(&cause.cause, &topology.observations.pods)
                .unwrap_or_else(|| look(mtu));
            Deviation {
                subjects,
                culprits,
                finding: Finding::of(
                    Symptom::TooLarge {
                        bytes: mtu,
                        between: shown,
                        pod,
                    },
                    cause,
                ),
                expected: Talk::Passes { bytes: mtu }.into(),
                observed,
                look,
            }
        }
        Fault::MorePasses { mtu } => {
            let bytes = mtu + 1;
            let cause = Cause::MtuIgnored { interface_mtu: mtu };
            let culprits = match &pod {
                Some((pod, _)) => vec![Subject::Pod(pod.clone())],
                None => Vec::new(),
            };
            Deviation {
                subjects,
                culprits,
                finding: Finding::of(
                    Symptom::LargerPasses {
                        bytes,
                        interface_mtu: mtu,
                        between: shown,
                    },
                    Found::inferred(cause),
                ),
                expected: Talk::Refused { bytes }.into(),
                observed: vec![Talk::PassedWhole { bytes }.into()],
                look: look(bytes),
            }
        }
    }
}

/// Splits a group by what following saw: what ended packets at a node or pod of one path explains no path that does not touch it.
pub(super) fn parts<'a>(topology: &Topology<'a>, group: Group<'a>) -> Vec<Group<'a>> {
    let (fault, pod) = (group.fault, group.pod);
    let of = |runs| Group { fault, pod, runs };
    let mut parts = Vec::new();
    let mut rest = group.runs;
    while let Some((dial, fate)) = ended(topology, &rest, fault)
        && let Some(explains) = explained(topology, fate)
        && explains(&dial.from, &dial.to)
    {
        let (here, elsewhere): (Vec<_>, Vec<_>) = rest
            .into_iter()
            .partition(|run| explains(&run.from, &run.to));
        parts.push(of(here));
        rest = elsewhere;
    }
    if !rest.is_empty() {
        parts.push(of(rest));
    }
    parts
}

/// Which paths that end of packets may explain: those that begin or end at the one who is to blame; those that begin where a path MTU
/// was learned.
fn explained(
    topology: &Topology<'_>,
    fate: &Fate,
) -> Option<impl Fn(&Endpoint, &Endpoint) -> bool> {
    let (at, is_learned) = match fate.cause.as_ref().map(|found| &found.cause) {
        Some(Cause::PathMtuLearned { at, .. }) => (followed::culprit(topology, at), true),
        _ => match &followed::blamed(topology, fate)[..] {
            [culprit] => (Some(culprit.clone()), false),
            _ => (None, false),
        },
    };
    let at = at?;
    Some(move |from: &Endpoint, to: &Endpoint| {
        is_at(topology, &at, from) || !is_learned && is_at(topology, &at, to)
    })
}

fn is_at(topology: &Topology<'_>, culprit: &Subject, end: &Endpoint) -> bool {
    match (culprit, end) {
        (Subject::Node { node }, _) => topology.node_of(end) == Some(node),
        (Subject::Pod(pod), Endpoint::Pod(end)) => pod.pod == *end,
        _ => false,
    }
}

/// Whether packets of a path of these were followed and their end has a cause.
pub(super) fn is_explained(topology: &Topology<'_>, group: &Group<'_>) -> bool {
    let ended = ended(topology, &group.runs, group.fault);
    ended.is_some_and(|(_, fate)| fate.cause.is_some())
}

/// Why packets of `mtu` bytes do not pass, and who is to blame.
fn explain(
    topology: &Topology<'_>,
    group: &Group<'_>,
    mtu: u32,
    fate: Option<&Fate>,
) -> (Vec<Subject>, Found) {
    if let Some(apart) = differs(topology, group, mtu) {
        return apart;
    }
    if let Some((fate, found)) = fate.and_then(|fate| Some((fate, fate.cause.clone()?))) {
        return (followed::blamed(topology, fate), found);
    }
    if let Some((netns, cause)) = narrow(topology, group, mtu) {
        let culprit = followed::culprit(topology, &netns);
        return (culprit.into_iter().collect(), Found::inferred(cause));
    }
    // It left a node, and was not seen at another: what joins the nodes has it.
    let last = fate.and_then(|fate| fate.last.as_ref());
    let left = last
        .is_some_and(|last| last.passing == Passing::Out && matches!(last.netns, Netns::Node(_)));
    let next = fate.and_then(|fate| fate.unseen_at.as_ref());
    if left && matches!(next, Some(Netns::Node(_) | Netns::Wire)) {
        let between = directions(topology, &group.runs);
        let all: BTreeSet<&str> = topology.nodes().map(|n| n.object.name.as_str()).collect();
        let node = common(&between, &all);
        let cause = Cause::UnderlayMtu {
            node: node.map(str::to_owned),
        };
        let culprit = node.map(Subject::node_of);
        return (culprit.into_iter().collect(), Found::inferred(cause));
    }
    let place = fate.map(|fate| followed::blamed(topology, fate));
    let at = place.unwrap_or_default();
    let cause = Cause::LengthDropped { at: at.clone() };
    (at, Found::inferred(cause))
}

/// The uplink, in place of a device of its node whose MTU only follows it, where packets of these paths leave by it as well.
fn of_uplink(
    topology: &Topology<'_>,
    group: &Group<'_>,
    bytes: u32,
    cause: &Cause,
) -> Option<Cause> {
    let Cause::TooBigForDevice {
        at: Netns::Node(name),
        device: Some(device),
        ..
    } = cause
    else {
        return None;
    };
    let node = topology.node(name)?;
    let facts = node.inside.facts().ok()?;
    let uplink = mtus::followed(node, facts.link_named(device)?)?;
    let between = directions(topology, &group.runs);
    let leaves = between.iter().any(|(from, to)| from == name && to != name);
    let is_narrow = uplink.mtu < bytes + mtus::overhead(facts, uplink);
    (leaves && is_narrow).then(|| Cause::TooBigForDevice {
        at: Netns::Node(name.clone()),
        device: Some(uplink.name.clone()),
        mtu: uplink.mtu,
    })
}

/// The sender's interface takes more than those of most pods do: that is what differs, not what cannot carry as much.
fn differs(topology: &Topology<'_>, group: &Group<'_>, mtu: u32) -> Option<(Vec<Subject>, Found)> {
    let (pod, _) = group.pod?;
    let pod = topology.pod(pod)?;
    let own = own_interface(pod)?.mtu;
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    let others = topology.networked().filter_map(own_interface);
    others.for_each(|link| *counts.entry(link.mtu).or_default() += 1);
    let (usual, pods) = counts.iter().max_by_key(|(_, pods)| **pods)?;
    let stands_out = own == mtu && own > *usual && *pods > counts[&own];
    stands_out.then(|| {
        let cause = Cause::PodMtuLarger {
            pod: at(pod),
            mtu: own,
            usual: *usual,
        };
        (vec![Subject::Pod(at(pod))], Found::seen(cause))
    })
}

/// The one device at the ends of all paths that carries less, and no less than passed: as it was read, where nothing was followed.
fn narrow(topology: &Topology<'_>, group: &Group<'_>, mtu: u32) -> Option<(Netns, Cause)> {
    let mut found: Option<BTreeSet<(Netns, String, u32)>> = None;
    for run in &group.runs {
        let passed = largest(run);
        let fits = |(_, _, carried): &(Netns, String, u32)| {
            *carried < mtu
                && passed.is_none_or(|passed| (*carried..=*carried + BEYOND_MTU).contains(&passed))
        };
        let here: BTreeSet<_> = devices(topology, run).into_iter().filter(fits).collect();
        found = Some(match found {
            Some(found) => found.intersection(&here).cloned().collect(),
            None => here,
        });
    }
    let mut found = found?.into_iter();
    let (at, device, mtu) = found.next().filter(|_| found.next().is_none())?;
    let cause = Cause::TooBigForDevice {
        at: at.clone(),
        device: Some(device),
        mtu,
    };
    Some((at, cause))
}

/// Both ends of the veths of a path's pods, and the bridges that these are on.
fn devices(topology: &Topology<'_>, run: &MtuRun) -> Vec<(Netns, String, u32)> {
    let mut devices = Vec::new();
    for end in [&run.from, &run.to] {
        let Endpoint::Pod(pod) = end else {
            continue;
        };
        let Some(pod) = topology.pod(pod) else {
            continue;
        };
        let node = topology.node(&pod.object.node);
        let outside = node.and_then(|node| node.inside.facts().ok());
        let (Ok(inside), Some(outside)) = (&pod.facts, outside) else {
            continue;
        };
        let Wire::Joined {
            inside,
            outside: host_end,
        } = follow(pod, inside, outside)
        else {
            continue;
        };
        let on_node = Netns::Node(pod.object.node.clone());
        let in_pod = Netns::Pod(pod.reference().clone());
        devices.push((in_pod, inside.name.clone(), inside.mtu));
        devices.push((on_node.clone(), host_end.name.clone(), host_end.mtu));
        if let Some(bridge) = outside.link(host_end.master) {
            devices.push((on_node, bridge.name.clone(), bridge.mtu));
        }
    }
    devices
}

/// How much does pass, and where: both directions of a path may differ.
fn limits(topology: &Topology<'_>, runs: &[&MtuRun], mtu: u32, cause: &Cause) -> Talk {
    let mut limits: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
    for run in runs {
        let Some(passed) = largest(run) else { continue };
        let nodes = directions(topology, &[run]);
        let direction = nodes.first().map(|(from, to)| format!("{from} → {to}"));
        limits.entry(passed).or_default().extend(direction);
    }
    let beyond = match cause {
        Cause::TooBigForDevice { mtu: carried, .. } => Some(*carried).filter(|carried| {
            let room = carried + 1..=carried + BEYOND_MTU;
            limits.keys().any(|passed| room.contains(passed))
        }),
        _ => None,
    };
    Talk::LargestPassed {
        beyond,
        limits: limits
            .into_iter()
            .map(|(bytes, between)| (bytes, between.into_iter().collect()))
            .collect(),
        interface_mtu: mtu,
        said: detail(runs[0], mtu).cloned(),
    }
}
