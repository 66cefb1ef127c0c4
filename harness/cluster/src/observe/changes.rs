//! Compares what was read of namespaces at two moments of one observation.
use std::collections::{BTreeMap, BTreeSet};

use flatnet_model::kernel::{Link, RouteEntry, route_kind};
use flatnet_model::observations::{
    Change, Endpoint, Item, Moment, Observations, Observed, ObservedPod,
};
use flatnet_model::probe::{DialOutcome, Facts, ask};
use flatnet_model::reference::Netns;

use super::fleet::{Fleet, READ_WITHIN};

/// `conf.all.forwarding` is `ip_forward` by another name, and the count of connections moves by itself.
const NOT_COMPARED: [&str; 2] = ["ipv4.conf.all.forwarding", "netfilter.nf_conntrack_count"];

/// What was read before the first packet and is otherwise when the dials have ended.
pub(super) fn since_began(
    before: &BTreeMap<Endpoint, Observed<Facts>>,
    now: &BTreeMap<Endpoint, Observed<Facts>>,
    pods: &[ObservedPod],
) -> Vec<Change> {
    let is_in_host = |end: &Endpoint| {
        let mut pods = pods.iter().filter(|pod| pod.object.host_network);
        pods.any(|pod| pod.endpoint() == *end)
    };
    let before = before
        .iter()
        .filter_map(|(end, facts)| Some((end.clone(), facts.as_ref().ok()?)));
    between(
        before.filter(|(end, _)| !is_in_host(end)),
        now,
        Moment::DialsBegan,
    )
}

/// Reads everything once more where a dial failed or was repeated, and adds what has changed since the dials ended. Healthy observations
/// stay as they are, and cost nothing.
pub async fn look_again(fleet: &Fleet, observations: &mut Observations) {
    if !is_suspicious(observations) {
        return;
    }
    let answers = fleet.ask_all(&ask::Facts {}, READ_WITHIN).await;
    let now: BTreeMap<Endpoint, Observed<Facts>> = answers.into_iter().collect();
    let changes = between(read(observations), &now, Moment::DialsEnded);
    observations.changes.extend(changes);
}

fn is_suspicious(observations: &Observations) -> bool {
    let is_doubtful = |result: &DialOutcome| match result {
        DialOutcome::Answered {
            attempts,
            retransmits,
            ..
        } => *attempts > 1 || *retransmits > 0,
        DialOutcome::Failed { .. } => true,
    };
    let mut sizes = observations.mtu.iter().flat_map(|run| {
        let trials = run.trials.iter().flatten();
        trials.filter(|trial| trial.size <= run.interface_mtu)
    });
    let mut dials = observations.dials.iter();
    dials.any(|dial| is_doubtful(&dial.result))
        || sizes.any(|trial| !trial.arrived)
        || !observations.following.followed.is_empty()
}

/// What was read of nodes and pods when the dials had ended; hostNetwork pods see what their node does.
fn read(observations: &Observations) -> impl Iterator<Item = (Endpoint, &Facts)> {
    let nodes = observations.nodes.iter();
    let nodes = nodes.filter_map(|node| Some((node.endpoint(), node.inside.facts().ok()?)));
    let pods = observations.pods.iter();
    let pods = pods.filter(|pod| !pod.object.host_network);
    let pods = pods.filter_map(|pod| Some((pod.endpoint(), pod.facts.as_ref().ok()?)));
    nodes.chain(pods)
}

/// What is otherwise in `now`, of those that were read both times.
fn between<'a>(
    before: impl IntoIterator<Item = (Endpoint, &'a Facts)>,
    now: &BTreeMap<Endpoint, Observed<Facts>>,
    since: Moment,
) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    for (end, before) in before {
        let Some(Ok(now)) = now.get(&end) else {
            continue;
        };
        let at = match end {
            Endpoint::Node(node) => Netns::Node(node),
            Endpoint::Pod(pod) => Netns::Pod(pod),
            Endpoint::Outside(_) => continue,
        };
        let (before, now) = (items(before, now), items(now, before));
        let all: BTreeSet<&Item> = before.keys().chain(now.keys()).collect();
        let changed = all
            .into_iter()
            .filter(|item| before.get(item) != now.get(item));
        changes.extend(changed.map(|item| Change {
            at: at.clone(),
            item: item.clone(),
            since,
            before: before.get(item).cloned(),
            now: now.get(item).cloned(),
        }));
    }
    changes
}

/// What is compared of a namespace with what was read of it at another moment: pods of others come and go meanwhile, with a veth and a
/// route to it each, and are left out.
fn items(facts: &Facts, other: &Facts) -> BTreeMap<Item, String> {
    let is_in_both = |link: &Link| other.link_named(&link.name).is_some();
    let mut items = BTreeMap::new();
    for key in facts.sysctls.keys().chain(other.sysctls.keys()) {
        // One that can be read at one moment only belongs to a module that was loaded in between.
        if let (Some(value), Some(_)) = (setting(facts, other, key), setting(other, facts, key)) {
            items.insert(Item::Setting { key: key.clone() }, value.to_owned());
        }
    }
    for link in &facts.links {
        if link.kind == "veth" && !is_in_both(link) {
            continue;
        }
        let device = || link.name.clone();
        items.insert(Item::Link { device: device() }, state(link).to_owned());
        items.insert(Item::Mtu { device: device() }, link.mtu.to_string());
        if let Some(mac) = link.mac {
            items.insert(Item::Mac { device: device() }, mac.to_string());
        }
        if let Some(master) = facts.link(link.master) {
            items.insert(Item::Master { device: device() }, master.name.clone());
        }
        for address in facts.addresses_of(link) {
            let net = address.net;
            items.insert(
                Item::Address {
                    net,
                    device: device(),
                },
                net.to_string(),
            );
        }
    }
    let mut routes: BTreeMap<Item, BTreeSet<String>> = BTreeMap::new();
    for route in &facts.routes {
        let is_of_pod = route.dst.prefix_len() == route.dst.max_prefix_len();
        let devices = route.hops().filter_map(|hop| facts.link(hop.oif));
        if is_of_pod && devices.into_iter().any(|link| !is_in_both(link)) {
            continue;
        }
        let item = Item::Route { dst: route.dst };
        routes.entry(item).or_default().insert(hops(route, facts));
    }
    for (item, hops) in routes {
        items.insert(item, Vec::from_iter(hops).join(" and "));
    }
    for entry in &facts.neighbours {
        if let (Some(mac), Some(link)) = (entry.mac, facts.link(entry.index))
            && entry.state == "PERMANENT"
        {
            let (address, device) = (entry.address, link.name.clone());
            items.insert(Item::Neighbour { address, device }, mac.to_string());
        }
    }
    items
}

/// The value of a key; of an interface that is there both times also where it is only listed for all.
fn setting<'a>(facts: &'a Facts, other: &Facts, key: &str) -> Option<&'a str> {
    if NOT_COMPARED.contains(&key) {
        return None;
    }
    let of_interface = key.split_once(".conf.").and_then(|(family, rest)| {
        let (device, name) = rest.rsplit_once('.')?;
        (!["all", "default"].contains(&device)).then_some((family, device, name))
    });
    let Some((family, device, name)) = of_interface else {
        return facts.sysctls.get(key).map(|value| value.trim());
    };
    facts.link_named(device)?;
    other.link_named(device)?;
    facts.setting(family, device, name)
}

/// As `ip link` shows it.
fn state(link: &Link) -> &'static str {
    match (link.up, link.lower_up) {
        (true, true) => "up",
        (true, false) => "up without a carrier",
        (false, _) => "down",
    }
}

/// Where a route leads, as `ip route` writes it; of one that refuses, its kind.
fn hops(route: &RouteEntry, facts: &Facts) -> String {
    if let Some(refusal) = route_kind::refusal(route.kind) {
        return refusal.to_owned();
    }
    let each = route.hops().map(|hop| {
        let via = hop.gateway.map(|via| format!("via {via}"));
        let device = facts.link(hop.oif).map(|link| format!("dev {}", link.name));
        Vec::from_iter(via.into_iter().chain(device)).join(" ")
    });
    let each: Vec<String> = each.filter(|hop| !hop.is_empty()).collect();
    match each.is_empty() {
        true => "present".to_owned(),
        false => each.join(" nexthop "),
    }
}

#[cfg(test)]
#[path = "changes_tests.rs"]
mod tests;
