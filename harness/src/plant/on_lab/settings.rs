//! Faults of settings of the kernel.
use flatnet_model::cause::CauseId as C;

use super::{DUAL, Fault, ROUTES, VXLAN};
use crate::plant::Who::{Node, Pod};
use crate::plant::says::{may_be, red, seen};
use crate::plant::shell::{node, pod};

pub(super) static FAULTS: &[Fault] = &[
    Fault::shell(
        "forwarding-off",
        "node2 forwards no IPv4",
        &[node(2, "sysctl -qw net.ipv4.ip_forward=0")],
        &[seen(
            &["cross-node", "same-node"],
            &[Node(2)],
            C::ForwardingOff,
            &[("key", "ipv4.ip_forward"), ("node", "node2")],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "bridge-forwarding-off",
        "node1 forwards no IPv4 that comes in by its bridge",
        &[node(1, "sysctl -qw net.ipv4.conf.cni0.forwarding=0")],
        &[seen(
            &["cross-node", "same-node"],
            &[Node(1)],
            C::ForwardingOff,
            &[("key", "ipv4.conf.cni0.forwarding"), ("node", "node1")],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "uplink-forwarding-off",
        "node3 forwards no IPv4 that comes in by its uplink",
        &[node(3, "sysctl -qw net.ipv4.conf.eth0.forwarding=0")],
        &[seen(
            &["cross-node"],
            &[Node(3)],
            C::ForwardingOff,
            &[("key", "ipv4.conf.eth0.forwarding"), ("node", "node3")],
        )],
    )
    .may_fail(&["mtu"])
    .needs(ROUTES),
    Fault::shell(
        "tunnel-forwarding-off",
        "node3 forwards no IPv4 that comes out of its tunnel",
        &[node(3, "sysctl -qw net.ipv4.conf.flatnet/1.forwarding=0")],
        &[seen(
            &["cross-node"],
            &[Node(3)],
            C::ForwardingOff,
            &[("key", "ipv4.conf.flatnet.1.forwarding"), ("node", "node3")],
        )],
    )
    .may_fail(&["mtu"])
    .needs(VXLAN),
    Fault::shell(
        "ipv6-forwarding-off",
        "node2 forwards no IPv6",
        &[node(2, "sysctl -qw net.ipv6.conf.all.forwarding=0")],
        &[seen(
            &["cross-node", "same-node"],
            &[Node(2)],
            C::ForwardingOff,
            &[("key", "ipv6.conf.all.forwarding"), ("node", "node2")],
        )],
    )
    .may_fail(&["mtu"])
    .needs(DUAL),
    Fault::shell(
        "strict-rp-filter",
        "node2 has strict rp_filter, and its route back to busybox-1 leads \
             elsewhere",
        &[node(
            2,
            "ip link add other0 type veth peer name other1; ip link set other1 up; \
             ip link set other0 up; ip route add $POD1 dev other0; sysctl -qw \
             net.ipv4.conf.all.rp_filter=1",
        )],
        &[seen(
            &["cross-node", "node-routes"],
            &[Node(2)],
            C::PartRoutedElsewhere,
            &[
                ("node", "node2"),
                ("part", "$POD1/32"),
                ("range", "$CIDR1"),
                ("to", "node1"),
            ],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "rp-filter-of-tunnel",
        "node2 has strict rp_filter, and packets of other nodes themselves come \
             in by the tunnel and are answered beside it",
        &[node(2, "sysctl -qw net.ipv4.conf.all.rp_filter=1")],
        &[
            seen(
                &["cross-node"],
                &[Node(2)],
                C::ReversePathFilter,
                &[("at.node", "node2"), ("device", "eth0")],
            ),
            seen(
                &["cross-node"],
                &[Node(2)],
                C::ReversePathFilter,
                &[("at.node", "node2"), ("device", "flatnet.1")],
            ),
        ],
    )
    .may_fail(&["mtu"])
    .needs(VXLAN),
    Fault::shell(
        "pod-ipv6-off",
        "IPv6 is switched off on the interface of busybox-1",
        &[pod(1, "sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1")],
        &[
            seen(
                &["cross-node", "hairpin", "pod-ip-present", "same-node"],
                &[Pod(1)],
                C::Ipv6Off,
                &[("key", "ipv6.conf.eth0.disable_ipv6")],
            ),
            seen(
                &["gateway"],
                &[Pod(1)],
                C::DefaultRouteMissing,
                &[("family", "ipv6"), ("pods.0.name", "busybox-1")],
            ),
        ],
    )
    .may_fail(&["mtu"])
    .needs(DUAL),
    Fault::shell(
        "bridge-ipv6-off",
        "IPv6 is switched off on the bridge of node1",
        &[node(1, "sysctl -qw net.ipv6.conf.cni0.disable_ipv6=1")],
        &[seen(
            &["bridge", "cross-node", "gateway", "same-node"],
            &[Node(1)],
            C::Ipv6Off,
            &[("at.node", "node1"), ("key", "ipv6.conf.cni0.disable_ipv6")],
        )],
    )
    .may_fail(&["mtu"])
    .needs(DUAL),
    Fault::shell(
        "echo-ignored",
        "busybox-2 ignores ICMP echo requests",
        &[pod(2, "sysctl -qw net.ipv4.icmp_echo_ignore_all=1")],
        &[
            may_be(
                &["cross-node", "same-node"],
                &[Pod(2)],
                C::TransportFiltered,
                &[
                    ("failing.0", "icmp"),
                    ("passing.0", "tcp"),
                    ("passing.1", "udp"),
                ],
            ),
            red(&["hairpin"], &[Pod(2)]),
        ],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "ttl-small",
        "busybox-2 sends packets with a TTL that does not reach other nodes' pods",
        &[pod(2, "sysctl -qw net.ipv4.ip_default_ttl=2")],
        &[seen(
            &["cross-node"],
            &[Pod(2)],
            C::TtlExpired,
            &[("by.pod.name", "busybox-2"), ("ttl", "2")],
        )],
    )
    .may_fail(&["mtu"])
    .needs(ROUTES),
];
