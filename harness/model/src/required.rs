//! Which checks a run on each provider must judge unless it says otherwise: beside [`crate::capabilities`], which say what
//! a provider can do.

/// What any cluster lets pods show, without a look at its nodes.
const FROM_PODS: &[&str] = &[
    "pod-ip-present",
    "pod-ip-unique",
    "same-node",
    "cross-node",
    "no-nat",
    "mtu",
    "hairpin",
];

/// What a look at nodes shows besides.
const FROM_NODES: &[&str] = &["gateway", "node-routes", "bridge", "cni-config"];

/// What takes a control plane and a peer outside. `daemonset` is left out, because not every CNI brings an agent.
const FROM_USERS: &[&str] = &["service", "dns", "hostport", "nodeport", "egress"];

/// Ids of the checks that a run on `provider` (`lab`, `kind`, `kubeconfig`) must judge; none for any other word.
pub fn by_default(provider: &str) -> Vec<&'static str> {
    let groups: &[&[&str]] = match provider {
        "lab" => &[FROM_PODS, FROM_NODES],
        "kind" => &[FROM_PODS, FROM_NODES, FROM_USERS],
        "kubeconfig" => &[FROM_PODS],
        _ => &[],
    };
    groups.concat()
}
