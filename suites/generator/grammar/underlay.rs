//! Faults of what joins the nodes: a bridge on one segment, a router where each node has a network of its own.
use flatnet_model::cause::CauseId as C;

use super::devices::smaller;
use super::filters::{Chain, chain};
use super::{Draw, Drawn, Truth, step};
use crate::ground::Spot;

pub(super) fn draw(draw: &mut Draw<'_>) -> Drawn {
    match draw.dice.below(5) {
        0 => mtu(draw),
        1 => down(draw),
        2 => isolated(draw),
        3 => dropped(draw, None),
        _ => {
            let percent = draw.dice.word(&[20, 50, 80]);
            dropped(draw, Some(percent))
        }
    }
}

/// A port that takes less than the node's end of the cable.
fn mtu(draw: &mut Draw<'_>) -> Drawn {
    let node = draw.node();
    let port = draw.ground.nodes[node].wire_port.clone();
    let (plant, undo) = smaller(draw, &port);
    let truth = Truth {
        culprits: vec![Spot::Wire, Spot::Node(node)],
        causes: vec![
            C::TooBigForDevice,
            C::PathMtuLearned,
            C::UnderlayMtu,
            C::CountedDrop,
        ],
        ..Truth::default()
    };
    Some((vec![step(Spot::Wire, plant, undo)], truth))
}

/// The node's end of the cable has no carrier then.
fn down(draw: &mut Draw<'_>) -> Drawn {
    let node = draw.node();
    let port = draw.ground.nodes[node].wire_port.clone();
    let plant = format!("ip link set dev {port} down");
    let undo = format!("ip link set dev {port} up");
    let truth = Truth {
        culprits: vec![Spot::Wire, Spot::Node(node)],
        causes: vec![
            C::LinkDown,
            C::UnderlayCut,
            C::RouteDeviceDown,
            C::RoutedAway,
            C::RouteMissing,
            C::RouteRefuses,
            C::NeighbourUnresolved,
            C::CountedDrop,
        ],
        devices: vec![port, "eth0".to_owned()],
        may: &["node-routes"],
        ..Truth::default()
    };
    Some((vec![step(Spot::Wire, plant, undo)], truth))
}

/// Two nodes of one segment that do not reach each other, and reach the third.
fn isolated(draw: &mut Draw<'_>) -> Drawn {
    if draw.ground.is_routed {
        return None;
    }
    let node = draw.node();
    let other = draw.other_node(node);
    let ports = [node, other].map(|node| draw.ground.nodes[node].wire_port.clone());
    let all = |value: &str| {
        let lines = ports
            .iter()
            .map(|port| format!("bridge link set dev {port} isolated {value}"));
        lines.collect::<Vec<_>>().join("; ")
    };
    let truth = Truth {
        culprits: vec![Spot::Wire, Spot::Node(node), Spot::Node(other)],
        causes: vec![C::UnderlayCut],
        ..Truth::default()
    };
    Some((vec![step(Spot::Wire, all("on"), all("off"))], truth))
}

/// A firewall between the nodes, that drops all of what it matches, or so many of a hundred.
fn dropped(draw: &mut Draw<'_>, percent: Option<u8>) -> Drawn {
    let family = draw.family();
    let node = draw.node();
    let ground = draw.ground;
    let side = draw.dice.word(&["saddr", "daddr"]);
    let layer = family.layer();
    let address = ground.nodes[node].ips[family.at];
    let range = ground.nodes[node].cidrs[family.at];
    let matches = match ground.vxlan {
        // Of tunnelled packets it sees the nodes' addresses, of the first family.
        Some(_) => match draw.dice.percent(50) {
            true => "udp dport 8472".to_owned(),
            false => {
                let first = ground.families()[0];
                let address = ground.nodes[node].ips[first.at];
                format!("{} {side} {address} udp dport 8472", first.layer())
            }
        },
        None => match draw.dice.percent(50) {
            true => format!("{layer} {side} {range}"),
            false => format!("{layer} {side} {{ {range}, {address} }} meta l4proto udp"),
        },
    };
    let rule = match percent {
        None => format!("{matches} drop"),
        Some(percent) => format!("{matches} numgen random mod 100 < {percent} drop"),
    };
    let table = draw.table();
    let (steps, truth) = chain(Chain {
        spot: Spot::Wire,
        family: if ground.is_routed { "inet" } else { "bridge" },
        table,
        hook: "forward".to_owned(),
        priority: 0,
        policy: "accept",
        rule: Some(rule),
    })?;
    // Gateways are on this side of it.
    let truth = Truth {
        causes: vec![C::DroppedByRule, C::CountedDrop],
        may: &[],
        ..truth
    };
    Some((steps, truth))
}
