//! A frame on its way: over cables, through bridges, and in the UDP packets of a VXLAN.
use std::net::IpAddr;

use flatnet_model::kernel::{Carries, Link, MacAddr};

use super::commands;
use super::model::{Cause, Direction, Ending, Step, Switching};
use super::network::{ANY_MAC, Spot};
use super::walk::{Frame, Packet, Walk};

/// IP protocol number.
const UDP: u8 = 17;

/// Tunnels within tunnels that are followed.
const MOST_TUNNELS: u32 = 3;

impl Walk<'_> {
    /// Out of a link of a namespace, to the link that takes the frame up to IP.
    pub(super) fn transmit(
        &mut self,
        out: Spot,
        link: &Link,
        frame: Frame,
    ) -> Result<Spot, Ending> {
        if link.kind == "bridge" {
            self.bridge(out, None, frame)
        } else {
            self.leave(out, link, frame)
        }
    }

    fn leave(&mut self, out: Spot, link: &Link, frame: Frame) -> Result<Spot, Ending> {
        if link.vxlan.is_some() {
            return self.encapsulate(out, link, frame);
        }
        let from = self.network.netns(out.namespace).clone();
        if let Some(peer) = self.network.peer(out) {
            let end = link.name.clone();
            return self.arrive(peer, frame, |bridge| Step::Crossed { from, end, bridge });
        }
        if let Some((pod, error)) = self.network.unseen_pod(out.namespace, frame.next_hop) {
            let error = error.to_owned();
            return Err(Ending::Unseen { pod, error });
        }
        let other = self
            .network
            .is_uplink(out)
            .then(|| self.network.uplink_with(frame.mac, out.namespace))
            .flatten();
        match other {
            Some(other) => self.arrive(other, frame, |_| Step::Carried { from }),
            None => Err(self.handed(out, link, frame.next_hop, frame.destination)),
        }
    }

    /// Into a namespace by a link; `how` is told the bridge of which the link is a port.
    fn arrive(
        &mut self,
        spot: Spot,
        frame: Frame,
        how: impl FnOnce(Option<String>) -> Step,
    ) -> Result<Spot, Ending> {
        let Some(link) = self.network.link(spot) else {
            return Err(self.stop(spot.namespace, Cause::NoDevice));
        };
        let master = link.master.map(|master| Spot {
            namespace: spot.namespace,
            link: master,
        });
        let master = master.and_then(|spot| Some((spot, self.network.link(spot)?)));
        let look = commands::link(&link.name);
        let name = master.map(|(_, master)| master.name.clone());
        self.pass(spot, Direction::In, how(name), look, None);
        if let Some(down) = self.down(spot.namespace, link) {
            return Err(down);
        }
        match master {
            Some((bridge, master)) if master.kind == "bridge" => {
                self.bridge(bridge, Some(spot.link), frame)
            }
            Some((_, master)) => Err(Ending::OutOfSight {
                at: self.network.netns(spot.namespace).clone(),
                what: format!(
                    "{}, a device of kind {:?}, which is not followed",
                    master.name, master.kind
                ),
            }),
            None if link.mac == Some(frame.mac) => Ok(spot),
            None => Err(self.stop(
                spot.namespace,
                Cause::WrongMac {
                    device: link.name.clone(),
                    frame: frame.mac,
                    own: link.mac,
                },
            )),
        }
    }

    /// Through a bridge, from one of its ports or from the namespace itself (net/bridge/br_input.c, br_forward.c).
    fn bridge(&mut self, bridge: Spot, came_by: Option<u32>, frame: Frame) -> Result<Spot, Ending> {
        let namespace = bridge.namespace;
        let Some((link, facts)) = self
            .network
            .link(bridge)
            .zip(self.network.facts(namespace).ok())
        else {
            return Err(self.stop(namespace, Cause::NoDevice));
        };
        let of_bridge = facts.fdb.iter().filter(|entry| {
            entry.mac == frame.mac && entry.master == Some(bridge.link) && entry.dst.is_none()
        });
        let entries: Vec<_> = of_bridge.collect();
        // A permanent entry is an address of the bridge or of one of its ports: not to be forwarded.
        let own =
            link.mac == Some(frame.mac) || entries.iter().any(|entry| entry.state == "PERMANENT");
        if own && came_by.is_some() {
            let look = commands::link(&link.name);
            self.pass(bridge, Direction::In, Step::TakenIn, look, None);
            return self.down(namespace, link).map_or(Ok(bridge), Err);
        }
        if let Some(down) = self.down(namespace, link) {
            return Err(down);
        }
        let listed = entries.first().map(|entry| (entry.index, Switching::Fdb));
        let chosen = listed.or_else(|| {
            let port = self.flooded(bridge, came_by, frame.mac)?;
            Some((port, Switching::Flooded))
        });
        let Some((port, by)) = chosen else {
            if let Some((pod, error)) = self.network.unseen_pod(namespace, frame.next_hop) {
                let error = error.to_owned();
                return Err(Ending::Unseen { pod, error });
            }
            let (bridge, mac) = (link.name.clone(), frame.mac);
            return Err(self.stop(namespace, Cause::NoPort { bridge, mac }));
        };
        let out = Spot {
            namespace,
            link: port,
        };
        let Some(port) = self.network.link(out) else {
            return Err(self.stop(namespace, Cause::NoDevice));
        };
        if came_by == Some(out.link) && port.port.is_none_or(|port| !port.hairpin) {
            let port = port.name.clone();
            return Err(self.stop(namespace, Cause::HairpinOff { port }));
        }
        let (bridge, look) = (link.name.clone(), commands::bridge_fdb(&link.name));
        self.pass(
            out,
            Direction::Out,
            Step::Switched { bridge, by },
            look,
            None,
        );
        match self.down(namespace, port) {
            Some(down) => Err(down),
            None => self.leave(out, port, frame),
        }
    }

    /// The port behind which somebody takes a frame that goes out of all of them.
    fn flooded(&self, bridge: Spot, came_by: Option<u32>, mac: MacAddr) -> Option<u32> {
        let namespace = bridge.namespace;
        let takes = |port: &u32| {
            let segment = self.network.segment(Spot {
                namespace,
                link: *port,
            });
            let mut ends = segment.ends.iter();
            ends.any(|end| {
                self.network
                    .link(*end)
                    .is_some_and(|link| link.mac == Some(mac))
            })
        };
        let mut others = self
            .network
            .ports(bridge)
            .filter(|port| Some(*port) != came_by);
        others.find(takes)
    }

    /// Into a UDP packet, to the VTEP of the forwarding entry, and out again there (RFC 7348 section 4).
    fn encapsulate(&mut self, out: Spot, link: &Link, frame: Frame) -> Result<Spot, Ending> {
        let namespace = out.namespace;
        let Some(vxlan) = &link.vxlan else {
            return Err(self.stop(namespace, Cause::NoDevice));
        };
        let entry = |mac| self.network.vtep(out, mac);
        // Only the device's own remote is bound to its lower device (vxlan_fdb_parse, drivers/net/vxlan/vxlan_core.c).
        let by_default = || Some((entry(ANY_MAC)?, link.link));
        let listed = entry(frame.mac).map(|remote| (remote, None));
        let Some((remote, bound)) = listed.or_else(by_default) else {
            let (device, mac) = (link.name.clone(), frame.mac);
            return Err(self.stop(namespace, Cause::NoForwardingEntry { device, mac }));
        };
        let (vni, port) = (vxlan.vni, vxlan.port);
        let step = Step::Encapsulated {
            mac: frame.mac,
            vni,
            port,
            local: vxlan.local,
            remote,
        };
        let look = commands::vxlan_fdb(&link.name);
        self.pass(out, Direction::Out, step, look, None);
        if self.tunnels == MOST_TUNNELS {
            return Err(self.stop(namespace, Cause::Loop));
        }
        let outer = Packet {
            source: vxlan.local,
            destination: remote,
            bound,
            carries: Some(Carries {
                protocol: UDP,
                source: None,
                destination: Some(port),
            }),
        };
        self.tunnels += 1;
        self.overhead += overhead(remote);
        let arrived = self.follow(namespace, outer);
        self.overhead -= overhead(remote);
        self.tunnels -= 1;
        let namespace = arrived?.namespace;
        let facts = self.network.facts(namespace).ok();
        let device = facts.and_then(|facts| {
            facts.links.iter().find(|link| {
                let vxlan = link.vxlan.as_ref();
                vxlan.is_some_and(|vxlan| (vxlan.vni, vxlan.port) == (vni, port))
            })
        });
        match device {
            Some(device) => {
                let link = device.index;
                self.arrive(Spot { namespace, link }, frame, |bridge| {
                    Step::Decapsulated { vni, port, bridge }
                })
            }
            None => Err(self.stop(namespace, Cause::NoVtep { vni, port })),
        }
    }
}

/// Inner Ethernet, VXLAN, UDP and outer IP header, bytes (RFC 7348 section 5).
fn overhead(remote: IpAddr) -> u32 {
    if remote.is_ipv4() {
        14 + 8 + 8 + 20
    } else {
        14 + 8 + 8 + 40
    }
}
