//! Faults of neighbour and forwarding entries.
use flatnet_model::cause::CauseId as C;

use super::{Fault, ROUTES, VXLAN};
use crate::plant::Who::{Node, Pod};
use crate::plant::says::{Says, seen};
use crate::plant::shell::{node, pod};

/// What is said of a tunnel that is otherwise on node2 than on the other two nodes.
const MISMATCHED_ON_NODE2: [Says; 5] = [
    seen(&["cross-node"], &[Node(2)], C::VxlanMismatch, &[]),
    seen(
        &["node-routes"],
        &[Node(2)],
        C::VxlanMismatch,
        &[("node", "node1"), ("to", "node2")],
    ),
    seen(
        &["node-routes"],
        &[Node(2)],
        C::VxlanMismatch,
        &[("node", "node2"), ("to", "node1")],
    ),
    seen(
        &["node-routes"],
        &[Node(2)],
        C::VxlanMismatch,
        &[("node", "node2"), ("to", "node3")],
    ),
    seen(
        &["node-routes"],
        &[Node(2)],
        C::VxlanMismatch,
        &[("node", "node3"), ("to", "node2")],
    ),
];

pub(super) static FAULTS: &[Fault] = &[
    Fault::shell(
        "pod-neighbour-wrong",
        "node1 knows a wrong Ethernet address of busybox-1",
        &[node(
            1,
            "ip neigh replace $POD1 dev cni0 lladdr 02:00:5e:20:00:99 nud permanent",
        )],
        &[seen(
            &["bridge", "cross-node", "gateway", "same-node"],
            &[Node(1)],
            C::NeighbourWrong,
            &[
                ("at.node", "node1"),
                ("device", "cni0"),
                ("hop", "$POD1"),
                ("mac", "02:00:5e:20:00:99"),
            ],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "gateway-neighbour-wrong",
        "busybox-1 knows a wrong Ethernet address of its gateway",
        &[pod(
            1,
            "ip neigh replace $GATEWAY1 dev eth0 lladdr 02:00:5e:20:00:99 nud \
             permanent",
        )],
        &[seen(
            &["cross-node", "gateway", "same-node"],
            &[Pod(1)],
            C::NeighbourWrong,
            &[
                ("device", "eth0"),
                ("hop", "$GATEWAY1"),
                ("mac", "02:00:5e:20:00:99"),
            ],
        )],
    )
    .may_fail(&["mtu"]),
    Fault::shell(
        "node-neighbour-wrong",
        "node1 knows a wrong Ethernet address of node2",
        &[node(
            1,
            "ip neigh replace $NODE2 dev eth0 lladdr 02:00:5e:20:00:99 nud \
             permanent",
        )],
        &[seen(
            &["cross-node"],
            &[Node(1)],
            C::NeighbourWrong,
            &[
                ("at.node", "node1"),
                ("device", "eth0"),
                ("hop", "$NODE2"),
                ("mac", "02:00:5e:20:00:99"),
            ],
        )],
    )
    .may_fail(&["mtu"])
    .needs(ROUTES),
    Fault::shell(
        "vtep-neighbour-missing",
        "node1 has no neighbour entry for the VTEP of node2",
        &[node(
            1,
            "hop=$(ip route show $CIDR2 | sed 's/.*via \\([^ ]*\\).*/\\1/'); ip \
             neigh del $hop dev flatnet.1",
        )],
        &[seen(
            &["cross-node", "node-routes"],
            &[Node(1)],
            C::NeighbourMissing,
            &[("hop", "10.244.1.0"), ("node", "node1"), ("to", "node2")],
        )],
    )
    .may_fail(&["mtu"])
    .needs(VXLAN),
    Fault::shell(
        "forwarding-missing",
        "node1 does not know behind which node the VTEP of node2 is",
        &[node(
            1,
            "mac=$(bridge fdb show dev flatnet.1 | grep \"dst $NODE2 \" | cut -d' ' \
             -f1); bridge fdb del $mac dev flatnet.1",
        )],
        &[seen(
            &["cross-node", "node-routes"],
            &[Node(1)],
            C::ForwardingElsewhere,
            &[("device", "flatnet.1"), ("node", "node1"), ("to", "node2")],
        )],
    )
    .may_fail(&["mtu"])
    .needs(VXLAN),
    Fault::shell(
        "forwarding-elsewhere",
        "node1 sends the frames for node2 to node3",
        &[node(
            1,
            "mac=$(bridge fdb show dev flatnet.1 | grep \"dst $NODE2 \" | cut -d' ' \
             -f1); bridge fdb replace $mac dev flatnet.1 dst $NODE3 self permanent",
        )],
        &[seen(
            &["cross-node", "node-routes"],
            &[Node(1)],
            C::ForwardingElsewhere,
            &[("device", "flatnet.1"), ("node", "node1"), ("to", "node2")],
        )],
    )
    .may_fail(&["mtu"])
    .needs(VXLAN),
    Fault::shell(
        "stale-forwarding",
        "node1 has a forwarding entry for a node that is gone",
        &[node(
            1,
            "bridge fdb append 02:00:5e:20:00:99 dev flatnet.1 dst 172.18.0.77 self \
             permanent",
        )],
        &[seen(
            &["node-routes"],
            &[Node(1)],
            C::StaleForwarding,
            &[
                ("device", "flatnet.1"),
                ("dst", "172.18.0.77"),
                ("node", "node1"),
            ],
        )],
    )
    .needs(VXLAN),
    Fault::shell(
        "vxlan-vni",
        "node2 has another VNI than the other nodes",
        &[node(
            2,
            "ip -o addr show dev flatnet.1 | sed 's/.* inet6* \\([^ ]*\\) .*/ip \
             addr add \\1 dev flatnet.1/' > /run/vxlan; ip route show dev flatnet.1 \
             proto kernel > /dev/null; ip route show dev flatnet.1 | sed 's/ \
             linkdown//; s/^/ip route replace /; s/$/ dev flatnet.1/' > \
             /run/routes; ip neigh show dev flatnet.1 | sed 's/ PERMANENT.*//; \
             s/^/ip neigh replace /; s/$/ dev flatnet.1 nud permanent/' > \
             /run/neighbours; bridge fdb show dev flatnet.1 | grep ' dst ' | sed \
             's/^\\([^ ]*\\) dst \\([^ ]*\\) .*/bridge fdb append \\1 dev flatnet.1 \
             dst \\2 self permanent/' > /run/entries; mac=$(ip -o link show dev \
             flatnet.1 | sed 's/.*ether \\([^ ]*\\).*/\\1/'); mtu=$(ip -o link show \
             dev flatnet.1 | sed 's/.* mtu \\([0-9]*\\).*/\\1/'); ip link del \
             flatnet.1; ip link add flatnet.1 address $mac mtu $mtu type vxlan id \
             77 dstport 8472 dev eth0 local $NODE2 nolearning; ip link set \
             flatnet.1 up; sed -i /fe80/d /run/vxlan; for f in vxlan neighbours \
             entries routes; do sh -e /run/$f; done",
        )],
        &MISMATCHED_ON_NODE2,
    )
    .may_fail(&["mtu"])
    .needs(VXLAN),
    Fault::shell(
        "vxlan-port",
        "node2 uses another port for VXLAN than the other nodes",
        &[node(
            2,
            "ip -o addr show dev flatnet.1 | sed 's/.* inet6* \\([^ ]*\\) .*/ip \
             addr add \\1 dev flatnet.1/' > /run/vxlan; ip route show dev flatnet.1 \
             proto kernel > /dev/null; ip route show dev flatnet.1 | sed 's/ \
             linkdown//; s/^/ip route replace /; s/$/ dev flatnet.1/' > \
             /run/routes; ip neigh show dev flatnet.1 | sed 's/ PERMANENT.*//; \
             s/^/ip neigh replace /; s/$/ dev flatnet.1 nud permanent/' > \
             /run/neighbours; bridge fdb show dev flatnet.1 | grep ' dst ' | sed \
             's/^\\([^ ]*\\) dst \\([^ ]*\\) .*/bridge fdb append \\1 dev flatnet.1 \
             dst \\2 self permanent/' > /run/entries; mac=$(ip -o link show dev \
             flatnet.1 | sed 's/.*ether \\([^ ]*\\).*/\\1/'); mtu=$(ip -o link show \
             dev flatnet.1 | sed 's/.* mtu \\([0-9]*\\).*/\\1/'); ip link del \
             flatnet.1; ip link add flatnet.1 address $mac mtu $mtu type vxlan id 1 \
             dstport 8473 dev eth0 local $NODE2 nolearning; ip link set flatnet.1 \
             up; sed -i /fe80/d /run/vxlan; for f in vxlan neighbours entries \
             routes; do sh -e /run/$f; done",
        )],
        &MISMATCHED_ON_NODE2,
    )
    .may_fail(&["mtu"])
    .needs(VXLAN),
];
