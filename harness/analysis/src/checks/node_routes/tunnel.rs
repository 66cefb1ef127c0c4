//! A route through a VXLAN device works only if neighbour, forwarding entry and the remote device agree.
use std::collections::BTreeSet;
use std::net::IpAddr;

use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Command, State, Subject, Vxlan};
use flatnet_model::kernel::{Link, MacAddr, RouteEntry, VxlanInfo};
use flatnet_model::probe::Facts;

use super::is_resolved;
use super::remote::{Hop, NotVerified};
use crate::checks::findings::{Problem, Seen};
use crate::checks::followed;
use crate::checks::topology::ip_command;

impl Hop<'_> {
    /// Next hop → Ethernet address (neighbour) → node address (FDB) → the remote VTEP, which must have that Ethernet address,
    /// VNI and port (Documentation/networking/vxlan.rst).
    pub(super) fn tunnel(
        &self,
        route: &RouteEntry,
        link: &Link,
        hop: IpAddr,
    ) -> Result<String, NotVerified> {
        let node = &self.node.object.name;
        // The address of another node's VTEP; one that nobody holds may do all the same.
        let holders = self.topology.holders(hop);
        if !holders.is_empty() && !holders.contains(&self.remote.object.name.as_str()) {
            return Err(self.wrong_hop(route, hop, holders.first().copied()));
        }
        let neighbour = self
            .facts
            .neighbours
            .iter()
            .find(|n| n.index == link.index && n.address == hop && is_resolved(n));
        let Some(mac) = neighbour.and_then(|neighbour| neighbour.mac) else {
            let cause = Cause::NeighbourMissing {
                node: self.name(),
                to: self.to(),
                hop,
            };
            let expected = State::VtepNeighbour {
                hop,
                node: self.to(),
                device: link.name.clone(),
            };
            let seen = Seen::new(expected, State::Nothing, neighbours(node, hop));
            return Err(self.problem(node, cause, seen));
        };
        // Link-local next hops are not held by name: the Ethernet address says whose they are.
        if let Some(holder) = self.other_vtep(link, mac).filter(|_| holders.is_empty()) {
            return Err(self.wrong_hop(route, hop, Some(holder)));
        }
        self.vtep(link, mac, hop)?;
        self.forwarding(link, mac)?;
        let vni = link.vxlan.as_ref().map_or(0, |vxlan| vxlan.vni);
        Ok(format!(
            "to remote podCIDRs through {} (VXLAN {vni}), neighbour, FDB and VTEP agree",
            link.name
        ))
    }

    /// The one node besides the remote one whose device of that tunnel has that Ethernet address.
    fn other_vtep(&self, link: &Link, mac: MacAddr) -> Option<&str> {
        let vni = link.vxlan.as_ref()?.vni;
        let has = |facts: &Facts| {
            let mut vteps = facts.links.iter();
            vteps.any(|other| {
                other.mac == Some(mac) && other.vxlan.as_ref().is_some_and(|vxlan| vxlan.vni == vni)
            })
        };
        let nodes = self.topology.nodes();
        let holders: Vec<&str> = nodes
            .filter(|node| node.inside.facts().is_ok_and(has))
            .map(|node| node.object.name.as_str())
            .collect();
        match holders[..] {
            [only] if only != self.remote.object.name && only != self.node.object.name => {
                Some(only)
            }
            _ => None,
        }
    }

    fn forwarding(&self, link: &Link, mac: MacAddr) -> Result<(), NotVerified> {
        let node = &self.node.object.name;
        let dsts: Vec<IpAddr> = self
            .facts
            .fdb
            .iter()
            .filter(|entry| entry.index == link.index && entry.mac == mac)
            .filter_map(|entry| entry.dst)
            .collect();
        if dsts
            .iter()
            .any(|dst| self.topology.node_has(&self.remote.object.name, *dst))
        {
            return Ok(());
        }
        let cause = Cause::ForwardingElsewhere {
            node: self.name(),
            to: self.to(),
            device: link.name.clone(),
            mac,
        };
        let expected = State::ForwardingTo {
            mac,
            dsts: self.remote.object.internal_ips.clone(),
            node: self.to(),
        };
        let owned = dsts.iter().map(|dst| self.topology.held(*dst));
        let observed = State::ForwardingIs {
            mac,
            dsts: owned.collect(),
        };
        // busybox has no `bridge`; the tunnel's own counters show that nothing leaves.
        let look = Command::on(node, &format!("ip -s link show {}", link.name));
        Err(self.problem(node, cause, Seen::new(expected, observed, look)))
    }

    fn vtep(&self, link: &Link, mac: MacAddr, hop: IpAddr) -> Result<(), NotVerified> {
        let remote = &self.remote.object.name;
        let facts = self
            .remote
            .inside
            .facts()
            .map_err(|error| NotVerified::Unmeasured {
                what: format!("the VTEP of {remote}"),
                why: error.to_owned(),
            })?;
        let Some(local) = &link.vxlan else {
            return Ok(());
        };
        let vxlans: Vec<(&Link, &VxlanInfo)> = facts
            .links
            .iter()
            .filter_map(|l| Some((l, l.vxlan.as_ref()?)))
            .collect();
        let seen = |of: &Link, vxlan: &VxlanInfo| Vxlan {
            device: of.name.clone(),
            vni: vxlan.vni,
            port: vxlan.port,
        };
        let look = || Command::on(remote, "ip link");
        let Some((device, _)) = vxlans
            .iter()
            .find(|(_, vxlan)| vxlan.vni == local.vni && vxlan.port == local.port)
        else {
            let cause = Cause::VxlanMismatch {
                node: self.name(),
                to: self.to(),
            };
            let expected = State::CommonVxlan {
                vxlan: seen(link, local),
                node: self.name(),
            };
            let observed = State::Vxlans {
                node: self.to(),
                vxlans: vxlans.iter().map(|(of, vxlan)| seen(of, vxlan)).collect(),
            };
            let culprit = self.differing(local);
            return Err(self.problem(culprit, cause, Seen::new(expected, observed, look())));
        };
        if !device.up {
            let cause = Cause::VxlanDown {
                node: self.to(),
                device: device.name.clone(),
            };
            let [up, down] = [true, false].map(|up| State::DeviceIs {
                device: device.name.clone(),
                up,
            });
            return Err(self.problem(remote, cause, Seen::new(up, down, look())));
        }
        match device.mac {
            Some(real) if real != mac => Err(self.wrong_mac(link, mac, real, hop, facts)),
            _ => Ok(()),
        }
    }

    /// Which of two nodes without a common VXLAN is to blame: the remote one where another node has the VXLAN of this one.
    fn differing(&self, local: &VxlanInfo) -> &str {
        let (node, remote) = (&self.node.object.name, &self.remote.object.name);
        let mut others = self.topology.nodes().filter(|other| {
            let is_other = other.object.name != *node && other.object.name != *remote;
            let facts = other.inside.facts().ok().filter(|_| is_other);
            let links = facts.into_iter().flat_map(|facts| &facts.links);
            let mut vxlans = links.filter_map(|link| link.vxlan.as_ref());
            vxlans.any(|vxlan| vxlan.vni == local.vni && vxlan.port == local.port)
        });
        match others.next() {
            Some(_) => remote,
            None => node,
        }
    }

    /// The neighbour entry and the device differ. When every other node that knows the remote VTEP agrees with the entry, it
    /// is the device that changed; where there is no other, when the entry is what CNIs make of the VTEP's address and the device's
    /// is not.
    fn wrong_mac(
        &self,
        link: &Link,
        entry: MacAddr,
        real: MacAddr,
        hop: IpAddr,
        remote_facts: &Facts,
    ) -> NotVerified {
        let (node, remote) = (&self.node.object.name, &self.remote.object.name);
        let others: Vec<MacAddr> = self
            .topology
            .nodes()
            .filter(|other| other.object.name != *node && other.object.name != *remote)
            .filter_map(|other| other.inside.facts().ok())
            .filter_map(|facts| {
                facts
                    .neighbours
                    .iter()
                    .find(|n| n.address == hop)
                    .and_then(|n| n.mac)
            })
            .collect();
        let is_made = |mac| followed::is_made_of(mac, hop);
        let device_changed = match others[..] {
            [] => is_made(entry) && !is_made(real),
            _ => others.iter().all(|mac| *mac == entry),
        };
        let device = remote_facts.links.iter().find(|l| l.mac == Some(real));
        let culprit = if device_changed { remote } else { node };
        let cause = Cause::VtepMacMismatch {
            node: self.name(),
            to: self.to(),
            device_changed,
        };
        let expected = State::NeighbourOf {
            hop,
            mac: real,
            device: device.map(|link| link.name.clone()),
            node: self.to(),
        };
        let observed = State::NeighbourIs {
            hop,
            mac: entry,
            device: link.name.clone(),
            node: self.name(),
        };
        let seen = Seen::new(expected, observed, neighbours(node, hop));
        self.problem(culprit, cause, seen)
    }
}

/// A VXLAN device that is down is one finding about its node, however many routes lead to it. The node's own routes went with the device.
pub(super) fn down_once(problems: Vec<Problem>) -> Vec<Problem> {
    let cause = |problem: &Problem| Some(problem.deviation.finding.found()?.cause.clone());
    let down: BTreeSet<String> = problems
        .iter()
        .filter_map(|problem| match cause(problem)? {
            Cause::VxlanDown { node, .. } => Some(node),
            _ => None,
        })
        .collect();
    let mut named = BTreeSet::new();
    let mut once = Vec::new();
    for mut problem in problems {
        match cause(&problem) {
            Some(Cause::VxlanDown { node, device }) => {
                problem.peer = None;
                problem.deviation.subjects = vec![Subject::node_of(&node)];
                if named.insert((node, device)) {
                    once.push(problem);
                }
            }
            Some(Cause::RouteMissing { node, .. }) if down.contains(&node) => {}
            _ => once.push(problem),
        }
    }
    once
}

/// The command that shows a node's neighbours of an address's family.
fn neighbours(node: &str, hop: IpAddr) -> Command {
    Command::on(node, &format!("{} neigh", ip_command(hop)))
}
