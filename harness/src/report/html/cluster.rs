//! What of a cluster is drawn: of each node its uplink, tunnel devices, bridge and pods, as they were observed.
use flatnet_analysis::checks::paired;
use flatnet_model::PodRef;
use flatnet_model::evidence::Subject;
use flatnet_model::kernel::Link;
use flatnet_model::observations::{Observations, ObservedNode, ObservedPod};
use flatnet_model::probe::Facts;
use flatnet_model::verdict::Verdict;

use super::page::Page;

/// Nodes that are drawn, at most; those to blame for a failure first.
pub(super) const MOST_NODES: usize = 12;
/// Pods of one node that are drawn, at most; likewise.
const MOST_PODS: usize = 6;
/// Kinds of devices that carry packets inside others.
const TUNNELS: [&str; 8] = [
    "vxlan",
    "geneve",
    "wireguard",
    "ipip",
    "gre",
    "ip6gre",
    "ip6tnl",
    "sit",
];

/// A node.
pub(super) struct Node {
    pub(super) name: String,
    /// InternalIPs and podCIDRs.
    pub(super) about: Vec<String>,
    pub(super) host_pods: usize,
    pub(super) suspect: bool,
    /// Why it could not be looked into.
    pub(super) unread: Option<String>,
    pub(super) pods: Vec<Pod>,
    pub(super) more_pods: usize,
    pub(super) bridge: Option<Device>,
    pub(super) tunnels: Vec<Device>,
    pub(super) uplink: Option<Device>,
}

/// A device of a node.
pub(super) struct Device {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) mtu: u32,
    pub(super) up: bool,
    pub(super) addresses: Vec<String>,
    pub(super) suspect: bool,
}

/// A pod with a network of its own.
pub(super) struct Pod {
    pub(super) name: String,
    pub(super) addresses: Vec<String>,
    /// Its device and MTU, or why they are not known.
    pub(super) device: String,
    /// Where its host end is.
    pub(super) port: Port,
    pub(super) suspect: bool,
}

/// Where a pod's host end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Port {
    /// It is a port of the bridge that is drawn.
    OfBridge,
    /// It is not, or there is no such bridge.
    Elsewhere,
    /// The pod or its node was not looked into.
    Unknown,
}

/// Who is to blame for failures.
struct Suspects<'a>(Vec<&'a Subject>);

impl<'a> Suspects<'a> {
    fn of(page: &Page<'a>) -> Self {
        let checks = page.report.checks.iter();
        let evidence = checks.flat_map(|check| match &check.verdict {
            Verdict::Fail { evidence } => &evidence[..],
            _ => &[],
        });
        let deviations = evidence.flat_map(|one| std::iter::once(&one.deviation).chain(&one.alike));
        Suspects(deviations.flat_map(|one| &one.culprits).collect())
    }

    fn node(&self, name: &str) -> bool {
        self.0.iter().any(|subject| subject.nodes().contains(&name))
    }

    fn pod(&self, pod: &PodRef) -> bool {
        self.0.iter().any(|subject| subject.is(pod))
    }

    fn device(&self, of: &str, name: &str) -> bool {
        self.0.iter().any(|subject| {
            matches!(subject, Subject::Device { node, device } if node == of && device == name)
        })
    }
}

/// The nodes that are drawn, and how many are not.
pub(super) fn nodes(page: &Page<'_>) -> (Vec<Node>, usize) {
    let Some(observations) = page.observations() else {
        return (Vec::new(), 0);
    };
    let suspects = Suspects::of(page);
    let mut nodes: Vec<Node> = observations
        .nodes
        .iter()
        .map(|node| self::node(page, observations, node, &suspects))
        .collect();
    let more = nodes.len().saturating_sub(MOST_NODES);
    if more > 0 {
        nodes.sort_by_key(|node| !(node.suspect || node.pods.iter().any(|pod| pod.suspect)));
        nodes.truncate(MOST_NODES);
    }
    (nodes, more)
}

fn node(
    page: &Page<'_>,
    observations: &Observations,
    node: &ObservedNode,
    suspects: &Suspects<'_>,
) -> Node {
    let object = &node.object;
    let on_node = |pod: &&ObservedPod| pod.object.node == object.name;
    let (host, own): (Vec<_>, Vec<_>) = observations
        .pods
        .iter()
        .filter(on_node)
        .partition(|pod| pod.object.host_network);
    let facts = node.inside.facts();
    let bridge = facts.ok().and_then(|facts| bridge(facts, &own));
    let mut pods: Vec<Pod> = own
        .iter()
        .map(|pod| self::pod(page, pod, facts.ok(), bridge, suspects))
        .collect();
    let more_pods = pods.len().saturating_sub(MOST_PODS);
    if more_pods > 0 {
        pods.sort_by_key(|pod| !pod.suspect);
        pods.truncate(MOST_PODS);
    }
    let drawn = |link: &Link, kind: &str| {
        let facts = facts.ok();
        let addresses = facts.into_iter().flat_map(|facts| facts.addresses_of(link));
        Device {
            name: link.name.clone(),
            kind: kind.to_owned(),
            mtu: link.mtu,
            up: link.up,
            addresses: addresses.map(|address| address.net.to_string()).collect(),
            suspect: suspects.device(&object.name, &link.name),
        }
    };
    let links = facts.map_or(&[][..], |facts| &facts.links);
    let tunnels = links
        .iter()
        .filter(|link| link.vxlan.is_some() || (link.up && TUNNELS.contains(&link.kind.as_str())));
    let uplink = facts.ok().and_then(|facts| {
        let mut held = object.internal_ips.iter();
        held.find_map(|ip| facts.holder(*ip))
    });
    let ips = object.internal_ips.iter().map(ToString::to_string);
    let cidrs = object
        .pod_cidrs
        .iter()
        .map(|cidr| format!("podCIDR {cidr}"));
    Node {
        name: object.name.clone(),
        about: ips.chain(cidrs).collect(),
        host_pods: host.len(),
        suspect: suspects.node(&object.name),
        unread: facts.err().map(str::to_owned),
        pods,
        more_pods,
        bridge: bridge.map(|link| drawn(link, "bridge")),
        tunnels: tunnels
            .map(|link| match &link.vxlan {
                Some(vxlan) => drawn(link, &format!("VXLAN, VNI {}", vxlan.vni)),
                None => drawn(link, &link.kind),
            })
            .collect(),
        uplink: uplink.map(|link| drawn(link, "uplink")),
    }
}

/// The bridge of most pods; failing that the first that has ports.
fn bridge<'a>(facts: &'a Facts, pods: &[&ObservedPod]) -> Option<&'a Link> {
    let masters = pods
        .iter()
        .filter_map(|pod| host_end(pod, facts)?.master)
        .collect::<Vec<u32>>();
    let count = |index: &u32| masters.iter().filter(|other| *other == index).count();
    let most = masters.iter().max_by_key(|index| count(index));
    let most = most.and_then(|index| facts.link(*index));
    most.or_else(|| facts.links.iter().find(|link| facts.has_ports(link)))
}

fn host_end<'a>(pod: &ObservedPod, outside: &'a Facts) -> Option<&'a Link> {
    let inside = interface(pod)?;
    outside.links.iter().find(|link| paired(inside, link))
}

/// The device that holds its address; failing that the first besides loopback.
fn interface(pod: &ObservedPod) -> Option<&Link> {
    let facts = pod.facts.as_ref().ok()?;
    let held = pod.object.ips.iter().find_map(|ip| facts.holder(*ip));
    held.or_else(|| facts.links.iter().find(|link| link.name != "lo"))
}

fn pod(
    page: &Page<'_>,
    pod: &ObservedPod,
    outside: Option<&Facts>,
    bridge: Option<&Link>,
    suspects: &Suspects<'_>,
) -> Pod {
    let port = match (interface(pod), outside, bridge) {
        (None, ..) | (_, None, _) => Port::Unknown,
        (Some(_), Some(facts), Some(bridge)) => {
            match host_end(pod, facts).and_then(|end| end.master) {
                Some(master) if master == bridge.index => Port::OfBridge,
                _ => Port::Elsewhere,
            }
        }
        (Some(_), Some(_), None) => Port::Elsewhere,
    };
    let device = match (interface(pod), pod.runs()) {
        (Some(link), _) if !link.up => format!("{} DOWN", link.name),
        (Some(link), _) => format!("{} {}", link.name, link.mtu),
        (None, true) => "no device seen".to_owned(),
        (None, false) => pod.status.clone(),
    };
    Pod {
        name: page.pod(pod.reference()),
        addresses: pod.object.ips.iter().map(ToString::to_string).collect(),
        device,
        port,
        suspect: suspects.pod(pod.reference()),
    }
}
