//! podCIDRs are used for conclusions only where pods' addresses come from them.
use super::*;
use crate::example::build::CNI0;
use crate::example::pieces::net;

const SKIPPED: &str = "pod addresses do not come from the nodes' podCIDRs";

#[track_caller]
fn assert_podcidrs_unused(o: &Observations) {
    match judge("node-routes", o) {
        Verdict::Skip { reason } => {
            assert_contains(&Words::of_report(Some(o), None).skip(&reason), SKIPPED);
        }
        other => panic!("{other:?}"),
    }
}

/// Without it, a bridge that spans all podCIDRs looks like one that swallows another node's.
fn no_configuration(o: &mut Observations) {
    for node in &mut o.nodes {
        node.inside.cni = Some(Err("not readable".to_owned()));
    }
}

#[rstest]
fn one_range_for_the_whole_cluster_is_healthy_and_has_no_routes_to_pod_cidrs(
    #[values(false, true)] dual: bool,
    #[values(2, 3, 5)] nodes: u8,
) {
    let cluster = Cluster::new(Style::Weave, nodes, 2);
    let o = if dual { cluster.dual() } else { cluster }.observe();
    assert_red(&o, &[], &[]);
    assert_eq!(skipped(&o), BTreeSet::from(["node-routes"]));
    assert_podcidrs_unused(&o);
    assert_contains(&facts("subnet", &o)[0], SKIPPED);
}

#[rstest]
fn its_bridge_is_not_the_cause_where_nodes_do_not_reach_each_other(
    #[values(2, 3)] nodes: u8,
    #[values(false, true)] configuration: bool,
) {
    let mut o = Cluster::new(Style::Weave, nodes, 2).observe();
    lost(&mut o, |e| e.crosses() && !e.from_host && !e.to_host);
    if !configuration {
        no_configuration(&mut o);
    }
    assert_podcidrs_unused(&o);
    let causes = causes("cross-node", &o);
    assert!(
        causes.iter().all(|cause| *cause == CauseId::PacketsLost),
        "{causes:?}"
    );
}

/// Every address lies in its node's podCIDR by chance: who allocates still says that none comes from there.
#[test]
fn addresses_in_pod_cidrs_by_chance_prove_nothing() {
    let mut o = healthy(Style::Reference);
    let weave = Cluster::new(Style::Weave, 3, 2).observe();
    for (node, as_weave) in o.nodes.iter_mut().zip(weave.nodes) {
        node.inside.cni = as_weave.inside.cni;
    }
    assert_podcidrs_unused(&o);
    // Without the configuration, a bridge that spans the podCIDRs says so.
    no_configuration(&mut o);
    assert_eq!(judge("node-routes", &o).name(), "pass");
    for node in &mut o.nodes {
        let facts = found(&mut node.inside.facts);
        let own = facts
            .addresses
            .iter_mut()
            .find(|own| own.index == CNI0)
            .unwrap();
        own.net = ipnet::IpNet::new(own.net.addr(), 16).unwrap();
    }
    assert_podcidrs_unused(&o);
}

/// One node that is wrong is a fault of that node, and no way of allocating addresses.
#[test]
fn one_node_whose_bridge_takes_another_pod_cidr_for_its_own_is_a_fault() {
    let mut o = healthy(Style::Reference);
    lost(&mut o, |e| {
        e.crosses()
            && !(e.from_host && e.to_host)
            && (e.from_node == "node1" || e.to_node == "node1")
    });
    let facts = node_facts(&mut o, "node1");
    let own = facts
        .addresses
        .iter_mut()
        .find(|own| own.index == CNI0)
        .unwrap();
    own.net = ipnet::IpNet::new(own.net.addr(), 16).unwrap();
    facts.routes.retain(|route| route.gateway.is_none());
    let own = facts
        .routes
        .iter_mut()
        .find(|route| route.oif == Some(CNI0))
        .unwrap();
    own.dst = net("10.244.0.0/16");
    for configuration in [true, false] {
        if !configuration {
            no_configuration(&mut o);
        }
        assert_eq!(causes("node-routes", &o), [CauseId::RouteIntoBridge; 2]);
        assert_eq!(causes("cross-node", &o), [CauseId::RouteIntoBridge]);
    }
}

#[rstest]
#[case::calico(r#"{"type":"calico","ipam":{"type":"calico-ipam"}}"#, true)]
#[case::dhcp(r#"{"type":"macvlan","ipam":{"type":"dhcp"}}"#, true)]
#[case::delegate(r#"{"type":"multus","delegate":{"type":"weave-net"},"ipam":{"type":"whereabouts","range":"10.9.0.0/16"}}"#, true)]
#[case::other_ranges(
    r#"{"type":"bridge","ipam":{"type":"host-local","subnet":"10.99.0.0/24"}}"#,
    true
)]
#[case::canal(
    r#"{"type":"calico","ipam":{"type":"host-local","subnet":"usePodCidr"}}"#,
    false
)]
#[case::flannel(r#"{"type":"flannel","delegate":{"hairpinMode":true}}"#, false)]
#[case::own_ways(r#"{"type":"cilium-cni"}"#, false)]
fn who_allocates_is_read_from_the_configuration(#[case] plugin: &str, #[case] unused: bool) {
    let mut o = healthy(Style::Direct);
    for node in &mut o.nodes {
        let text = format!(r#"{{"cniVersion":"1.0.0","name":"net","plugins":[{plugin}]}}"#);
        found(&mut node.inside.cni).conf[0].content = Ok(text);
    }
    match unused {
        true => assert_podcidrs_unused(&o),
        false => assert_eq!(judge("node-routes", &o).name(), "pass"),
    }
}
