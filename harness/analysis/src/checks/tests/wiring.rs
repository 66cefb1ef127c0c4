//! gateway and bridge: how a pod hangs on its node.
use flatnet_model::kernel::MacAddr;
use flatnet_model::probe::{DialOutcome, Failure, Transport};

use super::*;
use crate::example::build::{CNI0, ETH0, Style, healthy};
use crate::example::pieces::{gateway, ip, route};

#[test]
fn a_missing_default_route_blames_the_pod() {
    let mut o = healthy(Style::Vxlan);
    pod_facts(&mut o, "busybox-1")
        .routes
        .retain(|r| r.dst.prefix_len() != 0);
    // The gateway itself is still on link: it answers, and what the node itself sends comes from it.
    lost(&mut o, |e| {
        let by_gateway =
            e.dial.request.address == gateway(1, false) || (e.from_host && !e.crosses());
        e.involves("busybox-1") && !e.itself() && !by_gateway
    });
    assert_red(&o, &["gateway", "same-node", "cross-node"], &["mtu"]);
    let own = sole("gateway", &o);
    assert_contains(&own.what, "busybox-1 on node1 without a default route");
    assert_eq!(own.look, "flatnet exec busybox-1 -- ip route");
    assert_eq!(causes("gateway", &o), [CauseId::DefaultRouteMissing]);
    for id in ["same-node", "cross-node"] {
        assert_eq!(causes(id, &o), [CauseId::DefaultRouteMissing]);
        let evidence = sole(id, &o);
        assert_eq!(
            evidence.culprit.as_deref(),
            Some("pod busybox-1 on node1"),
            "{evidence:?}"
        );
        assert_contains(&evidence.cause.unwrap(), "without a default route");
    }
}

#[test]
fn a_missing_default_route_of_the_only_pod_that_was_tried_is_put_back_into_that_pod() {
    let mut o = healthy(Style::Vxlan);
    let of_node1 = |pod: &ObservedPod| pod.object.node == "node1" && !pod.object.host_network;
    o.pods
        .retain(|pod| !of_node1(pod) || bare(&pod.endpoint()) == "busybox-1");
    pod_facts(&mut o, "busybox-1")
        .routes
        .retain(|r| r.dst.prefix_len() != 0);
    let evidence = sole("gateway", &o);
    assert_eq!(evidence.culprit.as_deref(), Some("pod busybox-1 on node1"));
    let fix = format!(
        "flatnet exec busybox-1 -- ip route add default via {}",
        gateway(1, false)
    );
    assert_eq!(evidence.fix.as_deref(), Some(fix.as_str()));

    // It cannot be put back where the pod's interface is down, and not by a pod of a real cluster.
    let mut down = o.clone();
    for link in &mut pod_facts(&mut down, "busybox-1").links {
        link.up = false;
    }
    assert_eq!(sole("gateway", &down).fix, None);
    o.capabilities.kubectl = flatnet_model::capabilities::Capability::Present;
    assert_eq!(sole("gateway", &o).fix, None);
}

#[test]
fn a_gateway_address_gone_from_the_bridge_blames_the_node() {
    let mut o = healthy(Style::Vxlan);
    let facts = node_facts(&mut o, "node1");
    facts.addresses.retain(|a| a.index != CNI0);
    facts.routes.retain(|r| r.oif != Some(CNI0));
    lost(&mut o, |e| {
        (e.from_node == "node1" && !e.from_host || e.to_node == "node1" && !e.to_host)
            && !e.itself()
    });
    assert_red(
        &o,
        &["gateway", "bridge", "same-node", "cross-node"],
        &["mtu"],
    );
    for id in ["gateway", "bridge"] {
        let evidence = sole(id, &o);
        assert_eq!(evidence.culprit.as_deref(), Some("node1"), "{evidence:?}");
        assert_contains(&evidence.expected, "10.244.1.1 on cni0");
    }
    for id in ["same-node", "cross-node"] {
        let evidence = sole(id, &o);
        assert_eq!(evidence.culprit.as_deref(), Some("node1"), "{evidence:?}");
    }
}

#[test]
fn a_gateway_that_does_not_answer_is_told_from_one_that_was_not_asked() {
    let mut o = healthy(Style::Vxlan);
    lost(&mut o, |e| e.dial.request.address == gateway(2, false));
    let evidence = sole("gateway", &o);
    assert_contains(
        &evidence.what,
        "gateway 10.244.2.1 does not answer pods busybox-2, busybox-5 on node2",
    );
    assert_eq!(evidence.culprit.as_deref(), Some("node2"));

    let mut unasked = healthy(Style::Vxlan);
    unasked
        .dials
        .retain(|dial| dial.request.address != gateway(2, false));
    assert_contains(
        &broken("gateway", &unasked),
        "busybox-2 on node2 did not ask",
    );

    let mut cannot = healthy(Style::Vxlan);
    for dial in cannot
        .dials
        .iter_mut()
        .filter(|dial| dial.request.transport == Transport::Icmp)
    {
        dial.result = DialOutcome::Failed {
            kind: Failure::Unsupported,
            detail: "permission denied".to_owned(),
            attempts: 0,
        };
    }
    assert_contains(&broken("gateway", &cannot), "permission denied");
}

#[test]
fn a_next_hop_of_another_node_or_off_link_is_wrong() {
    let mut o = healthy(Style::Vxlan);
    let routes = &mut pod_facts(&mut o, "busybox-1").routes;
    routes.clear();
    routes.push(route("10.244.2.1/32", None, ETH0, 4));
    routes.push(route("0.0.0.0/0", Some(gateway(2, false)), ETH0, 4));
    let evidence = sole("gateway", &o);
    assert_contains(&evidence.observed, "10.244.2.1 belongs to node2 (cni0)");
    pod_facts(&mut o, "busybox-1").routes.remove(0);
    assert_contains(&sole("gateway", &o).what, "is not on link");
}

/// Calico: 169.254.1.1 is nobody's address, the pod's own host end answers for it.
#[test]
fn a_proxy_arp_gateway_is_accepted_only_from_the_pods_own_host_end() {
    let mut o = healthy(Style::Direct);
    let hop = ip("169.254.1.1");
    let mut host_end = None;
    for link in &mut node_facts(&mut o, "node1").links {
        if link.name.starts_with("veth") {
            link.master = None;
            host_end = host_end.or(link.mac);
        }
    }
    let facts = pod_facts(&mut o, "busybox-1");
    facts.routes = vec![
        route("169.254.1.1/32", None, ETH0, 4),
        route("0.0.0.0/0", Some(hop), ETH0, 4),
    ];
    facts.neighbours[0].address = hop;
    facts.neighbours[0].mac = host_end;
    let told = super::facts("gateway", &o);
    assert!(
        told.iter()
            .any(|fact| fact.contains("169.254.1.1") && fact.contains("proxy ARP")),
        "{told:?}"
    );
    pod_facts(&mut o, "busybox-1").neighbours[0].mac = Some(MacAddr([2, 3, 0, 0, 0, 1]));
    assert_contains(
        &sole("gateway", &o).observed,
        "169.254.1.1 is on no interface of any node",
    );
}

#[test]
fn a_host_end_off_the_bridge_blames_the_pod() {
    let mut o = healthy(Style::Vxlan);
    let facts = node_facts(&mut o, "node1");
    facts
        .links
        .iter_mut()
        .find(|l| l.name == "veth0")
        .unwrap()
        .master = None;
    lost(&mut o, |e| e.involves("busybox-1") && !e.itself());
    assert_red(
        &o,
        &["bridge", "gateway", "same-node", "cross-node"],
        &["mtu"],
    );
    let own = sole("bridge", &o);
    assert_contains(
        &own.what,
        "busybox-1 on node1: its host end veth0 is on no bridge",
    );
    for id in ["gateway", "same-node", "cross-node"] {
        let evidence = sole(id, &o);
        assert_eq!(
            evidence.culprit.as_deref(),
            Some("pod busybox-1 on node1"),
            "{evidence:?}"
        );
    }
    assert_contains(&sole("cross-node", &o).cause.unwrap(), "is on no bridge");
}

#[test]
fn bridges_that_are_down_and_host_ends_that_are_gone_are_seen() {
    let mut o = healthy(Style::Reference);
    let bridge = node_facts(&mut o, "node3")
        .links
        .iter_mut()
        .find(|l| l.name == "cni0")
        .unwrap();
    bridge.up = false;
    bridge.operstate = "DOWN".to_owned();
    assert_contains(&sole("bridge", &o).what, "bridge cni0 of node3 is down");

    let mut o = healthy(Style::Reference);
    node_facts(&mut o, "node3")
        .links
        .retain(|l| l.name != "veth1");
    assert_contains(
        &sole("bridge", &o).what,
        "busybox-6 on node3: the host end of its eth0 is gone",
    );

    let mut o = healthy(Style::Reference);
    pod_facts(&mut o, "busybox-6")
        .links
        .retain(|l| l.name != "eth0");
    assert_contains(
        &sole("bridge", &o).what,
        "busybox-6 on node3 has no interface",
    );
}

#[test]
fn a_cni_without_bridges_is_skipped() {
    let mut o = healthy(Style::Direct);
    for node in &mut o.nodes {
        let facts = found(&mut node.inside.facts);
        facts.links.retain(|l| l.name != "cni0");
        facts.links.iter_mut().for_each(|l| l.master = None);
    }
    assert_eq!(judge("bridge", &o).name(), "skip");
    o.nodes[0].inside.facts = Some(Err("permission denied".to_owned()));
    assert_contains(&broken("bridge", &o), "permission denied");
}

#[test]
fn a_bridge_that_the_run_itself_repaired_is_not_passed_over() {
    let mut o = healthy(Style::Vxlan);
    for node in &mut o.nodes {
        node.before_pods = Some(Ok(found(&mut node.inside.facts).clone()));
    }
    assert_red(&o, &[], &[]);
    let before = |o: &mut Observations, change: &dyn Fn(&mut Facts)| {
        let facts = node(o, "node2").before_pods.as_mut().unwrap();
        change(facts.as_mut().unwrap());
    };
    before(&mut o, &|facts| {
        let bridge = facts.links.iter_mut().find(|link| link.index == CNI0);
        bridge.unwrap().up = false;
    });
    assert_red(&o, &["bridge"], &[]);
    assert_eq!(causes("bridge", &o), [CauseId::BridgeDown]);
    let down = sole("bridge", &o);
    assert_eq!(
        down.what,
        "bridge cni0 of node2 was unfit for the pods on it until this run added its own: the plugin then set it up again"
    );
    assert_eq!(down.culprit.as_deref(), Some("node2"));

    let mut o = healthy(Style::Vxlan);
    let mut facts = node_facts(&mut o, "node2").clone();
    facts.addresses.retain(|address| address.index != CNI0);
    node(&mut o, "node2").before_pods = Some(Ok(facts));
    assert_eq!(causes("bridge", &o), [CauseId::GatewayAddressMissing]);

    node(&mut o, "node2").before_pods = Some(Err("no such file".to_owned()));
    assert_red(&o, &[], &["bridge"]);
}
