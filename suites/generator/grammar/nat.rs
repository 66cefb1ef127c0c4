//! Rules that change packets, or send copies of them.
use flatnet_model::cause::CauseId as C;

use super::{Draw, Drawn, RuleAt, Truth, step};
use crate::ground::Spot;

pub(super) fn draw(draw: &mut Draw<'_>) -> Drawn {
    let family = draw.family();
    let layer = family.layer();
    let node = draw.node();
    let to = draw.other_node(node);
    let spot = Spot::Node(node);
    let own = draw.ground.nodes[node].cidrs[family.at];
    let far = draw.ground.nodes[to].cidrs[family.at];
    let pod = draw.pod_of(node, true);
    let ip = draw.ground.pods[pod].ips[family.at];
    let other = draw.pod_of(to, true);
    let other = draw.ground.pods[other].ips[family.at];
    let address = draw.ground.nodes[node].ips[family.at];
    // Nobody's, of the node's own range: answers to it end at the node.
    let strange = own.hosts().nth(200)?;
    let port = draw.dice.word(&[
        "tcp dport 7411-7412",
        "udp dport 7411-7412",
        "meta l4proto { tcp, udp, icmp }",
    ]);
    let (kind, hook, priority, rule) = match draw.dice.below(8) {
        0 => (
            "nat",
            "postrouting",
            "90",
            format!("{layer} saddr {own} {layer} daddr {far} masquerade"),
        ),
        1 => (
            "nat",
            "postrouting",
            "90",
            format!(
                "oifname {} {layer} saddr {ip} masquerade",
                draw.dice.word(&["eth0", "cni0"])
            ),
        ),
        2 => (
            "nat",
            "postrouting",
            "srcnat",
            format!("{layer} saddr {ip} {layer} daddr {far} snat to {address}"),
        ),
        3 => (
            "nat",
            "postrouting",
            "srcnat",
            format!("{layer} daddr {ip} masquerade"),
        ),
        4 => (
            "nat",
            "prerouting",
            "dstnat",
            format!("{layer} daddr {other} {port} dnat to {ip}"),
        ),
        5 => {
            let over = draw.dice.word(&["tcp", "udp"]);
            (
                "nat",
                "prerouting",
                "dstnat",
                format!("{layer} daddr {other} {over} dport 7411-7412 redirect to :7499"),
            )
        }
        6 => (
            "filter",
            "prerouting",
            "-300",
            format!("{layer} saddr {ip} {port} {layer} saddr set {strange}"),
        ),
        _ => (
            "filter",
            "prerouting",
            "-300",
            format!("{layer} daddr {ip} {port} {layer} daddr set {strange}"),
        ),
    };
    let table = draw.table();
    let plant = format!(
        "nft add table {layer} {table} && nft 'add chain {layer} {table} c {{ type {kind} hook {hook} priority {priority}; }}' && \
         nft 'add rule {layer} {table} c {rule}'"
    );
    let undo = format!("nft delete table {layer} {table}; conntrack -F 2>/dev/null");
    let truth = Truth {
        culprits: vec![spot],
        causes: vec![
            C::RewrittenByRule,
            C::Masquerade,
            C::Dnat,
            C::ReplyTranslated,
            C::DestinationTranslated,
            C::Diverted,
        ],
        rules: vec![RuleAt {
            spot,
            family: layer,
            table,
            chain: "c".to_owned(),
            handle: None,
            policy_drops: false,
            is_legacy: false,
        }],
        ..Truth::default()
    };
    Some((vec![step(spot, plant, undo)], truth))
}

/// A copy of each packet follows it.
pub(super) fn duplicate(draw: &mut Draw<'_>) -> Drawn {
    let node = draw.node();
    let pod = draw.pod_of(node, true);
    let family = draw.family();
    let layer = family.layer();
    let ip = draw.ground.pods[pod].ips[family.at];
    let spot = Spot::Node(node);
    // Of IPv6 only echoes: neighbour discovery is ICMP as well.
    let over = draw.dice.word(&[
        "meta l4proto udp",
        family.of([
            "meta l4proto icmp",
            "icmpv6 type { echo-request, echo-reply }",
        ]),
        family.of([
            "meta l4proto { udp, icmp, tcp }",
            "meta l4proto { udp, tcp }",
        ]),
    ]);
    let table = draw.table();
    let plant = format!(
        "nft add table {layer} {table} && nft 'add chain {layer} {table} c {{ type filter hook prerouting priority mangle; }}' && \
         nft 'add rule {layer} {table} c {layer} daddr {ip} {over} dup to {ip} device cni0'"
    );
    let truth = Truth {
        culprits: vec![spot],
        ..Truth::default()
    };
    Some((
        vec![step(
            spot,
            plant,
            format!("nft delete table {layer} {table}"),
        )],
        truth,
    ))
}
