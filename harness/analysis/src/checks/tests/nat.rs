//! no-nat: what is rewritten, where, and what only looks so.
use flatnet_model::probe::{DialOutcome, ReceivedRequest, Transport};

use super::*;
use crate::example::build::{Style, healthy};
use crate::example::pieces::{internal, ip};

fn pods(e: &Ends<'_>) -> bool {
    !e.from_host && !e.to_host && !e.itself()
}

/// The server sees another source, in its own records and in what it tells the client.
fn rewrite_source(o: &mut Observations, seen: std::net::IpAddr, which: impl Fn(&Ends<'_>) -> bool) {
    for index in select(o, which) {
        let Dial {
            from, to, request, ..
        } = o.dials[index].clone();
        if let DialOutcome::Answered {
            seen_as: Some(seen_as),
            ..
        } = &mut o.dials[index].result
        {
            *seen_as = seen;
        }
        for received in o.received.get_mut(&to).unwrap().as_mut().unwrap() {
            if from.is_called(&received.from) && received.transport == request.transport {
                received.source = seen;
            }
        }
    }
}

#[test]
fn masquerade_on_one_node_is_blamed_on_it() {
    let mut o = healthy(Style::Direct);
    rewrite_source(&mut o, internal(1, false), |e| {
        pods(e) && e.crosses() && e.from_node == "node1"
    });
    assert_red(&o, &["no-nat"], &[]);
    let evidence = sole("no-nat", &o);
    assert_eq!(evidence.culprit.as_deref(), Some("node1"));
    assert!(
        evidence
            .what
            .starts_with("source address rewritten on node1: 8 pairs over tcp, udp, icmp"),
        "{evidence:?}"
    );
    assert!(
        evidence.what.contains("node1 → node2") && evidence.what.contains("node1 → node3"),
        "{evidence:?}"
    );
    assert_contains(&evidence.expected, "10.244.1.");
    assert_contains(&evidence.observed, "seen as 172.18.0.2, node1 (eth0)");
}

/// TCP and UDP are clean, and ICMP's source is known only from what arrived.
#[test]
fn rewritten_icmp_is_seen_by_the_far_end_alone() {
    let mut o = healthy(Style::Direct);
    rewrite_source(&mut o, internal(3, false), |e| {
        pods(e)
            && e.crosses()
            && e.from_node == "node3"
            && e.dial.request.transport == Transport::Icmp
    });
    let evidence = sole("no-nat", &o);
    assert_contains(&evidence.what, "over icmp");
    assert_eq!(evidence.culprit.as_deref(), Some("node3"));
}

#[test]
fn source_rewritten_by_the_servers_node_blames_that_node() {
    let mut o = healthy(Style::Vxlan);
    rewrite_source(&mut o, ip("10.244.2.1"), |e| {
        pods(e) && e.crosses() && e.to_node == "node2"
    });
    assert_eq!(sole("no-nat", &o).culprit.as_deref(), Some("node2"));
}

#[test]
fn masquerade_towards_nodes_is_a_fact_but_a_strange_source_is_not() {
    let mut o = healthy(Style::Vxlan);
    assert_fact("no-nat", &o, "own node's address (masqueraded)");
    rewrite_source(&mut o, ip("192.0.2.7"), |e| {
        !e.from_host && e.to_host && e.crosses() && e.from_node == "node1"
    });
    let evidence = sole("no-nat", &o);
    assert_contains(&evidence.observed, "192.0.2.7, which no pod or node holds");
    assert_eq!(evidence.culprit, None);
}

#[test]
fn a_node_must_be_seen_as_itself_by_pods() {
    let mut o = healthy(Style::Vxlan);
    rewrite_source(&mut o, internal(2, false), |e| {
        e.from_host && !e.to_host && e.crosses() && e.from_node == "node1"
    });
    let evidence = sole("no-nat", &o);
    assert_contains(&evidence.what, "node1 → ");
}

/// Each end's own address is the one its socket had, not any that it holds.
#[test]
fn another_address_of_the_client_is_not_its_own() {
    let mut o = healthy(Style::Vxlan);
    rewrite_source(&mut o, internal(1, false), |e| {
        bare(&e.dial.from) == "node1" && !e.to_host && !e.crosses()
    });
    assert_red(&o, &["no-nat"], &[]);
    assert_contains(
        &sole("no-nat", &o).observed,
        "seen as 172.18.0.2, node1 (eth0)",
    );
}

/// A kernel that answers an echo says nothing of where it came from.
#[test]
fn only_what_an_end_reported_is_counted() {
    let counted = |o: &Observations| -> usize {
        let fact = facts("no-nat", o).remove(0);
        fact.split(' ').next().unwrap().parse().unwrap()
    };
    let mut o = healthy(Style::Direct);
    let all = counted(&o);
    for received in o.received.values_mut().flatten() {
        received.retain(|request| request.transport != Transport::Icmp);
    }
    assert!(counted(&o) < all);
    assert_fact("no-nat", &o, "of which no end told whose address arrived");
    o.dials
        .retain(|dial| dial.request.transport == Transport::Icmp);
    assert_contains(&broken("no-nat", &o), "no dial of which an end reports");
}

#[test]
fn pods_that_nodes_see_masqueraded_are_part_of_the_sentence() {
    let sentence = facts("no-nat", &healthy(Style::Direct)).remove(0);
    assert_contains(&sentence, "each end saw the other's own address; ");
    assert_contains(
        &sentence,
        "more from pods to nodes, which saw their own node's address (masqueraded) on node1, node2, node3",
    );
}

/// node2 sends TCP for busybox-2 to busybox-5, which is there too.
#[test]
fn dnat_names_the_pod_and_its_node() {
    let mut o = healthy(Style::Direct);
    for dial in &mut o.dials {
        let here = ["node2", "host-2", "busybox-5"].contains(&bare(&dial.from));
        let diverted = bare(&dial.to) == "busybox-2" && dial.from != dial.to && !here;
        if let (true, Transport::Tcp, DialOutcome::Answered { responder, .. }) =
            (diverted, dial.request.transport, &mut dial.result)
        {
            *responder = Some(pod_end("busybox-5").to_string());
        }
    }
    if let Some(Ok(seen)) = o.received.get_mut(&pod_end("busybox-2")) {
        seen.retain(|request| request.transport != Transport::Tcp);
    }
    assert_red(&o, &["no-nat", "cross-node"], &[]);
    let evidence = sole("cross-node", &o);
    assert_contains(&evidence.what, "busybox-2 on node2 is not reached");
    assert_contains(&evidence.observed, "tcp: answered by busybox-5");
    assert_eq!(evidence.culprit.as_deref(), Some("node2"));
    assert_contains(&evidence.cause.unwrap(), "DNAT");
    let evidence = sole("no-nat", &o);
    assert_contains(
        &evidence.what,
        "busybox-5 on node2 answers in place of busybox-2 on node2",
    );
    assert_eq!(evidence.culprit.as_deref(), Some("node2"));
    assert_contains(&evidence.cause.unwrap(), "DNAT");
}

/// busybox-5's own connections to busybox-2 come back to busybox-5.
#[test]
fn the_pod_that_dnat_leads_to_cannot_reach_the_one_it_stands_in_for() {
    let mut o = healthy(Style::Direct);
    for dial in o
        .dials
        .iter_mut()
        .filter(|dial| bare(&dial.to) == "busybox-2" && dial.from != dial.to)
        .filter(|dial| !["node2", "host-2"].contains(&bare(&dial.from)))
    {
        if let (Transport::Tcp, DialOutcome::Answered { responder, .. }) =
            (dial.request.transport, &mut dial.result)
        {
            *responder = Some(pod_end("busybox-5").to_string());
        }
    }
    lost(&mut o, |e| {
        bare(&e.dial.from) == "busybox-5"
            && bare(&e.dial.to) == "busybox-2"
            && e.dial.request.transport == Transport::Tcp
    });
    assert_red(&o, &["no-nat", "same-node", "cross-node"], &[]);
    assert_contains(
        &sole("same-node", &o).cause.unwrap(),
        "busybox-2 is diverted to busybox-5",
    );
}

#[test]
fn dnat_at_one_client_node_blames_that_node() {
    let mut o = healthy(Style::Direct);
    for index in select(&o, |e| {
        pods(e) && e.from_node == "node1" && bare(&e.dial.to) == "busybox-2"
    }) {
        if let DialOutcome::Answered {
            responder: Some(name),
            ..
        } = &mut o.dials[index].result
        {
            *name = pod_end("busybox-5").to_string();
        }
    }
    assert_eq!(sole("no-nat", &o).culprit.as_deref(), Some("node1"));
}

#[test]
fn rewritten_reply_sources_blame_the_servers_node_and_name_the_pod() {
    let mut o = healthy(Style::Direct);
    for index in select(&o, |e| {
        !e.itself() && bare(&e.dial.to) == "busybox-2" && e.dial.request.transport == Transport::Udp
    }) {
        if let DialOutcome::Answered { reply_from, .. } = &mut o.dials[index].result {
            *reply_from = ip("10.244.2.200");
        }
    }
    assert_red(&o, &["no-nat"], &[]);
    let evidence = sole("no-nat", &o);
    assert!(
        evidence.what.contains("answers of busybox-2") && evidence.what.contains("over udp"),
        "{evidence:?}"
    );
    assert_contains(&evidence.observed, "answer from 10.244.2.200");
    assert_eq!(evidence.culprit.as_deref(), Some("node2"));
}

#[test]
fn requests_for_a_foreign_destination_are_seen() {
    let mut o = healthy(Style::Direct);
    let seen = o
        .received
        .get_mut(&pod_end("busybox-3"))
        .unwrap()
        .as_mut()
        .unwrap();
    seen.push(ReceivedRequest {
        copies: 0,
        transport: Transport::Tcp,
        from: pod_end("busybox-1").to_string(),
        source: ip("10.244.1.2"),
        destination: ip("10.96.0.10"),
        count: 1,
    });
    let evidence = sole("no-nat", &o);
    assert_contains(&evidence.what, "requests arrive at busybox-3");
    assert_eq!(evidence.culprit.as_deref(), Some("node3"));
}

#[test]
fn records_that_cannot_be_read_are_broken_and_missing_icmp_records_a_fact() {
    let mut o = healthy(Style::Direct);
    for seen in o.received.values_mut().flatten() {
        seen.retain(|request| request.transport != Transport::Icmp);
    }
    assert_fact("no-nat", &o, "no raw socket");
    o.received
        .insert(pod_end("busybox-1"), Err("probe killed".to_owned()));
    assert_contains(&broken("no-nat", &o), "pod/busybox-1: probe killed");
}

#[test]
fn an_address_of_a_node_that_cannot_be_read_is_not_told_as_translated() {
    let mut o = healthy(Style::Direct);
    node(&mut o, "node3").inside.facts = Some(Err("the probe did not answer".to_owned()));
    let seen = o.received.get_mut(&pod_end("host-3")).unwrap();
    seen.as_mut().unwrap().push(ReceivedRequest {
        copies: 0,
        transport: Transport::Icmp,
        from: pod_end("busybox-3").to_string(),
        source: ip("10.244.3.2"),
        destination: ip("10.244.3.1"),
        count: 1,
    });
    assert_contains(
        &broken("no-nat", &o),
        "whether 10.244.3.1 is an address of node3",
    );
}
