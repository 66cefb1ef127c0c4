//! `subnet`: which subnets the IPs come from. The network model does not care, so this reports and cannot fail.
use std::net::IpAddr;

use super::Verdict;
use super::allocation::without_pod_cidrs;
use super::findings::{count, listed};
use super::topology::Topology;
use flatnet_model::observations::{Observations, ObservedNode, ObservedPod};
use flatnet_model::skip::SkipReason;

pub(super) fn judge(observations: &Observations) -> Verdict {
    let topology = Topology::of(observations);
    if topology.networked().all(|pod| pod.object.ips.is_empty()) {
        return Verdict::Skip {
            reason: SkipReason::NoPodAddress,
        };
    }
    let mut facts: Vec<String> = observations
        .nodes
        .iter()
        .map(|node| {
            let pods: Vec<&ObservedPod> = topology
                .networked()
                .filter(|pod| pod.object.node == node.object.name)
                .collect();
            describe(node, &pods, &topology)
        })
        .collect();
    if !observations.pod_network.is_empty() {
        let ranges: Vec<String> = observations
            .pod_network
            .iter()
            .map(ToString::to_string)
            .collect();
        facts.push(format!("pod network {}", ranges.join(", ")));
    }
    facts.insert(0, headline(&topology));
    Verdict::Report { facts }
}

/// How many pods come from their node's own range.
fn headline(topology: &Topology<'_>) -> String {
    let with_range = |pod: &&ObservedPod| {
        topology
            .node(&pod.object.node)
            .is_some_and(|node| !node.object.pod_cidrs.is_empty())
    };
    let pods: Vec<&ObservedPod> = topology.networked().filter(with_range).collect();
    if without_pod_cidrs(topology) == Some(SkipReason::PodCidrsUnused) {
        return "pod addresses do not come from the nodes' podCIDRs: the CNI assigns them its own way"
            .to_owned();
    }
    if pods.is_empty() {
        return "nodes have no podCIDRs: the CNI assigns addresses its own way".to_owned();
    }
    let inside = |pod: &&&ObservedPod| {
        let node = topology.node(&pod.object.node);
        pod.object.ips.iter().all(|ip| {
            node.is_some_and(|node| node.object.pod_cidrs.iter().any(|cidr| cidr.contains(ip)))
        })
    };
    format!(
        "{} of {} inside the podCIDRs of their node",
        pods.iter().filter(inside).count(),
        count(pods.len(), "pod")
    )
}

fn describe(node: &ObservedNode, pods: &[&ObservedPod], topology: &Topology<'_>) -> String {
    if node.object.pod_cidrs.is_empty() {
        let ips: Vec<String> = pods
            .iter()
            .flat_map(|pod| &pod.object.ips)
            .map(IpAddr::to_string)
            .collect();
        let has = if ips.is_empty() {
            "no pod".to_owned()
        } else {
            format!("{} at {}", count(pods.len(), "pod"), listed(&ips, 6))
        };
        return format!("{}: no podCIDR, {has}", node.object.name);
    }
    let cidrs: Vec<String> = node
        .object
        .pod_cidrs
        .iter()
        .map(ToString::to_string)
        .collect();
    let inside = |ip: &IpAddr| node.object.pod_cidrs.iter().any(|cidr| cidr.contains(ip));
    let out: Vec<String> = pods
        .iter()
        .filter(|pod| !pod.object.ips.iter().all(inside))
        .map(|pod| {
            format!(
                "{} {}",
                topology.pod_name(pod.reference()),
                pod.object
                    .ips
                    .iter()
                    .map(IpAddr::to_string)
                    .collect::<Vec<_>>()
                    .join(" ")
            )
        })
        .collect();
    let place = match (pods.len(), out.len()) {
        (0, _) => String::new(),
        (_, 0) => ", inside".to_owned(),
        (_, outside) => format!(", {outside} outside: {}", listed(&out, 4)),
    };
    format!(
        "{}: podCIDR {}, {}{place}",
        node.object.name,
        cidrs.join(", "),
        count(pods.len(), "pod")
    )
}
