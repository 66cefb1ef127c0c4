//! Faults that once broke a law, by their numbers. Each is to draw the same fault again: a change of the grammar asks for another
//! number of the same fault.

pub(crate) struct Regression {
    pub(crate) seed: u64,
    /// Words of the commands that plant it.
    pub(crate) planted: &'static str,
    pub(crate) was: &'static str,
}

pub(crate) const REGRESSIONS: &[Regression] = &[
    Regression {
        seed: 9237037,
        planted: "ip -4 neigh replace 10.244.2.1 dev eth0",
        was: "the node that a pod's misdirected frames reach was named for the pod's wrong neighbour entry",
    },
    Regression {
        seed: 8322835,
        planted: "ip -4 neigh replace 10.244.2.3 dev cni0",
        was: "another pod of the node was named for the node's wrong neighbour entry",
    },
    Regression {
        seed: 95418199,
        planted: "bridge fdb replace",
        was: "the node to which a wrong forwarding entry leads was named for the one that has it",
    },
    Regression {
        seed: 10185259,
        planted: "ip -4 route del 10.244.1.0/24",
        was: "the router was named that has no route for what a node sends it by mistake",
    },
    Regression {
        seed: 26255515,
        planted: "ip -4 route replace 10.244.1.0/24 via 10.244.2.0",
        was: "a wrong next hop was taken for a wrong neighbour entry",
    },
    Regression {
        seed: 62159521,
        planted: "ip link set dev veth",
        was: "another pod of the node was named for a host end that is down",
    },
    Regression {
        seed: 80151780,
        planted: "tcp sport 7411-7412 drop",
        was: "every healthy lab with VXLAN and both families was red",
    },
    Regression {
        seed: 98191010,
        planted: "iifname eth0 ip6 saddr fd00:10:244",
        was: "the node was named for a pod that drops the answers to what it sends",
    },
    Regression {
        seed: 32548470,
        planted: "ip link set dev eth0 down",
        was: "the cause named for a node's uplink that was down was an unresolved neighbour, or a frame addressed to nobody",
    },
    Regression {
        seed: 76379086,
        planted: "ip -6 neigh replace fd00:10:244::2 dev cni0",
        was: "a pod of an IPv6-only lab was said to have another MAC than it was given, for its node's wrong neighbour entry",
    },
    Regression {
        seed: 41895435,
        planted: "ip6tables-legacy -w -P OUTPUT DROP",
        was: "the counter of what a node could not send was named, and not the policy of legacy iptables that refused it",
    },
    Regression {
        seed: 91269972,
        planted: "iptables-legacy -w -t filter -A OUTPUT -p tcp",
        was: "the node was named for a pod whose packets came to none of its devices",
    },
    Regression {
        seed: 19172050,
        planted: "ip addr add fd00:10:244::3/128 dev eth0 nodad",
        was: "a node was named for its right route to a pod whose address another node holds as well, and sends from",
    },
    Regression {
        seed: 34822263,
        planted: "ip -4 route add 10.244.1.2/32 dev cni0",
        was: "a pod was named that two nodes kept others from, each for itself",
    },
    Regression {
        seed: 77216443,
        planted: "ip -4 route add unreachable 10.244.1.3/32",
        was: "a pod was named that two nodes kept others from, each for itself",
    },
    Regression {
        seed: 54317763,
        planted: "ip -4 route add 10.244.0.2/32 via 10.244.1.0",
        was: "a pod was named that two nodes kept others from, each for itself",
    },
    Regression {
        seed: 74783477,
        planted: "iifname eth0 numgen random mod 100 < 95 drop",
        was: "the underlay was said to be cut, as if seen, for a node that drops nearly everything",
    },
    Regression {
        seed: 4706618,
        planted: "ip link set dev eth0 address",
        was: "the underlay was said to be cut, as if seen, for a node whose Ethernet address changed",
    },
];
