//! Each decision in a trace is what `ip route get` and `bridge fdb` say there.
use flatnet_analysis::trace::Trace;
use flatnet_analysis::trace::model::{Hop, Step, Switching};
use rstest::rstest;
use serde_json::Value;

use crate::bed::{BEHIND_ROUTERS, Bed, ONE_SEGMENT, REFERENCE, ROUTERS_V6, Shape};

/// The word after `key` in what `ip route get` prints.
fn word_after<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mut words = text.split_whitespace();
    words.find(|word| *word == key)?;
    words.next()
}

/// What `bridge -j` lists.
fn forwarding(bed: &Bed, hop: &Hop, what: &str) -> Vec<Value> {
    let text = bed.run(&hop.netns, &format!("bridge -j fdb show {what}"));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// Compares every hop; how many decisions of routes and of forwarding entries there were.
fn compare(bed: &Bed, trace: &Trace) -> (usize, usize) {
    let (mut routes, mut entries) = (0, 0);
    let mut mac = None;
    for hop in &trace.hops {
        match &hop.step {
            Step::Routed(routed) => {
                let said = bed.run(&hop.netns, &hop.look);
                assert_eq!(
                    word_after(&said, "dev"),
                    Some(hop.device.as_str()),
                    "{said}"
                );
                let gateway = routed.route.gateway.map(|gateway| gateway.to_string());
                assert_eq!(word_after(&said, "via"), gateway.as_deref(), "{said}");
                mac = routed
                    .link_layer
                    .as_ref()
                    .map(|known| known.mac.to_string());
                routes += 1;
            }
            Step::Switched {
                bridge,
                by: Switching::Fdb,
            } => {
                let listed = forwarding(bed, hop, &format!("br {bridge}"));
                let there = listed.iter().any(|entry| {
                    entry["mac"].as_str() == mac.as_deref() && entry["ifname"] == *hop.device
                });
                assert!(there, "{mac:?} on {}: {listed:#?}", hop.device);
                entries += 1;
            }
            Step::Encapsulated { mac, remote, .. } => {
                let listed = forwarding(bed, hop, &format!("dev {}", hop.device));
                let there = listed.iter().any(|entry| {
                    entry["mac"] == mac.to_string() && entry["dst"] == remote.to_string()
                });
                assert!(there, "{mac} dst {remote}: {listed:#?}");
                entries += 1;
            }
            _ => {}
        }
    }
    (routes, entries)
}

#[rstest]
#[case::plain_routes(ONE_SEGMENT, "busybox-2", 3)]
#[case::same_node(ONE_SEGMENT, "busybox-4", 2)]
#[case::tunnel(BEHIND_ROUTERS, "busybox-2", 5)]
#[case::tunnel_v6(ROUTERS_V6, "busybox-3", 5)]
#[case::switched(REFERENCE, "busybox-4", 1)]
#[case::reference(REFERENCE, "busybox-2", 3)]
fn routes_and_forwarding_entries_are_those_of_iproute2(
    #[case] shape: Shape,
    #[case] to: &str,
    #[case] decisions: usize,
) {
    let bed = Bed::new(shape);
    let first = bed.trace("busybox-1", to).there;
    // Bridges learn from what is sent.
    bed.ping(&first.from, first.destination, 1);

    let found = bed.trace("busybox-1", to);

    let (routes, entries) = compare(&bed, &found.there);
    assert!(found.there.arrives(), "{:?}", found.there.ending);
    assert_eq!(routes, decisions);
    assert!(entries > 0);
    let back = found.back.expect("a return path");
    assert!(found.there.mirrors(&back));
    compare(&bed, &back);
}
