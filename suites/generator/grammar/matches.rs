//! What a rule matches, in the words of `nft`.
use super::Draw;
use crate::ground::{Family, Spot};

/// Which hooks know which devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hook {
    pub(super) name: &'static str,
    pub(super) comes_in: bool,
    pub(super) goes_out: bool,
}

pub(super) const HOOKS: [Hook; 5] = [
    hook("prerouting", true, false),
    hook("input", true, false),
    hook("forward", true, true),
    hook("output", false, true),
    hook("postrouting", false, true),
];

const fn hook(name: &'static str, comes_in: bool, goes_out: bool) -> Hook {
    Hook {
        name,
        comes_in,
        goes_out,
    }
}

/// Matches of one rule in a namespace, each of which may be absent; those of addresses and protocols are of one family.
pub(super) fn matches(draw: &mut Draw<'_>, spot: Spot, hook: Hook, family: Family) -> String {
    let layer = family.layer();
    let mut words = Vec::new();
    if draw.dice.percent(40) {
        let device = device(draw, spot);
        match (hook.comes_in, hook.goes_out) {
            (true, true) => {
                let which = draw.dice.word(&["iifname", "oifname"]);
                words.push(format!("{which} {device}"));
            }
            (true, false) => words.push(format!("iifname {device}")),
            _ => words.push(format!("oifname {device}")),
        }
    }
    if draw.dice.percent(50) {
        let which = draw.dice.word(&["saddr", "daddr"]);
        let to = draw.pod();
        let what = match draw.dice.percent(50) {
            true => draw.ground.pods[to].ips[family.at].to_string(),
            false => draw.ground.nodes[draw.ground.pods[to].node].cidrs[family.at].to_string(),
        };
        words.push(format!("{layer} {which} {what}"));
    }
    let protocol = draw.dice.below(6);
    let icmp = family.of(["icmp", "ipv6-icmp"]);
    match protocol {
        0 => words.push("meta l4proto udp".to_owned()),
        1 => words.push("meta l4proto tcp".to_owned()),
        // Of IPv6 only echoes: neighbour discovery is ICMP as well.
        2 if !family.is_v6 => words.push(format!("meta l4proto {icmp}")),
        2 => words.push("icmpv6 type { echo-request, echo-reply }".to_owned()),
        3 => {
            let which = draw.dice.word(&["dport", "sport"]);
            let over = draw.dice.word(&["udp", "tcp"]);
            words.push(format!("{over} {which} 7411-7412"));
        }
        _ => {}
    }
    if draw.dice.percent(20) {
        let bytes = draw.dice.word(&["> 1300", "< 60", "> 600"]);
        words.push(format!("meta length {bytes}"));
    }
    if draw.dice.percent(15) {
        let state = draw.dice.word(&["new", "established", "invalid"]);
        words.push(format!("ct state {state}"));
    }
    words.join(" ")
}

/// A device of the namespace.
pub(super) fn device(draw: &mut Draw<'_>, spot: Spot) -> String {
    match spot {
        Spot::Pod(_) | Spot::Wire => "eth0".to_owned(),
        Spot::Node(node) => {
            let pod = draw.pod_of(node, true);
            let host_end = draw.ground.pods[pod].host_end.clone();
            let mut devices = vec!["eth0".to_owned(), "cni0".to_owned(), host_end];
            devices.extend(draw.ground.vxlan.clone());
            draw.dice.pick(&devices).clone()
        }
    }
}
