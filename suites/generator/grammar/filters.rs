//! Packet filters: of nftables and iptables, on nodes and in pods, at every hook.
use flatnet_model::cause::CauseId as C;

use super::matches::{HOOKS, Hook, device, matches};
use super::{Draw, Drawn, RuleAt, Truth, step};
use crate::ground::{Family, Spot};

const PRIORITIES: [i32; 7] = [-350, -150, -10, 0, 10, 90, 200];

/// A table with one chain of one rule.
pub(super) struct Chain<'a> {
    pub(super) spot: Spot,
    pub(super) family: &'static str,
    pub(super) table: String,
    pub(super) hook: String,
    pub(super) priority: i32,
    pub(super) policy: &'a str,
    pub(super) rule: Option<String>,
}

/// Plants the chain, and says that its rule is to be named.
pub(super) fn chain(chain: Chain<'_>) -> Drawn {
    let Chain {
        spot,
        family,
        table,
        hook,
        priority,
        policy,
        rule,
    } = chain;
    let add = format!(
        "nft add table {family} {table} && nft 'add chain {family} {table} c {{ type filter hook {hook} priority {priority}; policy {policy}; }}'"
    );
    let plant = match &rule {
        Some(rule) => format!("{add} && nft 'add rule {family} {table} c {rule}'"),
        None => add,
    };
    let at = RuleAt {
        spot,
        family,
        table: table.clone(),
        chain: "c".to_owned(),
        handle: None,
        policy_drops: policy == "drop",
        is_legacy: false,
    };
    let undo = format!("nft delete table {family} {table}");
    Some((vec![step(spot, plant, undo)], filtered(at)))
}

fn filtered(rule: RuleAt) -> Truth {
    Truth {
        culprits: vec![rule.spot],
        causes: vec![C::DroppedByRule, C::GatewayCutOff, C::CountedDrop],
        counters: &["NETFILTER"],
        rules: vec![rule],
        may: &["gateway"],
        ..Truth::default()
    }
}

pub(super) fn node(draw: &mut Draw<'_>) -> Drawn {
    let spot = Spot::Node(draw.node());
    match draw.dice.below(8) {
        0 => policy(draw, spot),
        1 => bridge(draw, spot),
        2 => ingress(draw, spot),
        _ => any_hook(draw, spot),
    }
}

pub(super) fn pod(draw: &mut Draw<'_>) -> Drawn {
    let spot = Spot::Pod(draw.pod());
    match draw.dice.below(6) {
        0 => ingress(draw, spot),
        _ => any_hook(draw, spot),
    }
}

fn any_hook(draw: &mut Draw<'_>, spot: Spot) -> Drawn {
    let family = draw.family();
    let hook = draw.dice.word(&HOOKS);
    let matches = matches(draw, spot, hook, family);
    let verdict = match hook.name {
        "input" | "forward" | "output" if draw.dice.percent(30) => "reject",
        _ => "drop",
    };
    let layer = draw.dice.word(&[family.layer(), "inet"]);
    let table = draw.table();
    let priority = draw.dice.word(&PRIORITIES);
    chain(Chain {
        spot,
        family: layer,
        table,
        hook: hook.name.to_owned(),
        priority,
        policy: "accept",
        rule: Some(format!("{matches} {verdict}")),
    })
}

/// A chain that lets nothing through unless a rule does, and has one such rule or none.
fn policy(draw: &mut Draw<'_>, spot: Spot) -> Drawn {
    let family = draw.family();
    let layer = draw.dice.word(&[family.layer(), "inet"]);
    let accept = match draw.dice.below(3) {
        0 => None,
        1 => Some("ct state established,related accept".to_owned()),
        _ => Some(format!(
            "iifname {} accept",
            draw.dice.word(&["cni0", "eth0"])
        )),
    };
    let table = draw.table();
    chain(Chain {
        spot,
        family: layer,
        table,
        hook: "forward".to_owned(),
        priority: 0,
        policy: "drop",
        rule: accept,
    })
}

/// What the bridge passes to its node and from it.
fn bridge(draw: &mut Draw<'_>, spot: Spot) -> Drawn {
    let hook = draw
        .dice
        .word(&["prerouting", "input", "forward", "output", "postrouting"]);
    let pod = draw.pod();
    let family = draw.family();
    let layer = family.layer();
    let ip = draw.ground.pods[pod].ips[family.at];
    let rule = match draw.dice.below(3) {
        0 => format!(
            "{layer} {} {ip} meta l4proto {{ tcp, udp }} drop",
            draw.dice.word(&["saddr", "daddr"])
        ),
        1 => "meta l4proto udp drop".to_owned(),
        _ => format!("ether type {layer} udp dport 7411-7412 drop"),
    };
    let table = draw.table();
    chain(Chain {
        spot,
        family: "bridge",
        table,
        hook: hook.to_owned(),
        priority: 0,
        policy: "accept",
        rule: Some(rule),
    })
}

/// Before anything else of netfilter.
fn ingress(draw: &mut Draw<'_>, spot: Spot) -> Drawn {
    let device = device(draw, spot);
    let family = draw.family();
    let rule = draw.dice.word(&[
        "meta l4proto udp drop",
        family.of([
            "ip protocol icmp drop",
            "icmpv6 type { echo-request, echo-reply } drop",
        ]),
        "tcp dport 7411-7412 drop",
        family.of([
            "meta protocol ip meta length > 1300 drop",
            "meta protocol ip6 meta length > 1300 drop",
        ]),
    ]);
    let table = draw.table();
    chain(Chain {
        spot,
        family: "netdev",
        table,
        hook: format!("ingress device {device}"),
        priority: 0,
        policy: "accept",
        rule: Some(rule.to_owned()),
    })
}

/// Of packets that match, so many of a hundred.
pub(super) fn loss(draw: &mut Draw<'_>) -> Drawn {
    let spot = draw.spot();
    let family = draw.family();
    let hook = draw.dice.word(&HOOKS);
    let matches = matches(draw, spot, hook, family);
    let percent = draw.dice.word(&[10, 20, 30, 50, 80, 95]);
    let table = draw.table();
    let layer = family.layer();
    chain(Chain {
        spot,
        family: layer,
        table,
        hook: hook.name.to_owned(),
        priority: 0,
        policy: "accept",
        rule: Some(format!("{matches} numgen random mod 100 < {percent} drop")),
    })
}

/// The same with `iptables-nft`, in its own tables.
pub(super) fn iptables(draw: &mut Draw<'_>) -> Drawn {
    let family = draw.family();
    let spot = draw.spot();
    let is_legacy = draw.dice.percent(30);
    let kind = if is_legacy { "legacy" } else { "nft" };
    let program = format!("{}-{kind}", family.of(["iptables", "ip6tables"]));
    let layer = family.layer();
    let (table, chain, hook) = draw.dice.word(&[
        ("filter", "INPUT", HOOKS[1]),
        ("filter", "FORWARD", HOOKS[2]),
        ("filter", "OUTPUT", HOOKS[3]),
        ("raw", "PREROUTING", HOOKS[0]),
        ("mangle", "FORWARD", HOOKS[2]),
        ("mangle", "POSTROUTING", HOOKS[4]),
    ]);
    let is_policy = table == "filter" && draw.dice.percent(25);
    let at = RuleAt {
        spot,
        family: layer,
        table: table.to_owned(),
        chain: chain.to_owned(),
        handle: None,
        policy_drops: is_policy,
        is_legacy,
    };
    let undo = match (is_legacy, is_policy) {
        // The only rule of a table of iptables: the table is the fault's.
        (false, _) => format!("nft delete table {layer} {table}"),
        (true, true) => format!("{program} -w -P {chain} ACCEPT"),
        (true, false) => format!("{program} -w -t {table} -F {chain}"),
    };
    let plant = match is_policy {
        true => format!("{program} -w -P {chain} DROP"),
        false => {
            let matches = iptables_matches(draw, spot, hook, family);
            let target = match table == "filter" && draw.dice.percent(40) {
                true => "REJECT",
                false => "DROP",
            };
            format!("{program} -w -t {table} -A {chain} {matches} -j {target}")
        }
    };
    let mut truth = filtered(at);
    if is_legacy && matches!(spot, Spot::Pod(_)) {
        // No program in a pod lists its rules.
        truth.counters = &["NETFILTER", "OutDiscards"];
    }
    Some((vec![step(spot, plant, undo)], truth))
}

fn iptables_matches(draw: &mut Draw<'_>, spot: Spot, hook: Hook, family: Family) -> String {
    let mut words = Vec::new();
    if draw.dice.percent(30) {
        let side = if hook.comes_in { "-i" } else { "-o" };
        words.push(format!("{side} {}", device(draw, spot)));
    }
    if draw.dice.percent(50) {
        let side = draw.dice.word(&["-s", "-d"]);
        let pod = draw.pod();
        words.push(format!("{side} {}", draw.ground.pods[pod].ips[family.at]));
    }
    match draw.dice.below(5) {
        0 => words.push("-p udp".to_owned()),
        1 => words.push("-p tcp --dport 7411:7412".to_owned()),
        2 if !family.is_v6 => words.push("-p icmp".to_owned()),
        2 => words.push("-p icmpv6 --icmpv6-type echo-request".to_owned()),
        3 => words.push("-m length --length 1300:65535".to_owned()),
        _ => words.push("-m conntrack --ctstate NEW".to_owned()),
    }
    words.join(" ")
}
