//! Packets whose TTL runs out, and rules of legacy iptables that only count.
use flatnet_model::probe::watch::LegacyRule;

use super::*;

/// Up to node2's uplink, with these TTLs at each device.
fn with_ttl(ttl: [u8; 4]) -> Scene {
    let mut scene = to_node2();
    let order = [10, 20, 30, 40];
    for place in &mut scene.followed.places {
        for sighting in &mut place.watched.as_mut().expect("watched").sightings {
            let at = order.iter().position(|at| *at == sighting.at_ns / 10 * 10);
            sighting.packet.ttl = ttl[at.expect("a device")];
        }
    }
    scene
}

fn cause(scene: &Scene) -> Option<Cause> {
    let found = Ground::of(&scene.observations).judge(&scene.followed);
    Some(found.fate?.cause?.cause)
}

#[test]
fn a_ttl_that_is_small_from_the_start_is_its_senders() {
    let scene = with_ttl([2, 2, 1, 1]);
    let (pod, _) = scene.client();
    let expected = Cause::TtlExpired {
        at: node("node2"),
        by: pod,
        ttl: 2,
    };
    assert_eq!(cause(&scene), Some(expected));
}

#[test]
fn a_ttl_that_is_made_small_on_the_way_is_that_nodes() {
    let expected = Cause::TtlExpired {
        at: node("node2"),
        by: node("node1"),
        ttl: 1,
    };
    assert_eq!(cause(&with_ttl([64, 64, 1, 1])), Some(expected));
}

#[test]
fn a_packet_that_comes_back_to_a_device_is_in_a_loop() {
    let mut scene = with_ttl([4, 4, 3, 3]);
    let (_, source) = scene.client();
    scene.request(50, &node("node2"), "eth0", Passing::Out, source);
    scene.request(60, &node("node1"), "eth0", Passing::In, source);
    scene.request(70, &node("node1"), "eth0", Passing::Out, source);
    scene.request(80, &node("node2"), "eth0", Passing::In, source);
    for place in &mut scene.followed.places {
        for sighting in &mut place.watched.as_mut().expect("watched").sightings {
            if sighting.at_ns >= 50 {
                sighting.packet.ttl = if sighting.at_ns < 70 { 2 } else { 1 };
            }
        }
    }
    assert_eq!(
        cause(&scene),
        Some(Cause::RoutingLoop { at: node("node2") })
    );
}

#[test]
fn a_legacy_rule_that_counted_more_packets_than_were_lost_may_be_it() {
    for (packets, basis) in [(BURST, Basis::Seen), (BURST + 3, Basis::Inferred)] {
        let mut scene = to_node2();
        let watched = scene.watched(&node("node2"));
        watched.legacy = vec![LegacyRule {
            family: "ip".to_owned(),
            table: "filter".to_owned(),
            rule: "-A FORWARD -p udp -j DROP".to_owned(),
            packets: packets as u64,
        }];
        // What is not sent is counted whatever refused it.
        watched.counters = [("Ip.OutDiscards".to_owned(), BURST as u64)].into();
        let found = Ground::of(&scene.observations).judge(&scene.followed);
        let cause = found.fate.and_then(|fate| fate.cause).expect("a cause");
        assert_eq!(cause.basis, basis);
        assert!(matches!(cause.cause, Cause::DroppedByRule { .. }));
    }
}

/// No interface of node2 has the address, and yet it takes what is for it.
#[test]
fn a_local_route_is_named_where_nothing_holds_the_address() {
    use crate::example::pieces::{policy_rule, route};
    use flatnet_model::kernel::{RuleAction, TABLE_LOCAL};
    use flatnet_model::rule::RouteChoice;

    let mut scene = to_node2();
    let mut nodes = scene.observations.nodes.iter_mut();
    let node2 = nodes.find(|node| node.object.name == "node2").expect("it");
    let facts = node2.inside.facts.as_mut().expect("looked at");
    let facts = facts.as_mut().expect("facts");
    let mut local = route("10.244.2.0/24", None, 1, 4);
    local.kind = 2;
    facts.other_tables.push((TABLE_LOCAL, local));
    let lookup = RuleAction::Lookup(TABLE_LOCAL);
    facts.rules = vec![policy_rule(0, lookup)];
    let ground = Ground::of(&scene.observations);
    let to = scene.followed.dial.request.address;
    let found = super::super::local::route(&ground.network, &node("node2"), to);
    let Some(Cause::RoutedAway { by, .. }) = found else {
        panic!("{found:?}");
    };
    let RouteChoice::Table { route, .. } = by else {
        panic!("{by:?}");
    };
    assert!(route.starts_with("local 10.244.2.0/24"), "{route}");
}
