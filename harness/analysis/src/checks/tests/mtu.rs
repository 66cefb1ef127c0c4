//! mtu: sizes and fragments.
use flatnet_model::follow::Burst;
use flatnet_model::kernel::LearnedMtu;
use flatnet_model::probe::{MtuTrial, Transfer, TransferCut};

use super::*;
use crate::example::build::{Style, healthy};

/// What is longer than `limit` gets lost where the run involves `pod`.
fn limit(o: &mut Observations, pod: &str, limit: u32) {
    for run in o
        .mtu
        .iter_mut()
        .filter(|run| (bare(&run.from) == pod) != (bare(&run.to) == pod))
    {
        let trials = run.trials.as_mut().unwrap();
        trials[0] = MtuTrial {
            size: run.interface_mtu,
            arrived: false,
            detail: Some("no answer".to_owned()),
        };
        trials.push(MtuTrial {
            size: limit,
            arrived: true,
            detail: None,
        });
        trials.push(MtuTrial {
            size: limit + 1,
            arrived: false,
            detail: Some("no answer".to_owned()),
        });
    }
}

#[test]
fn a_size_that_does_not_pass_blames_nobody_as_long_as_nothing_was_seen_of_it() {
    let mut o = healthy(Style::Vxlan);
    limit(&mut o, "busybox-2", 1250);
    assert_red(&o, &["mtu"], &[]);
    let evidence = sole("mtu", &o);
    assert_eq!(evidence.culprit, None);
    assert_contains(&evidence.what, "1450 bytes");
    assert_contains(&evidence.what, "from and to pod busybox-2: node1 → node2");
    assert_contains(
        &evidence.observed,
        "the largest that passed: 1250 bytes (1450 bytes: no answer)",
    );
    assert_contains(
        &evidence.cause.unwrap(),
        "a rule may drop packets for their length",
    );
    // 1450 bytes on the wire are 1422 of ping's payload.
    assert_contains(&evidence.look, "ping -c 1 -W 1 -s 1422 ");
}

/// What busybox-1's kernel believes of its path to busybox-2.
fn learned(o: &mut Observations, mtu: u32) {
    let mut runs = o.mtu.iter_mut();
    let run = runs.find(|run| bare(&run.from) == "busybox-1" && bare(&run.to) == "busybox-2");
    let expires_s = 90;
    run.expect("a path").learned = Some(LearnedMtu { mtu, expires_s });
}

#[test]
fn a_learned_path_mtu_that_holds_packets_back_is_named_and_nobody_blamed() {
    let mut o = healthy(Style::Vxlan);
    learned(&mut o, 1450);
    assert_red(&o, &[], &[]);
    learned(&mut o, 1300);
    assert_red(&o, &["mtu"], &[]);
    let evidence = sole("mtu", &o);
    assert_eq!(evidence.culprit, None);
    assert_contains(
        &evidence.what,
        "pod busybox-1 has learned a path MTU of 1300 for 10.244.2.2 (expires in 90 s)",
    );
    assert_contains(&evidence.observed, "1450 bytes arrived in one piece");
    assert_contains(&evidence.look, "ip route get 10.244.2.2");
    assert_contains(&evidence.fix.unwrap(), "ip route flush cache");
}

#[test]
fn a_learned_path_mtu_stands_beside_a_size_that_does_not_pass() {
    let mut o = healthy(Style::Vxlan);
    limit(&mut o, "busybox-2", 1250);
    learned(&mut o, 1250);
    let evidence = sole("mtu", &o);
    assert_contains(
        &evidence.observed,
        "busybox-1 has learned a path MTU of 1250 for 10.244.2.2",
    );
    assert_contains(&evidence.cause.unwrap(), "for their length");
}

#[test]
fn a_device_that_carries_less_is_named_though_nothing_was_followed() {
    let mut o = healthy(Style::Vxlan);
    limit(&mut o, "busybox-2", 1304);
    let link = pod_facts(&mut o, "busybox-2").links.iter_mut();
    link.for_each(|link| link.mtu = link.mtu.min(1300));
    let evidence = sole("mtu", &o);
    assert_eq!(evidence.culprit.as_deref(), Some("pod busybox-2 on node2"));
    assert_contains(
        &evidence.cause.unwrap(),
        "eth0 of pod busybox-2 carries 1300 bytes at most",
    );
}

#[test]
fn a_pod_whose_interface_takes_more_than_all_others_is_what_differs() {
    let mut o = healthy(Style::Vxlan);
    let link = pod_facts(&mut o, "busybox-2").links.iter_mut();
    link.filter(|link| link.name == "eth0")
        .for_each(|link| link.mtu = 9000);
    for run in o
        .mtu
        .iter_mut()
        .filter(|run| bare(&run.from) == "busybox-2")
    {
        run.interface_mtu = 9000;
        let trials = run.trials.as_mut().unwrap();
        *trials = [(9000, false), (9001, false), (1450, true), (1451, false)]
            .map(|(size, arrived)| MtuTrial {
                size,
                arrived,
                detail: None,
            })
            .to_vec();
    }
    assert_red(&o, &["mtu"], &[]);
    let evidence = sole("mtu", &o);
    assert_eq!(evidence.culprit.as_deref(), Some("pod busybox-2 on node2"));
    assert_contains(
        &evidence.cause.unwrap(),
        "has an MTU of 9000, that of other pods is 1450",
    );
}

/// A busy machine loses packets: what arrived once fits.
#[test]
fn a_size_that_arrived_when_it_was_tried_again_passes() {
    let mut o = healthy(Style::Vxlan);
    for run in &mut o.mtu {
        let bytes = run.interface_mtu;
        let trials = run.trials.as_mut().unwrap();
        trials[0].arrived = false;
        trials.push(MtuTrial {
            size: bytes,
            arrived: true,
            detail: None,
        });
    }
    assert_red(&o, &[], &[]);
    for run in &mut o.mtu {
        run.trials.as_mut().unwrap()[2].arrived = false;
    }
    assert_red(&o, &["mtu"], &[]);
}

#[test]
fn every_pod_is_tried_in_each_direction() {
    let mut o = healthy(Style::Vxlan);
    o.mtu.retain(|run| bare(&run.to) != "busybox-4");
    assert_contains(
        &broken("mtu", &o),
        "no packet size was tried to pod busybox-4",
    );
}

#[test]
fn more_than_told_getting_through_is_wrong_too() {
    let mut o = healthy(Style::Direct);
    o.mtu
        .iter_mut()
        .flat_map(|run| run.trials.iter_mut())
        .for_each(|trials| trials[1].arrived = true);
    assert_contains(
        &sole("mtu", &o).what,
        "1501 bytes pass although the MTU of the pods' interfaces is 1500",
    );
}

#[test]
fn what_passes_beyond_a_devices_mtu_is_explained_and_no_less_is() {
    for (passes, explained) in [(1300, false), (1304, true)] {
        let mut o = healthy(Style::Vxlan);
        limit(&mut o, "busybox-2", passes);
        let outside = pod_facts(&mut o, "busybox-2").clone();
        let own = outside.links.iter().find(|link| link.name == "eth0");
        let end = own.unwrap().link;
        let mut links = node_facts(&mut o, "node2").links.iter_mut();
        links.find(|link| Some(link.index) == end).unwrap().mtu = 1300;
        let evidence = sole("mtu", &o);
        assert_contains(&evidence.cause.unwrap(), "carries 1300 bytes at most");
        let beyond = "a little beyond the MTU of 1300";
        assert_eq!(
            evidence.observed.contains(beyond),
            explained,
            "{}",
            evidence.observed
        );
    }
}

#[test]
fn outer_fragments_are_evidence_although_everything_arrives() {
    let mut o = healthy(Style::Vxlan);
    node_facts(&mut o, "node1")
        .counters
        .insert("Ip.FragCreates".to_owned(), 24);
    node_facts(&mut o, "node1")
        .counters
        .insert("Ip.FragOKs".to_owned(), 12);
    node_facts(&mut o, "node3")
        .counters
        .insert("Ip.ReasmReqds".to_owned(), 24);
    assert_red(&o, &["mtu"], &[]);
    let evidence = sole("mtu", &o);
    // It does what an MTU elsewhere, or one that its kernel remembers, asks of it.
    assert_eq!(evidence.culprit, None);
    assert_contains(
        &evidence.cause.clone().unwrap(),
        "it may be that the underlay's MTU, or a smaller path MTU that a node's kernel still remembers",
    );
    assert_contains(
        &evidence.observed,
        "node1: Ip.FragCreates +24, Ip.FragOKs +12; node3: Ip.ReasmReqds +24",
    );
}

#[test]
fn fragments_before_the_run_do_not_count_and_unread_counters_are_broken() {
    let mut o = healthy(Style::Vxlan);
    node_facts(&mut o, "node1")
        .counters
        .insert("Ip.FragCreates".to_owned(), 24);
    node(&mut o, "node1")
        .counters_before
        .insert("Ip.FragCreates".to_owned(), 24);
    assert_red(&o, &[], &[]);
    node(&mut o, "node1").counters_before.clear();
    assert_contains(&broken("mtu", &o), "fragment counters of node1");
}

#[test]
fn sizes_that_were_not_tried_are_broken() {
    let mut o = healthy(Style::Vxlan);
    o.mtu[0].trials = Err("probe killed".to_owned());
    assert_contains(&broken("mtu", &o), "probe killed");
    o.mtu.clear();
    assert_contains(
        &broken("mtu", &o),
        "no packet size was tried from pod busybox-1",
    );
}

/// Its own loopback carries what is for an address that it holds as well.
#[test]
fn a_size_that_never_left_the_pod_says_nothing_of_a_path() {
    let mut o = healthy(Style::Vxlan);
    let run = o.mtu.iter_mut().find(|run| bare(&run.from) == "busybox-2");
    let run = run.expect("a run from it");
    let (address, bytes) = (run.address, run.interface_mtu);
    run.trials.as_mut().unwrap().push(MtuTrial {
        size: bytes + 1,
        arrived: true,
        detail: None,
    });
    let facts = pod_facts(&mut o, "busybox-2");
    let mut own = facts.addresses[0].clone();
    own.net = address.into();
    facts.addresses.push(own);
    assert_contains(&broken("mtu", &o), "both have");
}

/// Of paths that pods of these nodes have, data stalls.
fn stall(o: &mut Observations, back: bool, of: impl Fn(&str, &str) -> bool) {
    for run in &mut o.mtu {
        if of(bare(&run.from), bare(&run.to)) {
            run.transfers = vec![Ok(Transfer::TransferCut(TransferCut {
                back,
                altered: false,
                arrived: Some(1398),
                acked: None,
                mss: 1398,
            }))];
        }
    }
}

#[test]
fn data_that_stalls_where_datagrams_of_its_size_pass_is_red_and_its_cause_open() {
    let mut o = healthy(Style::Vxlan);
    stall(&mut o, false, |from, to| {
        from == "busybox-2" || to == "busybox-2"
    });
    assert_red(&o, &["mtu"], &[]);
    let evidence = sole("mtu", &o);
    assert_contains(
        &evidence.what,
        "of 65536 bytes that clients send over TCP not all arrive from and to pod busybox-2, though short messages",
    );
    assert_contains(
        &evidence.observed,
        "sent by the client: nothing came after 1398 bytes, the sender's MSS is 1398",
    );
    assert_contains(
        &evidence.cause.unwrap(),
        "may drop packets for their length",
    );
    // It is followed with TCP.
    let wanted = crate::checks::oversized(&o);
    assert!(wanted.iter().all(|wanted| wanted.burst == Burst::Filled));
    assert!(!wanted.is_empty());
}

#[test]
fn what_servers_send_is_told_where_clients_send_in_that_direction_without_loss() {
    let mut o = healthy(Style::Vxlan);
    stall(&mut o, true, |from, _| from == "busybox-1");
    let told: Vec<String> = evidence("mtu", &o).into_iter().map(|e| e.what).collect();
    assert!(
        told.iter()
            .all(|what| what.contains("that servers send back over TCP")),
        "{told:#?}"
    );
    // The same packets: those that come to busybox-1's node.
    stall(&mut o, false, |_, to| to == "busybox-1");
    stall(&mut o, true, |from, _| from == "busybox-1");
    let told: Vec<String> = evidence("mtu", &o).into_iter().map(|e| e.what).collect();
    assert!(
        told.iter().all(|what| !what.contains("send back")),
        "{told:#?}"
    );
}

#[test]
fn data_on_paths_of_which_the_mtu_does_not_pass_says_nothing_more() {
    let mut o = healthy(Style::Vxlan);
    limit(&mut o, "busybox-2", 1250);
    let without = judge("mtu", &o);
    stall(&mut o, false, |from, to| {
        (from == "busybox-2") != (to == "busybox-2")
    });
    assert_eq!(without, judge("mtu", &o));
}

#[test]
fn a_transfer_that_could_not_be_made_is_not_green() {
    let mut o = healthy(Style::Vxlan);
    let detail = "no answer before any data was sent".to_owned();
    o.mtu[0].transfers = vec![Ok(Transfer::Failed { detail })];
    assert!(matches!(judge("mtu", &o), Verdict::Broken { .. }));
}

#[test]
fn where_no_data_was_sent_that_is_said() {
    let mut o = healthy(Style::Vxlan);
    assert_contains(
        &format!("{:?}", judge("mtu", &o)),
        "65536 bytes pass each way over TCP on",
    );
    o.mtu.iter_mut().for_each(|run| run.transfers.clear());
    let verdict = judge("mtu", &o);
    assert_contains(
        &format!("{verdict:?}"),
        "full segments of TCP were not sent",
    );
    assert!(matches!(verdict, Verdict::Pass { .. }));
}
