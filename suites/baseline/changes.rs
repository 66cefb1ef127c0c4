//! Deliberate changes of a configuration: what should differ does, and nothing else.
use rstest::rstest;

use super::Reports;

const FACT: &str = "fact-differs";
const BROKEN: &str = "promise-broken";
const PATH: &str = "path-differs";

/// What a tunnel brings along, besides the path.
const TUNNEL: [(&str, &str); 11] = [
    (PATH, "path"),
    (FACT, "path-mtu"),
    (FACT, "cni-key"),
    (FACT, "device"),
    (FACT, "device-mtu"),
    (FACT, "device-address"),
    (FACT, "mtu-below-underlay"),
    (FACT, "host-end"),
    (FACT, "route-to-pods"),
    (FACT, "neighbour"),
    (FACT, "tunnel-entry"),
];

#[rstest]
#[case::mtu(
    &["--mtu", "1400"],
    &[(FACT, "path-mtu"), (FACT, "cni-key"), (FACT, "device-mtu"), (FACT, "host-end")],
    "MTU of eth0: 1500 → 1400 bytes (every node and every pod)"
)]
#[case::backend(
    &["--backend", "vxlan"],
    &TUNNEL,
    "route to the other node's pods, IPv4: via the other node's InternalIP, dev eth0 → via an address of the other node's podCIDR, dev flatnet.1, onlink (between all nodes)"
)]
#[case::pod_range(
    &["--pod-cidr", "10.200.0.0/16"],
    &[(FACT, "pod-network")],
    "pod network: 10.244.0.0/16 → 10.200.0.0/16"
)]
#[case::node_range(
    &["--node-cidr-mask", "25"],
    &[(FACT, "pod-range"), (FACT, "device-address")],
    "podCIDRs: a /24 of the pod network → a /25 of the pod network (every node)"
)]
#[case::nodes(&["--nodes", "4"], &[(FACT, "shape")], "shape of the cluster: 3 nodes → 4 nodes")]
#[case::second_family(
    &["--ip-family", "dual"],
    &[
        (FACT, "shape"), (FACT, "pod-network"), (FACT, "pod-range"), (FACT, "cni-key"),
        (FACT, "device-address"), (FACT, "route-to-pods"), (FACT, "route"), (FACT, "neighbour"),
        (FACT, "nft-rules"), (FACT, "nft-set"),
    ],
    "route to the other node's pods, IPv6: not there → via the other node's InternalIP, dev eth0 (between all nodes)"
)]
#[case::route_missing(
    &["--plant", "route-missing"],
    &[(BROKEN, "verdict"), (BROKEN, "reach"), (PATH, "path"), (FACT, "route-to-pods")],
    "route to the other node's pods, IPv4: via the other node's InternalIP, dev eth0 → not there (node1 to node3 only)"
)]
#[case::masquerade(
    &["--plant", "masquerade"],
    &[(BROKEN, "verdict"), (BROKEN, "reach"), (FACT, "nft-rules")],
    "dials of pod to pod, IPv4: icmp, tcp, udp: answered → icmp: answered; tcp, udp: answered, client seen as its node's InternalIP (from node1 to every other node)"
)]
#[case::hairpin(
    &["--plant", "hairpin-off"],
    &[(BROKEN, "verdict"), (FACT, "host-end")],
    "host end: hairpin on → hairpin off (node1/pod1 (busybox-1) only)"
)]
#[case::pod_mtu(
    &["--plant", "pod-mtu"],
    &[(BROKEN, "verdict"), (FACT, "path-mtu"), (FACT, "device-mtu"), (FACT, "mtu-below-underlay")],
    "MTU of eth0: 1500 → 1300 bytes (node2/pod1 (busybox-2) only)"
)]
fn a_change_is_told_and_nothing_else(
    #[case] options: &[&str],
    #[case] kinds: &[(&str, &str)],
    #[case] text: &str,
) {
    let reports = Reports::new();
    reports.run("before", &[]);
    reports.run("after", options);
    let (code, diff) = reports.diff("before", "after");
    diff.is(kinds, text);
    assert_eq!(code, Some(1));
    // The way back: what broke is restored.
    let (_, back) = reports.diff("after", "before");
    let restored = |(class, id): &(&str, &str)| match *class {
        BROKEN => ("promise-restored".to_owned(), (*id).to_owned()),
        other => (other.to_owned(), (*id).to_owned()),
    };
    assert_eq!(
        back.kinds(),
        kinds.iter().map(restored).collect(),
        "{:#?}",
        back.texts()
    );
}
