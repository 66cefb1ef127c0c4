//! `subnet`: which subnets the IPs come from. The network model does not care, so this reports and cannot fail.
use std::net::IpAddr;

use super::Verdict;
use super::findings::{count, listed};
use super::topology::Topology;
use flatnet_model::observations::{NodeView, Observations, PodView};

pub(super) fn judge(observations: &Observations) -> Verdict {
    let topology = Topology::of(observations);
    if topology.networked().all(|pod| pod.ips.is_empty()) {
        return Verdict::Skip {
            reason: "no pod has an IP of its own, see pod-ip-present".to_owned(),
        };
    }
    let mut facts: Vec<String> = observations
        .nodes
        .iter()
        .map(|node| {
            let pods: Vec<&PodView> = topology
                .networked()
                .filter(|pod| pod.node == node.name)
                .collect();
            describe(node, &pods)
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
    Verdict::Pass { facts }
}

/// How many pods come from their node's own range.
fn headline(topology: &Topology<'_>) -> String {
    let with_range = |pod: &&PodView| {
        topology
            .node(&pod.node)
            .is_some_and(|node| !node.pod_cidrs.is_empty())
    };
    let pods: Vec<&PodView> = topology.networked().filter(with_range).collect();
    if pods.is_empty() {
        return "nodes have no podCIDRs: the CNI assigns addresses its own way".to_owned();
    }
    let inside = |pod: &&&PodView| {
        let node = topology.node(&pod.node);
        pod.ips
            .iter()
            .all(|ip| node.is_some_and(|node| node.pod_cidrs.iter().any(|cidr| cidr.contains(ip))))
    };
    format!(
        "{} of {} inside the podCIDRs of their node",
        pods.iter().filter(inside).count(),
        count(pods.len(), "pod")
    )
}

fn describe(node: &NodeView, pods: &[&PodView]) -> String {
    if node.pod_cidrs.is_empty() {
        let ips: Vec<String> = pods
            .iter()
            .flat_map(|pod| &pod.ips)
            .map(IpAddr::to_string)
            .collect();
        let has = if ips.is_empty() {
            "no pod".to_owned()
        } else {
            format!("{} at {}", count(pods.len(), "pod"), listed(&ips, 6))
        };
        return format!("{}: no podCIDR, {has}", node.name);
    }
    let cidrs: Vec<String> = node.pod_cidrs.iter().map(ToString::to_string).collect();
    let inside = |ip: &IpAddr| node.pod_cidrs.iter().any(|cidr| cidr.contains(ip));
    let out: Vec<String> = pods
        .iter()
        .filter(|pod| !pod.ips.iter().all(inside))
        .map(|pod| {
            format!(
                "{} {}",
                pod.name,
                pod.ips
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
        node.name,
        cidrs.join(", "),
        count(pods.len(), "pod")
    )
}
