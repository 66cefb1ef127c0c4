//! Of one network namespace, which the calling thread is in.
use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;

use flatnet_model::kernel::{Link, RouteEntry, TABLE_LOCAL, TABLE_MAIN, route_kind};
use flatnet_netlink::{Nft, Result, Route};

use super::Ledger;

/// Settings that plugins are known to make, below /proc/sys/net.
const SYSCTLS: [&str; 5] = [
    "ipv4/ip_forward",
    "ipv4/conf/all/route_localnet",
    "ipv4/conf/all/rp_filter",
    "ipv6/conf/all/forwarding",
    "ipv6/conf/all/disable_ipv6",
];
/// Policy rules that every namespace has (`ip rule`).
const USUAL_RULES: [u32; 3] = [0, 32766, 32767];

/// What the kernel adds and takes away by itself, in its own time, is left out: link-local addresses and what follows from them, the
/// table `local`, neighbours and forwarding entries that were learned.
pub(super) fn read(place: &str, ledger: &mut Ledger) -> Result<()> {
    let mut route = Route::open()?;
    let links = route.links()?;
    let names: BTreeMap<u32, &str> = links
        .iter()
        .map(|link| (link.index, link.name.as_str()))
        .collect();
    let name = |index: u32| names.get(&index).copied().unwrap_or("?");
    for link in &links {
        ledger.add(place, "link", &link.name, link_words(link, &name));
    }
    for address in route.addresses(None)? {
        if !is_link_local(address.net.addr()) {
            let words = format!("{} dev {}", address.net, name(address.index));
            ledger.add(place, "address", words, "");
        }
    }
    for (table, entry) in route.routes_of_all_tables()? {
        if table != TABLE_LOCAL
            && !is_link_local(entry.dst.addr())
            && !entry.dst.addr().is_multicast()
        {
            let (words, details) = route_words(&entry, table, &name);
            ledger.add(place, "route", words, details);
        }
    }
    for rule in route.rules()? {
        if !USUAL_RULES.contains(&rule.priority) {
            ledger.add(place, "rule", rule.to_string(), "");
        }
    }
    for entry in route.neighbours()? {
        if entry.state == "PERMANENT" {
            let mac = entry.mac.map(|mac| mac.to_string()).unwrap_or_default();
            ledger.add(
                place,
                "neighbour",
                format!("{} dev {}", entry.address, name(entry.index)),
                mac,
            );
        }
    }
    for entry in route.fdb()? {
        let own = links.iter().any(|link| link.mac == Some(entry.mac));
        if entry.state == "PERMANENT" && entry.mac.0[0] & 1 == 0 && !own {
            let dst = entry.dst.map(|dst| dst.to_string()).unwrap_or_default();
            ledger.add(
                place,
                "fdb",
                format!("{} dev {}", entry.mac, name(entry.index)),
                dst,
            );
        }
    }
    for (index, kind) in route.qdiscs()? {
        ledger.add(place, "qdisc", format!("{kind} dev {}", name(index)), "");
    }
    for key in SYSCTLS {
        if let Ok(value) = fs::read_to_string(format!("/proc/sys/net/{key}")) {
            ledger.add(place, "sysctl", format!("net/{key}"), value.trim());
        }
    }
    netfilter(place, ledger);
    Ok(())
}

/// nftables, in which iptables-nft keeps its rules as well. A kernel without it has none.
fn netfilter(place: &str, ledger: &mut Ledger) {
    let Ok(mut nft) = Nft::open() else { return };
    for table in nft.ruleset(|_| false, |_, _| false).unwrap_or_default() {
        let of = format!("{} {}", table.family, table.name);
        ledger.add(place, "nftables", format!("table {of}"), "");
        for chain in table.chains {
            let chain_of = format!("{of} {}", chain.name);
            ledger.add(place, "nftables", format!("chain {chain_of}"), "");
            let mut seen: BTreeMap<String, usize> = BTreeMap::new();
            for rule in chain.rules {
                *seen.entry(rule).or_default() += 1;
            }
            for (text, count) in seen {
                let times = match count {
                    1 => String::new(),
                    count => format!("{count} times"),
                };
                ledger.add(place, "nftables", format!("rule {chain_of}: {text}"), times);
            }
        }
    }
}

fn link_words<'a>(link: &Link, name: &impl Fn(u32) -> &'a str) -> String {
    let kind = if link.kind.is_empty() {
        "device"
    } else {
        &link.kind
    };
    let mut words = vec![kind.to_owned(), format!("mtu {}", link.mtu)];
    // A bridge without an address of its own has that of one of its ports.
    if let (Some(mac), false) = (link.mac, link.kind == "bridge") {
        words.push(format!("mac {mac}"));
    }
    if let Some(master) = link.master {
        words.push(format!("master {}", name(master)));
    }
    words.push(if link.up { "up" } else { "down" }.to_owned());
    words.join(", ")
}

fn route_words<'a>(
    entry: &RouteEntry,
    table: u32,
    name: &impl Fn(u32) -> &'a str,
) -> (String, String) {
    let mut words = match entry.kind {
        route_kind::UNICAST => entry.dst.to_string(),
        other => format!("type {other} {}", entry.dst),
    };
    if let Some(gateway) = entry.gateway {
        words.push_str(&format!(" via {gateway}"));
    }
    if let Some(oif) = entry.oif {
        words.push_str(&format!(" dev {}", name(oif)));
    }
    if let Some(metric) = entry.metric {
        words.push_str(&format!(" metric {metric}"));
    }
    if table != TABLE_MAIN {
        words.push_str(&format!(" table {table}"));
    }
    let mut details = vec![format!("scope {}", entry.scope)];
    if let Some(src) = entry.src {
        details.push(format!("src {src}"));
    }
    if let Some(mtu) = entry.mtu {
        details.push(format!("mtu {mtu}"));
    }
    (words, details.join(", "))
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.segments()[0] & 0xffc0 == 0xfe80)
}
