//! Links, addresses and routes of the synthetic cluster, and its address plan.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::checks::FRAGMENT_COUNTERS;
use flatnet_model::kernel::{
    Address, Link, LinkStats, MacAddr, Neighbour, RouteEntry, Rule, RuleAction,
};
use flatnet_model::probe::Facts;
use flatnet_model::snapshot::Observed;
use flatnet_model::{Endpoint, PodRef};
use ipnet::IpNet;

pub const LO: u32 = 1;

/// A pod of the namespace `default`, where all pods of the synthetic cluster are.
pub fn in_default(name: &str) -> PodRef {
    PodRef::new("default", name)
}

/// The same, as one end of a conversation.
pub fn pod_end(name: &str) -> Endpoint {
    Endpoint::Pod(in_default(name))
}

/// What was found inside a node, to change it.
pub fn found<T>(part: &mut Option<Observed<T>>) -> &mut T {
    part.as_mut().unwrap().as_mut().unwrap()
}

/// Name without kind and namespace: unique where all pods are in one.
pub fn bare(end: &Endpoint) -> &str {
    match end {
        Endpoint::Pod(pod) => &pod.name,
        Endpoint::Node(name) | Endpoint::Outside(name) => name,
    }
}

/// A policy rule of IPv4 without conditions.
pub fn policy_rule(priority: u32, action: RuleAction) -> Rule {
    Rule {
        priority,
        action,
        v6: false,
        inverted: false,
        from: None,
        to: None,
        iif: None,
        oif: None,
        mark: None,
        users: None,
        protocol: None,
        source_ports: None,
        destination_ports: None,
        suppress_prefix: None,
        more: false,
    }
}

/// Those that a kernel starts with.
pub fn usual_rules() -> Vec<Rule> {
    let usual = [(0, 255), (32766, 254), (32767, 253)];
    let v4 = usual.map(|(priority, table)| policy_rule(priority, RuleAction::Lookup(table)));
    let v6 = v4
        .clone()
        .into_iter()
        .take(2)
        .map(|rule| Rule { v6: true, ..rule });
    v4.iter().cloned().chain(v6).collect()
}

pub fn empty_facts(hostname: &str) -> Facts {
    let sysctls = [("ipv4.ip_forward", "1"), ("ipv6.conf.all.forwarding", "1")];
    Facts {
        rules: usual_rules(),
        other_tables: Vec::new(),
        hostname: hostname.to_owned(),
        links: vec![Link {
            operstate: "UNKNOWN".to_owned(),
            mac: None,
            ..link(LO, "lo", "", [0; 6])
        }],
        addresses: vec![address(LO, IpAddr::V4(Ipv4Addr::LOCALHOST), 8)],
        routes: Vec::new(),
        neighbours: Vec::new(),
        fdb: Vec::new(),
        sysctls: sysctls
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        counters: FRAGMENT_COUNTERS.map(|name| (name.to_owned(), 0)).into(),
    }
}

pub fn link(index: u32, name: &str, kind: &str, mac: [u8; 6]) -> Link {
    Link {
        index,
        name: name.to_owned(),
        kind: kind.to_owned(),
        mac: Some(MacAddr(mac)),
        mtu: 1500,
        up: true,
        lower_up: true,
        operstate: "UP".to_owned(),
        master: None,
        link: None,
        link_netnsid: None,
        port: None,
        vxlan: None,
        vrf: None,
        stats: LinkStats::default(),
    }
}

pub fn address(index: u32, ip: IpAddr, prefix: u8) -> Address {
    Address {
        index,
        net: IpNet::new(ip, prefix).unwrap(),
        scope: "global".to_owned(),
        dad_failed: false,
    }
}

pub fn route(dst: &str, gateway: Option<IpAddr>, oif: u32, protocol: u8) -> RouteEntry {
    let scope = if gateway.is_none() { "link" } else { "global" };
    RouteEntry {
        dst: net(dst),
        gateway,
        oif: Some(oif),
        src: None,
        onlink: false,
        protocol,
        scope: scope.to_owned(),
        metric: None,
        kind: 1,
        mtu: None,
        mtu_expires_s: None,
        more_hops: Vec::new(),
        nexthop_id: None,
    }
}

pub fn neighbour(index: u32, ip: IpAddr, mac: [u8; 6], state: &str) -> Neighbour {
    Neighbour {
        index,
        address: ip,
        mac: Some(MacAddr(mac)),
        state: state.to_owned(),
    }
}

pub fn bridge_mac(n: u8) -> [u8; 6] {
    [2, 3, 0, 0, 0, n]
}

pub fn vtep_mac(n: u8) -> [u8; 6] {
    [2, 4, 0, 0, 0, n]
}

pub fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// 172.18.0.2 for node1.
pub fn internal(n: u8, v6: bool) -> IpAddr {
    if v6 {
        Ipv6Addr::new(0xfd00, 0x18, 0, 0, 0, 0, 0, u16::from(n) + 1).into()
    } else {
        Ipv4Addr::new(172, 18, 0, n + 1).into()
    }
}

pub fn cidr(n: u8, v6: bool) -> IpNet {
    let base: IpAddr = if v6 {
        Ipv6Addr::new(0xfd00, 0x244, 0, u16::from(n), 0, 0, 0, 0).into()
    } else {
        Ipv4Addr::new(10, 244, n, 0).into()
    };
    IpNet::new(base, if v6 { 64 } else { 24 }).unwrap()
}

pub fn gateway(n: u8, v6: bool) -> IpAddr {
    pod_or_gateway(n, 1, v6)
}

pub fn pod_ip(n: u8, slot: u8, v6: bool) -> IpAddr {
    pod_or_gateway(n, slot + 2, v6)
}

pub fn pod_or_gateway(n: u8, last: u8, v6: bool) -> IpAddr {
    if v6 {
        Ipv6Addr::new(0xfd00, 0x244, 0, u16::from(n), 0, 0, 0, u16::from(last)).into()
    } else {
        Ipv4Addr::new(10, 244, n, last).into()
    }
}

/// Asserts that a text has that part, and shows the text where it does not.
#[track_caller]
pub fn assert_contains(text: &str, part: &str) {
    assert!(text.contains(part), "{part:?} is not in {text:?}");
}
