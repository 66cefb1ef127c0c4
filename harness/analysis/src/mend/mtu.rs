//! Devices that carry less than the packets of pods are long.
use std::collections::BTreeSet;

use flatnet_model::Netns;
use flatnet_model::evidence::{Command, Remediation, Step, Todo};
use flatnet_model::kernel::Link;
use flatnet_model::observations::{Observations, ObservedNode};

use crate::look::ip_command;
use crate::mtus::{self, overhead};
use crate::reach::{self, Tools};

/// The device gets an MTU at which packets of `bytes` pass, headers of a tunnel around them included. On a node the uplink comes first
/// where the device only follows it, and what follows the uplink after it.
pub(super) fn raised(
    at: &Netns,
    device: &str,
    bytes: u32,
    observations: &Observations,
) -> Option<Remediation> {
    let set = |device: &str, mtu: u32| {
        // Pods of other clusters than a lab may not change their interfaces.
        let tools = match observations.capabilities.kubectl.is_present() {
            true => Tools::Node,
            false => Tools::Busybox,
        };
        let line = format!("ip link set dev {device} mtu {mtu}");
        reach::into(at, tools, &line, &observations.pods)
    };
    let mut nodes = observations.nodes.iter();
    let commands: Option<Vec<Command>> = match at {
        Netns::Pod(_) => Some(vec![set(device, bytes)?]),
        // Every node's tunnel goes by there.
        Netns::Wire => {
            let most = nodes.filter_map(most_overhead).max().unwrap_or_default();
            Some(vec![set(device, bytes + most)?])
        }
        Netns::Node(name) => {
            let node = nodes.find(|node| node.object.name == *name)?;
            let narrow = narrow(node, device, bytes)?;
            narrow
                .iter()
                .map(|(link, mtu)| set(&link.name, *mtu))
                .collect()
        }
    };
    let step = Step {
        todo: None,
        commands: commands?,
    };
    let raised = Remediation { steps: vec![step] };
    let forget = forget(observations);
    Some(match forget.is_empty() {
        true => raised,
        false => raised.then(Remediation::to(Todo::ForgetPathMtu, forget)),
    })
}

/// Pods that have learned a smaller path MTU would keep it when the device carries more. Their nodes clear it for all of their pods.
fn forget(observations: &Observations) -> Vec<Command> {
    let below = observations.mtu.iter().filter(|run| {
        let mut learned = run.learned.iter();
        learned.any(|learned| learned.mtu < run.interface_mtu)
    });
    let nodes: BTreeSet<(&str, &str)> = below
        .filter_map(|run| {
            let mut pods = observations.pods.iter();
            let pod = pods.find(|pod| pod.endpoint() == run.from)?;
            Some((pod.object.node.as_str(), ip_command(run.address)))
        })
        .collect();
    let flush = |(node, ip): (&str, &str)| {
        Command::on(node, &format!("ip -all netns exec {ip} route flush cache"))
    };
    nodes.into_iter().map(flush).collect()
}

/// The devices that need more, and how much.
fn narrow<'a>(node: &'a ObservedNode, device: &str, bytes: u32) -> Option<Vec<(&'a Link, u32)>> {
    let facts = node.inside.facts().ok()?;
    let link = facts.link_named(device)?;
    let first = mtus::followed(node, link).unwrap_or(link);
    let all = std::iter::once(first).chain(mtus::followers(node, first));
    let needed = all.map(|link| (link, bytes + overhead(facts, link)));
    Some(needed.filter(|(link, mtu)| link.mtu < *mtu).collect())
}

/// What tunnels of a node add to packets.
fn most_overhead(node: &ObservedNode) -> Option<u32> {
    let facts = node.inside.facts().ok()?;
    facts.links.iter().map(|link| overhead(facts, link)).max()
}
