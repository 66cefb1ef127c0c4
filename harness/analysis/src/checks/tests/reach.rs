//! same-node and cross-node: who is blamed, and why.
use flatnet_model::probe::{DialOutcome, Failure, Transport};

use super::*;
use crate::example::build::{Style, healthy};

/// A pod with a namespace of its own, on that node, at either end.
fn pod_of(ends: &Ends<'_>, node: &str) -> bool {
    (ends.from_node == node && !ends.from_host) || (ends.to_node == node && !ends.to_host)
}

#[test]
fn forward_drop_blames_the_node() {
    let mut o = healthy(Style::Direct);
    lost(&mut o, |e| {
        e.crosses() && e.to_node == "node2" && !e.to_host
    });
    // What node2's pods send does arrive; the answers are dropped on the way in.
    unanswered(&mut o, |e| {
        e.crosses() && e.from_node == "node2" && !e.from_host
    });
    assert_red(&o, &["cross-node"], &[]);
    let evidence = sole("cross-node", &o);
    assert_eq!(evidence.culprit.as_deref(), Some("node2"));
    assert_contains(
        &evidence.what,
        "node2 and other nodes do not reach each other: 32 of 52 pairs",
    );
    assert_contains(&evidence.what, "over tcp, udp, icmp");
    assert_contains(
        &evidence.observed,
        "requests from node1 do not arrive at node2",
    );
    assert_contains(
        &evidence.observed,
        "requests from node2 arrive at node1, answers do not come back",
    );
    assert_contains(
        &evidence.cause.unwrap(),
        "it may be that a packet filter on node2 loses what is sent to its pods",
    );
    assert!(evidence.look.starts_with("flatnet exec "));
}

#[test]
fn a_node_that_forwards_nothing_is_told_by_its_sysctl() {
    let mut o = healthy(Style::Vxlan);
    node_facts(&mut o, "node3")
        .sysctls
        .insert("ipv4.ip_forward".to_owned(), "0".to_owned());
    lost(&mut o, |e| e.crosses() && pod_of(e, "node3"));
    let evidence = sole("cross-node", &o);
    assert_eq!(evidence.culprit.as_deref(), Some("node3"));
    assert_eq!(
        evidence.cause.as_deref(),
        Some("node3 does not forward packets: net.ipv4.ip_forward is 0")
    );
    assert_eq!(
        evidence.look,
        "flatnet exec node3 -- cat /proc/sys/net/ipv4/ip_forward"
    );
}

#[test]
fn one_way_towards_a_node_is_told_from_both_ways() {
    let mut o = healthy(Style::Vxlan);
    lost(&mut o, |e| {
        e.crosses() && e.to_node == "node1" && !e.to_host && !e.from_host
    });
    let evidence = sole("cross-node", &o);
    assert!(
        evidence
            .what
            .starts_with("node1 is not reached from other nodes: 8 of"),
        "{evidence:?}"
    );
    assert_eq!(evidence.culprit.as_deref(), Some("node1"));
}

#[test]
fn one_transport_alone_points_at_a_packet_filter() {
    let mut o = healthy(Style::Vxlan);
    lost(&mut o, |e| {
        e.crosses()
            && e.to_node == "node2"
            && !e.to_host
            && e.dial.request.transport == Transport::Udp
    });
    assert_red(&o, &["cross-node"], &[]);
    let evidence = sole("cross-node", &o);
    assert_eq!(evidence.culprit.as_deref(), Some("node2"));
    assert!(evidence.what.ends_with("over udp"), "{evidence:?}");
    let cause = evidence.cause.unwrap();
    assert!(
        cause.contains("only udp fails, not tcp, icmp") && cause.contains("packet filter"),
        "{cause}"
    );
}

#[test]
fn one_family_alone_is_named() {
    let mut o = Cluster::new(Style::Direct, 3, 2).dual().observe();
    lost(&mut o, |e| {
        e.crosses() && e.dial.request.address.is_ipv6() && pod_of(e, "node3")
    });
    let evidence = sole("cross-node", &o);
    assert_eq!(evidence.culprit.as_deref(), Some("node3"));
    assert!(evidence.what.ends_with("(IPv6 only)"), "{evidence:?}");
}

/// The requests of the other family say nothing of those.
#[test]
fn requests_that_arrive_are_those_of_their_family() {
    let mut o = Cluster::new(Style::Direct, 3, 2).dual().observe();
    lost(&mut o, |e| {
        e.dial.request.address.is_ipv6() && e.between("node1", "node2")
    });
    let observed = sole("cross-node", &o).observed;
    assert!(
        observed.contains("requests from node1 do not arrive at node2"),
        "{observed}"
    );
    let mut o = Cluster::new(Style::Direct, 3, 2).dual().observe();
    unanswered(&mut o, |e| {
        e.dial.request.address.is_ipv6() && e.between("node1", "node2")
    });
    let observed = sole("cross-node", &o).observed;
    assert!(
        observed.contains("requests from node1 arrive at node2, answers"),
        "{observed}"
    );
}

#[test]
fn drops_within_one_node_blame_it() {
    let mut o = healthy(Style::Vxlan);
    lost(&mut o, |e| {
        !e.crosses() && !e.itself() && e.from_node == "node1" && !e.from_host && !e.to_host
    });
    assert_red(&o, &["same-node"], &[]);
    let evidence = sole("same-node", &o);
    assert_eq!(evidence.culprit.as_deref(), Some("node1"));
    assert_contains(
        &evidence.what,
        "pods within node1 do not reach each other: 2 of 10 pairs",
    );
}

#[test]
fn a_cut_between_two_nodes_blames_neither_alone() {
    let mut o = healthy(Style::Vxlan);
    let between = |e: &Ends<'_>| e.crosses() && e.from_node != "node2" && e.to_node != "node2";
    lost(&mut o, |e| between(e) && !(e.from_host && e.to_host));
    let evidence = sole("cross-node", &o);
    assert!(
        evidence
            .what
            .starts_with("node1 and node3 do not reach each other: 24 of 26 pairs"),
        "{evidence:?}"
    );
    assert_eq!(evidence.culprit, None);
    let nodes = |e: &Ends<'_>| {
        between(e)
            && matches!(
                (&e.dial.from, &e.dial.to),
                (Endpoint::Node(_), Endpoint::Node(_))
            )
    };
    // One transport that nodes block among themselves is not a cut.
    let tcp = |e: &Ends<'_>| nodes(e) && e.dial.request.transport == Transport::Tcp;
    let mut filtered = o.clone();
    lost(&mut filtered, tcp);
    assert!(!causes("cross-node", &filtered).contains(&CauseId::UnderlayCut));
    lost(&mut o, nodes);
    assert_eq!(causes("cross-node", &o), [CauseId::UnderlayCut]);
    assert_contains(
        &sole("cross-node", &o).cause.unwrap(),
        "it may be that the network between node1 and node3 is cut, or one of them drops everything: node1 did not reach the node node3",
    );
}

#[test]
fn with_two_nodes_nobody_is_blamed_for_what_either_may_do() {
    let mut o = Cluster::new(Style::Direct, 2, 2).observe();
    lost(&mut o, |e| e.crosses() && pod_of(e, "node2"));
    // node2 may not forward, and node1 may drop what comes from node2's range: both look like this.
    assert_eq!(sole("cross-node", &o).culprit, None);
}

#[test]
fn everything_red_blames_nobody() {
    let mut o = healthy(Style::Vxlan);
    lost(&mut o, |e| e.crosses() && !e.from_host && !e.to_host);
    let evidence = sole("cross-node", &o);
    assert!(
        evidence
            .what
            .starts_with("no node's pods reach another node's: 24 of"),
        "{evidence:?}"
    );
    assert_eq!(evidence.culprit, None);
}

#[test]
fn two_unrelated_cuts_are_two_pieces_of_evidence() {
    let mut o = Cluster::new(Style::Vxlan, 5, 2).observe();
    lost(&mut o, |e| {
        e.from_node == "node1" && e.to_node == "node2" && !e.from_host && !e.to_host
    });
    lost(&mut o, |e| e.crosses() && e.involves("busybox-3"));
    let evidence = evidence("cross-node", &o);
    let whats: Vec<&str> = evidence.iter().map(|e| e.what.as_str()).collect();
    assert_eq!(evidence.len(), 2, "{whats:#?}");
    assert!(
        whats[0].starts_with("pod busybox-3 on node3 and other nodes do not reach each other"),
        "{whats:#?}"
    );
    assert!(
        whats[1].starts_with("node1 does not reach node2: 4 of"),
        "{whats:#?}"
    );
}

#[test]
fn refusals_and_missing_routes_are_told_apart() {
    let mut o = healthy(Style::Vxlan);
    lost(&mut o, |e| e.crosses() && pod_of(e, "node1"));
    for (kind, word) in [
        (Failure::Refused, "rejects"),
        (
            Failure::Unreachable,
            "it may be that a node or router at node1 has no route",
        ),
        (
            Failure::Prohibited,
            "packets are answered with ICMP \"prohibited\" at node1",
        ),
    ] {
        for dial in &mut o.dials {
            if let DialOutcome::Failed { kind: failed, .. } = &mut dial.result {
                *failed = kind;
            }
        }
        let cause = sole("cross-node", &o).cause.unwrap();
        assert_contains(&cause, word);
    }
}

#[test]
fn icmp_that_may_not_be_sent_is_a_fact_and_lost_probes_are_broken() {
    let unsupported = |o: &mut Observations, which: &dyn Fn(&Dial) -> bool| {
        for dial in o.dials.iter_mut().filter(|dial| which(dial)) {
            dial.result = DialOutcome::Failed {
                kind: Failure::Unsupported,
                detail: "ping_group_range".to_owned(),
                attempts: 0,
            };
        }
    };
    let mut o = healthy(Style::Vxlan);
    unsupported(&mut o, &|dial| {
        dial.request.transport == Transport::Icmp && bare(&dial.from) == "busybox-1"
    });
    let told = facts("cross-node", &o);
    assert!(
        told.contains(&"icmp not measured from busybox-1: ping_group_range".to_owned()),
        "{told:?}"
    );
    assert_fact("hairpin", &o, "icmp not measured in busybox-1");

    // A probe that died leaves its whole row unsupported.
    unsupported(&mut o, &|dial| bare(&dial.from) == "busybox-1");
    for id in ["same-node", "cross-node"] {
        assert_contains(&broken(id, &o), "tcp from busybox-1: ping_group_range");
    }
    assert_contains(&broken("hairpin", &o), "busybox-1");
    unsupported(&mut o, &|_| true);
    assert_eq!(judge("cross-node", &o).name(), "broken");
    assert_eq!(judge("no-nat", &o).name(), "broken");
}

#[test]
fn a_probe_that_died_is_broken_and_not_a_red_row() {
    let mut o = healthy(Style::Vxlan);
    let died = "the probe ended with exit code 137";
    for index in select(&o, |e| e.involves("busybox-1")) {
        let from_it = bare(&o.dials[index].from) == "busybox-1";
        if !from_it && o.dials[index].request.transport == Transport::Icmp {
            continue;
        }
        let (kind, detail) = match from_it {
            true => (Failure::Unsupported, died),
            false => (Failure::Refused, "connection refused"),
        };
        o.dials[index].result = DialOutcome::Failed {
            kind,
            detail: detail.to_owned(),
            attempts: 2,
        };
    }
    o.received
        .insert(pod_end("busybox-1"), Err(died.to_owned()));
    for id in ["same-node", "cross-node"] {
        assert_contains(
            &broken(id, &o),
            "dials to pod/busybox-1, whose probe does not run any more: the probe ended with exit code 137",
        );
    }
    assert_contains(&broken("no-nat", &o), died);
    // What is wrong besides is told all the same.
    lost(&mut o, |e| e.crosses() && pod_of(e, "node3"));
    let found = evidence("cross-node", &o);
    assert!(
        found.iter().any(|e| e.culprit.as_deref() == Some("node3")),
        "{found:#?}"
    );
}

#[test]
fn dials_that_were_not_made_are_broken() {
    let mut o = healthy(Style::Vxlan);
    o.dials
        .retain(|dial| !(bare(&dial.from) == "busybox-1" && bare(&dial.to) == "busybox-2"));
    assert_contains(
        &broken("cross-node", &o),
        "pod busybox-1 did not make 3 of its dials",
    );
    o.dials.clear();
    assert_eq!(judge("same-node", &o).name(), "broken");

    // Asked for one transport only, with gateways pinged all the same.
    let mut tcp = healthy(Style::Vxlan);
    let gateways = |dial: &Dial| {
        matches!(dial.to, Endpoint::Node(_)) && dial.request.address.to_string().ends_with(".1")
    };
    tcp.dials
        .retain(|dial| dial.request.transport == Transport::Tcp || gateways(dial));
    assert_red(&tcp, &[], &[]);
    assert_eq!(
        facts("cross-node", &tcp)[0],
        "78 of 78 ordered pairs over tcp"
    );
}

/// Where pings pass, a ping shows nothing of it.
#[test]
fn the_look_is_over_a_transport_that_fails() {
    for (over, look) in [
        (&[Transport::Tcp][..], "nc -w 2 10.244."),
        (&[Transport::Tcp, Transport::Udp], "nc -w 2 10.244."),
        (&[Transport::Udp], "--live --transports udp"),
        (&[Transport::Udp, Transport::Icmp], "ping -c 1 -W 1 10.244."),
    ] {
        let mut o = healthy(Style::Direct);
        lost(&mut o, |e| {
            let to_its_pods = e.crosses() && e.to_node == "node2" && !e.to_host;
            to_its_pods && over.contains(&e.dial.request.transport)
        });
        let evidence = sole("cross-node", &o);
        assert_contains(&evidence.look, look);
        assert_eq!(
            evidence.look.contains("ping"),
            over.contains(&Transport::Icmp)
        );
    }
}
