//! How MTUs of a node's devices follow from each other.
use flatnet_model::kernel::Link;
use flatnet_model::observations::ObservedNode;
use flatnet_model::probe::Facts;

/// What a VXLAN device adds to an inner packet: headers of IPv4 or IPv6, UDP, VXLAN and the inner Ethernet frame, bytes (RFC 7348
/// section 5).
fn of_vxlan(vxlan: &Link) -> Option<u32> {
    let local = vxlan.vxlan.as_ref()?.local?;
    let outer = if local.is_ipv4() { 20 } else { 40 };
    Some(outer + 8 + 8 + 14)
}

/// The tunnels that send by a device.
pub(crate) fn tunnels<'a>(facts: &'a Facts, lower: &Link) -> impl Iterator<Item = &'a Link> {
    over(facts, lower).map(|(tunnel, _)| tunnel)
}

/// The same with what each adds to packets, bytes.
fn over<'a>(facts: &'a Facts, lower: &Link) -> impl Iterator<Item = (&'a Link, u32)> {
    let lower = lower.index;
    facts.links.iter().filter_map(move |link| {
        let local = link.vxlan.as_ref()?.local?;
        // Not every kernel reports the lower device.
        let by = link.link.or_else(|| Some(facts.holder(local)?.index));
        (by == Some(lower)).then_some((link, of_vxlan(link)?))
    })
}

/// What tunnels add to packets before they leave by that device, bytes; 0 where none does.
pub(crate) fn overhead(facts: &Facts, device: &Link) -> u32 {
    let each = over(facts, device).map(|(_, bytes)| bytes);
    each.max().unwrap_or_default()
}

/// The tunnels over an uplink and the bridges of the node's pods whose MTU is what the uplink's leaves, as a node agent keeps it.
pub(crate) fn followers<'a>(node: &'a ObservedNode, uplink: &'a Link) -> Vec<&'a Link> {
    let Ok(facts) = node.inside.facts() else {
        return Vec::new();
    };
    if uplink.kind == "bridge" || uplink.kind == "vxlan" || uplink.master.is_some() {
        return Vec::new();
    }
    let left = uplink.mtu.saturating_sub(overhead(facts, uplink));
    let bridges = facts.links.iter().filter(|link| {
        let mut addresses = facts.addresses_of(link);
        let of_pods = addresses.any(|address| {
            let mut ranges = node.object.pod_cidrs.iter();
            ranges.any(|range| range.contains(&address.net.addr()))
        });
        link.kind == "bridge" && of_pods
    });
    tunnels(facts, uplink)
        .chain(bridges)
        .filter(|link| link.mtu == left)
        .collect()
}

/// The uplink whose MTU a device's follows, where it does.
pub(crate) fn followed<'a>(node: &'a ObservedNode, device: &Link) -> Option<&'a Link> {
    let facts = node.inside.facts().ok()?;
    let mut ips = node.object.internal_ips.iter();
    let uplink = ips.find_map(|ip| facts.holder(*ip))?;
    let mut followers = followers(node, uplink).into_iter();
    followers
        .any(|follower| follower.index == device.index)
        .then_some(uplink)
}

#[cfg(test)]
mod tests {
    use flatnet_model::observations::Observations;

    use super::*;
    use crate::example::build::{Style, healthy};
    use crate::example::pieces::found;

    fn set(o: &mut Observations, device: &str, mtu: u32) {
        let facts = found(&mut o.nodes[0].inside.facts);
        let mut links = facts.links.iter_mut();
        links
            .find(|link| link.name == device)
            .expect("a device")
            .mtu = mtu;
    }

    fn names(o: &Observations, device: &str) -> (u32, Vec<String>, Option<String>) {
        let node = &o.nodes[0];
        let facts = node.inside.facts().expect("facts");
        let link = facts.link_named(device).expect("a device");
        let followers = followers(node, link).into_iter();
        (
            overhead(facts, link),
            followers.map(|link| link.name.clone()).collect(),
            followed(node, link).map(|link| link.name.clone()),
        )
    }

    #[test]
    fn a_tunnel_and_a_bridge_follow_the_uplink_by_what_the_tunnel_adds() {
        let mut o = healthy(Style::Vxlan);
        let tunnel = "flatnet.1".to_owned();
        let bridge = "cni0".to_owned();
        let uplink = Some("eth0".to_owned());
        set(&mut o, "eth0", 1300);
        set(&mut o, "flatnet.1", 1250);
        set(&mut o, "cni0", 1250);
        assert_eq!(names(&o, "eth0"), (50, vec![tunnel.clone(), bridge], None));
        assert_eq!(names(&o, "cni0"), (0, vec![], uplink.clone()));
        assert_eq!(names(&o, "flatnet.1"), (0, vec![], uplink));
        // One of its own does not follow.
        set(&mut o, "cni0", 1200);
        assert_eq!(names(&o, "eth0"), (50, vec![tunnel], None));
        assert_eq!(names(&o, "cni0"), (0, vec![], None));

        let facts = found(&mut o.nodes[0].inside.facts);
        let uplink = facts.link_named("eth0").map(|link| link.index);
        for link in &mut facts.links {
            if let Some(vxlan) = &mut link.vxlan {
                vxlan.local = Some("fd00::1".parse().expect("an address"));
                link.link = uplink;
            }
        }
        assert_eq!(names(&o, "eth0").0, 70);
    }
}
