//! Counters of the kernel, from /proc: keys are `Group.Name`. What cannot be read is left out.
//!
//! /proc is read through `thread-self`, because a thread may be in another namespace than its process.
use std::collections::BTreeMap;
use std::fs;

use flatnet_netlink::Route;

/// Files of /proc/net/stat: counters per processor. Those of neighbours exist in the machine's first network namespace only.
const PER_PROCESSOR: [&str; 3] = ["nf_conntrack", "arp_cache", "ndisc_cache"];

/// Numbers that are not counted up: settings and states of the moment.
const STATES: [&str; 8] = [
    "Ip.DefaultTTL",
    "Ip.Forwarding",
    "Tcp.CurrEstab",
    "Tcp.RtoMax",
    "Tcp.RtoMin",
    "nf_conntrack.entries",
    "arp_cache.entries",
    "ndisc_cache.entries",
];

/// Those of the protocols of this namespace (/proc/net/snmp, snmp6).
pub(crate) fn protocols() -> BTreeMap<String, u64> {
    let mut counters = snmp(&read("snmp"));
    counters.extend(snmp6(&read("snmp6")));
    counters
}

/// How often the machine's neighbour tables were full. From netlink: the files in /proc are in its first namespace only.
pub(crate) fn neighbour_tables(route: &mut Route) -> BTreeMap<String, u64> {
    let tables = route.neighbour_tables().unwrap_or_default().into_iter();
    let known = tables.filter(|table| PER_PROCESSOR.contains(&table.name.as_str()));
    known
        .map(|table| (format!("{}.table_fulls", table.name), table.overflows))
        .collect()
}

/// Likewise, with the details of /proc/net/netstat, and those of conntrack, neighbours and the receive queues of the processors.
pub(crate) fn all() -> BTreeMap<String, u64> {
    let mut counters = protocols();
    counters.extend(snmp(&read("netstat")));
    for file in PER_PROCESSOR {
        counters.extend(per_processor(file, &read(&format!("stat/{file}"))));
    }
    counters.insert(
        "softnet.dropped".to_owned(),
        softnet_dropped(&read("softnet_stat")),
    );
    counters.retain(|name, _| !STATES.contains(&name.as_str()));
    counters
}

/// Counters that are higher than before, and by how much.
pub(crate) fn moved(
    before: &BTreeMap<String, u64>,
    after: &BTreeMap<String, u64>,
) -> BTreeMap<String, u64> {
    let grown = after.iter().filter_map(|(name, value)| {
        let difference = value.checked_sub(before.get(name).copied().unwrap_or(0))?;
        (difference > 0).then(|| (name.clone(), difference))
    });
    grown.collect()
}

fn read(name: &str) -> String {
    fs::read_to_string(format!("/proc/thread-self/net/{name}")).unwrap_or_default()
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

/// A line of names, and a line of hexadecimal numbers for each processor.
fn per_processor(group: &str, text: &str) -> BTreeMap<String, u64> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let mut counters = BTreeMap::new();
    for line in lines {
        for (name, value) in names.iter().zip(line.split_whitespace()) {
            if let Ok(value) = u64::from_str_radix(value, 16) {
                *counters.entry(format!("{group}.{name}")).or_insert(0) += value;
            }
        }
    }
    counters
}

/// The second number of each processor's line: packets that its queue had no room for.
fn softnet_dropped(text: &str) -> u64 {
    let dropped = text.lines().filter_map(|line| {
        let value = line.split_whitespace().nth(1)?;
        u64::from_str_radix(value, 16).ok()
    });
    dropped.sum()
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

    #[test]
    fn processors_are_added_up() {
        let text =
            "entries  drop early_drop\n00000002 0000000a 00000000\n00000002 00000001 00000003\n";
        let counters = per_processor("nf_conntrack", text);
        assert_eq!(counters["nf_conntrack.drop"], 11);
        assert_eq!(counters["nf_conntrack.early_drop"], 3);
        assert!(per_processor("x", "").is_empty());
        assert_eq!(
            softnet_dropped("00000001 0000000f 0\n00000002 00000001 0\n\n"),
            16
        );
    }

    #[test]
    fn what_grew_is_told_by_how_much() {
        let of = |pairs: &[(&str, u64)]| -> BTreeMap<String, u64> {
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), *value))
                .collect()
        };
        let moved = moved(
            &of(&[("a", 5), ("b", 5), ("c", 5)]),
            &of(&[("a", 5), ("b", 7), ("c", 1), ("d", 2)]),
        );
        assert_eq!(moved, of(&[("b", 2), ("d", 2)]));
    }
}
