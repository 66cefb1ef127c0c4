//! A packet ends where the cluster is broken, for the reason for which it is.
use flatnet::plant;
use flatnet::report::route as table;
use flatnet_analysis::trace::model::Cause;
use flatnet_analysis::trace::{Ending, Netns};
use flatnet_model::advice::Advice;
use rstest::rstest;

use crate::bed::{BEHIND_ROUTERS, Bed, ONE_SEGMENT};

#[rstest]
#[case::default_route(
    "default-route-missing",
    "busybox-2",
    "busybox-1",
    "no route covers 10.244.1."
)]
#[case::route("route-missing", "busybox-3", "wire", "no route covers 10.244.2.")]
#[case::gateway("gateway-missing", "busybox-4", "wire", "no route covers 10.244.0.")]
#[case::host_end(
    "host-end-off-bridge",
    "busybox-2",
    "node1",
    "is not a port of a bridge"
)]
#[case::vtep(
    "wrong-vtep-mac",
    "busybox-2",
    "node2",
    "flatnet.1 has 0a:58:ff:ff:ff:fe"
)]
#[case::address(
    "pod-address-changed",
    "busybox-1",
    "busybox-1",
    "the pod holds 10.244.0.200"
)]
fn a_planted_fault_is_where_the_trace_ends(
    #[case] fault: &str,
    #[case] to: &str,
    #[case] at: &str,
    #[case] says: &str,
) {
    let bed = Bed::broken(ONE_SEGMENT, plant::find(fault).unwrap());
    let from = if to == "busybox-1" {
        "busybox-2"
    } else {
        "busybox-1"
    };

    let found = bed.trace(from, to);

    let shown = table::text(&found, false, &Advice::brief());
    let Ending::Stopped { at: netns, .. } = &found.there.ending else {
        panic!("{shown}");
    };
    assert_eq!(netns.exec_name(), at, "{shown}");
    assert!(shown.contains(says), "{shown}");
    assert!(shown.contains("look: flatnet exec"), "{shown}");
}

#[test]
fn a_missing_route_is_pointed_out_where_the_default_route_takes_its_place() {
    let bed = Bed::broken(ONE_SEGMENT, plant::find("route-missing").unwrap());

    let found = bed.trace("busybox-1", "busybox-3");

    let of_node1 = found.there.hops.iter().rev();
    let out = of_node1
        .clone()
        .find(|hop| hop.netns == Netns::Node("node1".to_owned()));
    let note = out.unwrap().note.as_deref().unwrap_or_default();
    assert!(note.contains("only the default route covers"), "{note}");
    assert!(note.contains("of node3"), "{note}");
}

#[test]
fn a_narrow_link_sets_the_path_mtu() {
    let bed = Bed::broken(ONE_SEGMENT, plant::find("underlay-mtu").unwrap());

    let found = bed.trace("busybox-1", "busybox-2");

    let (bytes, hop) = found.there.path_mtu().unwrap();
    assert_eq!((bytes, hop.device.as_str()), (1300, "to-node2"));
    let shown = table::text(&found, false, &Advice::brief());
    assert!(
        shown.contains("eth0 of busybox-1 believes in 1500"),
        "{shown}"
    );
}

#[test]
fn an_address_that_two_pods_hold_is_reported() {
    let bed = Bed::broken(ONE_SEGMENT, plant::find("same-ip").unwrap());
    let duplicate = bed.namespaces().into_iter().find_map(|netns| {
        let Netns::Pod(pod) = &netns else { return None };
        let found = bed.trace("node3", &pod.to_string());
        (!found.there.remarks.is_empty()).then_some(found)
    });

    let found = duplicate.expect("an address that two hold");

    assert!(
        found.there.remarks[0].contains("several hold"),
        "{:?}",
        found.there.remarks
    );
}

#[test]
fn a_node_that_stops_forwarding_is_where_the_trace_ends() {
    let bed = Bed::new(ONE_SEGMENT);
    let node2 = Netns::Node("node2".to_owned());
    bed.run(&node2, "echo 0 > /proc/sys/net/ipv4/ip_forward");

    let found = bed.trace("busybox-1", "busybox-2");

    let sysctl = "ipv4/ip_forward".to_owned();
    let cause = Cause::ForwardingOff { sysctl };
    assert_eq!(found.there.ending, Ending::Stopped { at: node2, cause });
}

#[test]
fn a_cable_whose_other_end_is_down_is_where_the_trace_ends() {
    let bed = Bed::new(BEHIND_ROUTERS);
    bed.run(&Netns::Node("node2".to_owned()), "ip link set eth0 down");

    let found = bed.trace("busybox-1", "busybox-2");

    let cause = Cause::LinkDown {
        device: "to-node2".to_owned(),
        admin: false,
    };
    let at = Netns::Wire;
    assert_eq!(found.there.ending, Ending::Stopped { at, cause });
}
