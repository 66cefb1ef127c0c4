//! Causes that are read of kernels: bridge ports, neighbours, addresses of nodes, tables.
use flatnet_model::kernel::{MacAddr, PortState};

use super::*;
use crate::example::build::{CNI0, ETH0};
use crate::example::pieces::{address, gateway, ip, link, neighbour, pod_ip};

fn port<'a>(
    o: &'a mut Observations,
    on: &str,
    device: &str,
) -> &'a mut flatnet_model::kernel::BridgePort {
    let links = &mut node_facts(o, on).links;
    let link = links.iter_mut().find(|link| link.name == device).unwrap();
    link.port.as_mut().unwrap()
}

/// busybox-1 and busybox-4 are the pods of node1.
fn cut_off(o: &mut Observations, name: &str) {
    lost(o, |e| e.involves(name) && !e.itself());
}

#[rstest]
fn a_port_that_does_not_forward(
    #[values(PortState::Blocking, PortState::Disabled, PortState::Learning)] state: PortState,
    #[values(Style::Vxlan, Style::Reference)] style: Style,
) {
    let mut o = healthy(style);
    cut_off(&mut o, "busybox-1");
    port(&mut o, "node1", "veth0").state = state;
    assert_red(
        &o,
        &["bridge", "gateway", "same-node", "cross-node"],
        &["mtu"],
    );
    for id in ["bridge", "same-node", "cross-node"] {
        assert_eq!(causes(id, &o), [CauseId::PortNotForwarding], "{id}");
    }
    let told = sole("bridge", &o);
    assert_eq!(told.culprit.as_deref(), Some("pod busybox-1 on node1"));
    let what = format!(
        "pod busybox-1 on node1: its bridge port veth0 is {}",
        state.as_str()
    );
    assert_eq!(told.what, what);
    assert_eq!(
        told.look,
        "flatnet exec node1 -- bridge link show dev veth0"
    );
    // Without carrier the kernel disables it: that is not what is wrong.
    let links = &mut node_facts(&mut o, "node1").links;
    links
        .iter_mut()
        .find(|link| link.name == "veth0")
        .unwrap()
        .lower_up = false;
    assert_eq!(judge("bridge", &o).name(), "pass");
}

#[test]
fn isolated_ports_matter_where_the_bridge_switches_between_pods() {
    let isolate = |o: &mut Observations| {
        port(o, "node1", "veth0").isolated = true;
        port(o, "node1", "veth1").isolated = true;
    };
    let mut o = healthy(Style::Reference);
    lost(&mut o, |e| {
        !e.crosses() && !e.itself() && e.from_node == "node1" && !e.from_host && !e.to_host
    });
    isolate(&mut o);
    assert_red(&o, &["bridge", "same-node"], &[]);
    assert_eq!(causes("same-node", &o), [CauseId::PortsIsolated]);
    assert_eq!(sole("bridge", &o).culprit.as_deref(), Some("node1"));
    // One alone is isolated from nobody.
    port(&mut o, "node1", "veth1").isolated = false;
    assert_eq!(judge("bridge", &o).name(), "pass");
    // flatnet's pods reach each other by way of the node.
    let mut routed = healthy(Style::Vxlan);
    isolate(&mut routed);
    assert_red(&routed, &[], &[]);
}

/// The four bytes of an IPv4 address as an Ethernet address writes them.
fn hex(v4: &str) -> String {
    let bytes = v4.split('.').map(|byte| byte.parse::<u8>().unwrap());
    let bytes: Vec<String> = bytes.map(|byte| format!("{byte:02x}")).collect();
    bytes.join(":")
}

/// The pod has the Ethernet address that was made of its IPv4 address; the node's entry for its IPv6 address has another.
#[test]
fn an_entry_for_ipv6_that_was_changed_is_the_nodes() {
    let mut o = healthy(Style::Vxlan);
    let (v4, v6) = (pod_ip(1, 0, false), ip("fd00:10:244:1::2"));
    let own = format!("0a:58:{}", hex(&v4.to_string()));
    pod_facts(&mut o, "busybox-1").links[1].mac = Some(own.parse().unwrap());
    let held = address(pod_facts(&mut o, "busybox-1").links[1].index, v6, 128);
    pod_facts(&mut o, "busybox-1").addresses.push(held);
    pod(&mut o, "busybox-1").object.ips.push(v6);
    let wrong = neighbour(CNI0, v6, [2, 9, 9, 9, 9, 9], "PERMANENT");
    node_facts(&mut o, "node1").neighbours.push(wrong);
    let told = evidence("bridge", &o);
    let told = told
        .iter()
        .find(|told| told.observed.contains("02:09:09:09:09:09"));
    assert_eq!(told.unwrap().culprit.as_deref(), Some("node1"));
}

#[test]
fn of_an_entry_and_an_interface_that_differ_either_may_have_been_changed() {
    let mut o = healthy(Style::Vxlan);
    cut_off(&mut o, "busybox-1");
    pod_facts(&mut o, "busybox-1").links[1].mac = Some(MacAddr([2, 9, 9, 9, 9, 9]));
    let known = neighbour(CNI0, pod_ip(1, 0, false), [2, 8, 8, 8, 8, 8], "PERMANENT");
    node_facts(&mut o, "node1").neighbours.push(known);
    let told = against("bridge", &o);
    assert_eq!(told[0].deviation.culprits.len(), 2, "{told:#?}");
    assert_eq!(causes("bridge", &o), [CauseId::NeighbourWrong]);
}

#[test]
fn a_pod_whose_ethernet_address_was_changed() {
    let mut o = healthy(Style::Vxlan);
    cut_off(&mut o, "busybox-1");
    let given = MacAddr::from_ip(pod_ip(1, 0, false));
    pod_facts(&mut o, "busybox-1").links[1].mac = Some(given);
    let known = neighbour(CNI0, pod_ip(1, 0, false), given.0, "PERMANENT");
    node_facts(&mut o, "node1").neighbours.push(known);
    assert_eq!(judge("bridge", &o).name(), "pass");
    pod_facts(&mut o, "busybox-1").links[1].mac = Some(MacAddr([2, 9, 9, 9, 9, 9]));
    assert_red(
        &o,
        &["bridge", "gateway", "same-node", "cross-node"],
        &["mtu"],
    );
    assert_eq!(causes("cross-node", &o), [CauseId::PodMacChanged]);
    let told = sole("bridge", &o);
    assert_contains(
        &told.what,
        "and pod busybox-1 on node1 has 02:09:09:09:09:09",
    );
    assert_contains(&told.what, &format!("frames for 10.244.1.2 to {given}"));
    // An entry that failed is asked for again.
    let entry = node_facts(&mut o, "node1").neighbours.last_mut().unwrap();
    entry.state = "FAILED".to_owned();
    assert_eq!(judge("bridge", &o).name(), "pass");
}

#[test]
fn two_bridges_with_one_gateway() {
    let mut o = healthy(Style::Reference);
    lost(&mut o, |e| {
        let pods = |node: &str, host: bool| node == "node1" && !host;
        let involved = pods(&e.from_node, e.from_host) || pods(&e.to_node, e.to_host);
        involved && e.crosses()
    });
    let facts = node_facts(&mut o, "node1");
    facts
        .links
        .push(link(99, "old0", "bridge", [2, 8, 8, 8, 8, 8]));
    facts.addresses.push(address(99, gateway(1, false), 24));
    assert_red(&o, &["bridge", "cross-node"], &[]);
    assert_eq!(causes("cross-node", &o), [CauseId::GatewayTwice]);
    let told = sole("bridge", &o);
    assert_eq!(told.culprit.as_deref(), Some("node1"));
    assert_eq!(
        told.what,
        "cni0 and old0 of node1 hold the gateway address 10.244.1.1"
    );
}

/// Pods of two nodes do not reach each other, while those nodes' own addresses do.
fn pods_of_nodes_cut(o: &mut Observations, a: &str, b: &str) {
    lost(o, |e| {
        let between = |x: &str, y: &str| e.from_node == x && e.to_node == y;
        !(e.from_host && e.to_host) && (between(a, b) || between(b, a))
    });
}

#[test]
fn two_nodes_that_hold_one_address_or_one_ethernet_address() {
    let mut o = healthy(Style::Direct);
    pods_of_nodes_cut(&mut o, "node1", "node2");
    let mut same_mac = o.clone();
    let of_node1 = node(&mut o, "node1").object.internal_ips[0];
    node_facts(&mut o, "node2")
        .addresses
        .push(address(ETH0, of_node1, 16));
    assert_eq!(causes("cross-node", &o), [CauseId::NodeAddressShared]);
    let told = sole("cross-node", &o);
    assert_eq!(told.culprit.as_deref(), Some("node1 and node2"));
    assert_contains(
        told.cause.as_ref().unwrap(),
        &format!("node1 and node2 both hold {of_node1}"),
    );

    let mac = node_facts(&mut same_mac, "node1").links[1].mac;
    node_facts(&mut same_mac, "node2").links[1].mac = mac;
    assert_eq!(causes("cross-node", &same_mac), [CauseId::NodeMacShared]);
    // Nor do the nodes' own addresses reach each other: the shared address is why, and not a cut underlay.
    lost(&mut same_mac, |e| {
        [("node1", "node2"), ("node2", "node1")]
            .contains(&(e.from_node.as_str(), e.to_node.as_str()))
    });
    assert_eq!(causes("cross-node", &same_mac), [CauseId::NodeMacShared]);
    assert_eq!(
        sole("cross-node", &same_mac).culprit.as_deref(),
        Some("node1 and node2")
    );
    // On segments of their own nobody confuses them.
    for (name, own) in [("node1", "10.1.0.2"), ("node2", "10.2.0.2")] {
        let at = node(&mut same_mac, name).object.internal_ips[0];
        let facts = node_facts(&mut same_mac, name);
        facts.addresses.retain(|address| address.net.addr() != at);
        facts.addresses.push(address(ETH0, ip(own), 24));
        node(&mut same_mac, name).object.internal_ips = vec![ip(own)];
    }
    let named = causes("cross-node", &same_mac);
    assert!(!named.contains(&CauseId::NodeMacShared), "{named:?}");
}

#[test]
fn a_nodes_address_among_pods() {
    let mut o = healthy(Style::Direct);
    node(&mut o, "node3")
        .object
        .internal_ips
        .push(ip("10.244.1.77"));
    assert_red(&o, &["node-routes"], &["same-node", "cross-node"]);
    assert_eq!(causes("node-routes", &o), [CauseId::NodeAddressInPodCidr]);
    let told = sole("node-routes", &o);
    assert_eq!(told.culprit.as_deref(), Some("node3"));
    assert_eq!(
        told.what,
        "10.244.1.77, an address of node3, lies in the podCIDR 10.244.1.0/24 of node1"
    );
}

#[rstest]
fn a_pod_outside_its_nodes_pod_cidr_with_what_said_so(#[values(false, true)] configured: bool) {
    let mut o = healthy(Style::Direct);
    let (own, other) = (pod_ip(1, 0, false), ip("10.250.0.9"));
    pod(&mut o, "busybox-1").object.ips = vec![other];
    let facts = pod_facts(&mut o, "busybox-1");
    facts.addresses.retain(|address| address.net.addr() != own);
    facts.addresses.push(address(ETH0, other, 32));
    for dial in o
        .dials
        .iter_mut()
        .filter(|dial| dial.request.address == own)
    {
        dial.request.address = other;
    }
    lost(&mut o, |e| e.involves("busybox-1") && e.crosses());
    if configured {
        let conf = &mut found(&mut node(&mut o, "node1").inside.cni).conf[0].content;
        *conf = Ok(conf
            .as_ref()
            .unwrap()
            .replace("10.244.1.0/24", "10.250.0.0/24"));
    }
    assert_eq!(causes("cross-node", &o), [CauseId::PodOutsidePodCidr]);
    let told = sole("cross-node", &o);
    let cause = told.cause.unwrap();
    assert_contains(
        &cause,
        "pod busybox-1 on node1 has 10.250.0.9, outside the podCIDR of node1",
    );
    let said = cause.contains("from a range in /etc/cni/net.d/10-flatnet.conflist");
    assert_eq!(said, configured, "{cause}");
    let culprit = if configured {
        "node1"
    } else {
        "pod busybox-1 on node1"
    };
    assert_eq!(told.culprit.as_deref(), Some(culprit));
}

#[test]
fn a_connection_tracking_table_that_is_full_may_be_why() {
    let mut o = healthy(Style::Vxlan);
    pods_of_nodes_cut(&mut o, "node1", "node2");
    let settle = |o: &mut Observations, count: &str| {
        let sysctls = &mut node_facts(o, "node2").sysctls;
        for (key, value) in [("count", count), ("max", "1000")] {
            sysctls.insert(format!("netfilter.nf_conntrack_{key}"), value.to_owned());
        }
    };
    settle(&mut o, "996");
    assert_eq!(causes("cross-node", &o), [CauseId::ConntrackFull]);
    let told = sole("cross-node", &o);
    assert_eq!(told.culprit.as_deref(), Some("node2"));
    let cause = told.cause.unwrap();
    assert!(
        cause.contains("may") && cause.contains("996 of 1000 entries"),
        "{cause}"
    );
    settle(&mut o, "500");
    assert_eq!(causes("cross-node", &o), [CauseId::PacketsLost]);
    // What does not fail is nobody's fault.
    let mut well = healthy(Style::Vxlan);
    settle(&mut well, "1000");
    assert_red(&well, &[], &[]);
}
