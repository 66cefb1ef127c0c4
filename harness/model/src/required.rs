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

/// What a lab shows: all but what takes a control plane.
const LAB: &[&str] = &[
    "pod-ip-present",
    "pod-ip-unique",
    "same-node",
    "cross-node",
    "no-nat",
    "gateway",
    "node-routes",
    "bridge",
    "cni-config",
    "mtu",
    "hairpin",
];

/// What a kind cluster shows: everything. `daemonset` is left out, because not every CNI brings an agent.
const KIND: &[&str] = &[
    "pod-ip-present",
    "pod-ip-unique",
    "same-node",
    "cross-node",
    "no-nat",
    "gateway",
    "node-routes",
    "bridge",
    "cni-config",
    "mtu",
    "hairpin",
    "service",
    "dns",
    "hostport",
    "nodeport",
    "egress",
];

/// Ids of the checks that a run on `provider` (`lab`, `kind`, `kubeconfig`) must judge; none for any other word.
pub fn by_default(provider: &str) -> &'static [&'static str] {
    match provider {
        "lab" => LAB,
        "kind" => KIND,
        "kubeconfig" => FROM_PODS,
        _ => &[],
    }
}
