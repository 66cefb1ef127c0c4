//! Whether pods' addresses come from their nodes' podCIDRs: that is found out, because Kubernetes does not promise it.
//!
//! Who allocates says it best: the IPAM of the configuration in use. Where that is not known, the addresses of pods do; an address may
//! lie in a podCIDR by chance, where a CNI allocates from one range for the whole cluster.
use flatnet_model::cni::{NetworkList, Plugin, in_use};
use flatnet_model::observations::{ObservedNode, ObservedPod};
use flatnet_model::skip::SkipReason;
use ipnet::IpNet;
use serde_json::Value;

use super::topology::Topology;

/// IPAM plugins and plugins with their own that know nothing of podCIDRs.
const OTHER_ALLOCATORS: [&str; 6] = [
    "calico-ipam",
    "dhcp",
    "static",
    "weave-ipam",
    "weave-net",
    "whereabouts",
];

/// Why nothing may be concluded from podCIDRs; none where they are in use.
pub(super) fn without_pod_cidrs(topology: &Topology<'_>) -> Option<SkipReason> {
    let has_none = |node: &ObservedNode| node.object.pod_cidrs.is_empty();
    if topology.nodes().all(has_none) {
        return Some(SkipReason::NoPodCidrs);
    }
    let in_any = |pod: &ObservedPod| topology.nodes().any(|node| within(node, pod));
    let mut pods = with_address(topology).peekable();
    if pods.peek().is_some() && !pods.any(in_any) {
        return Some(SkipReason::PodCidrsUnused);
    }
    let configured: Vec<Option<bool>> = topology.nodes().map(configured).collect();
    let each = topology.nodes().zip(&configured);
    let votes = each.filter_map(|(node, said)| said.or_else(|| addressed(node, topology)));
    let (yes, no): (Vec<bool>, Vec<bool>) = votes.partition(|used| *used);
    // One node of two may be the one that is wrong: then what is configured decides.
    let used = match yes.len().cmp(&no.len()) {
        std::cmp::Ordering::Equal => no.is_empty() || configured.contains(&Some(true)),
        order => order.is_gt(),
    };
    (!used).then_some(SkipReason::PodCidrsUnused)
}

fn with_address<'a>(topology: &Topology<'a>) -> impl Iterator<Item = &'a ObservedPod> {
    topology
        .networked()
        .filter(|pod| !pod.object.ips.is_empty())
}

/// Whether an address of the pod lies in a podCIDR of the node.
fn within(node: &ObservedNode, pod: &ObservedPod) -> bool {
    let mut ips = pod.object.ips.iter();
    ips.any(|ip| node.object.pod_cidrs.iter().any(|cidr| cidr.contains(ip)))
}

/// What the configuration in use says.
fn configured(node: &ObservedNode) -> Option<bool> {
    let network: NetworkList = in_use(node.inside.cni().ok()?)?;
    let mut plugins = network.plugins.iter();
    plugins.find_map(|plugin| {
        let ipam = ipam(plugin);
        let kind = ipam.and_then(|ipam| ipam.get("type")?.as_str());
        let other = |name: &str| OTHER_ALLOCATORS.contains(&name);
        if other(&plugin.kind) || kind.is_some_and(other) {
            return Some(false);
        }
        // Its subnet.env holds the node's lease, which is the podCIDR (flannel, --kube-subnet-mgr).
        let from_node = || subnets(ipam?).find(|subnet| *subnet == USE_POD_CIDR);
        if plugin.kind == "flannel" || from_node().is_some() {
            return Some(true);
        }
        let inside = |range: &IpNet| {
            let mut cidrs = node.object.pod_cidrs.iter();
            cidrs.any(|cidr| cidr.contains(range))
        };
        let ranges = ranges(plugin);
        (!ranges.is_empty()).then(|| ranges.iter().all(inside))
    })
}

/// Calico's word for the node's podCIDR in host-local's place of a range.
const USE_POD_CIDR: &str = "usePodCidr";

/// The plugin's own, or that of the plugin it hands over to.
fn ipam(plugin: &Plugin) -> Option<&Value> {
    let delegate = || plugin.conf.get("delegate")?.get("ipam");
    plugin.conf.get("ipam").or_else(delegate)
}

/// As host-local has them, and what is configured like it.
fn subnets(ipam: &Value) -> impl Iterator<Item = &str> {
    let lists = ipam.get("ranges").and_then(Value::as_array);
    let listed = lists.into_iter().flatten().filter_map(Value::as_array);
    let all = std::iter::once(ipam).chain(listed.flatten());
    all.filter_map(|of| of.get("subnet")?.as_str())
}

/// The ranges from which a plugin gives addresses, where its configuration names them.
pub(super) fn ranges(plugin: &Plugin) -> Vec<IpNet> {
    let subnets = ipam(plugin).into_iter().flat_map(subnets);
    subnets.filter_map(|subnet| subnet.parse().ok()).collect()
}

/// What the addresses of a node's pods say.
fn addressed(node: &ObservedNode, topology: &Topology<'_>) -> Option<bool> {
    let mut pods = with_address(topology)
        .filter(|pod| pod.object.node == node.object.name)
        .peekable();
    pods.peek()?;
    Some(pods.all(|pod| within(node, pod)) && !spans(node, topology))
}

/// Whether a bridge of the node takes the podCIDRs of several nodes for its own segment.
fn spans(node: &ObservedNode, topology: &Topology<'_>) -> bool {
    let facts = node.inside.facts().into_iter();
    let mut segments = facts.flat_map(|facts| {
        let on_bridge = |index: u32| facts.link(index).is_some_and(|link| link.kind == "bridge");
        let own = facts.addresses.iter();
        own.filter(move |own| on_bridge(own.index))
            .map(|own| own.net)
    });
    segments.any(|segment| {
        let covered = |node: &&ObservedNode| {
            let mut cidrs = node.object.pod_cidrs.iter();
            cidrs.any(|cidr| segment.contains(cidr))
        };
        topology.nodes().filter(covered).count() > 1
    })
}
