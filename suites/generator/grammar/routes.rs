//! Routes and policy rules that lead packets elsewhere, or nowhere.
use flatnet_model::cause::CauseId as C;

use super::{Draw, Drawn, Truth, step};
use crate::ground::Spot;

const REFUSALS: [&str; 3] = ["blackhole", "unreachable", "prohibit"];

pub(super) fn route(draw: &mut Draw<'_>) -> Drawn {
    let family = draw.family();
    let v = family.digit();
    let node = draw.node();
    let to = draw.other_node(node);
    let third = 3 - node - to;
    let outside = Spot::Node(node);
    let cidr = draw.ground.nodes[to].cidrs[family.at];
    let way = draw.ground.nodes[node].routes[to][family.at].clone()?;
    let astray = draw.ground.nodes[node].routes[third][family.at].clone()?;
    let astray = astray.split_once(' ')?.1.to_owned();
    let bits = family.host_bits();
    let far = draw.pod_of(to, true);
    let far = draw.ground.pods[far].ips[family.at];
    let near = draw.pod_of(node, true);
    let refusal = draw.dice.word(&REFUSALS);
    let mut culprits = vec![outside];
    let mut spot = outside;
    let mut must: &[&str] = &[];
    let (plant, undo) = match draw.dice.below(9) {
        0 => {
            must = &["node-routes"];
            (
                format!("ip -{v} route del {cidr}"),
                format!("ip -{v} route replace {way}"),
            )
        }
        1 => {
            let plant = format!("ip -{v} route add {refusal} {far}/{bits}");
            (plant, format!("ip -{v} route del {refusal} {far}/{bits}"))
        }
        2 => {
            let halves: Vec<_> = cidr.subnets(cidr.prefix_len() + 1).ok()?.collect();
            let half = draw.dice.word(&halves);
            let plant = format!("ip -{v} route add {refusal} {half}");
            (plant, format!("ip -{v} route del {refusal} {half}"))
        }
        3 => {
            let plant = format!("ip -{v} route add {far}/{bits} {astray}");
            (plant, format!("ip -{v} route del {far}/{bits}"))
        }
        4 => {
            must = &["node-routes"];
            let plant = format!("ip -{v} route replace {cidr} {astray}");
            (plant, format!("ip -{v} route replace {way}"))
        }
        5 => {
            let plant = format!("ip -{v} route add {far}/{bits} dev cni0");
            (plant, format!("ip -{v} route del {far}/{bits} dev cni0"))
        }
        6 => {
            let own = draw.ground.pods[near].ips[family.at];
            let plant = format!("ip -{v} route add {own}/{bits} {astray}");
            (plant, format!("ip -{v} route del {own}/{bits}"))
        }
        7 => {
            spot = Spot::Pod(near);
            culprits = vec![spot];
            must = &["gateway"];
            (format!("ip -{v} route del default"), String::new())
        }
        _ => {
            spot = Spot::Pod(near);
            culprits = vec![spot];
            let plant = format!("ip -{v} route add {refusal} {far}/{bits}");
            (plant, format!("ip -{v} route del {refusal} {far}/{bits}"))
        }
    };
    let truth = Truth {
        culprits,
        causes: CAUSES.to_vec(),
        must,
        may: &["node-routes", "gateway"],
        ..Truth::default()
    };
    Some((vec![step(spot, plant, undo)], truth))
}

const CAUSES: [C; 15] = [
    C::RouteMissing,
    C::WrongNextHop,
    C::PartRoutedElsewhere,
    C::RouteIntoBridge,
    C::OwnPodCidrRoutedAway,
    C::DefaultRouteMissing,
    C::DuplicateRoute,
    C::RouteRefuses,
    C::SentAway,
    C::RoutedAway,
    C::RoutingLoop,
    C::NeighbourUnresolved,
    C::CountedDrop,
    C::RouteOffLink,
    C::FrameMisdirected,
];

/// Rules of `ip rule`, and tables of their own.
pub(super) fn rule(draw: &mut Draw<'_>) -> Drawn {
    let family = draw.family();
    let v = family.digit();
    let node = draw.node();
    let to = draw.other_node(node);
    let third = 3 - node - to;
    let mut spot = Spot::Node(node);
    let cidr = draw.ground.nodes[to].cidrs[family.at];
    let own = draw.pod_of(node, true);
    let ip = draw.ground.pods[own].ips[family.at];
    let astray = draw.ground.nodes[node].routes[third][family.at].clone()?;
    let astray = astray.split_once(' ')?.1.to_owned();
    let refusal = draw.dice.word(&REFUSALS);
    let priority = 100 + draw.dice.below(1000);
    let table = 100 + draw.dice.below(100);
    let target = match draw.dice.percent(50) {
        true => format!("{refusal} default"),
        false => format!("default {astray}"),
    };
    let in_table = |selector: String, before: String, after: &str| {
        (
            format!(
                "{before}ip -{v} route add {target} table {table} && ip -{v} rule add {selector} lookup {table} prio {priority}"
            ),
            format!("ip -{v} rule del prio {priority}; ip -{v} route flush table {table}; {after}"),
        )
    };
    let refused = |selector: String| {
        (
            format!("ip -{v} rule add {selector} {refusal} prio {priority}"),
            format!("ip -{v} rule del prio {priority}"),
        )
    };
    let (plant, undo) = match draw.dice.below(6) {
        0 => refused(format!("from {ip}")),
        1 => refused(format!("to {cidr}")),
        2 => in_table(format!("to {cidr}"), String::new(), ""),
        3 => in_table(format!("from {ip} to {cidr}"), String::new(), ""),
        4 => {
            let protocol = draw.dice.word(&["udp", "tcp"]);
            refused(format!("ipproto {protocol} dport 7411-7412"))
        }
        5 if draw.dice.percent(50) => {
            spot = Spot::Pod(own);
            refused(format!("to {cidr}"))
        }
        _ => {
            let layer = family.layer();
            let mark = 16 + draw.dice.below(200);
            let before = format!(
                "nft add table {layer} marks && nft 'add chain {layer} marks pre {{ type filter hook prerouting priority mangle; }}' && \
                 nft add rule {layer} marks pre {layer} daddr {cidr} meta mark set {mark} && "
            );
            let after = format!("nft delete table {layer} marks");
            in_table(format!("fwmark {mark}"), before, &after)
        }
    };
    let truth = Truth {
        culprits: vec![spot],
        causes: CAUSES.to_vec(),
        may: &["node-routes"],
        ..Truth::default()
    };
    Some((vec![step(spot, plant, undo)], truth))
}
