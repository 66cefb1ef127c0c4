//! node-routes: routes with several next hops, and the device that many lead into.
use std::net::IpAddr;

use flatnet_model::kernel::NextHop;

use super::*;
use crate::example::build::{ETH0, Style, healthy};
use crate::example::pieces::net;

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
