//! Settings of single interfaces, and addresses that the kernel does not use.
use super::*;
use crate::example::build::CNI0;
use crate::example::pieces::route;

fn set(o: &mut Observations, on: &str, key: &str, value: &str) {
    let sysctls = &mut node_facts(o, on).sysctls;
    sysctls.insert(key.to_owned(), value.to_owned());
}

#[rstest]
#[case(Style::Direct, "eth0")]
#[case(Style::Vxlan, "flatnet.1")]
fn forwarding_that_is_off_where_other_nodes_packets_come_in(
    #[case] style: Style,
    #[case] device: &str,
) {
    let mut o = healthy(style);
    lost(&mut o, |e| {
        let pods_of = |node: &str, host: bool| node == "node1" && !host;
        e.crosses() && (pods_of(&e.to_node, e.to_host) || pods_of(&e.from_node, e.from_host))
    });
    let other = match style {
        Style::Vxlan => "eth0",
        _ => "lo",
    };
    set(
        &mut o,
        "node1",
        &format!("ipv4.conf.{other}.forwarding"),
        "0",
    );
    assert!(!causes("cross-node", &o).contains(&CauseId::ForwardingOff));
    set(
        &mut o,
        "node1",
        &format!("ipv4.conf.{device}.forwarding"),
        "0",
    );
    assert_red(&o, &["cross-node"], &[]);
    assert_eq!(causes("cross-node", &o), [CauseId::ForwardingOff]);
    let told = sole("cross-node", &o);
    assert_eq!(told.culprit.as_deref(), Some("node1"));
    assert_contains(
        &told.cause.unwrap(),
        &format!(
            "node1 does not forward packets that come in by {device}: net.ipv4.conf.{device}.forwarding is 0"
        ),
    );
    assert_contains(
        &told.look,
        &format!("/proc/sys/net/ipv4/conf/{device}/forwarding"),
    );
    // Within the node nothing comes in by that interface.
    lost(&mut o, |e| {
        !e.crosses() && e.from_node == "node1" && !e.itself() && !e.from_host && !e.to_host
    });
    assert!(!causes("same-node", &o).contains(&CauseId::ForwardingOff));
}

#[test]
fn forwarding_that_is_off_on_the_bridge_of_pods() {
    let mut o = healthy(Style::Vxlan);
    lost(&mut o, |e| {
        e.from_node == "node1" && !e.from_host && !e.to_host && !e.itself()
    });
    set(&mut o, "node1", "ipv4.conf.cni0.forwarding", "0");
    for id in ["same-node", "cross-node"] {
        assert_eq!(causes(id, &o), [CauseId::ForwardingOff], "{id}");
        assert_eq!(sole(id, &o).culprit.as_deref(), Some("node1"));
    }
}

#[rstest]
#[case::of_the_interface("ipv4.conf.eth0.rp_filter", "1", true)]
#[case::of_all("ipv4.conf.all.rp_filter", "1", true)]
#[case::loose("ipv4.conf.eth0.rp_filter", "2", false)]
fn a_strict_rp_filter_where_the_route_back_leads_elsewhere(
    #[case] key: &str,
    #[case] value: &str,
    #[case] strict: bool,
) {
    let mut o = healthy(Style::Direct);
    lost(&mut o, |e| {
        let between = |a: &str, b: &str| e.from_node == a && e.to_node == b;
        !(e.from_host && e.to_host) && (between("node1", "node2") || between("node2", "node1"))
    });
    set(&mut o, "node1", "ipv4.conf.all.rp_filter", "0");
    set(&mut o, "node1", key, value);
    // The route back leads out where they come in: nothing is dropped.
    assert!(!causes("cross-node", &o).contains(&CauseId::ReversePathFilter));
    let facts = node_facts(&mut o, "node1");
    let mut second = facts.links[1].clone();
    (second.index, second.name) = (77, "eth1".to_owned());
    facts.links.push(second);
    let back = facts
        .routes
        .iter_mut()
        .find(|route| route.dst.to_string() == "10.244.2.0/24");
    back.unwrap().oif = Some(77);
    facts.routes.push(route("172.18.0.3/32", None, 77, 4));
    let told = sole("cross-node", &o);
    let named = causes("cross-node", &o) == [CauseId::ReversePathFilter];
    assert_eq!(named, strict, "{told:?}");
    if strict {
        assert_eq!(told.culprit.as_deref(), Some("node1"));
        let cause = told.cause.unwrap();
        assert_contains(&cause, "strict rp_filter on node1");
        assert_contains(&cause, "may");
    }
}

#[test]
fn ipv6_that_is_switched_off_in_a_pod_or_on_a_bridge() {
    let dual = || Cluster::new(Style::Reference, 3, 2).dual().observe();
    let mut o = dual();
    let facts = pod_facts(&mut o, "busybox-1");
    facts
        .addresses
        .retain(|address| address.net.addr().is_ipv4());
    facts
        .sysctls
        .insert("ipv6.conf.eth0.disable_ipv6".to_owned(), "1".to_owned());
    assert_eq!(causes("pod-ip-present", &o), [CauseId::Ipv6Off]);
    let told = sole("pod-ip-present", &o);
    assert_contains(&told.what, "net.ipv6.conf.eth0.disable_ipv6 is 1");
    assert_eq!(told.culprit.as_deref(), Some("pod busybox-1 on node1"));
    // An interface's own word counts more than that for all.
    let facts = pod_facts(&mut o, "busybox-1");
    facts
        .sysctls
        .insert("ipv6.conf.all.disable_ipv6".to_owned(), "1".to_owned());
    facts
        .sysctls
        .insert("ipv6.conf.eth0.disable_ipv6".to_owned(), "0".to_owned());
    assert_eq!(causes("pod-ip-present", &o), [CauseId::AddressNotHeld]);

    let mut o = dual();
    let facts = node_facts(&mut o, "node2");
    facts
        .addresses
        .retain(|a| a.index != CNI0 || a.net.addr().is_ipv4());
    facts
        .sysctls
        .insert("ipv6.conf.cni0.disable_ipv6".to_owned(), "1".to_owned());
    lost(&mut o, |e| {
        let pods = (e.from_node == "node2" && !e.from_host) || (e.to_node == "node2" && !e.to_host);
        pods && e.crosses() && e.dial.request.address.is_ipv6()
    });
    for id in ["bridge", "gateway", "cross-node"] {
        let named = causes(id, &o);
        assert!(named.contains(&CauseId::Ipv6Off), "{id}: {named:?}");
        assert!(
            !named.contains(&CauseId::GatewayAddressMissing),
            "{id}: {named:?}"
        );
    }
}

#[test]
fn an_address_that_failed_duplicate_address_detection() {
    let mut o = Cluster::new(Style::Vxlan, 3, 2).dual().observe();
    let facts = pod_facts(&mut o, "busybox-2");
    let held = facts
        .addresses
        .iter_mut()
        .find(|a| a.net.addr().is_ipv6())
        .unwrap();
    held.dad_failed = true;
    let address = held.net.addr();
    lost(&mut o, |e| {
        e.involves("busybox-2") && e.dial.request.address.is_ipv6() && !e.itself()
    });
    assert_eq!(causes("pod-ip-present", &o), [CauseId::AddressDuplicate]);
    let told = sole("pod-ip-present", &o);
    assert_eq!(told.culprit.as_deref(), Some("pod busybox-2 on node2"));
    assert_contains(&told.what, &format!("{address} on eth0 of"));
    assert_eq!(causes("cross-node", &o), [CauseId::AddressDuplicate]);
}

#[test]
fn what_is_set_and_stops_nothing_is_nobodys_fault() {
    let mut o = healthy(Style::Vxlan);
    set(&mut o, "node1", "ipv4.conf.flatnet.1.forwarding", "0");
    set(&mut o, "node1", "ipv6.conf.cni0.disable_ipv6", "1");
    assert_red(&o, &[], &[]);
}
