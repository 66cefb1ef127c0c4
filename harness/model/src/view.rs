//! What was gathered on a cluster, as data: every answer is a pure function of it.
use std::net::IpAddr;

use ipnet::IpNet;

use crate::capabilities::Capabilities;
use crate::observations::{AgentSet, Availability, Observed};
use crate::snapshot::{NodeInside, NodeSnapshot, PodSnapshot};

/// Pod and service ranges of a cluster, one per family, in the order of the cluster's families; empty where the cluster does not tell.
#[derive(Clone, Debug, Default)]
pub struct Ranges {
    /// kubeadm's `podSubnet`.
    pub pods: Vec<IpNet>,
    /// kubeadm's `serviceSubnet`.
    pub services: Vec<IpNet>,
}

/// A cluster as it was found.
#[derive(Clone, Debug)]
pub struct View {
    /// `lab`, `kind`, `kubeconfig`.
    pub provider: String,
    /// The cluster's name, or the kubeconfig's context.
    pub cluster: String,
    /// What the provider offers; an absent capability carries the reason for skipping.
    pub capabilities: Capabilities,
    /// Every node's object, in the cluster's order.
    pub objects: Vec<NodeSnapshot>,
    /// The nodes that were looked at, in the same order.
    pub nodes: Vec<InspectedNode>,
    /// Pods of all namespaces, by namespace and name.
    pub pods: Availability<Vec<PodSnapshot>>,
    /// What only an API server knows.
    pub api: Availability<ApiObjects>,
}

/// A node that was looked at.
#[derive(Clone, Debug)]
pub struct InspectedNode {
    /// The API object.
    pub object: NodeSnapshot,
    /// What a probe on it read; absent where commands may not run there.
    pub inside: Availability<NodeInside>,
}

/// What only an API server knows. Each part can fail by itself.
#[derive(Clone, Debug)]
pub struct ApiObjects {
    /// `kube-system/kubeadm-config`.
    pub kubeadm: Availability<Ranges>,
    /// `spec.cidrs` of ServiceCIDR objects, by object.
    pub service_cidrs: Availability<Vec<(String, Vec<IpNet>)>>,
    /// DaemonSets that network the cluster.
    pub agents: Availability<Vec<AddOnAgent>>,
}

/// A DaemonSet that networks the cluster.
#[derive(Clone, Debug)]
pub struct AddOnAgent {
    /// The DaemonSet and its pods, by node.
    pub set: AgentSet,
    /// Images of its containers.
    pub images: Vec<String>,
    /// Files of ConfigMaps that its pods mount: object (`NAMESPACE/NAME`), key, text.
    pub config: Availability<Vec<ConfigFile>>,
    /// The beginning of the log of its container `weave`, where it has one: pod and text.
    pub weave_log: Option<Observed<(String, String)>>,
}

/// An entry of a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFile {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub map: String,
    /// Key in `data`.
    pub key: String,
    /// The value in `data`, as text.
    pub text: String,
}

impl View {
    /// The node with this address as InternalIP, or with this address in its podCIDRs.
    pub fn node_of(&self, address: IpAddr) -> Option<&NodeSnapshot> {
        let by_ip = |node: &&NodeSnapshot| node.internal_ips.contains(&address);
        let by_cidr =
            |node: &&NodeSnapshot| node.pod_cidrs.iter().any(|net| net.contains(&address));
        let mut nodes = self.objects.iter();
        nodes.clone().find(by_ip).or_else(|| nodes.find(by_cidr))
    }

    /// Pods of the pod network on a node.
    pub fn pods_on<'a>(&'a self, node: &'a str) -> impl Iterator<Item = &'a PodSnapshot> {
        let pods = self.pods.found().into_iter().flatten();
        pods.filter(move |pod| pod.node == node && !pod.host_network)
    }
}

/// A service by its ClusterIP, and who answers for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAt {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// The ClusterIP.
    pub address: IpAddr,
    /// Addresses of the endpoints that are ready, sorted.
    pub endpoints: Vec<IpAddr>,
}
