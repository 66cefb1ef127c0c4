//! The pod's side of an attachment.
use flatnet_netlink::MacAddr;
use ipnet::IpNet;

use super::{Findings, Inside, expect_neighbour};
use crate::ipam::Assigned;
use crate::owner::Owner;
use crate::types::PodRoute;

/// The pod's interface as `prevResult` describes it.
pub(super) struct Interface<'a> {
    pub(super) owner: &'a Owner,
    pub(super) mac: Option<&'a str>,
    /// Bytes; 0 where neither `prevResult` nor the configuration names it.
    pub(super) mtu: u32,
    pub(super) addresses: &'a [IpNet],
}

impl Interface<'_> {
    pub(super) fn check(&self, findings: &mut Findings, inside: &Inside) {
        let name = &self.owner.ifname;
        let Some(link) = &inside.link else {
            findings
                .problems
                .push(format!("{name} is missing in the container"));
            return;
        };
        findings.expect(link.up, || format!("{name} is down in the container"));
        if let Some(mac) = self.mac.and_then(|text| text.parse::<MacAddr>().ok()) {
            findings.expect(link.mac == Some(mac), || {
                format!(
                    "{name} has MAC {}, not {mac}",
                    link.mac.map_or("none".to_owned(), |mac| mac.to_string())
                )
            });
        }
        findings.expect(link.mtu >= self.mtu, || {
            format!(
                "{name} has MTU {} in the container, not {}",
                link.mtu, self.mtu
            )
        });
        let present: Vec<String> = inside
            .addresses
            .iter()
            .filter(|address| address.index == link.index)
            .map(|address| address.net.to_string())
            .collect();
        for net in self.addresses {
            findings.expect(present.contains(&net.to_string()), || {
                format!(
                    "{name} lacks address {net} (it has {})",
                    if present.is_empty() {
                        "none".into()
                    } else {
                        present.join(", ")
                    }
                )
            });
        }
    }
}

pub(super) fn routes<'a>(
    findings: &mut Findings,
    inside: &Inside,
    routes: impl Iterator<Item = &'a PodRoute>,
) {
    let Some(link) = &inside.link else { return };
    for route in routes {
        let found = inside.routes.iter().any(|entry| {
            entry.dst == route.dst
                && entry.gateway == route.gateway
                && entry.oif == Some(link.index)
        });
        findings.expect(found, || match route.gateway {
            Some(gateway) => format!(
                "the container has no route {} via {gateway} dev {}",
                route.dst, link.name
            ),
            None => format!("the container has no route {} dev {}", route.dst, link.name),
        });
    }
}

/// The pod needs a permanent neighbour entry for its gateway: a wrong one cuts it off, a missing one fills the neighbour
/// table.
pub(super) fn gateways(
    findings: &mut Findings,
    inside: &Inside,
    assigned: &[Assigned],
    bridge_mac: Option<MacAddr>,
) {
    let (Some(link), Some(mac)) = (&inside.link, bridge_mac) else {
        return;
    };
    for one in assigned {
        expect_neighbour(
            findings,
            &inside.neighbours,
            link,
            one.gateway,
            mac,
            "the container",
        );
    }
}
