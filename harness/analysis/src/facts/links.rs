//! Facts of devices.
use flatnet_model::fact::{Kind, Place};
use flatnet_model::kernel::Link;
use flatnet_model::probe::Facts;

use super::collect::Collected;
use super::whose::{Whose, host_ends};

pub(super) fn of_node(number: u32, inside: &Facts, whose: &Whose<'_>, facts: &mut Collected) {
    let at = Place::Node(number);
    let own = inside.links.iter();
    let own = own.filter(|link| whose.pod_behind(number, link).is_none() && !is_elsewhere(link));
    devices(at, own, inside, whose, facts);
}

/// The other end of a veth pair of which the one end is in a namespace that was not looked at: another pod's, and named at random.
pub(super) fn is_elsewhere(link: &Link) -> bool {
    link.kind == "veth" && link.link_netnsid.is_some() && link.name.starts_with("veth")
}

pub(super) fn of_pod(
    at: Place,
    inside: &Facts,
    outside: Result<&Facts, &str>,
    whose: &Whose<'_>,
    facts: &mut Collected,
) {
    devices(at, inside.links.iter(), inside, whose, facts);
    let about = (Kind::HostEnd, "");
    let outside = match outside {
        Ok(outside) => outside,
        Err(why) => return facts.unread(about, at, why),
    };
    for end in host_ends(inside, outside) {
        let raw = Some(end.name.clone());
        facts.add(about, at, host_end(end, outside), raw);
    }
}

fn devices<'a>(
    at: Place,
    links: impl Iterator<Item = &'a Link>,
    inside: &Facts,
    whose: &Whose<'_>,
    facts: &mut Collected,
) {
    for link in links.filter(|link| link.name != "lo" || !link.up) {
        let name = link.name.as_str();
        let raw = match link.mac {
            Some(mac) => format!("{mac} {}", link.operstate),
            None => link.operstate.clone(),
        };
        facts.add(
            (Kind::Device, name),
            at,
            device(link, inside, whose, at),
            Some(raw),
        );
        facts.add((Kind::DeviceMtu, name), at, link.mtu, None);
        let on = inside.addresses.iter();
        let on = on.filter(|address| address.index == link.index && address.scope == "global");
        let mut seen: Vec<(String, String)> = on
            .map(|address| (whose.with_prefix(address.net, at), address.net.to_string()))
            .collect();
        seen.sort();
        let (words, raw): (Vec<String>, Vec<String>) = seen.into_iter().unzip();
        if !words.is_empty() {
            facts.add((Kind::DeviceAddress, name), at, words, Some(raw.join(", ")));
        }
    }
}

fn device(link: &Link, inside: &Facts, whose: &Whose<'_>, at: Place) -> Vec<String> {
    let mut words = vec![match link.kind.as_str() {
        "" => "hardware or loopback".to_owned(),
        kind => kind.to_owned(),
    }];
    words.push(state(link).to_owned());
    if let Some(master) = inside.link(link.master) {
        words.push(format!("a port of {}", master.name));
    }
    if let Some(vxlan) = &link.vxlan {
        words.push(format!("vni {}", vxlan.vni));
        words.push(format!("port {}", vxlan.port));
        words.push(match vxlan.local {
            Some(local) => format!("from {}", whose.address(local, at)),
            None => "from any address".to_owned(),
        });
        words.push(format!("learning {}", on_off(vxlan.learning)));
    }
    words
}

fn host_end(end: &Link, outside: &Facts) -> Vec<String> {
    let mut words = vec![match outside.link(end.master) {
        Some(bridge) => format!("a port of {}", bridge.name),
        None => "a port of no bridge".to_owned(),
    }];
    words.push(state(end).to_owned());
    words.push(format!("MTU {}", end.mtu));
    if let Some(port) = &end.port {
        words.push(format!("hairpin {}", on_off(port.hairpin)));
        words.push(port.state.as_str().to_owned());
        let unusual = [
            ("isolated", port.isolated),
            ("locked", port.locked),
            ("learning off", !port.learning),
            ("flood off", !port.flood),
            ("multicast flood off", !port.multicast_flood),
            ("broadcast flood off", !port.broadcast_flood),
        ];
        let unusual = unusual.into_iter().filter(|(_, is)| *is);
        words.extend(unusual.map(|(word, _)| word.to_owned()));
    }
    words
}

fn state(link: &Link) -> &'static str {
    match (link.up, link.lower_up) {
        (false, _) => "down",
        (true, false) => "up without a carrier",
        (true, true) => "up",
    }
}

fn on_off(on: bool) -> &'static str {
    match on {
        true => "on",
        false => "off",
    }
}
