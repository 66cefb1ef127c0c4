//! A packet that is sent is counted by exactly the devices in its trace.
use std::collections::BTreeMap;

use flatnet_analysis::trace::model::Direction;
use flatnet_analysis::trace::{Netns, Trace};
use rstest::rstest;

use crate::bed::{
    BEHIND_ROUTERS, Bed, ONE_SEGMENT, REFERENCE, REFERENCE_ROUTED, ROUTERS_V6, SEGMENT_V6, Shape,
};

/// Echo requests. What nodes say to each other besides (ARP, NDP, an agent's look at the wire) stays far below.
const COUNT: u64 = 400;
const OTHER_TRAFFIC: u64 = COUNT / 4;

/// Packets by namespace, device and direction.
type Counters = BTreeMap<(Netns, String, Direction), u64>;

/// As sysfs has them.
fn counters(bed: &Bed) -> Counters {
    const ALL: &str = "cd /sys/class/net && for device in *; do [ -d $device ] || continue; \
        echo $device $(cat $device/statistics/rx_packets $device/statistics/tx_packets); done";
    let mut counters = Counters::new();
    for netns in bed.namespaces() {
        for line in bed.run(&netns, ALL).lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [device, rx, tx] = words[..] else {
                panic!("{line}")
            };
            for (direction, packets) in [(Direction::In, rx), (Direction::Out, tx)] {
                let key = (netns.clone(), device.to_owned(), direction);
                counters.insert(key, packets.parse().unwrap());
            }
        }
    }
    counters
}

/// How often a packet and its answer pass each device.
fn passages(there: &Trace, back: &Trace) -> BTreeMap<(Netns, String, Direction), u64> {
    let mut passages = BTreeMap::new();
    for trace in [there, back] {
        for (netns, device, direction) in trace.devices() {
            let key = (netns.clone(), device.to_owned(), direction);
            *passages.entry(key).or_insert(0) += 1;
        }
    }
    passages
}

#[rstest]
#[case::cross_node(ONE_SEGMENT, "busybox-1", "busybox-2")]
#[case::same_node_routed(ONE_SEGMENT, "busybox-1", "busybox-4")]
#[case::from_a_node(ONE_SEGMENT, "node1", "busybox-3")]
#[case::to_a_node(ONE_SEGMENT, "busybox-1", "node3")]
#[case::to_a_host_network_pod(ONE_SEGMENT, "busybox-1", "busybox-host-2")]
#[case::out_of_the_cluster(ONE_SEGMENT, "node1", "198.51.100.1")]
#[case::tunnel(BEHIND_ROUTERS, "busybox-1", "busybox-2")]
#[case::tunnel_v6(ROUTERS_V6, "busybox-1", "busybox-3")]
#[case::plain_routes_v6(SEGMENT_V6, "busybox-1", "busybox-3")]
#[case::same_node_switched(REFERENCE, "busybox-1", "busybox-4")]
#[case::reference_cross_node(REFERENCE, "busybox-1", "busybox-2")]
#[case::through_a_router(REFERENCE_ROUTED, "busybox-1", "busybox-2")]
fn what_is_sent_is_counted_by_the_devices_of_the_trace_and_no_other(
    #[case] shape: Shape,
    #[case] from: &str,
    #[case] to: &str,
) {
    let bed = Bed::new(shape);
    let found = bed.trace(from, to);
    let back = found.back.as_ref().expect("a return path");

    let before = counters(&bed);
    bed.ping(&found.there.from, found.there.destination, COUNT as usize);
    let after = counters(&bed);

    let passages = passages(&found.there, back);
    assert!(passages.len() >= 4, "{passages:?}");
    for (key, now) in &after {
        let counted = now - before.get(key).copied().unwrap_or(0);
        let expected = COUNT * passages.get(key).copied().unwrap_or(0);
        assert!(
            (expected..expected + OTHER_TRAFFIC).contains(&counted),
            "{key:?} counted {counted}, the trace says {expected}"
        );
    }
    for key in passages.keys() {
        assert!(after.contains_key(key), "there is no {key:?}");
    }
}
