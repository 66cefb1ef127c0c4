//! node-routes: routes with several next hops, and the device that many lead into.
use std::net::IpAddr;

use flatnet_model::booted::Booted;
use flatnet_model::kernel::{MacAddr, Neighbour, NextHop};

use super::*;
use crate::example::build::{CNI0, ETH0, Style, healthy};
use crate::example::pieces::{ip, net, route};

/// Gives node1's route to the pods of node3 these next hops after its own.
fn more_hops(o: &mut Observations, hops: &[(IpAddr, u32)]) {
    let mut routes = node_facts(o, "node1").routes.iter_mut();
    let route = routes.find(|route| route.dst == net("10.244.3.0/24"));
    route.unwrap().more_hops = hops
        .iter()
        .map(|(gateway, oif)| NextHop {
            gateway: Some(*gateway),
            oif: Some(*oif),
            onlink: false,
        })
        .collect();
}

#[test]
fn one_route_with_several_next_hops_is_right_if_each_leads_to_the_node() {
    let mut o = healthy(Style::Direct);
    let own = o.nodes[2].object.internal_ips[0];
    more_hops(&mut o, &[(own, ETH0)]);
    assert_eq!(
        facts("node-routes", &o),
        ["6 routes to remote podCIDRs via node addresses on eth0"]
    );

    let of_node2 = o.nodes[1].object.internal_ips[0];
    more_hops(&mut o, &[(own, ETH0), (of_node2, ETH0)]);
    let wrong = sole("node-routes", &o);
    assert_eq!(wrong.culprit.as_deref(), Some("node1"));
    assert_eq!(
        wrong.what,
        format!(
            "node1 routes a part of what is for 10.244.3.0/24 of node3 to node2: next hop {of_node2} is one of 3"
        )
    );
    assert_contains(
        &wrong.observed,
        &format!("nexthop via {of_node2} dev eth0 [node2 (eth0)]"),
    );

    // The kernel passes over a next hop whose device is down.
    let facts_of_node1 = node_facts(&mut o, "node1");
    let mut other = facts_of_node1.links[0].clone();
    (other.index, other.name, other.up) = (77, "eth7".to_owned(), false);
    facts_of_node1.links.push(other);
    more_hops(&mut o, &[(of_node2, 77)]);
    assert_eq!(
        facts("node-routes", &o),
        ["6 routes to remote podCIDRs via node addresses on eth0"]
    );
}

/// Where the kernel asked for an Ethernet address, and in what state the entry is.
fn asked(o: &mut Observations, address: IpAddr, state: &str) {
    let facts = node_facts(o, "node1");
    facts.neighbours.retain(|entry| entry.address != address);
    facts.neighbours.push(Neighbour {
        index: ETH0,
        address,
        mac: (state != "FAILED").then_some(MacAddr([2, 0, 0, 0, 0, 9])),
        state: state.to_owned(),
    });
}

/// Every pair of pods is answered: by the first next hop, as it may be.
#[test]
fn each_of_several_next_hops_that_no_node_holds_is_asked_for_its_ethernet_address() {
    let mut o = healthy(Style::Direct);
    let nobody = ip("172.18.0.99");
    more_hops(&mut o, &[(nobody, ETH0)]);

    let error = broken("node-routes", &o);
    assert_contains(
        &error,
        "whether 172.18.0.99 on eth0, one of 2 next hops of node1 to 10.244.3.0/24, leads to node3",
    );

    asked(&mut o, nobody, "FAILED");
    let wrong = sole("node-routes", &o);
    assert_eq!(wrong.culprit.as_deref(), Some("node1"));
    assert_eq!(
        wrong.what,
        "node1: next hop 172.18.0.99, one of 2 of the route to 10.244.3.0/24, is not an address of node3"
    );

    asked(&mut o, nobody, "STALE");
    assert_red(&o, &[], &[]);
}

#[test]
fn each_next_hop_of_a_default_route_that_carries_pods_is_asked_too() {
    let mut o = healthy(Style::Direct);
    let routers = [ip("172.18.255.253"), ip("172.18.255.254")];
    for node in &mut o.nodes {
        let facts = found(&mut node.inside.facts);
        facts.routes.retain(|route| route.gateway.is_none());
        let default = route("0.0.0.0/0", Some(routers[0]), ETH0, 4);
        facts.routes.push(default);
    }
    let mut routes = node_facts(&mut o, "node1").routes.iter_mut();
    let default = routes.find(|route| route.dst.prefix_len() == 0).unwrap();
    default.more_hops = vec![NextHop {
        gateway: Some(routers[1]),
        oif: Some(ETH0),
        onlink: false,
    }];
    asked(&mut o, routers[0], "REACHABLE");
    asked(&mut o, routers[1], "FAILED");
    let told = evidence("node-routes", &o);
    assert_eq!(
        told[0].what,
        "node1 has no Ethernet address for the next hop 172.18.255.254 on eth0: its neighbour entry is FAILED"
    );
    asked(&mut o, routers[1], "REACHABLE");
    assert_red(&o, &[], &[]);
}

#[test]
fn one_of_several_next_hops_that_looks_for_pods_on_a_bridge_is_wrong() {
    let mut o = healthy(Style::Direct);
    let own = o.nodes[2].object.internal_ips[0];
    more_hops(&mut o, &[(own, CNI0)]);
    let mut routes = node_facts(&mut o, "node1").routes.iter_mut();
    let route = routes.find(|route| route.dst == net("10.244.3.0/24"));
    let route = route.unwrap();
    (route.gateway, route.oif) = (None, Some(CNI0));
    route.more_hops[0].oif = Some(ETH0);
    assert_eq!(causes("node-routes", &o), [CauseId::RouteIntoBridge]);
}

#[test]
fn a_route_that_refuses_is_told_as_what_it_is() {
    for (kind, word) in [(6, "blackhole"), (7, "unreachable"), (8, "prohibit")] {
        let mut o = healthy(Style::Direct);
        let mut routes = node_facts(&mut o, "node1").routes.iter_mut();
        let route = routes.find(|route| route.dst == net("10.244.2.0/24"));
        let route = route.unwrap();
        // As the kernel tells one whose next hop is a nexthop object.
        (route.kind, route.gateway, route.oif) = (kind, None, Some(1));
        route.nexthop_id = Some(5);
        let told = sole("node-routes", &o);
        assert_eq!(
            told.what,
            format!("node1 has a route that refuses 10.244.2.2: `{word} 10.244.2.0/24`")
        );
        assert_contains(&told.observed, &format!("{word} 10.244.2.0/24 rejects it"));
    }
}

#[test]
fn a_vxlan_device_that_is_down_is_one_finding_of_its_node() {
    let mut o = healthy(Style::Vxlan);
    let facts = node_facts(&mut o, "node2");
    let device = facts.links.iter_mut().find(|link| link.vxlan.is_some());
    let device = device.unwrap();
    device.up = false;
    let (index, name) = (device.index, device.name.clone());
    // The kernel takes a device's routes away when it goes down.
    facts.routes.retain(|route| route.oif != Some(index));
    let only = sole("node-routes", &o);
    assert_eq!(
        only.what,
        format!("the VXLAN device {name} of node2 is down")
    );
    assert_eq!(only.culprit.as_deref(), Some("node2"));

    // A route that is missing elsewhere is another finding.
    let facts = node_facts(&mut o, "node1");
    facts
        .routes
        .retain(|route| route.dst != net("10.244.3.0/24"));
    assert_eq!(
        causes("node-routes", &o),
        [CauseId::VxlanDown, CauseId::RouteMissing]
    );
}

/// As the lab says that it was booted.
#[test]
fn a_fix_of_routes_is_known_where_it_is_known_whose_they_are() {
    let mut o = healthy(Style::Direct);
    let range = net("10.244.2.0/24");
    let routes = &mut node_facts(&mut o, "node1").routes;
    routes.retain(|route| route.dst != range);
    assert_eq!(sole("node-routes", &o).fix, None);
    for (options, fix) in [
        (&[][..], Some("--backend auto")),
        (&["--backend", "vxlan"], Some("--backend vxlan")),
        (&["--cni", "reference"], None),
    ] {
        o.booted = Some(Booted {
            options: options.iter().map(|&word| word.to_owned()).collect(),
            manifest: None,
        });
        let told = sole("node-routes", &o).fix;
        let said = told.as_deref().unwrap_or_default();
        match fix {
            Some(fix) => {
                assert_contains(said, "flatnet exec node1 -- /.flatnet/flatnet-agent --once");
                assert_contains(said, fix);
            }
            None => assert_eq!(told, None),
        }
    }
}
