//! The catalogue: every check with its promise, how it is observed, who makes the promise, and the fault that proves it.
use super::{
    Verdict, bridge, changed, cni_config, cross_node, daemonset, dns, duplicates, egress,
    first_packet, gateway, hairpin, hostport, limits, mtu, no_nat, node_routes, nodeport,
    pod_ip_present, pod_ip_unique, same_node, service, subnet,
};
use flatnet_model::cause::Basis;
use flatnet_model::evidence::{Deviation, Evidence, Rule};
use flatnet_model::nearest::nearest;
use flatnet_model::observations::Observations;

use crate::mend;

/// What becomes of a check where packets get lost, for whatever reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnLoss {
    /// It fails, so a limit of the machine may be the reason.
    Fails,
    /// It judges what was answered, or no packets at all.
    Unaffected,
}

/// One check.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Stable identifier, `kebab-case`; reports, `--only` and baselines use it.
    pub id: &'static str,
    /// What should hold, in one sentence.
    pub promise: &'static str,
    /// What is observed to judge it, for the catalogue.
    pub observed_by: &'static str,
    /// The document that makes the promise.
    pub source: &'static str,
    /// What becomes of it where packets get lost.
    on_loss: OnLoss,
    /// The pure function behind it.
    find: fn(&Observations) -> Verdict,
}

impl Check {
    /// What it finds in the observations.
    pub fn judge(&self, observations: &Observations) -> flatnet_model::verdict::Verdict {
        let evidence = |deviation: Deviation| Evidence {
            rule: Rule::new(self.id, self.source),
            // A cause that is only inferred is to be looked at first.
            remediation: deviation
                .finding
                .found()
                .filter(|found| found.basis == Basis::Seen)
                .and_then(|_| mend::of(&deviation.finding, observations)),
            deviation,
            alike: Vec::new(),
        };
        let verdict = (self.find)(observations);
        let verdict = match self.on_loss {
            OnLoss::Fails => limits::unless_exhausted(verdict, observations),
            OnLoss::Unaffected => verdict,
        };
        let verdict = changed::told(verdict, observations, self.on_loss == OnLoss::Fails);
        verdict.map(evidence, |reason| reason)
    }
}

/// A name that no check has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown check {asked:?}{}; known checks: {}", suggestion(.nearest), ids().join(", "))]
pub struct UnknownCheck {
    /// The id as it was given.
    pub asked: String,
    /// The known id that is spelt most like it, if one is near enough.
    pub nearest: Option<&'static str>,
}

fn suggestion(nearest: &Option<&'static str>) -> String {
    nearest.map_or_else(String::new, |id| format!(", did you mean {id:?}?"))
}

fn ids() -> Vec<&'static str> {
    CHECKS.iter().map(|check| check.id).collect()
}

/// Every check, in the order in which reports show them.
pub fn all() -> &'static [Check] {
    CHECKS
}

/// The check with this id.
///
/// # Errors
/// [`UnknownCheck`] lists the known ids and suggests the nearest.
pub fn find(id: &str) -> Result<&'static Check, UnknownCheck> {
    CHECKS
        .iter()
        .find(|check| check.id == id)
        .ok_or_else(|| UnknownCheck {
            asked: id.to_owned(),
            nearest: nearest(&id.replace('_', "-"), &ids()),
        })
}

const NETWORK_MODEL: &str = "Kubernetes, [The Kubernetes network model](https://kubernetes.io/docs/concepts/services-networking/#the-kubernetes-network-model)";

const CHECKS: &[Check] = &[
    Check {
        id: "pod-ip-present",
        promise: "every pod has an IP address, the same in the API and on its own interface",
        observed_by: "`status.podIPs` and `ip addr` inside the pod; phase and warning events of pods that do not run",
        source: NETWORK_MODEL,
        on_loss: OnLoss::Unaffected,
        find: pod_ip_present::judge,
    },
    Check {
        id: "pod-ip-unique",
        promise: "no pod shares its IP with another pod, a node or a gateway",
        observed_by: "addresses of all pods and nodes, and the names of the ends that answer",
        source: NETWORK_MODEL,
        on_loss: OnLoss::Unaffected,
        find: pod_ip_unique::judge,
    },
    Check {
        id: "same-node",
        promise: "every ordered pair on one node reaches each other over TCP, UDP and ICMP, nodes and hostNetwork pods included",
        observed_by: "one probe in each pod and node that dials all others",
        source: NETWORK_MODEL,
        on_loss: OnLoss::Fails,
        find: same_node::judge,
    },
    Check {
        id: "cross-node",
        promise: "every ordered pair on different nodes reaches each other over TCP, UDP and ICMP, nodes and hostNetwork pods included",
        observed_by: "one probe in each pod and node that dials all others; what arrived at the far end",
        source: NETWORK_MODEL,
        on_loss: OnLoss::Fails,
        find: cross_node::judge,
    },
    Check {
        id: "no-nat",
        promise: "both ends of a conversation see the other's real address",
        observed_by: "the source the server saw, the address the answer came from, and the name of the responder",
        source: NETWORK_MODEL,
        on_loss: OnLoss::Unaffected,
        find: no_nat::judge,
    },
    Check {
        id: "subnet",
        promise: "it does not matter which subnet an IP comes from: reported as a fact",
        observed_by: "`spec.podCIDRs` of nodes and the IPs of pods",
        source: NETWORK_MODEL,
        on_loss: OnLoss::Unaffected,
        find: subnet::judge,
    },
    Check {
        id: "gateway",
        promise: "a pod's default route leads to a next hop that is on link, belongs to the pod's node, and answers",
        observed_by: "`ip route` and `ip neigh` in the pod, addresses of the node, and a ping of the next hop",
        source: "CNI, [bridge plugin](https://www.cni.dev/plugins/current/main/bridge/) (`isDefaultGateway`); RFC 1122 section 3.3.1",
        on_loss: OnLoss::Fails,
        find: gateway::judge,
    },
    Check {
        id: "node-routes",
        promise: "every node has exactly one working route to each remote podCIDR, and none left over",
        observed_by: "`ip route` on each node; through VXLAN also neighbours, FDB, and the remote device they must match; skipped where pods' addresses do not come from podCIDRs, as the IPAM in the CNI configuration says, or else the addresses",
        source: "Kubernetes, Node `spec.podCIDRs`; Linux, Documentation/networking/vxlan.rst; RFC 7348",
        on_loss: OnLoss::Unaffected,
        find: node_routes::judge,
    },
    Check {
        id: "bridge",
        promise: "a pod's host end sits on a bridge that is UP and holds the gateway address",
        observed_by: "`ip link` and `ip addr` on the node and in the pod, joined by interface index",
        source: "CNI, [bridge plugin](https://www.cni.dev/plugins/current/main/bridge/)",
        on_loss: OnLoss::Unaffected,
        find: bridge::judge,
    },
    Check {
        id: "cni-config",
        promise: "every node uses exactly one CNI configuration, the same on all, and has every plugin it names",
        observed_by: "files of `/etc/cni/net.d` and `/opt/cni/bin` on each node",
        source: "[CNI specification](https://www.cni.dev/docs/spec/) sections 1 and 3; libcni takes the first file in lexical order",
        on_loss: OnLoss::Unaffected,
        find: cni_config::judge,
    },
    Check {
        id: "mtu",
        promise: "a packet of the pods' interface MTU passes unfragmented, one byte more does not, nothing is fragmented on the path, and full segments of TCP pass",
        observed_by: "UDP datagrams with DF of those two sizes between all pairs of pods that are dialled, and what the senders' kernels have learned of the paths; 65,536 bytes each way over a TCP connection from a pod of each node to one of each node (every pod takes part), compared with what was sent; fragment counters of each node before and after",
        source: "RFC 1191, RFC 8201; RFC 7348 section 4.3 (VTEPs must not fragment)",
        on_loss: OnLoss::Fails,
        find: mtu::judge,
    },
    Check {
        id: "hairpin",
        promise: "a pod reaches itself by its own IP, and through a service that leads to it",
        observed_by: "each probe dials its own pod's addresses; on the lab over TCP and UDP also an address that its node translates to the pod, and masquerades, for the time of the observation (a table of nftables that the kernel removes with the probe), as kube-proxy does for a service; on real clusters `service` has a pod dial a service of its own",
        source: "Kubernetes, [The Kubernetes network model](https://kubernetes.io/docs/concepts/services-networking/#the-kubernetes-network-model); Kubernetes, [Debug Services](https://kubernetes.io/docs/tasks/debug/debug-application/debug-service/), a Pod fails to reach itself via the Service IP",
        on_loss: OnLoss::Fails,
        find: hairpin::judge,
    },
    Check {
        id: "first-packet",
        promise: "the first packet of a path is answered like those after it",
        observed_by: "echoes and datagrams sent one after the other before all other traffic, timed by kernels, from pods to one on their node, one on another, and a node; packets that are sent to the same end again wherever a dial had to be repeated or a TCP segment was retransmitted (TCP_INFO)",
        source: NETWORK_MODEL,
        on_loss: OnLoss::Fails,
        find: first_packet::judge,
    },
    Check {
        id: "duplicates",
        promise: "no packet arrives twice",
        observed_by: "the nonces of UDP and ICMP requests at every server, and of the answers at every client",
        source: "RFC 8200 and RFC 791 allow duplicates, and a healthy pod network makes none; RFC 1122 section 3.2.2.6 (each echo request gets one reply)",
        on_loss: OnLoss::Unaffected,
        find: duplicates::judge,
    },
    Check {
        id: "service",
        promise: "a service's cluster IP is answered by one of its backends on every node, also to the backend itself",
        observed_by: "every pod and node dials a service over TCP and UDP, several times; the name of the responder. Real clusters only",
        source: "Kubernetes, [Virtual IPs and service proxies](https://kubernetes.io/docs/reference/networking/virtual-ips/)",
        on_loss: OnLoss::Fails,
        find: service::judge,
    },
    Check {
        id: "dns",
        promise: "every pod's own nameserver tells it the addresses of services, over UDP and TCP",
        observed_by: "A and AAAA questions from each pod to the nameserver of its `/etc/resolv.conf`, compared with the API. Real clusters only",
        source: "Kubernetes, [DNS for services and pods](https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/); RFC 7766 (TCP)",
        on_loss: OnLoss::Fails,
        find: dns::judge,
    },
    Check {
        id: "hostport",
        promise: "a pod's hostPort is answered by that pod at its node's addresses, from another node and from outside",
        observed_by: "one pod with a hostPort on each node, dialled over TCP and UDP from another node and from a peer outside the cluster. Real clusters only",
        source: "Kubernetes, [network plugins, support hostPort](https://kubernetes.io/docs/concepts/extend-kubernetes/compute-storage-net/network-plugins/#support-hostport); CNI, [portmap](https://www.cni.dev/plugins/current/meta/portmap/)",
        on_loss: OnLoss::Fails,
        find: hostport::judge,
    },
    Check {
        id: "nodeport",
        promise: "a service's node port is answered by one of its backends at every node, from outside",
        observed_by: "a peer outside the cluster dials every node over TCP and UDP; the name of the responder. kind only",
        source: "Kubernetes, [type: NodePort](https://kubernetes.io/docs/concepts/services-networking/service/#type-nodeport)",
        on_loss: OnLoss::Fails,
        find: nodeport::judge,
    },
    Check {
        id: "egress",
        promise: "pods and nodes reach a peer outside the cluster, which sees the pod's own address or its node's",
        observed_by: "every node and one pod on each dial a peer outside the cluster; the source it saw. kind only",
        source: "Kubernetes, [IP masquerade](https://kubernetes.io/docs/tasks/administer-cluster/ip-masq-agent/)",
        on_loss: OnLoss::Fails,
        find: egress::judge,
    },
    Check {
        id: "daemonset",
        promise: "exactly one ready pod of the network's agent is on every node",
        observed_by: "DaemonSets whose pods mount `/etc/cni/net.d` or `/opt/cni/bin` of their node, and their pods. Real clusters only",
        source: "Kubernetes, [DaemonSet](https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/)",
        on_loss: OnLoss::Unaffected,
        find: daemonset::judge,
    },
];
