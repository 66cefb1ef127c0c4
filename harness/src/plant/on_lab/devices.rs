//! Faults of devices: down, changed, off their bridge, gone.
use flatnet_model::cause::CauseId as C;

use super::{Fault, VXLAN};
use crate::plant::Who::{Node, Pod};
use crate::plant::says::seen;
use crate::plant::shell::{node, pod};

pub(super) static FAULTS: &[Fault] = &[
    Fault::shell(
        "pod-interface-down",
        "the interface of busybox-1 is down",
        &[pod(1, "ip link set eth0 down")],
        &[
            seen(
                &["bridge", "cross-node", "same-node"],
                &[Pod(1)],
                C::InterfaceDown,
                &[("device", "eth0")],
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
        "pod-interface-missing",
        "busybox-1 has no interface any more",
        &[pod(1, "ip link del eth0")],
        &[
            seen(&["bridge"], &[Pod(1)], C::InterfaceMissing, &[]),
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
        "host-end-down",
        "the node's end of busybox-1's veth is down",
        &[node(1, "ip link set $HOST1 down")],
        &[seen(
            &["bridge", "cross-node", "gateway", "same-node"],
            &[Pod(1)],
            C::HostEndDown,
            &[("device", "$HOST1")],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "bridge-down",
        "the bridge of node1 is down",
        &[node(1, "ip link set cni0 down")],
        &[seen(
            &["bridge", "cross-node", "gateway", "same-node"],
            &[Node(1)],
            C::BridgeDown,
            &[("bridge", "cni0"), ("node", "node1")],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "hairpin-off",
        "hairpin mode is off on the bridge port of busybox-1, and node1 filters what its bridge forwards",
        &[node(
            1,
            "sysctl -qw net.bridge.bridge-nf-call-iptables=1 && bridge link set dev $HOST1 hairpin off",
        )],
        &[seen(
            &["hairpin"],
            &[Pod(1)],
            C::HairpinOff,
            &[
                ("device", "$HOST1"),
                ("key", "net.bridge.bridge-nf-call-iptables"),
            ],
        )],
    ),
    Fault::shell(
        "port-disabled",
        "the bridge port of busybox-1 does not forward",
        &[node(1, "bridge link set dev $HOST1 state 0")],
        &[seen(
            &["bridge", "cross-node", "gateway", "same-node"],
            &[Pod(1)],
            C::PortNotForwarding,
            &[("device", "$HOST1"), ("state", "disabled")],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "port-listening",
        "the bridge port of busybox-2 only listens, as spanning tree makes it",
        &[node(2, "bridge link set dev $HOST2 state 1")],
        &[seen(
            &["bridge", "cross-node", "gateway", "same-node"],
            &[Pod(2)],
            C::PortNotForwarding,
            &[("device", "$HOST2"), ("state", "listening")],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "pod-mac-changed",
        "busybox-1 has another Ethernet address than its node knows",
        &[pod(1, "ip link set eth0 address 02:00:5e:10:00:99")],
        &[seen(
            &["bridge", "cross-node", "gateway", "same-node"],
            &[Pod(1)],
            C::PodMacChanged,
            &[("address", "$POD1")],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "tunnel-down",
        "the VXLAN device of node2 is down",
        &[node(2, "ip link set flatnet.1 down")],
        &[seen(
            &["cross-node", "node-routes"],
            &[Node(2)],
            C::VxlanDown,
            &[("device", "flatnet.1"), ("node", "node2")],
        )],
    )
    .may_fail(&["mtu"])
    .needs(VXLAN),
    Fault::shell(
        "uplink-down",
        "the uplink of node2 is down",
        &[node(2, "ip link set eth0 down")],
        &[seen(
            &["cross-node", "node-routes"],
            &[Node(2)],
            C::LinkDown,
            &[("admin", "true"), ("at.node", "node2"), ("device", "eth0")],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "host-end-gone",
        "the node's end of busybox-1's veth is in another network namespace",
        &[node(1, "ip link set $HOST1 netns 1")],
        &[seen(
            &["bridge", "cross-node", "gateway", "same-node"],
            &[Pod(1)],
            C::HostEndMissing,
            &[("device", "eth0")],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "interface-replaced",
        "the interface of busybox-1 is none of a veth pair",
        &[pod(
            1,
            "ip link del eth0; ip link add eth0 type bridge; ip addr add $POD1/32 \
             dev eth0; ip link set eth0 up; ip route add $GATEWAY1 dev eth0; ip \
             route add default via $GATEWAY1",
        )],
        &[seen(
            &["bridge", "cross-node", "gateway", "same-node"],
            &[Pod(1)],
            C::NotVeth,
            &[("device", "eth0")],
        )],
    )
    .may_fail(&["mtu"]),
];
