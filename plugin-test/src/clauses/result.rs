//! What a result says, compared with what the kernel has.
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

use flatnet_model::cni::Version;
use flatnet_model::kernel::TABLE_MAIN;
use ipnet::IpNet;
use serde_json::Value;

use crate::bench::{Added, Bed, Network, Stop};
use crate::ledger::NODE;
use crate::subject::Kind;

/// The texts under `key` in the objects of a list.
pub(super) fn strings<'a>(
    result: &'a Value,
    list: &str,
    key: &'a str,
) -> impl Iterator<Item = &'a str> {
    let list = result[list].as_array().into_iter().flatten();
    list.filter_map(move |one| one[key].as_str())
}

/// Both namespaces of an attachment.
struct Seen {
    node: Network,
    pod: Network,
}

fn look(added: &Added) -> Result<Seen, Stop> {
    Ok(Seen {
        node: Network::of(None).map_err(Stop::Broken)?,
        pod: Network::of(Some(Path::new(&added.pod.netns()))).map_err(Stop::Broken)?,
    })
}

pub(super) fn is_true(bed: &mut Bed) -> Result<String, Stop> {
    bed.needs(Version::V0_3_0)?;
    bed.only(&[Kind::Interface, Kind::Chained])?;
    let pod = bed.pod()?;
    let before = bed.ledger()?;
    let request = bed.request("ADD", &pod);
    let result = bed.added(request)?;
    let added = Added { pod, result };
    let seen = look(&added)?;
    let version = &added.result["cniVersion"];
    if version.as_str() != Some(bed.version.as_str()) {
        bed.fail(format!(
            "cniVersion is {version}, and was {} in the configuration",
            bed.version
        ));
    }
    let interfaces = interfaces(bed, &added, &seen);
    addresses(bed, &added, &seen, &interfaces);
    routes(bed, &added, &seen);
    unlisted(bed, &added, &before)?;
    let count = |list: &str| added.result[list].as_array().map_or(0, Vec::len);
    Ok(format!(
        "{} interfaces, {} addresses, {} routes: as in the kernel",
        count("interfaces"),
        count("ips"),
        count("routes")
    ))
}

/// Name of each interface, and whether it is in the container.
fn interfaces(bed: &mut Bed, added: &Added, seen: &Seen) -> Vec<(String, bool)> {
    let mut named = Vec::new();
    let netns = added.pod.netns();
    for one in added.result["interfaces"].as_array().into_iter().flatten() {
        let name = one["name"].as_str().unwrap_or_default().to_owned();
        let sandbox = one["sandbox"].as_str().unwrap_or_default();
        let inside = !sandbox.is_empty();
        if inside && sandbox != netns {
            bed.fail(format!(
                "interface {name}: sandbox is {sandbox:?}, and CNI_NETNS was {netns}"
            ));
        }
        let network = if inside { &seen.pod } else { &seen.node };
        match network.link(&name) {
            None => {
                let place = if inside { "container" } else { "node" };
                bed.fail(format!(
                    "interface {name} of the result is not in the {place}"
                ));
            }
            Some(link) => {
                let mac = one["mac"].as_str().unwrap_or_default();
                let real = link.mac.map(|mac| mac.to_string()).unwrap_or_default();
                if !mac.is_empty() && !mac.eq_ignore_ascii_case(&real) {
                    bed.fail(format!(
                        "interface {name}: mac is {mac}, and the kernel has {real}"
                    ));
                }
            }
        }
        named.push((name, inside));
    }
    named
}

fn addresses(bed: &mut Bed, added: &Added, seen: &Seen, interfaces: &[(String, bool)]) {
    for one in added.result["ips"].as_array().into_iter().flatten() {
        let text = one["address"].as_str().unwrap_or_default();
        let Ok(net) = text.parse::<IpNet>() else {
            bed.fail(format!("ips: address {text:?} is not in CIDR notation"));
            continue;
        };
        if let Some(gateway) = one["gateway"].as_str()
            && gateway.parse::<IpAddr>().is_err()
        {
            bed.fail(format!("ips: gateway {gateway:?} is not an IP address"));
        }
        if one["interface"].is_null() {
            continue;
        }
        let index = one["interface"]
            .as_u64()
            .and_then(|index| usize::try_from(index).ok());
        let Some((name, inside)) = index.and_then(|index| interfaces.get(index)) else {
            bed.fail(format!(
                "ips: {text} has interface {}, and there are {} interfaces",
                one["interface"],
                interfaces.len()
            ));
            continue;
        };
        let network = if *inside { &seen.pod } else { &seen.node };
        let Some(link) = network.link(name) else {
            continue;
        };
        // A prefix length of the network is that of the range; the kernel may have a host's.
        let there = network
            .addresses
            .iter()
            .any(|address| address.index == link.index && address.net.addr() == net.addr());
        if !there {
            bed.fail(format!("ips: {text} is not on {name}"));
        }
    }
}

fn routes(bed: &mut Bed, added: &Added, seen: &Seen) {
    for one in added.result["routes"].as_array().into_iter().flatten() {
        let dst = one["dst"].as_str().unwrap_or_default();
        let Ok(net) = dst.parse::<IpNet>() else {
            bed.fail(format!("routes: dst {dst:?} is not in CIDR notation"));
            continue;
        };
        let via = one["gw"].as_str().and_then(|gw| gw.parse::<IpAddr>().ok());
        let matches = |entry: &flatnet_model::kernel::RouteEntry| {
            entry.dst.trunc() == net.trunc() && via.is_none_or(|via| entry.gateway == Some(via))
        };
        if !seen.pod.routes.iter().any(|(_, entry)| matches(entry)) {
            let gw = via.map(|via| format!(" via {via}")).unwrap_or_default();
            bed.fail(format!(
                "routes: {dst}{gw} is not in the container's routing tables"
            ));
        }
    }
}

/// What the kernel has and the result has not.
fn unlisted(bed: &mut Bed, added: &Added, before: &crate::ledger::Ledger) -> Result<(), Stop> {
    let listed: BTreeSet<String> = strings(&added.result, "interfaces", "name")
        .map(str::to_owned)
        .collect();
    let ips: BTreeSet<IpAddr> = strings(&added.result, "ips", "address")
        .filter_map(|text| text.parse::<IpNet>().ok())
        .map(|net| net.addr())
        .collect();
    let now = bed.ledger()?;
    let mut extra = Vec::new();
    for place in [NODE, &added.pod.id] {
        for (name, _) in now.of(place, "link") {
            if !before.of(place, "link").any(|(old, _)| old == name) && !listed.contains(name) {
                extra.push(format!(
                    "link {name} in {place} is new, and not among interfaces"
                ));
            }
        }
    }
    for (words, _) in now.of(&added.pod.id, "address") {
        let net = words
            .split(' ')
            .next()
            .and_then(|net| net.parse::<IpNet>().ok());
        let new = !before
            .of(&added.pod.id, "address")
            .any(|(old, _)| old == words);
        if let Some(net) =
            net.filter(|net| new && !net.addr().is_loopback() && !ips.contains(&net.addr()))
        {
            extra.push(format!(
                "address {net} in the container is new, and not among ips"
            ));
        }
    }
    for observed in extra {
        bed.fail(observed);
    }
    Ok(())
}

pub(super) fn details_are_true(bed: &mut Bed) -> Result<String, Stop> {
    bed.needs(Version::V1_1_0)?;
    bed.only(&[Kind::Interface, Kind::Chained])?;
    let added = bed.add()?;
    let seen = look(&added)?;
    let mut compared = 0;
    for one in added.result["interfaces"].as_array().into_iter().flatten() {
        let name = one["name"].as_str().unwrap_or_default();
        let network = match one["sandbox"].as_str() {
            Some("") | None => &seen.node,
            Some(_) => &seen.pod,
        };
        if let Some(mtu) = one.get("mtu") {
            compared += 1;
            let real = network.link(name).map(|link| u64::from(link.mtu));
            if mtu.as_u64().is_none() || real.is_some_and(|real| mtu.as_u64() != Some(real)) {
                bed.fail(format!(
                    "interface {name}: mtu is {mtu}, and the kernel has {}",
                    real.unwrap_or(0)
                ));
            }
        }
        for key in ["socketPath", "pciID"] {
            if let Some(value) = one.get(key) {
                compared += 1;
                let fine = value.as_str().is_some_and(|text| {
                    text.is_empty() || key != "socketPath" || text.starts_with('/')
                });
                if !fine {
                    bed.fail(format!("interface {name}: {key} is {value}"));
                }
            }
        }
    }
    for one in added.result["routes"].as_array().into_iter().flatten() {
        compared += route_details(bed, one, &seen.pod);
    }
    match compared {
        0 => Err(Stop::NotApplicable(
            "the result holds none of them".to_owned(),
        )),
        _ => Ok(format!("{compared} values are right")),
    }
}

fn route_details(bed: &mut Bed, one: &Value, pod: &Network) -> usize {
    let dst = one["dst"].as_str().unwrap_or_default();
    let given: Vec<(&str, &Value)> = ["mtu", "advmss", "priority", "table", "scope"]
        .into_iter()
        .filter_map(|key| Some((key, one.get(key)?)))
        .collect();
    for (key, value) in &given {
        if value.as_u64().is_none() {
            bed.fail(format!("route {dst}: {key} is {value}, not a number"));
        }
    }
    let Ok(net) = dst.parse::<IpNet>() else {
        return given.len();
    };
    let number = |key: &str| {
        one[key]
            .as_u64()
            .and_then(|value| u32::try_from(value).ok())
    };
    let scope_of = |text: &str| match text {
        "global" => Some(0),
        "link" => Some(253),
        "host" => Some(254),
        other => other.parse().ok(),
    };
    let fits = pod.routes.iter().any(|(table, entry)| {
        entry.dst.trunc() == net.trunc()
            && number("table")
                .is_none_or(|wanted| wanted == *table || (wanted == 0 && *table == TABLE_MAIN))
            && number("priority").is_none_or(|wanted| entry.metric.unwrap_or(0) == wanted)
            && number("mtu").is_none_or(|wanted| wanted == 0 || entry.mtu == Some(wanted))
            && number("scope").is_none_or(|wanted| scope_of(&entry.scope) == Some(wanted))
    });
    if !fits && !given.is_empty() {
        let words: Vec<String> = given
            .iter()
            .map(|(key, value)| format!("{key} {value}"))
            .collect();
        bed.fail(format!(
            "no route {dst} with {} is in the container",
            words.join(", ")
        ));
    }
    given.len()
}
