//! What listens at which port of a node, and what for (Kubernetes, Ports and Protocols; the components' own references).
use crate::probe::Protocol::{self, Tcp, Udp};

/// etcd: clients, peers, metrics.
pub const ETCD: [u16; 3] = [2379, 2380, 2381];

/// What `program` does at that port, where that is known. Of some programs the port is chosen at each start.
pub fn purpose(protocol: Protocol, port: u16, program: &str) -> Option<&'static str> {
    Some(match (program, protocol, port) {
        ("etcd", Tcp, 2379) => {
            "etcd's client API: the kube-apiserver, and no other program, reads and writes the cluster's state here"
        }
        ("etcd", Tcp, 2380) => "etcd peers: members of one etcd cluster replicate to each other",
        ("etcd", Tcp, 2381) => "etcd's health and metrics",
        ("kube-apiserver", Tcp, 6443) => {
            "the Kubernetes API: kubectl, kubelets, controllers and agents talk to it"
        }
        ("kubelet", Tcp, 10248) => "kubelet's health, on this machine only",
        ("kube-proxy", Tcp, 10249) => "kube-proxy's metrics",
        ("kubelet", Tcp, 10250) => {
            "the kubelet's API: the kube-apiserver asks it for logs, exec and port-forward"
        }
        ("kubelet", Tcp, 10255) => "the kubelet's read-only API, off by default",
        ("kube-proxy", Tcp, 10256) => "kube-proxy's health, for load balancers",
        ("kube-controller-manager", Tcp, 10257) => "kube-controller-manager's health and metrics",
        ("kube-scheduler", Tcp, 10259) => "kube-scheduler's health and metrics",
        ("weave-npc", Tcp, 6781) => "weave-npc's metrics",
        ("weaver", Tcp, 6782) => "weave's metrics",
        ("weaver", Tcp, 6783) => "weave peers: control connections",
        ("weaver", Tcp, 6784) => "weave's HTTP API: the weave-net plugin asks for addresses here",
        ("weaver", Udp, 6783) => "weave peers: packets of pods (sleeve)",
        ("containerd", ..) => "containerd's streaming server: exec, attach and port-forward",
        ("crio", ..) => "CRI-O's streaming server: exec, attach and port-forward",
        ("cri-dockerd", ..) => "cri-dockerd's streaming server: exec, attach and port-forward",
        ("systemd-resolve" | "systemd-resolved", ..) => "the node's own name resolver",
        ("sshd", ..) => "logins to the node",
        _ => return None,
    })
}
