//! Files on a node that answer questions.

/// kubeadm's folder of static pod manifests (kubelet: `staticPodPath`).
pub const MANIFESTS: &str = "/etc/kubernetes/manifests";
/// kubeadm's file for the kubelet's `--config`.
pub const KUBELET_CONFIG: &str = "/var/lib/kubelet/config.yaml";
/// containerd's configuration.
pub const CONTAINERD_CONFIG: &str = "/etc/containerd/config.toml";
/// What flanneld writes for the flannel plugin.
pub const FLANNEL_SUBNET: &str = "/run/flannel/subnet.env";
/// What the lab tells flatnet's agents.
pub const FLATNET_NODES: &str = "/run/flatnet/nodes.json";
/// Where libcni keeps the results of ADD.
pub const CNI_RESULTS: &str = "/var/lib/cni/results";

/// Where host-local and flatnet-cni keep reservations: a folder for each network, in it a file for each address.
pub const CNI_NETWORKS: &str = "/var/lib/cni/networks";

/// All of them, as the probe is asked for them.
pub const ALL: &[&str] = &[
    "/etc/kubernetes/manifests/*",
    KUBELET_CONFIG,
    CONTAINERD_CONFIG,
    FLANNEL_SUBNET,
    FLATNET_NODES,
    "/var/lib/cni/results/*",
];
