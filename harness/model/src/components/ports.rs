//! What listens at which port of a node, and what for (Kubernetes, Ports and Protocols; the components' own references).
use crate::probe::Protocol::{self, Tcp, Udp};

/// etcd: clients, peers, metrics.
pub const ETCD: [u16; 3] = [2379, 2380, 2381];

/// A port that is known by its number and program.
struct Known {
    protocol: Protocol,
    port: u16,
    program: &'static str,
    purpose: &'static str,
}

const fn tcp(port: u16, program: &'static str, purpose: &'static str) -> Known {
    Known {
        protocol: Tcp,
        port,
        program,
        purpose,
    }
}

const fn udp(port: u16, program: &'static str, purpose: &'static str) -> Known {
    Known {
        protocol: Udp,
        port,
        program,
        purpose,
    }
}

const KNOWN: &[Known] = &[
    tcp(
        2379,
        "etcd",
        "etcd's client API: the kube-apiserver, and nobody else, reads and writes the cluster's state here",
    ),
    tcp(
        2380,
        "etcd",
        "etcd peers: members of one etcd cluster replicate to each other",
    ),
    tcp(2381, "etcd", "etcd's health and metrics"),
    tcp(
        6443,
        "kube-apiserver",
        "the Kubernetes API: kubectl, kubelets, controllers and agents talk to it",
    ),
    tcp(10248, "kubelet", "kubelet's health, on this machine only"),
    tcp(10249, "kube-proxy", "kube-proxy's metrics"),
    tcp(
        10250,
        "kubelet",
        "the kubelet's API: the kube-apiserver asks it for logs, exec and port-forward",
    ),
    tcp(
        10255,
        "kubelet",
        "the kubelet's read-only API, off by default",
    ),
    tcp(
        10256,
        "kube-proxy",
        "kube-proxy's health, for load balancers",
    ),
    tcp(
        10257,
        "kube-controller-manager",
        "kube-controller-manager's health and metrics",
    ),
    tcp(
        10259,
        "kube-scheduler",
        "kube-scheduler's health and metrics",
    ),
    tcp(6781, "weave-npc", "weave-npc's metrics"),
    tcp(6782, "weaver", "weave's metrics"),
    tcp(6783, "weaver", "weave peers: control connections"),
    tcp(
        6784,
        "weaver",
        "weave's HTTP API: the weave-net plugin asks for addresses here",
    ),
    udp(6783, "weaver", "weave peers: packets of pods (sleeve)"),
];

/// Programs whose ports are chosen at each start.
const PROGRAMS: &[(&str, &str)] = &[
    (
        "containerd",
        "containerd's streaming server: exec, attach and port-forward",
    ),
    (
        "crio",
        "CRI-O's streaming server: exec, attach and port-forward",
    ),
    (
        "cri-dockerd",
        "cri-dockerd's streaming server: exec, attach and port-forward",
    ),
    ("systemd-resolve", "the node's own name resolver"),
    ("systemd-resolved", "the node's own name resolver"),
    ("sshd", "logins to the node"),
];

/// What `program` does at that port, where that is known.
pub fn purpose(protocol: Protocol, port: u16, program: &str) -> Option<&'static str> {
    let known = KNOWN
        .iter()
        .find(|known| known.protocol == protocol && known.port == port && known.program == program);
    let by_name = || PROGRAMS.iter().find(|(name, _)| *name == program);
    known
        .map(|known| known.purpose)
        .or_else(|| by_name().map(|(_, purpose)| *purpose))
}
