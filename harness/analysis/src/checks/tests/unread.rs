//! What could not be looked at is never called fine, and nobody is blamed for it.
use flatnet_model::probe::{ReceivedRequest, Transport};

use super::*;
use crate::example::pieces::ip;

const NO_PROBE: &str = "no space left on device";

/// Its probe never ran: nothing was read there, it dialled nobody, and nobody dialled it, save pods their gateway.
fn without_probe(o: &mut Observations, end: &Endpoint) {
    let to_gateway = |dial: &Dial| dial.request.address.to_string().ends_with(".1");
    o.dials
        .retain(|dial| dial.from != *end && (dial.to != *end || to_gateway(dial)));
    for seen in o.received.values_mut().flatten() {
        seen.retain(|request| !end.is_called(&request.from));
    }
    o.received.insert(end.clone(), Err(NO_PROBE.to_owned()));
    match end {
        Endpoint::Pod(who) => pod(o, &who.name).facts = Err(NO_PROBE.to_owned()),
        Endpoint::Node(name) => {
            let inside = &mut node(o, name).inside;
            inside.facts = Some(Err(NO_PROBE.to_owned()));
            inside.cni = Some(Err(NO_PROBE.to_owned()));
        }
        Endpoint::Outside(_) => unreachable!("not part of the matrix"),
    }
}

#[rstest]
fn a_node_without_a_probe_is_unmeasured_wherever_it_counts_and_blamed_nowhere(
    #[values(Style::Vxlan, Style::Direct, Style::Reference)] style: Style,
) {
    let mut o = healthy(style);
    without_probe(&mut o, &Endpoint::Node("node2".to_owned()));
    let broken_checks = [
        "pod-ip-unique",
        "same-node",
        "cross-node",
        "no-nat",
        "duplicates",
        "gateway",
        "node-routes",
        "bridge",
        "cni-config",
        "mtu",
    ];
    assert_red(&o, &[], &broken_checks);
    for id in broken_checks.iter().filter(|id| **id != "mtu") {
        let said = broken(id, &o);
        assert!(
            said.contains("node2") && said.contains(NO_PROBE),
            "{id}: {said}"
        );
    }
    for id in ["same-node", "cross-node"] {
        assert_contains(
            &broken(id, &o),
            "dials from and to node node2: no space left on device",
        );
    }
    assert_contains(&broken("pod-ip-unique", &o), "addresses of node2");
}

#[test]
fn a_host_network_pod_without_a_probe_is_unmeasured() {
    let mut o = healthy(Style::Vxlan);
    without_probe(&mut o, &pod_end("host-2"));
    assert_red(
        &o,
        &[],
        &["same-node", "cross-node", "no-nat", "duplicates"],
    );
    assert_contains(
        &broken("cross-node", &o),
        "dials from and to pod host-2: no space left on device",
    );
}

/// Echo requests that pods sent their gateway are seen by every raw socket of the node.
#[test]
fn an_address_of_a_node_that_was_not_read_is_not_told_as_translated_or_as_nobodys() {
    let mut o = healthy(Style::Direct);
    without_probe(&mut o, &Endpoint::Node("node2".to_owned()));
    let seen = o.received.get_mut(&pod_end("host-3")).unwrap();
    seen.as_mut().unwrap().push(ReceivedRequest {
        transport: Transport::Udp,
        from: pod_end("busybox-2").to_string(),
        source: ip("10.244.2.0"),
        destination: ip("172.18.0.4"),
        count: 1,
        copies: 0,
    });
    assert_contains(
        &broken("no-nat", &o),
        "whether 10.244.2.0 is an address of node2, what arrived at node/node2: no space left on device",
    );
    // Between pods it is a rewrite, whoever holds the address.
    let rewritten =
        |dial: &&mut Dial| bare(&dial.from) == "busybox-2" && bare(&dial.to) == "busybox-3";
    for dial in o.dials.iter_mut().filter(rewritten) {
        if let DialOutcome::Answered { seen_as, .. } = &mut dial.result {
            *seen_as = seen_as.map(|_| ip("10.244.2.0"));
        }
    }
    let told = sole("no-nat", &o);
    assert_contains(&told.observed, "not read: node2");
}

#[test]
fn leftovers_are_not_told_where_a_node_was_not_read() {
    let mut o = healthy(Style::Vxlan);
    let stranger = ip("172.18.9.9");
    let mut entry = node_facts(&mut o, "node1").fdb[0].clone();
    entry.dst = Some(stranger);
    node_facts(&mut o, "node1").fdb.push(entry);
    assert_red(&o, &["node-routes"], &[]);
    without_probe(&mut o, &Endpoint::Node("node3".to_owned()));
    assert_eq!(judge("node-routes", &o).name(), "broken");
}

#[test]
fn a_next_hop_that_may_be_an_address_of_a_node_that_was_not_read_is_not_called_wrong() {
    let mut o = healthy(Style::Direct);
    unanswered(&mut o, |e| e.crosses());
    let facts = node_facts(&mut o, "node1");
    let to_node2 = facts
        .routes
        .iter_mut()
        .find(|route| route.dst.to_string() == "10.244.2.0/24");
    to_node2.unwrap().gateway = Some(ip("172.18.0.99"));
    assert_eq!(causes("node-routes", &o), [CauseId::WrongNextHop]);
    node(&mut o, "node2").inside.facts = Some(Err(NO_PROBE.to_owned()));
    assert_contains(
        &broken("node-routes", &o),
        "whether 172.18.0.99 is an address of node2",
    );
}
