//! State that changed while packets were sent: verdicts say so, and a cause that a later look contradicts does not count as seen.
use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Deviation, Finding, Found, State, Subject};
use flatnet_model::network::Family;
use flatnet_model::observations::{Change, Item, Moment, Observations};
use flatnet_model::reference::Netns;
use flatnet_model::rule::RouteChoice;
use ipnet::IpNet;

use super::Verdict;
use crate::words::Words;

/// The verdict with what changed: in the evidence that is about where it did, and beside the facts of a check whose packets need it.
pub(super) fn told(verdict: Verdict, observations: &Observations, sends: bool) -> Verdict {
    if observations.changes.is_empty() {
        return verdict;
    }
    match verdict {
        Verdict::Fail { evidence } => Verdict::Fail {
            evidence: evidence
                .into_iter()
                .map(|deviation| of_deviation(deviation, observations))
                .collect(),
        },
        Verdict::Pass { mut facts } if sends => {
            let words = Words::of_report(Some(observations), None);
            facts.extend(words.changes(&observations.changes));
            Verdict::Pass { facts }
        }
        other => other,
    }
}

fn of_deviation(mut deviation: Deviation, observations: &Observations) -> Deviation {
    let changes = &observations.changes;
    let cause = deviation.finding.found().map(|found| &found.cause);
    let is_contradicted = cause.is_some_and(|cause| {
        let mut later = changes
            .iter()
            .filter(|change| change.since == Moment::DialsEnded);
        later.any(|change| rests_on(cause, change))
    });
    if is_contradicted {
        deviation.finding = match deviation.finding {
            Finding::Symptom { symptom, cause } => Finding::Symptom {
                symptom,
                cause: cause.map(|found| Found::contradicted(found.cause)),
            },
            Finding::Cause { cause } => Finding::Cause {
                cause: Found::contradicted(cause.cause),
            },
        };
    }
    let concerned = changes
        .iter()
        .filter(|change| is_about(&deviation, change, observations));
    let concerned: Vec<Change> = concerned.cloned().collect();
    if !concerned.is_empty() {
        deviation
            .observed
            .push(State::ChangedMeanwhile { changes: concerned });
    }
    deviation
}

/// Whether the change was on one of the nodes that the deviation is about, or in one of its pods.
fn is_about(deviation: &Deviation, change: &Change, observations: &Observations) -> bool {
    let mut subjects = deviation.subjects.iter().chain(&deviation.culprits);
    let node_of_pod = |pod: &_| {
        let mut pods = observations.pods.iter();
        let pod = pods.find(|known| known.reference() == pod);
        pod.map(|pod| pod.object.node.as_str())
    };
    match &change.at {
        Netns::Node(node) => subjects.any(|subject| match subject {
            Subject::Pod(at) => at.node == *node,
            other => other.nodes().contains(&node.as_str()),
        }),
        Netns::Pod(pod) => subjects.any(|subject| {
            let nodes = subject.nodes();
            subject.is(pod) || node_of_pod(pod).is_some_and(|node| nodes.contains(&node))
        }),
        Netns::Wire => false,
    }
}

/// Whether a cause was found in what changed.
fn rests_on(cause: &Cause, change: &Change) -> bool {
    let item = &change.item;
    let on_node = |node: &str| matches!(&change.at, Netns::Node(at) if at == node);
    let is_setting = |wanted: &str| matches!(item, Item::Setting { key } if key == wanted.trim_start_matches("net."));
    let is_link = |wanted: &str| matches!(item, Item::Link { device } if device == wanted);
    let is_route = |wanted: &IpNet| matches!(item, Item::Route { dst } if dst == wanted);
    match cause {
        Cause::ForwardingOff { node, key } => on_node(node) && is_setting(key),
        Cause::Ipv6Off { at, key } => *at == change.at && is_setting(key),
        Cause::ReversePathFilter { at, device, .. } => {
            let mut names = [device.as_str(), "all"].into_iter();
            *at == change.at && names.any(|name| is_setting(&format!("ipv4.conf.{name}.rp_filter")))
        }
        Cause::LinkDown { at, device, .. } => *at == change.at && is_link(device),
        Cause::BridgeDown {
            node,
            bridge: device,
        }
        | Cause::VxlanDown { node, device }
        | Cause::RouteDeviceDown { node, device, .. } => on_node(node) && is_link(device),
        Cause::HostEndDown { pod, device } => on_node(&pod.node) && is_link(device),
        Cause::InterfaceDown { pod, device } => {
            change.at == Netns::Pod(pod.pod.clone()) && is_link(device)
        }
        Cause::TooBigForDevice {
            at,
            device: Some(device),
            ..
        } => *at == change.at && matches!(item, Item::Mtu { device: changed } if changed == device),
        Cause::RouteRefuses {
            at,
            by: Some(RouteChoice::Main { route }),
            ..
        } => {
            let mut words = route.split_whitespace();
            *at == change.at && words.any(|word| word.parse().is_ok_and(|range| is_route(&range)))
        }
        Cause::RouteMissing { node, range, .. }
        | Cause::DuplicateRoute { node, range, .. }
        | Cause::RouteWithoutDevice { node, range, .. }
        | Cause::RouteOffLink { node, range, .. }
        | Cause::WrongNextHop { node, range, .. }
        | Cause::PartRoutedElsewhere {
            node, part: range, ..
        }
        | Cause::OwnPodCidrRoutedAway { node, range }
        | Cause::StaleRoute { node, range } => on_node(node) && is_route(range),
        Cause::DefaultRouteMissing { pods, family } => {
            let in_pod = pods
                .iter()
                .any(|at| change.at == Netns::Pod(at.pod.clone()));
            let is_default = matches!(item, Item::Route { dst } if dst.prefix_len() == 0 && Family::of(dst.addr()) == *family);
            in_pod && is_default
        }
        Cause::GatewayAddressMissing { node, address, .. } => {
            on_node(node) && matches!(item, Item::Address { net, .. } if net.addr() == *address)
        }
        Cause::NeighbourMissing { node, hop, .. } => {
            on_node(node) && matches!(item, Item::Neighbour { address, .. } if address == hop)
        }
        Cause::NeighbourWrong { at, hop, .. } => {
            *at == change.at && matches!(item, Item::Neighbour { address, .. } if address == hop)
        }
        _ => false,
    }
}
