//! Follows a packet: from namespace to namespace by routes, from link to link by cables and bridges.
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use flatnet_model::kernel::{Carries, Flow, Link, MacAddr};
use flatnet_model::probe::Facts;

use super::commands;
use super::lookup::{self, Decision, Kernels};
use super::model::{Cause, ChosenBy, Direction, Ending, Hop, LinkLayer, Netns, Routed, Step};
use super::neighbour;
use super::network::{Network, Spot};

/// A packet on its way.
#[derive(Clone, Copy)]
pub(super) struct Packet {
    /// Known once its sender has chosen a route.
    pub(super) source: Option<IpAddr>,
    pub(super) destination: IpAddr,
    /// The link to which its sender is bound.
    pub(super) bound: Option<u32>,
    /// Its protocol and ports, where they are known.
    pub(super) carries: Option<Carries>,
}

/// A frame on its way, and the packet in it.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) mac: MacAddr,
    /// Whose Ethernet address that is.
    pub(super) next_hop: IpAddr,
    pub(super) destination: IpAddr,
}

/// What kube-proxy does to packets for a ClusterIP on whichever node they come to first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// The service's address.
    pub service: IpAddr,
    /// The endpoint that becomes the destination; nothing where the service has none that is ready.
    pub endpoint: Option<IpAddr>,
}

/// One packet being followed.
pub(super) struct Walk<'a> {
    pub(super) network: &'a Network<'a>,
    pub(super) kernels: &'a Kernels,
    pub(super) rewrite: Option<&'a Rewrite>,
    /// Firewall marks that the packet is given in namespaces.
    pub(super) marks: &'a BTreeMap<Netns, u32>,
    pub(super) hops: Vec<Hop>,
    /// What kernels were not asked yet.
    pub(super) questions: Vec<(Netns, Flow)>,
    /// The source that the sender chose.
    pub(super) source: Option<IpAddr>,
    /// Tunnels in which the packet is.
    pub(super) tunnels: u32,
    /// Bytes that they put around it.
    pub(super) overhead: u32,
}

/// Where a packet arrived.
pub(super) struct Arrival {
    pub(super) namespace: usize,
    /// The device that holds its destination.
    pub(super) device: String,
}

impl<'a> Walk<'a> {
    /// From `namespace` to the namespace that holds the destination.
    pub(super) fn follow(
        &mut self,
        mut namespace: usize,
        mut packet: Packet,
    ) -> Result<Arrival, Ending> {
        let mut came_by: Option<u32> = None;
        let mut visited = BTreeSet::new();
        loop {
            if !visited.insert((namespace, came_by)) {
                return Err(self.stop(namespace, Cause::Loop));
            }
            let facts = self.look(namespace)?;
            let note = self.rewrite(namespace, &mut packet.destination)?;
            if let Some(device) = self.network.holds(namespace, packet.destination) {
                if came_by.is_none() {
                    self.stays(namespace, packet.destination);
                }
                return Ok(Arrival {
                    namespace,
                    device: device.to_owned(),
                });
            }
            if came_by.is_some() {
                self.passes_on(namespace, facts, &packet)?;
            }
            let (route, by) = match self.decide(namespace, facts, came_by, &packet)? {
                Decision::Out(route, by) => (route, by),
                Decision::Own => {
                    return Ok(Arrival {
                        namespace,
                        device: "lo".to_owned(),
                    });
                }
            };
            if packet.source.is_none() {
                packet.source = lookup::source(facts, &route, packet.destination);
                if self.tunnels == 0 {
                    self.source = packet.source;
                }
            }
            let routed = Routed {
                next_hop: route.gateway.unwrap_or(packet.destination),
                route,
                by,
                link_layer: None,
            };
            let note =
                note.or_else(|| self.by_default_only(namespace, &routed, packet.destination));
            let end = self.emit(namespace, came_by, routed, &packet, note)?;
            (namespace, came_by) = (end.namespace, Some(end.link));
            packet.bound = None;
        }
    }

    /// What kube-proxy makes of a destination: of what comes into a node (PREROUTING) and of what it sends itself (OUTPUT).
    fn rewrite(
        &self,
        namespace: usize,
        destination: &mut IpAddr,
    ) -> Result<Option<String>, Ending> {
        let on_node = matches!(self.network.netns(namespace), Netns::Node(_));
        let of_service = self
            .rewrite
            .filter(|rewrite| rewrite.service == *destination);
        let Some(rewrite) = of_service.filter(|_| on_node) else {
            return Ok(None);
        };
        let Some(endpoint) = rewrite.endpoint else {
            return Err(self.stop(namespace, Cause::NoEndpoint));
        };
        *destination = endpoint;
        Ok(Some(format!(
            "kube-proxy made {endpoint} of {}",
            rewrite.service
        )))
    }

    /// A packet to an address of its sender passes the loopback device, whatever interface holds the address.
    fn stays(&mut self, namespace: usize, to: IpAddr) {
        self.source.get_or_insert(to);
        let facts = self.network.facts(namespace).ok();
        if let Some(lo) = facts.and_then(|facts| facts.link_named("lo")) {
            let spot = Spot {
                namespace,
                link: lo.index,
            };
            let look = commands::route_get(to, None, None, None);
            self.pass(spot, Direction::Out, Step::Local, look, None);
        }
    }

    fn look(&self, namespace: usize) -> Result<&'a Facts, Ending> {
        self.network.facts(namespace).map_err(|error| {
            let error = error.to_owned();
            self.stop(namespace, Cause::Unknown { error })
        })
    }

    pub(super) fn stop(&self, namespace: usize, cause: Cause) -> Ending {
        Ending::Stopped {
            at: self.network.netns(namespace).clone(),
            cause,
        }
    }

    /// Whether a namespace passes on what is not its own. A pod has nobody to pass it to.
    fn passes_on(&self, namespace: usize, facts: &Facts, packet: &Packet) -> Result<(), Ending> {
        if matches!(self.network.netns(namespace), Netns::Pod(_)) {
            let holds = crate::checks::own_addresses(facts)
                .filter(|address| address.is_ipv4() == packet.destination.is_ipv4())
                .filter(|address| !crate::checks::is_link_local(*address))
                .collect();
            return Err(self.stop(namespace, Cause::NotHeld { holds }));
        }
        let sysctl = lookup::forwarding(packet.destination);
        match facts.sysctls.get(sysctl) {
            Some(value) if value == "0" => {
                let sysctl = sysctl.replace('.', "/");
                Err(self.stop(namespace, Cause::ForwardingOff { sysctl }))
            }
            _ => Ok(()),
        }
    }

    fn decide(
        &mut self,
        namespace: usize,
        facts: &Facts,
        came_by: Option<u32>,
        packet: &Packet,
    ) -> Result<Decision, Ending> {
        let netns = self.network.netns(namespace);
        let flow = Flow {
            to: packet.destination,
            from: packet.source,
            iif: came_by,
            oif: packet.bound,
            carries: packet.carries,
            mark: self.mark(netns),
        };
        let question = (netns.clone(), flow);
        let outcome = self.kernels.get(&question);
        // For a packet that comes in from nobody knows whom the kernel has no answer.
        if outcome.is_none() && (came_by.is_none() || packet.source.is_some()) {
            self.questions.push(question);
        }
        lookup::decide(facts, &flow, outcome).map_err(|cause| {
            let outside = self.network.belongs_to(packet.destination).is_none();
            match self.left() {
                Some(left) if *netns == Netns::Wire && outside => left,
                _ => self.stop(namespace, cause),
            }
        })
    }

    /// The mark that a packet has when the namespace routes it; one around it has none.
    fn mark(&self, netns: &Netns) -> Option<u32> {
        let mark = self.marks.get(netns).copied();
        mark.filter(|_| self.tunnels == 0)
    }

    /// The node by which the packet went out last, as the namespace where it leaves the cluster.
    fn left(&self) -> Option<Ending> {
        let of_node = |hop: &&Hop| matches!(hop.netns, Netns::Node(_) | Netns::Pod(_));
        let mut outward = self.hops.iter().rev().filter(of_node);
        outward.find_map(|hop| match &hop.step {
            Step::Routed(routed) => Some(Ending::Left {
                by: hop.netns.clone(),
                device: hop.device.clone(),
                via: routed.route.gateway,
            }),
            _ => None,
        })
    }

    /// Out by a route's device, to the link that takes the frame up to IP.
    fn emit(
        &mut self,
        namespace: usize,
        came_by: Option<u32>,
        mut routed: Routed,
        packet: &Packet,
        note: Option<String>,
    ) -> Result<Spot, Ending> {
        let found = routed.route.oif.map(|link| Spot { namespace, link });
        let Some((out, link)) = found.and_then(|out| Some((out, self.network.link(out)?))) else {
            return Err(self.stop(namespace, Cause::NoDevice));
        };
        let name = |link: u32| {
            self.network
                .link(Spot { namespace, link })
                .map(|link| link.name.as_str())
        };
        let (iif, oif) = (came_by.and_then(name), packet.bound.and_then(name));
        let look = commands::route_get(packet.destination, packet.source, iif, oif);
        let known = self.link_layer(out, link, routed.next_hop, packet);
        routed.link_layer = known.as_ref().ok().cloned();
        let frame = |mac| Frame {
            mac,
            next_hop: routed.next_hop,
            destination: packet.destination,
        };
        let known = known.map(|known| frame(known.mac));
        self.pass(out, Direction::Out, Step::Routed(routed), look, note);
        self.transmit(out, link, known?)
    }

    /// The Ethernet address of the next hop, or what becomes of the packet instead.
    fn link_layer(
        &self,
        out: Spot,
        link: &Link,
        next_hop: IpAddr,
        packet: &Packet,
    ) -> Result<LinkLayer, Ending> {
        if link.mac.is_none() {
            let what = format!(
                "{}, a device of kind {:?}, which is not followed",
                link.name, link.kind
            );
            let at = self.network.netns(out.namespace).clone();
            return Err(Ending::OutOfSight { at, what });
        }
        if let Some(down) = self.down(out.namespace, link) {
            return Err(down);
        }
        neighbour::resolve(self.network, out, next_hop).map_err(|unresolved| {
            let failed = unresolved.entry.as_deref() == Some("FAILED");
            if let Some((pod, error)) = self.network.unseen_pod(out.namespace, next_hop) {
                let error = error.to_owned();
                Ending::Unseen { pod, error }
            } else if unresolved.unseen && !failed {
                self.handed(out, link, next_hop, packet.destination)
            } else {
                let device = link.name.clone();
                let entry = unresolved.entry;
                self.stop(
                    out.namespace,
                    Cause::Neighbour {
                        next_hop,
                        device,
                        entry,
                    },
                )
            }
        })
    }

    /// Why a device carries nothing, if it does not.
    pub(super) fn down(&self, namespace: usize, link: &Link) -> Option<Ending> {
        let down = !link.up || !link.lower_up;
        down.then(|| {
            let device = link.name.clone();
            self.stop(
                namespace,
                Cause::LinkDown {
                    device,
                    admin: !link.up,
                },
            )
        })
    }

    /// The end of what is given to something between or around the nodes that cannot be looked at.
    pub(super) fn handed(&self, out: Spot, link: &Link, next_hop: IpAddr, to: IpAddr) -> Ending {
        let at = self.network.netns(out.namespace).clone();
        match self.network.belongs_to(to) {
            None => Ending::Left {
                by: at,
                device: link.name.clone(),
                via: (next_hop != to).then_some(next_hop),
            },
            Some(whose) => {
                let who = if next_hop == to {
                    "the network".to_owned()
                } else {
                    format!("{next_hop}, which is not a node,")
                };
                let what = format!(
                    "{who} behind {}: whether it has a route to {whose} cannot be seen from here",
                    link.name
                );
                Ending::OutOfSight { at, what }
            }
        }
    }

    /// A default route leads out of the cluster: where it is all there is for an address of the cluster, a route is missing,
    /// unless the network around the nodes knows the pods.
    fn by_default_only(&self, namespace: usize, routed: &Routed, to: IpAddr) -> Option<String> {
        let on_node = matches!(self.network.netns(namespace), Netns::Node(_));
        let whose = self.network.pod_range(to)?;
        (on_node && routed.route.dst.prefix_len() == 0 && !matches!(routed.by, ChosenBy::Policy(_)))
            .then(|| format!("only the default route covers {to} of {whose}"))
    }

    /// Writes a hop down.
    pub(super) fn pass(
        &mut self,
        spot: Spot,
        direction: Direction,
        step: Step,
        look: String,
        note: Option<String>,
    ) {
        let Some(link) = self.network.link(spot) else {
            return;
        };
        self.hops.push(Hop {
            netns: self.network.netns(spot.namespace).clone(),
            device: link.name.clone(),
            mtu: link.mtu,
            direction,
            overhead: self.overhead,
            step,
            look,
            note,
        });
    }
}
