//! What this network namespace looks like from inside: netlink and /proc, nothing else.
//!
//! /proc is read through `thread-self`, because a thread may be in another namespace than its process.
use std::collections::BTreeMap;
use std::fs;

use flatnet_model::kernel::TABLE_MAIN;
use flatnet_netlink::Route;

use crate::Facts;
use crate::counters;
use crate::error::{Error, Result};

/// Settings that decide about forwarding, NAT, neighbours and ping; keys as in [`Facts::sysctls`].
const SYSCTLS: &[&str] = &[
    "bridge.bridge-nf-call-ip6tables",
    "bridge.bridge-nf-call-iptables",
    "core.somaxconn",
    "ipv4.conf.all.accept_local",
    "ipv4.conf.all.arp_ignore",
    "ipv4.conf.all.forwarding",
    "ipv4.conf.all.proxy_arp",
    "ipv4.conf.all.rp_filter",
    "ipv4.conf.all.send_redirects",
    "ipv4.conf.default.rp_filter",
    "ipv4.icmp_echo_ignore_all",
    "ipv4.ip_forward",
    "ipv4.ip_local_port_range",
    "ipv4.ip_no_pmtu_disc",
    "ipv4.neigh.default.gc_thresh1",
    "ipv4.neigh.default.gc_thresh2",
    "ipv4.neigh.default.gc_thresh3",
    "ipv4.ping_group_range",
    "ipv6.conf.all.disable_ipv6",
    "ipv6.conf.all.forwarding",
    "ipv6.neigh.default.gc_thresh3",
    "netfilter.nf_conntrack_count",
    "netfilter.nf_conntrack_max",
];

/// Settings of each interface that decide the same for what comes in by it.
const PER_INTERFACE: &[(&str, &str)] = &[
    ("ipv4", "forwarding"),
    ("ipv4", "rp_filter"),
    ("ipv6", "disable_ipv6"),
];

/// Reads it all. Sysctls and counters that cannot be read are left out; fails where netlink does.
pub(crate) fn facts() -> Result<Facts> {
    let mut route = Route::open()?;
    let links = route.links()?;
    let all = SYSCTLS
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), sysctl(key)?)));
    let mut sysctls: BTreeMap<String, String> = all.collect();
    for link in links.iter().filter(|link| link.name != "lo") {
        let own = of_interface(&link.name, &sysctls);
        sysctls.extend(own);
    }
    let mut counters = counters::protocols();
    counters.extend(counters::neighbour_tables(&mut route));
    let (main, other_tables): (Vec<_>, Vec<_>) = route
        .routes_of_all_tables()?
        .into_iter()
        .partition(|(table, _)| *table == TABLE_MAIN);
    Ok(Facts {
        hostname: hostname()?,
        links,
        addresses: route.addresses(None)?,
        routes: main.into_iter().map(|(_, route)| route).collect(),
        rules: route.rules()?,
        other_tables,
        neighbours: route.neighbours()?,
        fdb: route.fdb()?,
        sysctls,
        counters,
    })
}

/// uname's node name.
pub(crate) fn hostname() -> Result<String> {
    let uname = nix::sys::utsname::uname().map_err(|error| Error::system("uname", error))?;
    Ok(uname.nodename().to_string_lossy().into_owned())
}

/// The settings of one interface that differ from those of all.
fn of_interface(name: &str, all: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let own = PER_INTERFACE.iter().filter_map(|(family, key)| {
        let value = read(&format!("{family}/conf/{name}/{key}"))?;
        let general = all.get(&format!("{family}.conf.all.{key}"));
        (general != Some(&value)).then(|| (format!("{family}.conf.{name}.{key}"), value))
    });
    own.collect()
}

fn sysctl(key: &str) -> Option<String> {
    // None of the keys holds an interface name, in which a dot would be a dot.
    read(&key.replace('.', "/"))
}

/// A file below /proc/sys/net.
fn read(path: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/sys/net/{path}")).ok()?;
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}
