//! node-routes: what is missing, wrong, doubled, left over.
use flatnet_model::kernel::{FdbEntry, MacAddr};
use rstest::rstest;

use super::*;
use crate::example::build::{CNI0, ETH0, Style, VXLAN, healthy};
use crate::example::pieces::{address, internal, ip, net, route};

fn between(e: &Ends<'_>, a: &str, b: &str) -> bool {
    // Nodes reach each other without routes to podCIDRs.
    let nodes = e.from_host && e.to_host;
    !nodes && ((e.from_node == a && e.to_node == b) || (e.from_node == b && e.to_node == a))
}

#[rstest]
#[case(Style::Vxlan)]
#[case(Style::Direct)]
fn a_missing_route_blames_the_node_that_lacks_it(#[case] style: Style) {
    let mut o = healthy(style);
    node_facts(&mut o, "node1")
        .routes
        .retain(|r| r.dst != net("10.244.3.0/24"));
    node_facts(&mut o, "node1").routes.push(route(
        "0.0.0.0/0",
        Some(ip("172.18.255.254")),
        ETH0,
        4,
    ));
    lost(&mut o, |e| {
        between(e, "node1", "node3") && e.from_node == "node1" && !e.to_host
    });
    unanswered(&mut o, |e| {
        between(e, "node1", "node3") && e.from_node == "node3" && !e.to_host && !e.from_host
    });
    assert_red(&o, &["node-routes", "cross-node"], &[]);
    let own = sole("node-routes", &o);
    assert_eq!(own.culprit.as_deref(), Some("node1"));
    assert_contains(&own.what, "node1 has no route to 10.244.3.0/24 of node3");
    assert_contains(&own.observed, "only the default route covers it");
    assert_eq!(own.look, "flatnet exec node1 -- ip route");
    assert_eq!(own.fix, None, "no command is known to put it right");
    let cross = sole("cross-node", &o);
    assert_eq!(cross.culprit.as_deref(), Some("node1"), "{cross:?}");
    assert!(
        cross
            .what
            .starts_with("node1 and node3 do not reach each other"),
        "{cross:?}"
    );
    assert_contains(
        &cross.observed,
        "requests from node3 arrive at node1, answers do not come back",
    );
    assert_contains(&cross.cause.unwrap(), "has no route to 10.244.3.0/24");
}

#[test]
fn a_default_route_that_carries_pods_is_the_underlays_business() {
    let mut o = healthy(Style::Direct);
    for node in &mut o.nodes {
        let facts = found(&mut node.inside.facts);
        facts.routes.retain(|r| r.gateway.is_none());
        facts
            .routes
            .push(route("0.0.0.0/0", Some(ip("172.18.255.254")), ETH0, 4));
    }
    assert_eq!(
        facts("node-routes", &o),
        [
            "6 routes to remote podCIDRs through the default route, and answered: the underlay routes pods"
        ]
    );
}

#[test]
fn a_changed_vtep_mac_blames_the_node_that_changed() {
    let mut o = healthy(Style::Vxlan);
    let new = MacAddr([0x0a, 0x58, 0xff, 0xff, 0xff, 0xfe]);
    node_facts(&mut o, "node2")
        .links
        .iter_mut()
        .find(|l| l.index == VXLAN)
        .unwrap()
        .mac = Some(new);
    lost(&mut o, |e| {
        e.crosses() && e.to_node == "node2" && !e.to_host
    });
    unanswered(&mut o, |e| {
        e.crosses() && e.from_node == "node2" && !e.to_host
    });
    assert_red(&o, &["node-routes", "cross-node"], &[]);
    let routes = evidence("node-routes", &o);
    assert_eq!(routes.len(), 2, "{routes:#?}");
    assert!(
        routes.iter().all(|e| e.culprit.as_deref() == Some("node2")),
        "{routes:#?}"
    );
    assert_contains(
        &routes[0].expected,
        "0a:58:ff:ff:ff:fe, the address of flatnet.1 on node2",
    );
    let cross = sole("cross-node", &o);
    assert_eq!(cross.culprit.as_deref(), Some("node2"));
    assert_contains(
        &cross.cause.unwrap(),
        "the VTEP of node2 has another MAC than node1 knows",
    );
    // Of two nodes, the entry that is what CNIs make of the VTEP's address is right.
    o.nodes.retain(|node| node.object.name != "node3");
    let own = node_facts(&mut o, "node1").neighbours.iter_mut();
    let made = MacAddr([0x0a, 0x58, 10, 244, 2, 0]);
    own.filter(|n| n.address == ip("10.244.2.0"))
        .for_each(|n| n.mac = Some(made));
    let told = evidence("node-routes", &o);
    assert_eq!(told[0].culprit.as_deref(), Some("node2"), "{told:#?}");
}

/// A link-local next hop is nobody's by name.
#[test]
fn a_next_hop_with_another_nodes_vtep_address_is_the_routes_fault() {
    let mut o = healthy(Style::Vxlan);
    let mut links = node_facts(&mut o, "node3").links.clone().into_iter();
    let of_node3 = links.find(|link| link.index == VXLAN).unwrap().mac;
    let hop = ip("169.254.7.7");
    let facts = node_facts(&mut o, "node1");
    let mut routes = facts.routes.iter_mut();
    let route = routes.find(|route| route.dst == net("10.244.2.0/24"));
    route.unwrap().gateway = Some(hop);
    let mut entry = facts.neighbours[0].clone();
    (entry.index, entry.address, entry.mac) = (VXLAN, hop, of_node3);
    entry.state = "PERMANENT".to_owned();
    facts.neighbours.push(entry);
    let told = sole("node-routes", &o);
    assert_eq!(told.culprit.as_deref(), Some("node1"));
    assert_contains(&told.cause.unwrap(), "the route was made for another node");
}

#[test]
fn a_wrong_entry_on_one_node_blames_that_node() {
    let mut o = healthy(Style::Vxlan);
    let facts = node_facts(&mut o, "node1");
    let wrong = MacAddr([2, 9, 9, 9, 9, 9]);
    facts
        .neighbours
        .iter_mut()
        .find(|n| n.address == ip("10.244.2.0"))
        .unwrap()
        .mac = Some(wrong);
    let evidence = sole("node-routes", &o);
    assert_eq!(evidence.culprit.as_deref(), Some("node1"));
    assert_contains(
        &evidence.observed,
        "02:09:09:09:09:09 on flatnet.1 of node1",
    );
    assert_eq!(evidence.look, "flatnet exec node1 -- ip neigh");
}

type Mutation = fn(&mut Observations);

#[rstest]
#[case::no_neighbour(|o: &mut Observations| node_facts(o, "node1").neighbours.retain(|n| n.address != ip("10.244.2.0")), "no neighbour entry for 10.244.2.0", "node1")]
#[case::failed_neighbour(|o: &mut Observations| node_facts(o, "node1").neighbours.iter_mut().for_each(|n| if n.address == ip("10.244.2.0") { n.state = "FAILED".to_owned() }), "no neighbour entry for 10.244.2.0", "node1")]
#[case::no_fdb(|o: &mut Observations| node_facts(o, "node1").fdb.retain(|f| f.dst != Some(internal(2, false))), "does not lead to node2", "node1")]
#[case::fdb_elsewhere(|o: &mut Observations| node_facts(o, "node1").fdb[0].dst = Some(internal(3, false)), "does not lead to node2", "node1")]
#[case::other_vni(|o: &mut Observations| node_facts(o, "node1").links.iter_mut().find(|l| l.index == VXLAN).unwrap().vxlan.as_mut().unwrap().vni = 7, "have no VXLAN in common", "node1")]
#[case::other_port(|o: &mut Observations| node_facts(o, "node1").links.iter_mut().find(|l| l.index == VXLAN).unwrap().vxlan.as_mut().unwrap().port = 4789, "have no VXLAN in common", "node1")]
#[case::device_down(|o: &mut Observations| node_facts(o, "node1").links.iter_mut().find(|l| l.index == VXLAN).unwrap().up = false, "flatnet.1", "node1")]
#[case::blackhole(|o: &mut Observations| node_facts(o, "node1").routes.iter_mut().find(|r| r.dst == net("10.244.2.0/24")).unwrap().kind = 6, "node1 has a route that refuses 10.244.2.2: `blackhole 10.244.2.0/24`", "node1")]
#[case::second_route(|o: &mut Observations| { let mut extra = route("10.244.2.0/24", Some(internal(2, false)), ETH0, 4); extra.metric = Some(50); node_facts(o, "node1").routes.push(extra) }, "2 routes to 10.244.2.0/24", "node1")]
#[case::stale_route(|o: &mut Observations| node_facts(o, "node1").routes.push(route("10.244.99.0/24", Some(internal(2, false)), ETH0, 4)), "stale route on node1: 10.244.99.0/24", "node1")]
#[case::stale_route_outside(|o: &mut Observations| node_facts(o, "node1").routes.push(route("10.99.0.0/24", Some(internal(2, false)), ETH0, 4)), "stale route on node1: 10.99.0.0/24", "node1")]
#[case::stale_fdb(|o: &mut Observations| node_facts(o, "node1").fdb.push(FdbEntry { index: VXLAN, mac: MacAddr([2, 4, 0, 0, 0, 99]), dst: Some(ip("172.18.0.99")), master: None, state: "PERMANENT".to_owned() }), "172.18.0.99 is not a node", "node1")]
#[case::own_elsewhere(|o: &mut Observations| node_facts(o, "node1").routes.push(route("10.244.1.0/24", Some(internal(2, false)), ETH0, 4)), "node1 routes its own podCIDR 10.244.1.0/24 to elsewhere", "node1")]
fn every_disagreement_is_evidence(
    #[case] mutate: Mutation,
    #[case] what: &str,
    #[case] culprit: &str,
) {
    let mut o = healthy(Style::Vxlan);
    mutate(&mut o);
    let found = evidence("node-routes", &o);
    let fitting = found.iter().find(|e| e.what.contains(what));
    assert!(
        fitting.is_some_and(|e| e.culprit.as_deref() == Some(culprit) || e.what.contains(culprit)),
        "{found:#?}"
    );
    assert_eq!(with("fail", &o), BTreeSet::from(["node-routes"]));
}

#[rstest]
#[case::to_another_node(
    Some(internal(3, false)),
    "node1 routes 10.244.2.0/24 of node2 to node3"
)]
#[case::to_nobody(
    Some(ip("172.18.0.77")),
    "next hop 172.18.0.77 of the route to 10.244.2.0/24 is not an address of node2"
)]
#[case::own_bridge(None, "node1 takes 10.244.2.0/24 of node2 for its own")]
fn a_plain_route_must_lead_to_its_node(#[case] hop: Option<std::net::IpAddr>, #[case] what: &str) {
    let mut o = healthy(Style::Direct);
    let wrong = node_facts(&mut o, "node1")
        .routes
        .iter_mut()
        .find(|r| r.dst == net("10.244.2.0/24"))
        .unwrap();
    wrong.gateway = hop;
    if hop.is_none() {
        wrong.oif = Some(CNI0);
    }
    lost(&mut o, |e| between(e, "node1", "node2"));
    let evidence = sole("node-routes", &o);
    assert_contains(&evidence.what, what);
    assert_eq!(evidence.culprit.as_deref(), Some("node1"));
    assert_eq!(sole("cross-node", &o).culprit.as_deref(), Some("node1"));
}

#[test]
fn a_next_hop_in_another_segment_is_not_on_link() {
    let mut o = healthy(Style::Direct);
    let facts = node_facts(&mut o, "node1");
    facts.addresses.retain(|a| a.index != ETH0);
    facts.addresses.push(address(ETH0, internal(1, false), 32));
    facts.routes.retain(|r| r.dst != net("172.18.0.0/16"));
    let evidence = evidence("node-routes", &o);
    assert_contains(
        &evidence[0].what,
        "next hop 172.18.0.3 of the route to 10.244.2.0/24 is not on link",
    );
}

/// node2 was given node1's range: its pods get node1's addresses.
#[test]
fn equal_pod_cidrs_name_both_nodes() {
    let mut o = healthy(Style::Direct);
    let claimed = node(&mut o, "node1").object.pod_cidrs.clone();
    node(&mut o, "node2").object.pod_cidrs = claimed;
    for (pod_name, at) in [("busybox-2", "10.244.1.2"), ("busybox-5", "10.244.1.3")] {
        pod(&mut o, pod_name).object.ips = vec![ip(at)];
        let facts = pod_facts(&mut o, pod_name);
        facts.addresses.retain(|a| a.index != ETH0);
        facts.addresses.push(address(ETH0, ip(at), 32));
    }
    for node in &mut o.nodes {
        let facts = found(&mut node.inside.facts);
        facts.routes.retain(|r| r.dst != net("10.244.2.0/24"));
    }
    node_facts(&mut o, "node2")
        .routes
        .retain(|r| r.gateway.is_none() || r.dst != net("10.244.1.0/24"));
    let routes = sole("node-routes", &o);
    assert_contains(
        &routes.what,
        "node1 and node2 both claim the podCIDR 10.244.1.0/24",
    );
    let unique = evidence("pod-ip-unique", &o);
    assert_eq!(unique.len(), 2);
    assert!(
        unique[0].what.contains("busybox-1 on node1")
            && unique[0].what.contains("busybox-2 on node2"),
        "{unique:#?}"
    );
    assert_contains(
        unique[0].cause.as_ref().unwrap(),
        "node1, node2 assign from the same range",
    );
}

#[test]
fn clusters_that_do_not_use_pod_cidrs_are_skipped() {
    let mut o = healthy(Style::Direct);
    let mut elsewhere = o.clone();
    for (index, pod) in elsewhere
        .pods
        .iter_mut()
        .filter(|pod| !pod.object.host_network)
        .enumerate()
    {
        pod.object.ips = vec![format!("192.168.7.{index}").parse().unwrap()];
    }
    assert_eq!(judge("node-routes", &elsewhere).name(), "skip");
    o.nodes
        .iter_mut()
        .for_each(|node| node.object.pod_cidrs.clear());
    assert_eq!(judge("node-routes", &o).name(), "skip");
}

#[test]
fn the_kernels_route_of_a_vteps_own_address_leads_nowhere_else() {
    let vtep = "10.244.1.0";
    let mut o = healthy(Style::Vxlan);
    let node = node_facts(&mut o, "node1");
    let held = route("10.244.1.0/32", None, VXLAN, 2);
    node.routes.push(held.clone());
    if node.address(ip(vtep)).is_none() {
        node.addresses.push(address(VXLAN, ip(vtep), 32));
    }
    assert_red(&o, &[], &[]);
    // Without the address it would be a way into the tunnel.
    let node = node_facts(&mut o, "node1");
    node.addresses.retain(|own| own.net.addr() != ip(vtep));
    assert_eq!(sole("node-routes", &o).culprit.as_deref(), Some("node1"));
}

#[test]
fn a_node_that_cannot_be_read_is_broken() {
    let mut o = healthy(Style::Vxlan);
    node(&mut o, "node2").inside.facts = Some(Err("no shell".to_owned()));
    let error = broken("node-routes", &o);
    assert!(
        error.contains("routes of node2: no shell") && error.contains("the VTEP of node2"),
        "{error}"
    );
}

#[rstest]
#[case::rejected(6, None)]
#[case::by_another_node(1, Some("172.18.0.3"))]
#[case::by_nobody(1, Some("172.18.0.99"))]
fn a_route_to_a_part_of_a_pod_cidr_blames_the_node_that_has_it(
    #[case] kind: u8,
    #[case] hop: Option<&str>,
) {
    for style in [Style::Direct, Style::Vxlan] {
        let mut o = healthy(style);
        let mut part = route("10.244.3.0/25", hop.map(ip), ETH0, 4);
        part.kind = kind;
        node_facts(&mut o, "node1").routes.push(part);

        // Nothing need be red for it: what is behind the part may have no pod yet.
        assert_red(&o, &["node-routes"], &[]);
        assert_eq!(causes("node-routes", &o), [CauseId::PartRoutedElsewhere]);
        let own = sole("node-routes", &o);
        assert_eq!(own.culprit.as_deref(), Some("node1"));
        assert_eq!(
            own.what,
            "node1 routes 10.244.3.0/25, a part of 10.244.3.0/24 of node3, elsewhere"
        );
        let fix = "flatnet exec node1 -- ip route del 10.244.3.0/25";
        assert_eq!(own.fix.as_deref(), Some(fix));
    }
}

#[test]
fn a_route_to_a_part_that_leads_where_the_whole_does_is_fine() {
    let mut o = healthy(Style::Direct);
    let part = route("10.244.3.0/25", Some(internal(3, false)), ETH0, 4);
    node_facts(&mut o, "node1").routes.push(part);
    assert_red(&o, &[], &[]);
}

#[test]
fn an_uplink_that_is_down_is_one_fault_and_not_one_for_each_route() {
    let mut o = Cluster::new(Style::Direct, 5, 1).observe();
    let facts = node_facts(&mut o, "node2");
    let mut links = facts.links.iter_mut();
    let uplink = links.find(|link| link.name == "eth0").expect("an uplink");
    uplink.up = false;
    let index = uplink.index;
    facts.routes.retain(|route| route.oif != Some(index));
    let told = sole("node-routes", &o);
    assert_eq!(told.what, "eth0 of node2 is set down");
    assert_eq!(told.culprit.as_deref(), Some("node2"));
    assert_eq!(causes("node-routes", &o), [CauseId::LinkDown]);
}
