//! Whose an address, a range or a MAC is: the form in which they are compared.
use std::collections::BTreeMap;
use std::net::IpAddr;

use flatnet_model::Family;
use flatnet_model::fact::Place;
use flatnet_model::kernel::{Link, MacAddr};
use flatnet_model::observations::Observations;
use flatnet_model::probe::Facts;
use ipnet::IpNet;

use super::roles::Roles;
use crate::checks::{is_link_local, paired};

/// Who holds what.
pub(super) struct Whose<'a> {
    internal: BTreeMap<IpAddr, u32>,
    /// podCIDRs, by the address of their network.
    ranges: Vec<(IpNet, u32)>,
    pods: BTreeMap<IpAddr, Place>,
    /// Addresses on nodes' devices.
    held: BTreeMap<IpAddr, (u32, &'a str)>,
    /// Ethernet addresses of devices, with where they are.
    macs: BTreeMap<MacAddr, Vec<(Place, &'a str)>>,
    /// Subnets of nodes' uplinks, and the node of which it is if there is only one in it.
    subnets: BTreeMap<IpNet, Option<u32>>,
    pod_network: &'a [IpNet],
    /// Host ends of pods' veth pairs: node and index.
    host_ends: BTreeMap<(u32, u32), Place>,
}

impl<'a> Whose<'a> {
    pub(super) fn of(observations: &'a Observations, roles: &Roles<'a>) -> Self {
        let mut whose = Whose {
            internal: BTreeMap::new(),
            ranges: Vec::new(),
            pods: BTreeMap::new(),
            held: BTreeMap::new(),
            macs: BTreeMap::new(),
            subnets: BTreeMap::new(),
            pod_network: &observations.pod_network,
            host_ends: BTreeMap::new(),
        };
        for (number, node) in roles.nodes() {
            let ranges = node.object.pod_cidrs.iter().map(|range| (*range, number));
            whose.ranges.extend(ranges);
            for ip in &node.object.internal_ips {
                whose.internal.entry(*ip).or_insert(number);
            }
            let Ok(facts) = node.inside.facts() else {
                continue;
            };
            whose.note_macs(Place::Node(number), facts);
            for address in &facts.addresses {
                let ip = address.net.addr();
                if let Some(link) = facts.link(Some(address.index)) {
                    let holder = (number, link.name.as_str());
                    whose.held.entry(ip).or_insert(holder);
                }
                if node.object.internal_ips.contains(&ip) && !host_route(&address.net) {
                    let of = whose.subnets.entry(address.net.trunc());
                    of.and_modify(|of| *of = None).or_insert(Some(number));
                }
            }
        }
        for (place, pod) in roles.pods() {
            if matches!(place, Place::HostPod { .. }) {
                continue;
            }
            for ip in &pod.object.ips {
                whose.pods.entry(*ip).or_insert(place);
            }
            let Ok(inside) = &pod.facts else { continue };
            whose.note_macs(place, inside);
            let node = place.node().and_then(|node| roles.numbered(node));
            if let Some(Ok(outside)) = node.map(|node| node.inside.facts()) {
                let number = place.node().unwrap_or_default();
                for end in host_ends(inside, outside) {
                    whose.host_ends.insert((number, end.index), place);
                }
            }
        }
        whose
    }

    fn note_macs(&mut self, place: Place, facts: &'a Facts) {
        let with_mac = facts
            .links
            .iter()
            .filter_map(|link| Some((link, link.mac?)));
        for (link, mac) in with_mac.filter(|(_, mac)| mac.0 != [0; 6]) {
            let known = self.macs.entry(mac).or_default();
            known.push((place, link.name.as_str()));
        }
    }

    /// An address as whose it is, said at `from`.
    pub(super) fn address(&self, ip: IpAddr, from: Place) -> String {
        if let Some(node) = self.internal.get(&ip) {
            return format!("{} InternalIP", owner(*node, from));
        }
        if let Some(pod) = self.pods.get(&ip) {
            return match *pod == from {
                true => "its own address".to_owned(),
                false => format!("the address of {pod}"),
            };
        }
        let range = self.ranges.iter().find(|(range, _)| range.contains(&ip));
        if let Some((range, node)) = range {
            let (which, whose) = (which(range, ip), owner(*node, from));
            return format!("{which} address of {whose} podCIDR");
        }
        if ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() {
            return ip.to_string();
        }
        if is_link_local(ip) {
            return "a link-local address".to_owned();
        }
        if let Some((node, device)) = self.held.get(&ip) {
            return format!("the address of {} {device}", owner(*node, from));
        }
        let subnet = self.subnets.iter().find(|(net, _)| net.contains(&ip));
        match subnet {
            Some((net, of)) => {
                format!("{} address of {}", which(net, ip), subnet_of(*of, from))
            }
            None => ip.to_string(),
        }
    }

    /// A range as whose it is, said at `from`.
    pub(super) fn range(&self, net: IpNet, from: Place) -> String {
        if net.prefix_len() == 0 {
            return "default".to_owned();
        }
        let net = net.trunc();
        if let Some((_, node)) = self.ranges.iter().find(|(range, _)| *range == net) {
            return format!("{} podCIDR", owner(*node, from));
        }
        if self.pod_network.contains(&net) {
            return "the pod network".to_owned();
        }
        if let Some(of) = self.subnets.get(&net) {
            return subnet_of(*of, from);
        }
        match host_route(&net) {
            true => self.address(net.addr(), from),
            false => net.to_string(),
        }
    }

    /// What makes up all addresses from the first to the last, as whose they are; `None` where parts of it are nobody's.
    pub(super) fn between(&self, first: IpAddr, last: IpAddr, from: Place) -> Option<Vec<String>> {
        let ranges = self.ranges.iter().map(|(range, _)| *range);
        let known = ranges
            .chain(self.pod_network.iter().copied())
            .chain(self.subnets.keys().copied());
        let singles = self.internal.keys().chain(self.pods.keys());
        let singles = singles.chain(self.held.keys()).copied().map(IpNet::from);
        let known: Vec<IpNet> = known.chain(singles).collect();
        let mut words = Vec::new();
        let mut at = first;
        loop {
            let fitting = known.iter().filter(|net| net.network() == at);
            let fitting = fitting.filter(|net| net.broadcast() <= last);
            let widest = fitting.min_by_key(|net| net.prefix_len())?;
            words.push(self.range(*widest, from));
            if widest.broadcast() == last {
                return Some(words);
            }
            at = after(widest.broadcast())?;
        }
    }

    /// Puts what all nodes have each of in one word, where all are there.
    pub(super) fn every(&self, words: &mut Vec<String>, from: Place) {
        for family in [Family::V4, Family::V6] {
            let of = |ip: &IpAddr| Family::of(*ip) == family;
            let ranges = self.ranges.iter().filter(|(net, _)| of(&net.addr()));
            let internal = self.internal.iter().filter(|(ip, _)| of(ip));
            let ranges: Vec<String> = ranges.map(|(net, _)| self.range(*net, from)).collect();
            let internal: Vec<String> = internal.map(|(ip, _)| self.address(*ip, from)).collect();
            for (all, word) in [(ranges, "podCIDR"), (internal, "InternalIP")] {
                if all.len() > 1 && all.iter().all(|one| words.contains(one)) {
                    words.retain(|one| !all.contains(one));
                    words.push(format!("every node's {word}"));
                }
            }
        }
    }

    /// A podCIDR as a part of the pod network: which part a node gets depends on who comes first.
    pub(super) fn part(&self, range: IpNet) -> String {
        match self.pod_network.iter().any(|net| net.contains(&range)) {
            true => format!("a /{} of the pod network", range.prefix_len()),
            false => range.to_string(),
        }
    }

    /// An address with the length of its prefix, said at `from`.
    pub(super) fn with_prefix(&self, net: IpNet, from: Place) -> String {
        let own = match self.pods.get(&net.addr()) {
            // What is told of a pod's own address is where it comes from.
            Some(pod) if *pod == from => self.pod_address(net.addr(), from),
            _ => self.address(net.addr(), from),
        };
        format!("{own} /{}", net.prefix_len())
    }

    fn pod_address(&self, ip: IpAddr, from: Place) -> String {
        let range = self.ranges.iter().find(|(range, _)| range.contains(&ip));
        if let Some((_, node)) = range {
            return format!("in {} podCIDR", owner(*node, from));
        }
        match self.pod_network.iter().any(|net| net.contains(&ip)) {
            true => "in the pod network".to_owned(),
            false => "in no known range".to_owned(),
        }
    }

    /// A MAC as whose it is, said at `from`.
    pub(super) fn mac(&self, mac: MacAddr, from: Place) -> String {
        let Some(known) = self.macs.get(&mac) else {
            return "a MAC that no device has".to_owned();
        };
        let words = known.iter().map(|(place, device)| match place {
            Place::Node(node) => format!("{} {device}", owner(*node, from)),
            other if *other == from => format!("its own {device}"),
            other => format!("{other} {device}"),
        });
        let words: Vec<String> = words.collect();
        format!("the MAC of {}", words.join(" and "))
    }

    /// A link of a node: its name, or whose host end it is, as names of host ends vary.
    pub(super) fn link(&self, node: u32, link: &Link) -> String {
        match self.host_ends.get(&(node, link.index)) {
            Some(pod) => format!("the host end of {pod}"),
            None => link.name.clone(),
        }
    }

    /// The pod that has an address, as the API tells.
    pub(super) fn pod_of(&self, ip: IpAddr) -> Option<Place> {
        self.pods.get(&ip).copied()
    }

    /// Whether it is an address of a node's own podCIDR that nobody who was looked at has: a pod's that is not part of the run.
    pub(super) fn is_strangers(&self, ip: IpAddr, at: Place) -> bool {
        let ranges = self
            .ranges
            .iter()
            .filter(|(_, node)| at == Place::Node(*node));
        let mut ranges = ranges.map(|(range, _)| range);
        let known = self.pods.contains_key(&ip) || self.held.contains_key(&ip);
        !known && ranges.any(|range| range.contains(&ip))
    }

    /// The pod whose host end it is.
    pub(super) fn pod_behind(&self, node: u32, link: &Link) -> Option<Place> {
        self.host_ends.get(&(node, link.index)).copied()
    }

    /// The node whose podCIDR that is.
    pub(super) fn node_of_range(&self, net: IpNet) -> Option<u32> {
        let net = net.trunc();
        let found = self.ranges.iter().find(|(range, _)| *range == net);
        found.map(|(_, node)| *node)
    }

    /// The node to which an address belongs: as InternalIP, as one of its podCIDR, or as one of a device of its.
    pub(super) fn node_of(&self, ip: IpAddr) -> Option<u32> {
        let range = || self.ranges.iter().find(|(range, _)| range.contains(&ip));
        let held = || self.held.get(&ip).map(|(node, _)| *node);
        let internal = self.internal.get(&ip).copied();
        internal
            .or_else(|| range().map(|(_, node)| *node))
            .or_else(held)
    }

    /// Text of a configuration: addresses and ranges in it as whose they are.
    pub(super) fn text(&self, text: &str, from: Place) -> String {
        if let Ok(ip) = text.parse::<IpAddr>() {
            return self.address(ip, from);
        }
        match text.parse::<IpNet>() {
            Ok(net) => self.range(net, from),
            Err(_) => text.to_owned(),
        }
    }
}

/// The links of a node that are the other ends of a pod's.
pub(super) fn host_ends<'a>(inside: &Facts, outside: &'a Facts) -> Vec<&'a Link> {
    let ends = outside.links.iter();
    ends.filter(|end| inside.links.iter().any(|link| paired(link, end)))
        .collect()
}

fn owner(node: u32, from: Place) -> String {
    match from {
        Place::Node(own) if own == node => "its own".to_owned(),
        Place::Pod { node: own, .. } | Place::HostPod { node: own, .. } if own == node => {
            "its node's".to_owned()
        }
        _ => format!("node{node}'s"),
    }
}

fn subnet_of(of: Option<u32>, from: Place) -> String {
    match of {
        Some(node) => format!("{} subnet", owner(node, from)),
        None => "the nodes' subnet".to_owned(),
    }
}

fn host_route(net: &IpNet) -> bool {
    net.prefix_len() == net.max_prefix_len()
}

fn after(ip: IpAddr) -> Option<IpAddr> {
    match ip {
        IpAddr::V4(ip) => u32::from(ip)
            .checked_add(1)
            .map(|next| IpAddr::V4(next.into())),
        IpAddr::V6(ip) => u128::from(ip)
            .checked_add(1)
            .map(|next| IpAddr::V6(next.into())),
    }
}

/// Whether it is the first address after a range's own.
fn is_first(range: &IpNet, ip: IpAddr) -> bool {
    match (range.network(), ip) {
        (IpAddr::V4(net), IpAddr::V4(ip)) => u32::from(ip) == u32::from(net).saturating_add(1),
        (IpAddr::V6(net), IpAddr::V6(ip)) => u128::from(ip) == u128::from(net).saturating_add(1),
        _ => false,
    }
}

/// `the first` or `an` address of a range.
fn which(range: &IpNet, ip: IpAddr) -> &'static str {
    match is_first(range, ip) {
        true => "the first",
        false => "an",
    }
}
