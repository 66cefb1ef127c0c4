//! Network namespaces and the cables between them, as far as probes saw them.
use std::collections::BTreeSet;
use std::net::IpAddr;

use flatnet_model::kernel::{Link, MacAddr};
use flatnet_model::probe::Facts;

use super::model::Netns;
use crate::checks::{device_of, paired};
use flatnet_model::PodRef;
use flatnet_model::observations::{Observed, ObservedNode, ObservedPod};

/// A forwarding entry of this address is for frames to addresses that no other entry has (drivers/net/vxlan).
pub(super) const ANY_MAC: MacAddr = MacAddr([0; 6]);

/// Everything a trace is based on.
pub struct ObservedNetwork {
    /// All nodes of the cluster; those that could not be looked at have an error for facts.
    pub nodes: Vec<ObservedNode>,
    /// Every running pod; those into which nobody looked have an error for facts.
    pub pods: Vec<ObservedPod>,
    /// What joins the nodes, where that can be looked at.
    pub wire: Option<Observed<Facts>>,
}

impl ObservedNetwork {
    /// The namespaces that hold an address, as the API has it and as they say themselves; none for a loopback address.
    pub fn owners(&self, address: IpAddr) -> Vec<Netns> {
        Network::of(self).owners(address)
    }
}

/// A link of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    /// Which namespace: an index into the network's.
    pub(super) namespace: usize,
    /// The link's index there.
    pub(super) link: u32,
}

/// One namespace.
struct Namespace<'a> {
    netns: Netns,
    facts: Result<&'a Facts, &'a str>,
    /// The node on which a pod is.
    node: Option<&'a str>,
}

/// Namespaces, and who holds which address.
pub(super) struct Network<'a> {
    observed: &'a ObservedNetwork,
    namespaces: Vec<Namespace<'a>>,
}

/// Who hears a frame for everybody that leaves a link.
#[derive(Default)]
pub(super) struct Segment {
    /// Links that take frames up to IP.
    pub(super) ends: BTreeSet<Spot>,
    /// Whether it goes on where nobody can look.
    pub(super) unseen: bool,
    bridges: BTreeSet<Spot>,
}

impl<'a> Network<'a> {
    pub(super) fn of(observed: &'a ObservedNetwork) -> Self {
        let nodes = observed.nodes.iter().map(|node| Namespace {
            netns: Netns::Node(node.object.name.clone()),
            facts: node.inside.facts(),
            node: None,
        });
        let own_network = observed.pods.iter().filter(|pod| !pod.object.host_network);
        let pods = own_network.map(|pod| Namespace {
            netns: Netns::Pod(pod.reference().clone()),
            facts: pod.facts.as_ref().map_err(String::as_str),
            node: Some(&pod.object.node),
        });
        let wire = observed.wire.iter().map(|facts| Namespace {
            netns: Netns::Wire,
            facts: facts.as_ref().map_err(String::as_str),
            node: None,
        });
        Network {
            namespaces: nodes.chain(pods).chain(wire).collect(),
            observed,
        }
    }

    pub(super) fn namespace(&self, netns: &Netns) -> Option<usize> {
        self.namespaces
            .iter()
            .position(|namespace| namespace.netns == *netns)
    }

    pub(super) fn netns(&self, namespace: usize) -> &Netns {
        &self.namespaces[namespace].netns
    }

    pub(super) fn facts(&self, namespace: usize) -> Result<&'a Facts, &'a str> {
        self.namespaces[namespace].facts
    }

    pub(super) fn link(&self, spot: Spot) -> Option<&'a Link> {
        let links = &self.facts(spot.namespace).ok()?.links;
        links.iter().find(|link| link.index == spot.link)
    }

    /// The device by which a namespace holds an address.
    pub(super) fn holds(&self, namespace: usize, address: IpAddr) -> Option<&'a str> {
        device_of(self.facts(namespace).ok()?, address)
    }

    /// The other end of a veth pair. Pods share one only with their node, nodes also with the wire.
    pub(super) fn peer(&self, spot: Spot) -> Option<Spot> {
        let link = self.link(spot)?;
        if link.kind != "veth" {
            return None;
        }
        if link.link_netnsid.is_none() {
            let (namespace, link) = (spot.namespace, link.link?);
            return Some(Spot { namespace, link });
        }
        let joined =
            (0..self.namespaces.len()).filter(|other| self.may_share(spot.namespace, *other));
        joined
            .flat_map(|namespace| {
                let links = self.facts(namespace).map(|facts| facts.links.as_slice());
                links
                    .unwrap_or_default()
                    .iter()
                    .map(move |link| (namespace, link))
            })
            .find(|(_, other)| paired(link, other))
            .map(|(namespace, other)| Spot {
                namespace,
                link: other.index,
            })
    }

    fn may_share(&self, a: usize, b: usize) -> bool {
        let (a, b) = (&self.namespaces[a], &self.namespaces[b]);
        match (&a.netns, &b.netns) {
            (Netns::Node(node), Netns::Pod(_)) => b.node == Some(node),
            (Netns::Pod(_), Netns::Node(node)) => a.node == Some(node),
            (Netns::Node(_), Netns::Wire) | (Netns::Wire, Netns::Node(_)) => true,
            _ => false,
        }
    }

    /// Whether a link of a node leads to other nodes, over something into which nobody can look.
    pub(super) fn is_uplink(&self, spot: Spot) -> bool {
        let (Netns::Node(name), Some(link)) = (self.netns(spot.namespace), self.link(spot)) else {
            return false;
        };
        if self.peer(spot).is_some() || matches!(link.kind.as_str(), "bridge" | "vxlan" | "dummy") {
            return false;
        }
        let internal = self
            .observed
            .nodes
            .iter()
            .find(|node| node.object.name == *name);
        let holds = |ip: &IpAddr| self.holds(spot.namespace, *ip) == Some(link.name.as_str());
        internal.is_some_and(|node| node.object.internal_ips.iter().any(holds))
            // Hardware has no kind; loopback has none either, and no address to be reached by.
            || (link.kind.is_empty() && link.name != "lo")
    }

    /// The uplinks of other nodes, as far as they have this Ethernet address.
    pub(super) fn uplink_with(&self, mac: MacAddr, besides: usize) -> Option<Spot> {
        self.uplinks(besides)
            .find(|spot| self.link(*spot).is_some_and(|link| link.mac == Some(mac)))
    }

    fn uplinks(&self, besides: usize) -> impl Iterator<Item = Spot> {
        let others = (0..self.namespaces.len()).filter(move |namespace| *namespace != besides);
        let spots = others.flat_map(|namespace| {
            let links = self.facts(namespace).map(|facts| facts.links.as_slice());
            links.unwrap_or_default().iter().map(move |link| Spot {
                namespace,
                link: link.index,
            })
        });
        spots.filter(|spot| self.is_uplink(*spot))
    }

    /// Everybody whom a frame for all reaches that leaves `out`.
    pub(super) fn segment(&self, out: Spot) -> Segment {
        let mut segment = Segment::default();
        match self.link(out) {
            Some(link) if link.kind == "bridge" => self.flood(out, None, &mut segment),
            Some(_) => self.beyond(out, &mut segment),
            None => {}
        }
        segment
    }

    fn flood(&self, bridge: Spot, except: Option<u32>, segment: &mut Segment) {
        if !segment.bridges.insert(bridge) {
            return;
        }
        for port in self.ports(bridge).filter(|port| Some(*port) != except) {
            let spot = Spot {
                namespace: bridge.namespace,
                link: port,
            };
            self.beyond(spot, segment);
        }
    }

    /// Ports of a bridge that are up.
    pub(super) fn ports(&self, bridge: Spot) -> impl Iterator<Item = u32> + use<'a> {
        let links = self
            .facts(bridge.namespace)
            .map(|facts| facts.links.as_slice())
            .unwrap_or_default();
        links
            .iter()
            .filter(move |link| link.up && link.master == Some(bridge.link))
            .map(|link| link.index)
    }

    fn beyond(&self, out: Spot, segment: &mut Segment) {
        if let Some(peer) = self.peer(out) {
            self.enter(peer, segment);
            return;
        }
        match self.link(out) {
            // A tunnel carries to all what an entry for all names a VTEP for, and nothing else; a dummy carries nothing.
            Some(link) if link.vxlan.is_some() => {
                segment.unseen |= self.vtep(out, ANY_MAC).is_some();
                return;
            }
            Some(link) if link.kind != "dummy" => segment.unseen = true,
            _ => return,
        }
        if self.is_uplink(out) {
            for other in self.uplinks(out.namespace).collect::<Vec<_>>() {
                self.enter(other, segment);
            }
        }
    }

    /// The VTEP that a VXLAN device's forwarding entry for an address names.
    pub(super) fn vtep(&self, device: Spot, mac: MacAddr) -> Option<IpAddr> {
        let entries = &self.facts(device.namespace).ok()?.fdb;
        entries
            .iter()
            .filter(|entry| entry.index == device.link && entry.mac == mac)
            .find_map(|entry| entry.dst)
    }

    fn enter(&self, spot: Spot, segment: &mut Segment) {
        let Some(link) = self.link(spot).filter(|link| link.up) else {
            return;
        };
        let bridge = link.master.map(|master| Spot {
            namespace: spot.namespace,
            link: master,
        });
        segment.ends.insert(bridge.unwrap_or(spot));
        if let Some(bridge) = bridge {
            self.flood(bridge, Some(spot.link), segment);
        }
    }

    /// The pod on that node which holds an address as far as the API knows, where nobody could look into it.
    pub(super) fn unseen_pod(&self, node: usize, address: IpAddr) -> Option<(PodRef, &'a str)> {
        let Netns::Node(node) = self.netns(node) else {
            return None;
        };
        let here = |pod: &&ObservedPod| {
            !pod.object.host_network
                && pod.object.node == *node
                && pod.object.ips.contains(&address)
        };
        let pod = self.observed.pods.iter().find(here)?;
        let error = pod.facts.as_ref().err()?;
        Some((pod.reference().clone(), error))
    }

    /// The namespaces that hold an address, as the API has it and as they say themselves; loopback is everybody's own.
    pub(super) fn owners(&self, address: IpAddr) -> Vec<Netns> {
        if address.is_loopback() {
            return Vec::new();
        }
        let nodes = self
            .observed
            .nodes
            .iter()
            .filter(|node| node.object.internal_ips.contains(&address));
        let pods = self
            .observed
            .pods
            .iter()
            .filter(|pod| !pod.object.host_network && pod.object.ips.contains(&address));
        let by_api = nodes
            .map(|node| Netns::Node(node.object.name.clone()))
            .chain(pods.map(|pod| Netns::Pod(pod.reference().clone())));
        let seen = (0..self.namespaces.len())
            .filter(|namespace| self.holds(*namespace, address).is_some())
            .map(|namespace| self.netns(namespace).clone());
        let all: BTreeSet<Netns> = by_api.chain(seen).collect();
        all.into_iter().collect()
    }

    /// What makes an address the cluster's, in words; nothing where it is not part of it.
    pub(super) fn belongs_to(&self, address: IpAddr) -> Option<String> {
        if let Some(owner) = self.owners(address).first() {
            return (*owner != Netns::Wire).then(|| owner.to_string());
        }
        self.pod_range(address)
    }

    /// The podCIDR in which an address is, in words.
    pub(super) fn pod_range(&self, address: IpAddr) -> Option<String> {
        let nodes = self.observed.nodes.iter();
        let mut ranges =
            nodes.flat_map(|node| node.object.pod_cidrs.iter().map(move |cidr| (node, cidr)));
        let (node, cidr) = ranges.find(|(_, cidr)| cidr.contains(&address))?;
        Some(format!("the podCIDR {cidr} of {}", node.object.name))
    }
}
