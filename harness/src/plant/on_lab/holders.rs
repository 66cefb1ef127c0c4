//! Faults of who holds which address.
use flatnet_model::cause::CauseId as C;

use super::{DUAL, Fault, ROUTES, VXLAN};
use crate::plant::Who::{Node, Pod};
use crate::plant::says::seen;
use crate::plant::shell::{node, pod};

pub(super) static FAULTS: &[Fault] = &[
    Fault::shell(
        "pod-address-removed",
        "the interface of busybox-1 has lost its address",
        &[pod(1, "ip addr del $POD1/32 dev eth0")],
        &[
            seen(
                &["cross-node", "hairpin", "pod-ip-present", "same-node"],
                &[Pod(1)],
                C::AddressNotHeld,
                &[("address", "$POD1")],
            ),
            seen(
                &["gateway"],
                &[Pod(1)],
                C::DefaultRouteMissing,
                &[("family", "ipv4"), ("pods.0.name", "busybox-1")],
            ),
        ],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "two-pods-one-address",
        "busybox-5 on node2 holds the address of busybox-1 as well",
        &[pod(5, "ip addr add $POD1/32 dev eth0")],
        &[seen(
            &["cross-node", "pod-ip-unique"],
            &[],
            C::AddressShared,
            &[
                ("address", "$POD1"),
                ("pods.0.name", "busybox-1"),
                ("pods.1.name", "busybox-5"),
            ],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "pod-address-on-node",
        "node2 holds the address of busybox-1",
        &[node(2, "ip addr add $POD1/32 dev lo")],
        &[
            seen(
                &["cross-node"],
                &[Node(2)],
                C::SourceIsOwn,
                &[("address", "$POD1"), ("at.node", "node2")],
            ),
            seen(
                &["pod-ip-unique"],
                &[Node(2)],
                C::NodeAddressOnPod,
                &[
                    ("address", "$POD1"),
                    ("node", "node2"),
                    ("pods.0.name", "busybox-1"),
                ],
            ),
        ],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "gateway-on-pod",
        "busybox-1 holds the address of its gateway",
        &[pod(1, "ip addr add $GATEWAY1/32 dev eth0")],
        &[
            seen(
                &["cross-node", "same-node"],
                &[Node(1)],
                C::SourceIsOwn,
                &[("address", "$GATEWAY1"), ("at.node", "node1")],
            ),
            seen(
                &["pod-ip-unique"],
                &[Node(1)],
                C::NodeAddressOnPod,
                &[
                    ("address", "$GATEWAY1"),
                    ("node", "node1"),
                    ("pods.0.name", "busybox-1"),
                ],
            ),
        ],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "gateway-twice",
        "a second bridge of node1 holds the gateway address",
        &[node(
            1,
            "ip link add old0 type bridge; ip link set old0 up; ip addr add \
             $GATEWAY1/24 dev old0",
        )],
        &[seen(
            &["bridge"],
            &[Node(1)],
            C::GatewayTwice,
            &[
                ("address", "$GATEWAY1"),
                ("bridges.0", "cni0"),
                ("bridges.1", "old0"),
                ("node", "node1"),
            ],
        )],
    ),
    Fault::shell(
        "vtep-address-missing",
        "the VXLAN device of node2 has lost its address",
        &[node(2, "ip addr flush dev flatnet.1 scope global")],
        &[
            seen(
                &["cross-node", "node-routes"],
                &[Node(2)],
                C::RouteMissing,
                &[("node", "node2"), ("range", "$CIDR1"), ("to", "node1")],
            ),
            seen(
                &["node-routes"],
                &[Node(2)],
                C::RouteMissing,
                &[("node", "node2"), ("range", "$CIDR3"), ("to", "node3")],
            ),
        ],
    )
    .may_fail(&["mtu"])
    .needs(VXLAN),
    Fault::shell(
        "node-address-shared",
        "node3 holds the address of node2 as well",
        &[node(3, "ip addr add $NODE2/32 dev eth0")],
        &[seen(
            &["cross-node"],
            &[Node(2), Node(3)],
            C::NodeAddressShared,
            &[("address", "$NODE2")],
        )],
    )
    .may_fail(&["mtu"])
    .needs(ROUTES),
    Fault::shell(
        "dad-failed",
        "busybox-1 assigns its IPv6 address anew while its node holds it, and \
             detects that it is a duplicate",
        &[
            pod(1, "ip addr del $POD1_V6/128 dev eth0"),
            node(1, "ip addr add $POD1_V6/128 dev cni0 nodad"),
            pod(
                1,
                "sysctl -qw net.ipv6.conf.eth0.accept_dad=1; ip addr add $POD1_V6/128 \
             dev eth0; sleep 2",
            ),
            node(1, "ip addr del $POD1_V6/128 dev cni0"),
        ],
        &[seen(
            &[
                "cross-node",
                "gateway",
                "hairpin",
                "pod-ip-present",
                "same-node",
            ],
            &[Pod(1)],
            C::AddressDuplicate,
            &[("address", "$POD1_V6"), ("device", "eth0")],
        )],
    )
    .may_fail(&["mtu"])
    .needs(DUAL),
    Fault::shell(
        "gateway-on-pod-only",
        "busybox-4 holds the gateway address that the bridge of node1 has lost",
        &[
            node(1, "ip addr del $GATEWAY1/24 dev cni0"),
            pod(4, "ip addr add $GATEWAY1/32 dev eth0"),
        ],
        &[
            seen(
                &["bridge", "cross-node", "gateway", "same-node"],
                &[Node(1)],
                C::GatewayAddressMissing,
                &[
                    ("address", "$GATEWAY1"),
                    ("bridge", "cni0"),
                    ("node", "node1"),
                ],
            ),
            seen(
                &["pod-ip-unique"],
                &[Node(1)],
                C::GatewayOnPod,
                &[("address", "$GATEWAY1")],
            ),
        ],
    )
    .may_fail(&["mtu"]),
];
