//! What this network namespace looks like from inside: netlink and /proc, nothing else.
//!
//! /proc is read through `thread-self`, because a thread may be in another namespace than its process.
use std::collections::BTreeMap;
use std::fs;

use flatnet_netlink::Route;

use crate::Facts;
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

/// Reads it all. Sysctls and counters that cannot be read are left out; fails where netlink does.
pub(crate) fn facts() -> Result<Facts> {
    let mut route = Route::open()?;
    Ok(Facts {
        hostname: hostname()?,
        links: route.links()?,
        addresses: route.addresses(None)?,
        routes: route.routes()?,
        neighbours: route.neighbours()?,
        fdb: route.fdb()?,
        sysctls: SYSCTLS
            .iter()
            .filter_map(|key| Some(((*key).to_owned(), sysctl(key)?)))
            .collect(),
        counters: counters(),
    })
}

/// uname's node name.
pub(crate) fn hostname() -> Result<String> {
    let uname = nix::sys::utsname::uname().map_err(|error| Error::system("uname", error))?;
    Ok(uname.nodename().to_string_lossy().into_owned())
}

fn sysctl(key: &str) -> Option<String> {
    // None of the keys holds an interface name, in which a dot would be a dot.
    let text = fs::read_to_string(format!("/proc/sys/net/{}", key.replace('.', "/"))).ok()?;
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn counters() -> BTreeMap<String, u64> {
    let read = |name: &str| {
        fs::read_to_string(format!("/proc/thread-self/net/{name}")).unwrap_or_default()
    };
    let mut counters = snmp(&read("snmp"));
    counters.extend(snmp6(&read("snmp6")));
    counters
}

/// Pairs of lines, `Ip: Forwarding DefaultTTL …` and `Ip: 1 64 …`. Negative values (`Tcp.MaxConn`) are not counters.
fn snmp(text: &str) -> BTreeMap<String, u64> {
    let mut counters = BTreeMap::new();
    let mut lines = text.lines();
    while let (Some(names), Some(values)) = (lines.next(), lines.next()) {
        let (Some((group, names)), Some((_, values))) =
            (names.split_once(':'), values.split_once(':'))
        else {
            continue;
        };
        for (name, value) in names.split_whitespace().zip(values.split_whitespace()) {
            if let Ok(value) = value.parse() {
                counters.insert(format!("{group}.{name}"), value);
            }
        }
    }
    counters
}

/// Lines like `Ip6FragCreates  0`: the group ends with the `6` (`Ip6`, `Icmp6`, `Udp6`, `UdpLite6`).
fn snmp6(text: &str) -> BTreeMap<String, u64> {
    let counter = |line: &str| {
        let (name, value) = line.split_once(char::is_whitespace)?;
        let (group, rest) = name.split_once('6')?;
        Some((format!("{group}6.{rest}"), value.trim().parse().ok()?))
    };
    text.lines().filter_map(counter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snmp_counters_get_their_group_and_name() {
        let counters =
            snmp("Ip: Forwarding FragCreates\nIp: 1 42\nTcp: MaxConn OutRsts\nTcp: -1 7\n");
        let expected = [
            ("Ip.Forwarding", 1),
            ("Ip.FragCreates", 42),
            ("Tcp.OutRsts", 7),
        ];
        assert_eq!(
            counters,
            expected
                .map(|(name, value)| (name.to_owned(), value))
                .into()
        );
    }

    #[test]
    fn snmp6_names_are_split_after_the_six() {
        let counters = snmp6(
            "Ip6FragCreates                  \t3\nIcmp6OutType135 \t1\nUdpLite6InErrors  0\n",
        );
        let expected = [
            ("Ip6.FragCreates", 3),
            ("Icmp6.OutType135", 1),
            ("UdpLite6.InErrors", 0),
        ];
        assert_eq!(
            counters,
            expected
                .map(|(name, value)| (name.to_owned(), value))
                .into()
        );
    }

    #[test]
    fn a_cut_off_file_yields_what_is_whole() {
        assert!(snmp("Ip: Forwarding").is_empty());
        assert!(snmp("").is_empty() && snmp6("Ip6InReceives").is_empty());
    }
}
