//! Packets sent one after the other: the first one, some of them, and some twice.
use flatnet_model::observations::{Occasion, SeriesRun};
use flatnet_model::probe::{PacketFate, RepeatedAnswers, Transport};

use super::*;
use crate::example::build::{Style, healthy};
use crate::example::pieces::pod_ip;

const QUICK: PacketFate = PacketFate::Answered { at_least_us: 40 };

/// The fates of a series by one letter each: answered, lost, sent again.
fn fates(letters: &str) -> Vec<PacketFate> {
    let fate = |letter| match letter {
        'a' => QUICK,
        'r' => PacketFate::Retransmitted { times: 1 },
        _ => PacketFate::Lost,
    };
    letters.chars().map(fate).collect()
}

/// Changes the first series of the paths chosen.
fn first(o: &mut Observations, fates: &[PacketFate], which: impl Fn(&str, &str) -> bool) {
    let homes = o.clone();
    for run in &mut o.series {
        let (from, to) = (home(&homes, &run.from).0, home(&homes, &run.to).0);
        if which(&from, &to) {
            run.packets = Ok(fates.to_vec());
        }
    }
}

/// A path on which dials failed or were repeated.
fn suspicion(o: &mut Observations, dial: &Dial, letters: &str) {
    o.series.push(SeriesRun {
        from: dial.from.clone(),
        to: dial.to.clone(),
        request: dial.request,
        occasion: Occasion::Suspicion,
        packets: Ok(fates(letters)),
    });
}

#[test]
fn figures_are_said_for_each_class() {
    let o = healthy(Style::Vxlan);
    let told = facts("first-packet", &o);
    assert_eq!(
        told[..4],
        [
            "first packet lost on 0 of 18 paths, the slowest took 0.08 ms",
            "same-node: first packet lost on 0 of 6 paths; slowest 0.08 ms, slowest after it 0.03 ms",
            "cross-node: first packet lost on 0 of 6 paths; slowest 0.08 ms, slowest after it 0.03 ms",
            "with a node at one end: first packet lost on 0 of 6 paths; slowest 0.08 ms, slowest after it 0.03 ms",
        ]
    );
    assert_fact("duplicates", &o, "arrived once, and so did the answers");
}

#[test]
fn a_first_packet_that_is_lost_on_several_paths_is_told_with_its_class() {
    let mut o = healthy(Style::Vxlan);
    first(&mut o, &fates("laaa"), |from, to| {
        from != to && to == "node2"
    });
    assert_red(&o, &["first-packet"], &[]);
    let found = evidence("first-packet", &o);
    let whats: Vec<&str> = found.iter().map(|e| e.what.as_str()).collect();
    assert!(
        whats.iter().any(|what| what
            .starts_with("cross-node: the first packet was lost on 2 of 6 paths over icmp")),
        "{whats:#?}"
    );
    assert_contains(
        &found[0].observed,
        "the first packet lost, the 3 after it answered",
    );
    assert_contains(
        &found[0].cause.clone().unwrap(),
        "may be set up only once a packet asks for it",
    );
}

/// A single packet that a busy machine lost is said, and no more.
#[test]
fn one_first_packet_that_was_lost_once_is_a_fact() {
    let mut o = healthy(Style::Vxlan);
    o.series[0].packets = Ok(fates("laaa"));
    assert_red(&o, &[], &[]);
    assert_fact("first-packet", &o, "first packet lost on 1 of 6 paths");
    if let DialOutcome::Answered { retransmits, .. } = &mut o.dials[0].result {
        *retransmits = 1;
    }
    assert_fact(
        "first-packet",
        &o,
        "1 dial answered only after packets were sent again",
    );
    // Lost again with the first packet of the next flow.
    let dial = o.dials[0].clone();
    suspicion(&mut o, &dial, "rrrr");
    assert_red(&o, &["first-packet"], &[]);
    // Of one pod, which is as likely as its node.
    let told = against("first-packet", &o);
    assert_eq!(told[0].deviation.culprits, [], "{told:#?}");
}

#[test]
fn late_is_what_most_paths_are_and_by_orders_of_magnitude() {
    let late = |us| {
        vec![
            PacketFate::Answered { at_least_us: us },
            QUICK,
            QUICK,
            QUICK,
        ]
    };
    let mut o = healthy(Style::Vxlan);
    first(&mut o, &late(1_003_000), |from, to| from != to);
    assert_red(&o, &["first-packet"], &[]);
    let observed = evidence("first-packet", &o)[0].observed.clone();
    assert_contains(
        &observed,
        "the first packet took at least 1003.00 ms, those after it at most 0.04 ms",
    );
    // Few of many, or packets that are all slow: a busy machine.
    let mut few = healthy(Style::Vxlan);
    first(&mut few, &late(1_003_000), |from, to| {
        from == "node1" && to == "node2"
    });
    assert_red(&few, &[], &[]);
    let mut slow = healthy(Style::Vxlan);
    first(
        &mut slow,
        &[PacketFate::Answered {
            at_least_us: 400_000,
        }; 4],
        |_, _| true,
    );
    assert_red(&slow, &[], &[]);
}

#[test]
fn loss_some_of_the_time_is_told_with_its_rate_and_is_no_filter() {
    let mut o = healthy(Style::Direct);
    let into_node2 =
        |e: &Ends<'_>| e.crosses() && e.to_node == "node2" && !e.to_host && !e.from_host;
    let chosen = select(&o, |e| {
        into_node2(e) && e.dial.request.transport == Transport::Udp
    });
    let lossy: Vec<Dial> = chosen.iter().map(|index| o.dials[*index].clone()).collect();
    // Two of them failed twice in a row, over one transport, by chance.
    for index in &chosen[..2] {
        o.dials[*index].result = DialOutcome::Failed {
            kind: Failure::TimedOut,
            detail: "no answer".to_owned(),
            attempts: 2,
        };
    }
    let to = |o: &mut Observations, from: &str, to: &str, fates: &str| {
        let there = |dial: &&Dial| home(o, &dial.from).0 == from && bare(&dial.to) == to;
        let dial = lossy.iter().find(there).unwrap().clone();
        suspicion(o, &dial, &fates.repeat(10));
    };
    let mut one_pod = o.clone();
    for (from, pod) in [("node1", "busybox-2"), ("node3", "busybox-5")] {
        to(&mut o, from, pod, "alaaalaala");
    }
    // Where all of them are of one pod, it or its node may be the reason, until another pod there is seen to lose nothing.
    for from in ["node1", "node3"] {
        to(&mut one_pod, from, "busybox-2", "alaaalaala");
    }
    assert_eq!(sole("cross-node", &one_pod).culprit, None);
    to(&mut one_pod, "node1", "busybox-5", "aaaaaaaaaa");
    assert_eq!(
        sole("cross-node", &one_pod).culprit.as_deref(),
        Some("pod busybox-2 on node2")
    );
    assert_red(&o, &["cross-node"], &[]);
    let evidence = sole("cross-node", &o);
    assert_eq!(
        evidence.what,
        "packets between nodes get lost some of the time: 60 of 200 over udp (node1 → node2, node3 → node2)"
    );
    assert_eq!(evidence.culprit.as_deref(), Some("node2"));
    assert_eq!(causes("cross-node", &o), [CauseId::LossyPath]);
    assert_contains(&evidence.observed, "30 of 100 packets lost");
    // That the first few packets came through says nothing about those that did not.
    o.series[0].request = lossy[0].request;
    o.series[0].from = lossy[0].from.clone();
    o.series[0].to = lossy[0].to.clone();
    sole("cross-node", &o);
}

#[test]
fn what_is_dead_besides_is_told_apart_from_what_fails_some_of_the_time() {
    let mut o = healthy(Style::Vxlan);
    lost(&mut o, |e| e.crosses() && e.involves("busybox-3"));
    let some = |e: &Ends<'_>| bare(&e.dial.from) == "busybox-1" && bare(&e.dial.to) == "busybox-2";
    let dial = o.dials[select(&o, some)[0]].clone();
    suspicion(&mut o, &dial, "aalaalaala");
    let whats: Vec<String> = evidence("cross-node", &o)
        .into_iter()
        .map(|e| e.what)
        .collect();
    assert_eq!(whats.len(), 2, "{whats:#?}");
    assert_contains(&whats[0], "3 of 10");
    assert_contains(&whats[1], "pod busybox-3 on node3");
}

#[test]
fn a_single_packet_lost_of_many_is_nothing() {
    let mut o = healthy(Style::Vxlan);
    let dial = o.dials[0].clone();
    suspicion(&mut o, &dial, &format!("{}l", "a".repeat(99)));
    assert_red(&o, &[], &[]);
}

#[test]
fn series_that_were_not_sent_are_broken() {
    let mut o = healthy(Style::Vxlan);
    for run in &mut o.series {
        run.packets = Err("probe killed".to_owned());
    }
    assert_contains(&broken("first-packet", &o), "probe killed");
    o.series.clear();
    assert_eq!(judge("first-packet", &o).name(), "broken");
    o.received.clear();
    assert_eq!(judge("duplicates", &o).name(), "broken");
}

#[test]
fn requests_that_arrive_twice_are_told_with_their_direction() {
    let mut o = healthy(Style::Direct);
    let server = pod_end("busybox-2");
    let homes = o.clone();
    for request in o.received.get_mut(&server).unwrap().as_mut().unwrap() {
        let from: Endpoint = request.from.parse().unwrap();
        if request.transport == Transport::Udp && home(&homes, &from).0 != "node2" {
            request.copies = 1;
        }
    }
    // The server answers each copy.
    let answers = vec![RepeatedAnswers {
        transport: Transport::Udp,
        from: pod_ip(2, 0, false),
        count: 1,
    }];
    o.repeated_answers.insert(pod_end("busybox-1"), answers);
    assert_red(&o, &["duplicates"], &[]);
    let evidence = sole("duplicates", &o);
    assert_eq!(evidence.culprit.as_deref(), Some("node2"));
    assert_contains(
        &evidence.what,
        "came twice over udp (node1 → node2, node3 → node2)",
    );
    assert_contains(
        &evidence.observed,
        "busybox-1 → busybox-2 (udp): 1 packet came again",
    );
}

#[test]
fn answers_that_alone_come_twice_were_doubled_on_the_way_back() {
    let mut o = healthy(Style::Direct);
    let answers = vec![RepeatedAnswers {
        transport: Transport::Icmp,
        from: pod_ip(2, 0, false),
        count: 3,
    }];
    o.repeated_answers.insert(pod_end("busybox-1"), answers);
    let evidence = sole("duplicates", &o);
    assert_eq!(
        evidence.what,
        "3 packets came twice over icmp (node2 → node1)"
    );
    assert_eq!(evidence.culprit, None);
}

/// A switch sends what is for the one to the other now and then.
#[test]
fn loss_between_two_nodes_with_one_ethernet_address_is_told_with_it() {
    let mut o = healthy(Style::Direct);
    let mac = node_facts(&mut o, "node1").links[1].mac;
    node_facts(&mut o, "node2").links[1].mac = mac;
    assert_red(&o, &[], &[]);
    let lossy =
        |e: &Ends<'_>| e.dial.request.transport == Transport::Udp && e.between("node1", "node2");
    let dial = o.dials[select(&o, lossy)[0]].clone();
    suspicion(&mut o, &dial, &"alaaalaala".repeat(10));
    assert_red(&o, &["cross-node"], &[]);
    assert_eq!(causes("cross-node", &o), [CauseId::NodeMacShared]);
    let told = sole("cross-node", &o);
    assert_eq!(told.culprit.as_deref(), Some("node1 and node2"));
    // Loss within another node has another cause.
    let elsewhere =
        |e: &Ends<'_>| e.dial.request.transport == Transport::Udp && e.between("node3", "node3");
    let dial = o.dials[select(&o, elsewhere)[0]].clone();
    suspicion(&mut o, &dial, &"alaaalaala".repeat(10));
    assert_eq!(causes("same-node", &o), [CauseId::LossyPath]);
}

/// Whatever their size, half of the packets get lost: a size that did not arrive says nothing of an MTU.
#[test]
fn a_size_that_does_not_pass_where_packets_get_lost_anyway_is_not_measured() {
    let mut o = healthy(Style::Direct);
    let udp =
        |e: &Ends<'_>| e.dial.request.transport == Transport::Udp && e.between("node1", "node2");
    let dial = o.dials[select(&o, udp)[0]].clone();
    let (from, to) = (dial.from.clone(), dial.to.clone());
    let size = |o: &mut Observations| {
        let mut runs = o.mtu.iter_mut();
        let run = runs.find(|run| run.from == from && run.to == to);
        let trials = run.expect("that path").trials.as_mut().unwrap();
        trials.iter_mut().for_each(|trial| trial.arrived = false);
    };
    size(&mut o);
    assert_eq!(judge("mtu", &o).name(), "fail");
    suspicion(&mut o, &dial, &"al".repeat(50));
    assert_red(&o, &["cross-node"], &["mtu"]);
    assert_contains(&broken("mtu", &o), "packets of any size get lost there");
    // One in a hundred does not explain it.
    o.series.pop();
    suspicion(&mut o, &dial, &format!("ll{}", "a".repeat(198)));
    assert_eq!(judge("mtu", &o).name(), "fail");
}
