use flatnet_model::kernel::{Address, LinkStats, Neighbour};
use rstest::rstest;

use super::*;

fn link(index: u32, name: &str, kind: &str) -> Link {
    Link {
        index,
        name: name.to_owned(),
        kind: kind.to_owned(),
        mac: None,
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

fn route(dst: &str, oif: u32) -> RouteEntry {
    RouteEntry {
        dst: dst.parse().unwrap(),
        gateway: Some([172, 18, 0, 3].into()),
        oif: Some(oif),
        src: None,
        onlink: false,
        protocol: 4,
        scope: "global".to_owned(),
        metric: None,
        kind: 1,
        mtu: None,
        mtu_expires_s: None,
        more_hops: Vec::new(),
        nexthop_id: None,
    }
}

fn node() -> Facts {
    let sysctls = [
        ("ipv4.ip_forward", "1"),
        ("ipv4.conf.all.forwarding", "1"),
        ("ipv4.conf.all.rp_filter", "0"),
        ("netfilter.nf_conntrack_count", "3"),
    ];
    Facts {
        hostname: "node1".to_owned(),
        links: vec![link(1, "eth0", "veth"), link(2, "cni0", "bridge")],
        addresses: vec![Address {
            index: 2,
            net: "10.244.0.1/24".parse().unwrap(),
            scope: "global".to_owned(),
            dad_failed: false,
        }],
        routes: vec![route("10.244.1.0/24", 1)],
        rules: Vec::new(),
        other_tables: Vec::new(),
        neighbours: vec![Neighbour {
            index: 1,
            address: [172, 18, 0, 3].into(),
            mac: Some("02:00:00:00:00:03".parse().unwrap()),
            state: "PERMANENT".to_owned(),
        }],
        fdb: Vec::new(),
        sysctls: sysctls
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        counters: BTreeMap::new(),
    }
}

/// `BEFORE -> NOW` of everything that changed.
fn changed(change: impl FnOnce(&mut Facts)) -> Vec<String> {
    let (before, mut now) = (node(), node());
    change(&mut now);
    let end = Endpoint::Node("node1".to_owned());
    let now = BTreeMap::from([(end.clone(), Ok(now))]);
    let changes = between([(end, &before)], &now, Moment::DialsBegan);
    let side = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
    changes
        .into_iter()
        .map(|change| format!("{} -> {}", side(change.before), side(change.now)))
        .collect()
}

fn set(facts: &mut Facts, key: &str, value: &str) {
    facts.sysctls.insert(key.to_owned(), value.to_owned());
}

#[rstest]
#[case::setting(|facts: &mut Facts| set(facts, "ipv4.ip_forward", "0"), "1 -> 0")]
#[case::setting_of_an_interface(|facts: &mut Facts| set(facts, "ipv4.conf.eth0.rp_filter", "1"), "0 -> 1")]
#[case::link(|facts: &mut Facts| facts.links[1].up = false, "up -> down")]
#[case::mtu(|facts: &mut Facts| facts.links[1].mtu = 1400, "1500 -> 1400")]
#[case::master(|facts: &mut Facts| facts.links[0].master = Some(2), "none -> cni0")]
#[case::address(|facts: &mut Facts| facts.addresses.clear(), "10.244.0.1/24 -> none")]
#[case::route(|facts: &mut Facts| facts.routes[0].oif = Some(2), "via 172.18.0.3 dev eth0 -> via 172.18.0.3 dev cni0")]
#[case::route_that_refuses(|facts: &mut Facts| facts.routes[0].kind = 6, "via 172.18.0.3 dev eth0 -> blackhole")]
#[case::neighbour(|facts: &mut Facts| facts.neighbours.clear(), "02:00:00:00:00:03 -> none")]
fn what_causes_rest_on_is_compared(#[case] change: fn(&mut Facts), #[case] expected: &str) {
    assert_eq!(changed(change), [expected]);
}

#[rstest]
#[case::nothing(|_: &mut Facts| ())]
#[case::count_of_connections(|facts: &mut Facts| set(facts, "netfilter.nf_conntrack_count", "9"))]
#[case::other_name_of_ip_forward(|facts: &mut Facts| set(facts, "ipv4.conf.all.forwarding", "0"))]
#[case::module_that_was_loaded(|facts: &mut Facts| set(facts, "netfilter.nf_conntrack_max", "9"))]
#[case::counters(|facts: &mut Facts| facts.links[0].stats.rx_packets = 9)]
#[case::pod_of_others(|facts: &mut Facts| {
    facts.links.push(link(7, "veth7", "veth"));
    facts.routes.push(route("10.244.0.7/32", 7));
    set(facts, "ipv4.conf.veth7.rp_filter", "1");
})]
#[case::resolved_neighbour(|facts: &mut Facts| {
    let resolved = Neighbour { state: "REACHABLE".to_owned(), address: [172, 18, 0, 4].into(), ..facts.neighbours[0].clone() };
    facts.neighbours.push(resolved);
})]
fn what_moves_by_itself_or_belongs_to_others_is_not(#[case] change: fn(&mut Facts)) {
    assert_eq!(changed(change), [""; 0]);
}
