//! A route through a VXLAN device works only if neighbour, forwarding entry and the remote device agree.
use std::net::IpAddr;

use flatnet_model::kernel::{Link, MacAddr, VxlanInfo};
use flatnet_model::probe::Facts;

use super::remote::{Hop, Trouble};
use crate::checks::findings::{listed, look};
use crate::checks::topology::ip_command;

impl Hop<'_> {
    /// Next hop → Ethernet address (neighbour) → node address (FDB) → the remote VTEP, which must have that Ethernet address,
    /// VNI and port (Documentation/networking/vxlan.rst).
    pub(super) fn tunnel(&self, link: &Link, hop: IpAddr) -> Result<String, Trouble> {
        let (node, remote) = (&self.node.object.name, &self.remote.object.name);
        let known = |state: &str| !matches!(state, "FAILED" | "INCOMPLETE" | "NONE");
        let neighbour = self
            .facts
            .neighbours
            .iter()
            .find(|n| n.index == link.index && n.address == hop && known(&n.state));
        let Some(mac) = neighbour.and_then(|neighbour| neighbour.mac) else {
            let neigh = look(node, format!("{} neigh", ip_command(hop)));
            return Err(self.entry(
                format!("{node} has no neighbour entry for {hop}, the next hop to {remote}"),
                format!("{hop} lladdr of {remote}'s VTEP on {}", link.name),
                "none".to_owned(),
                "the neighbour entry was removed, or never made",
                neigh,
            ));
        };
        self.vtep(link, mac, hop)?;
        self.forwarding(link, mac)?;
        let vni = link.vxlan.as_ref().map_or(0, |vxlan| vxlan.vni);
        Ok(format!(
            "to remote podCIDRs through {} (VXLAN {vni}), neighbour, FDB and VTEP agree",
            link.name
        ))
    }

    fn forwarding(&self, link: &Link, mac: MacAddr) -> Result<(), Trouble> {
        let (node, remote) = (&self.node.object.name, &self.remote.object.name);
        let dsts: Vec<IpAddr> = self
            .facts
            .fdb
            .iter()
            .filter(|entry| entry.index == link.index && entry.mac == mac)
            .filter_map(|entry| entry.dst)
            .collect();
        if dsts
            .iter()
            .any(|dst| self.remote.object.internal_ips.contains(dst))
        {
            return Ok(());
        }
        let shown: Vec<String> = dsts.iter().map(|dst| self.topology.tell(*dst)).collect();
        let expected = self
            .remote
            .object
            .internal_ips
            .iter()
            .map(IpAddr::to_string)
            .collect::<Vec<_>>();
        Err(self.entry(
            format!(
                "{}'s forwarding entry for {mac} on {} does not lead to {remote}",
                node, link.name
            ),
            format!("{mac} dst {} ({remote})", listed(&expected, 2)),
            if shown.is_empty() {
                format!("no entry for {mac}")
            } else {
                format!("dst {}", listed(&shown, 2))
            },
            "the FDB entry was removed, or made for another node",
            // busybox has no `bridge`; the tunnel's own counters show that nothing leaves.
            look(node, format!("ip -s link show {}", link.name)),
        ))
    }

    fn vtep(&self, link: &Link, mac: MacAddr, hop: IpAddr) -> Result<(), Trouble> {
        let (node, remote) = (&self.node.object.name, &self.remote.object.name);
        let facts = self
            .remote
            .inside
            .facts()
            .map_err(|error| Trouble::Unmeasured(format!("the VTEP of {remote}: {error}")))?;
        let Some(local) = &link.vxlan else {
            return Ok(());
        };
        let vxlans: Vec<(&Link, &VxlanInfo)> = facts
            .links
            .iter()
            .filter_map(|l| Some((l, l.vxlan.as_ref()?)))
            .collect();
        let settings = |vxlan: &VxlanInfo| format!("VNI {} port {}", vxlan.vni, vxlan.port);
        let Some((device, _)) = vxlans
            .iter()
            .find(|(_, vxlan)| vxlan.vni == local.vni && vxlan.port == local.port)
        else {
            let other: Vec<String> = vxlans
                .iter()
                .map(|(l, vxlan)| format!("{} {}", l.name, settings(vxlan)))
                .collect();
            return Err(self.entry(
                format!("{node} and {remote} have no VXLAN in common"),
                format!(
                    "{} on both, as {} of {node} has",
                    settings(local),
                    link.name
                ),
                if other.is_empty() {
                    format!("no VXLAN device on {remote}")
                } else {
                    format!("on {remote}: {}", listed(&other, 4))
                },
                "the nodes' agents have different settings, or the device is gone",
                look(remote, "ip link"),
            ));
        };
        if !device.up {
            return Err(self.problem(
                remote,
                format!("the VXLAN device {} of {remote} is down", device.name),
                "UP".to_owned(),
                "DOWN".to_owned(),
                "the device was set down",
                look(remote, "ip link"),
            ));
        }
        match device.mac {
            Some(real) if real != mac => Err(self.wrong_mac(link, mac, real, hop, facts)),
            _ => Ok(()),
        }
    }

    /// The neighbour entry and the device differ. When every other node that knows the remote VTEP agrees with the entry, it
    /// is the device that changed.
    fn wrong_mac(
        &self,
        link: &Link,
        entry: MacAddr,
        real: MacAddr,
        hop: IpAddr,
        remote_facts: &Facts,
    ) -> Trouble {
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
        let device_changed = !others.is_empty() && others.iter().all(|mac| *mac == entry);
        let device = remote_facts
            .links
            .iter()
            .find(|l| l.mac == Some(real))
            .map_or("its VXLAN device", |l| &l.name);
        let culprit = if device_changed { remote } else { node };
        let cause = if device_changed {
            "the device was made anew with another Ethernet address"
        } else {
            "the entry is out of date or was changed: frames reach the node and are dropped there"
        };
        self.problem(
            culprit,
            format!("{node} knows a wrong VTEP MAC for {remote}"),
            format!("{hop} lladdr {real}, the address of {device} on {remote}"),
            format!("{hop} lladdr {entry} on {} of {node}", link.name),
            cause,
            look(node, format!("{} neigh", ip_command(hop))),
        )
    }

    fn entry(
        &self,
        what: String,
        expected: String,
        observed: String,
        cause: &str,
        look: String,
    ) -> Trouble {
        self.problem(
            &self.node.object.name,
            what,
            expected,
            observed,
            cause,
            look,
        )
    }
}
