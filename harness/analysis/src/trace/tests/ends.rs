//! Broken clusters: where a packet ends, and why.
use flatnet_model::advice::Advice;
use flatnet_model::kernel::{Link, MacAddr};
use flatnet_model::rule::RouteChoice;

use super::*;

const FOREIGN: MacAddr = MacAddr([2, 9, 9, 9, 9, 9]);

fn link<'a>(facts: &'a mut Facts, name: &str) -> &'a mut Link {
    facts
        .links
        .iter_mut()
        .find(|link| link.name == name)
        .unwrap()
}

/// A packet from busybox-1 on node1 to busybox-2 on node2.
#[track_caller]
fn ends(observed: &ObservedNetwork, at: Netns, cause: Cause) {
    let trace = follow(observed, pod("busybox-1"), "10.244.2.2");
    assert_eq!(stopped(&trace), (&at, &cause));
    assert!(super::super::words::look_at_ending(&trace, &Advice::brief()).is_some());
}

#[test]
fn a_pod_without_a_default_route() {
    let mut observed = observed(Style::Direct);
    pod_facts(&mut observed, "busybox-1")
        .routes
        .retain(|route| route.dst.prefix_len() > 0);
    ends(&observed, pod("busybox-1"), Cause::NoRoute);
}

#[test]
fn a_node_without_a_route_to_the_podcidr() {
    let mut observed = observed(Style::Direct);
    node_facts(&mut observed, "node1")
        .routes
        .retain(|route| route.dst.to_string() != "10.244.2.0/24");
    ends(&observed, node("node1"), Cause::NoRoute);
}

#[test]
fn a_route_that_rejects() {
    let mut observed = observed(Style::Direct);
    let routes = &mut node_facts(&mut observed, "node1").routes;
    let route = routes
        .iter_mut()
        .find(|route| route.dst.to_string() == "10.244.2.0/24");
    let route = route.unwrap();
    (route.kind, route.gateway, route.oif) = (6, None, None);
    let route = "blackhole 10.244.2.0/24".to_owned();
    let by = RouteChoice::Main { route };
    ends(&observed, node("node1"), Cause::Rejected { by });
}

#[test]
fn a_device_that_is_down() {
    let mut observed = observed(Style::Direct);
    link(node_facts(&mut observed, "node2"), "cni0").up = false;
    let cause = Cause::LinkDown {
        device: "cni0".to_owned(),
        admin: true,
    };
    ends(&observed, node("node2"), cause);
}

#[test]
fn a_host_end_that_is_no_port_of_the_bridge() {
    let mut observed = observed(Style::Direct);
    let host_end = link(node_facts(&mut observed, "node1"), "veth0");
    host_end.master = None;
    let own = host_end.mac;
    let bridge = link(node_facts(&mut observed, "node1"), "cni0")
        .mac
        .unwrap();
    let cause = Cause::WrongMac {
        device: "veth0".to_owned(),
        frame: bridge,
        own,
    };
    ends(&observed, node("node1"), cause);
}

#[test]
fn a_node_that_does_not_forward() {
    let mut observed = observed(Style::Direct);
    node_facts(&mut observed, "node2")
        .sysctls
        .insert("ipv4.ip_forward".to_owned(), "0".to_owned());
    let sysctl = "ipv4/ip_forward".to_owned();
    ends(&observed, node("node2"), Cause::ForwardingOff { sysctl });
}

#[test]
fn a_vtep_with_another_mac_than_the_others_know() {
    let mut observed = observed(Style::Vxlan);
    let device = link(node_facts(&mut observed, "node2"), "flatnet.1");
    let frame = device.mac.replace(FOREIGN).unwrap();
    let cause = Cause::WrongMac {
        device: "flatnet.1".to_owned(),
        frame,
        own: Some(FOREIGN),
    };
    ends(&observed, node("node2"), cause);
}

#[test]
fn a_vtep_that_nobody_has_an_entry_for() {
    let mut observed = observed(Style::Vxlan);
    let facts = node_facts(&mut observed, "node1");
    facts.fdb.clear();
    let mac = facts.neighbours[0].mac.unwrap();
    let cause = Cause::NoForwardingEntry {
        device: "flatnet.1".to_owned(),
        mac,
    };
    ends(&observed, node("node1"), cause);
}

#[test]
fn a_tunnel_with_another_vni_at_the_other_end() {
    let mut observed = observed(Style::Vxlan);
    let device = link(node_facts(&mut observed, "node2"), "flatnet.1");
    device.vxlan.as_mut().unwrap().vni = 7;
    ends(
        &observed,
        node("node2"),
        Cause::NoVtep { vni: 1, port: 8472 },
    );
}

#[test]
fn a_next_hop_that_nobody_holds() {
    let mut observed = observed(Style::Vxlan);
    node_facts(&mut observed, "node1").neighbours.clear();
    let cause = Cause::Neighbour {
        next_hop: ip("10.244.2.0"),
        device: "flatnet.1".to_owned(),
        entry: None,
    };
    ends(&observed, node("node1"), cause);
}

#[test]
fn a_neighbour_that_failed_and_whom_nobody_else_is() {
    let mut observed = observed(Style::Direct);
    let facts = node_facts(&mut observed, "node1");
    let route = facts
        .routes
        .iter_mut()
        .find(|route| route.dst.to_string() == "10.244.2.0/24");
    route.unwrap().gateway = Some(ip("172.18.0.99"));
    facts.neighbours.push(flatnet_model::kernel::Neighbour {
        index: 2,
        address: ip("172.18.0.99"),
        mac: None,
        state: "FAILED".to_owned(),
    });
    let cause = Cause::Neighbour {
        next_hop: ip("172.18.0.99"),
        device: "eth0".to_owned(),
        entry: Some("FAILED".to_owned()),
    };
    ends(&observed, node("node1"), cause);
}

#[test]
fn a_pod_that_holds_another_address() {
    let mut observed = observed(Style::Direct);
    // The node still knows the pod's Ethernet address by the old one.
    let mac = link(pod_facts(&mut observed, "busybox-2"), "eth0").mac;
    node_facts(&mut observed, "node2")
        .neighbours
        .push(flatnet_model::kernel::Neighbour {
            index: 3,
            address: ip("10.244.2.2"),
            mac,
            state: "PERMANENT".to_owned(),
        });
    for address in &mut pod_facts(&mut observed, "busybox-2").addresses {
        if address.net.addr() == ip("10.244.2.2") {
            address.net = "10.244.2.200/32".parse().unwrap();
        }
    }
    let holds = vec![ip("10.244.2.200")];
    ends(&observed, pod("busybox-2"), Cause::NotHeld { holds });
}

#[test]
fn two_pods_with_one_address() {
    let mut observed = observed(Style::Direct);
    let facts = pod_facts(&mut observed, "busybox-4");
    let own = facts
        .addresses
        .iter_mut()
        .find(|address| address.net.addr() == ip("10.244.1.3"));
    own.unwrap().net = "10.244.2.2/32".parse().unwrap();
    // node1 takes it for one of its own pods.
    let mut route = node_facts(&mut observed, "node1").routes[0].clone();
    (route.dst, route.gateway, route.oif) = ("10.244.2.2/32".parse().unwrap(), None, Some(3));
    node_facts(&mut observed, "node1").routes.push(route);

    let mut asked = request(pod("busybox-1"), "10.244.2.2");
    asked.wanted = Some(pod("busybox-2"));
    let trace = trace(&observed, &Kernels::new(), &asked).0;

    let wanted = pod("busybox-2");
    assert_eq!(
        stopped(&trace),
        (&pod("busybox-4"), &Cause::TakenByOther { wanted })
    );
    assert_contains(&trace.remarks[0], "pod/busybox-2, pod/busybox-4");
}

#[test]
fn two_nodes_that_send_it_to_each_other() {
    let mut observed = observed(Style::Direct);
    for (name, gateway) in [("node1", "172.18.0.3"), ("node2", "172.18.0.2")] {
        let facts = node_facts(&mut observed, name);
        let mut route = facts.routes[0].clone();
        (route.dst, route.gateway) = ("10.244.9.0/24".parse().unwrap(), Some(ip(gateway)));
        facts.routes.push(route);
    }

    let trace = follow(&observed, node("node1"), "10.244.9.9");

    assert_eq!(stopped(&trace).1, &Cause::Loop);
}

#[test]
fn a_place_that_nobody_could_look_at() {
    let mut observed = observed(Style::Direct);
    observed.nodes[0].inside.facts = Some(Err("no right".to_owned()));
    let trace = follow(&observed, node("node1"), "10.244.2.2");
    let error = "no right".to_owned();
    assert_eq!(stopped(&trace), (&node("node1"), &Cause::Unknown { error }));
}
