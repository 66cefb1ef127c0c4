//! What was gathered on a cluster, as data: every answer is a pure function of it.
use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::probe::{
    CniFiles, Facts, FileContent, NetworkNamespace, NodeProcess, PluginVersion, Sockets,
};
use ipnet::IpNet;

use crate::capabilities::Capabilities;
use crate::observations::{AgentSet, Availability, Observed};

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
    /// What it can do.
    pub capabilities: Capabilities,
    /// Every node, in the cluster's order.
    pub members: Vec<Member>,
    /// The nodes that were looked at, in the same order.
    pub nodes: Vec<NodeLook>,
    /// Pods of all namespaces, by namespace and name.
    pub pods: Availability<Vec<PodLook>>,
    /// What only an API server knows.
    pub api: Availability<ApiLook>,
}

/// A node as the API describes it.
#[derive(Clone, Debug, Default)]
pub struct Member {
    /// `metadata.name`.
    pub name: String,
    /// InternalIP addresses.
    pub internal_ips: Vec<IpAddr>,
    /// `spec.podCIDRs`.
    pub pod_cidrs: Vec<IpNet>,
    /// `None` when Ready; else reason and message of the Ready condition.
    pub not_ready: Option<String>,
    /// `status.nodeInfo`.
    pub info: NodeInfo,
}

/// The parts of `status.nodeInfo` that a person reads.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the names are the API's")]
pub struct NodeInfo {
    pub kubelet_version: String,
    pub os_image: String,
    pub kernel_version: String,
    pub container_runtime_version: String,
}

/// A node that was looked at.
#[derive(Clone, Debug)]
pub struct NodeLook {
    /// As the API describes it.
    pub member: Member,
    /// Seen from inside.
    pub inside: Availability<Inside>,
}

/// A node from inside. Each part can fail by itself.
#[derive(Clone, Debug)]
pub struct Inside {
    /// Links, addresses, routes, neighbours, FDB.
    pub facts: Observed<Facts>,
    /// What is bound there, and connections of etcd's ports.
    pub sockets: Observed<Sockets>,
    /// Processes of the node components and network agents that are known by name.
    pub processes: Observed<Vec<NodeProcess>>,
    /// Network namespaces of pods.
    pub namespaces: Observed<Vec<NetworkNamespace>>,
    /// Files by path.
    pub files: Observed<BTreeMap<String, FileContent>>,
    /// `/etc/cni/net.d`, and the names in `/opt/cni/bin`.
    pub cni: Observed<CniFiles>,
    /// What the programs in `/opt/cni/bin` say of themselves.
    pub plugins: Observed<Vec<PluginVersion>>,
}

/// A pod as the API describes it.
#[derive(Clone, Debug, Default)]
pub struct PodLook {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `spec.nodeName`; empty while it has none.
    pub node: String,
    /// `spec.hostNetwork`.
    pub host_network: bool,
    /// `status.podIPs`.
    pub ips: Vec<IpAddr>,
}

impl PodLook {
    /// `NAMESPACE/NAME`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

/// What only an API server knows. Each part can fail by itself.
#[derive(Clone, Debug)]
pub struct ApiLook {
    /// `kube-system/kubeadm-config`.
    pub kubeadm: Availability<Ranges>,
    /// `spec.cidrs` of ServiceCIDR objects, by object.
    pub service_cidrs: Availability<Vec<(String, Vec<IpNet>)>>,
    /// DaemonSets that network the cluster.
    pub agents: Availability<Vec<AgentLook>>,
}

/// A DaemonSet that networks the cluster.
#[derive(Clone, Debug)]
pub struct AgentLook {
    /// It and its pods.
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
    /// Value.
    pub text: String,
}

impl View {
    /// The node with this address as InternalIP, or with this address in its podCIDRs.
    pub fn member_of(&self, address: IpAddr) -> Option<&Member> {
        let by_ip = |member: &&Member| member.internal_ips.contains(&address);
        let by_cidr = |member: &&Member| member.pod_cidrs.iter().any(|net| net.contains(&address));
        let mut members = self.members.iter();
        members
            .clone()
            .find(by_ip)
            .or_else(|| members.find(by_cidr))
    }

    /// Pods of the pod network on a node.
    pub fn pods_on<'a>(&'a self, node: &'a str) -> impl Iterator<Item = &'a PodLook> {
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
