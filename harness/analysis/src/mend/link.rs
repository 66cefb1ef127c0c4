//! Devices that are set down.
use std::net::IpAddr;

use flatnet_model::Netns;
use flatnet_model::evidence::{Command, Remediation, Step, Todo};
use flatnet_model::kernel::Link;
use flatnet_model::observations::{Observations, ObservedNode};
use flatnet_model::probe::Facts;
use ipnet::IpNet;

use crate::reach::{self, Tools};

/// The device is set up. With a node's uplink the kernel took its IPv6 addresses and its routes away: what the cluster knows of those
/// is put back, and the rest is said.
pub(super) fn up(at: &Netns, device: &str, observations: &Observations) -> Option<Remediation> {
    let on = |line: &str| reach::into(at, Tools::Node, line, &observations.pods);
    let up = on(&format!("ip link set dev {device} up"))?;
    let name = match at {
        Netns::Node(name) => name,
        Netns::Wire => return Some(Remediation::run(up)),
        // Its routes are gone as well.
        Netns::Pod(_) => return None,
    };
    let mut nodes = observations.nodes.iter();
    let node = nodes.find(|node| node.object.name == *name)?;
    let facts = node.inside.facts().ok()?;
    let Some(uplink) = facts
        .link_named(device)
        .filter(|link| is_uplink(node, facts, link))
    else {
        return Some(Remediation::run(up));
    };
    let (known, lost) = lost(node, facts, observations);
    let again = |address: &IpNet| on(&format!("ip -6 address add {address} dev {device}"));
    let again: Option<Vec<Command>> = known.iter().map(again).collect();
    let step = Step {
        todo: None,
        commands: std::iter::once(up).chain(again?).collect(),
    };
    let up = Remediation { steps: vec![step] };
    let todo = Todo::LostWithDevice {
        device: uplink.name.clone(),
        addresses: lost,
    };
    let show = ["ip route", "ip -6 route"].map(|line| Command::on(name, line));
    Some(up.then(Remediation::to(todo, show.to_vec())))
}

/// Whether it joins the node to the others: it holds one of the node's addresses, or is the one device that may have held it.
fn is_uplink(node: &ObservedNode, facts: &Facts, link: &Link) -> bool {
    let mut ips = node.object.internal_ips.iter();
    let holder = ips.find_map(|ip| facts.holder(*ip));
    match holder {
        Some(holder) => holder.index == link.index,
        None => link.master.is_none() && link.kind != "bridge" && link.vxlan.is_none(),
    }
}

/// IPv6 addresses of the node, as the cluster has them, that are on no interface: those of which somebody on their segment tells the
/// length of the prefix, and the others.
fn lost(
    node: &ObservedNode,
    facts: &Facts,
    observations: &Observations,
) -> (Vec<IpNet>, Vec<IpAddr>) {
    let wire = observations.following.wire.iter().flatten();
    let nodes = observations.nodes.iter();
    let others: Vec<&Facts> = nodes
        .filter_map(|node| node.inside.facts().ok())
        .chain(wire)
        .collect();
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    let ips = node.object.internal_ips.iter();
    for ip in ips.filter(|ip| ip.is_ipv6() && facts.holder(**ip).is_none()) {
        let all = others.iter().flat_map(|facts| &facts.addresses);
        let mut of_segment = all.filter(|own| own.net.contains(ip) && own.net.prefix_len() < 128);
        let length = of_segment.next().map(|own| own.net.prefix_len());
        match length.and_then(|length| IpNet::new(*ip, length).ok()) {
            Some(net) => known.push(net),
            None => unknown.push(*ip),
        }
    }
    (known, unknown)
}
