//! Network namespaces of other processes, without entering them: that would take more rights than reading /proc does, and a
//! program inside cannot be assumed.
use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use ipnet::IpNet;

use crate::error::Result;
use crate::processes;
use crate::{NamespaceInterface, NamespaceRoute, NetworkNamespace};

/// include/uapi/linux/if.h.
const IFF_UP: u32 = 0x1;
/// Flags of include/uapi/linux/route.h and ipv6_route.h.
const RTF_UP: u32 = 0x1;
const RTF_GATEWAY: u32 = 0x2;
const RTF_REJECT: u32 = 0x200;
const RTF_LOCAL: u32 = 0x8000_0000;
const RTF_ANYCAST: u32 = 0x0010_0000;

/// All that processes of this /proc run in but for our own, ordered by process id.
pub(crate) fn read(proc: &Path) -> Result<Vec<NetworkNamespace>> {
    let own = processes::network_namespace(proc, "thread-self");
    let mut members: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for pid in processes::pids(proc)? {
        if let Some(inode) = processes::network_namespace(proc, &pid.to_string())
            && Some(inode) != own
        {
            members.entry(inode).or_default().push(pid);
        }
    }
    // The first that still lives and has its sysfs in view speaks for the others; a pod's sandbox may have none.
    let mut found: Vec<NetworkNamespace> = members
        .values()
        .filter_map(|pids| {
            let mut alive = pids.iter().filter_map(|pid| namespace(proc, *pid));
            let first = alive.next()?;
            if !first.interfaces.is_empty() {
                return Some(first);
            }
            let telling = alive.find(|other| !other.interfaces.is_empty());
            Some(match telling {
                Some(other) => NetworkNamespace {
                    pid: first.pid,
                    ..other
                },
                None => first,
            })
        })
        .collect();
    found.sort_by_key(|namespace| namespace.pid);
    Ok(found)
}

fn namespace(proc: &Path, pid: u32) -> Option<NetworkNamespace> {
    let process = proc.join(pid.to_string());
    let read = |name: &str| fs::read_to_string(process.join("net").join(name));
    // Every namespace has this one; the IPv6 files are missing where the kernel has no IPv6.
    let mut addresses = local_addresses(&read("fib_trie").ok()?);
    let (if_inet6, ipv6_route) = (read("if_inet6"), read("ipv6_route"));
    addresses.extend(
        if_inet6
            .iter()
            .flat_map(|text| text.lines().filter_map(address6)),
    );
    let mut routes: Vec<NamespaceRoute> = read("route")
        .ok()?
        .lines()
        .skip(1)
        .filter_map(route4)
        .collect();
    routes.extend(
        ipv6_route
            .iter()
            .flat_map(|text| text.lines().filter_map(route6)),
    );
    Some(NetworkNamespace {
        pid,
        addresses,
        routes,
        interfaces: interfaces(&process.join("root/sys/class/net")),
    })
}

fn interfaces(dir: &Path) -> Vec<NamespaceInterface> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let text = |file: &str| {
            let text = fs::read_to_string(entry.path().join(file)).ok()?;
            Some(text.trim().to_owned())
        };
        let number = |file: &str| -> Option<u32> { text(file)?.parse().ok() };
        let flags = text("flags").and_then(|flags| {
            let digits = flags.strip_prefix("0x")?.to_owned();
            u32::from_str_radix(&digits, 16).ok()
        });
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != "lo"
            && let (Some(index), Some(peer)) = (number("ifindex"), number("iflink"))
        {
            found.push(NamespaceInterface {
                name,
                index,
                peer,
                mac: text("address").and_then(|address| address.parse().ok()),
                mtu: number("mtu").unwrap_or_default(),
                up: flags.is_some_and(|flags| flags & IFF_UP != 0),
            });
        }
    }
    found.sort_by_key(|interface| interface.index);
    found
}

/// Leaves of the local table in /proc/net/fib_trie: `|-- ADDRESS`, then `/32 host LOCAL`.
fn local_addresses(text: &str) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    let mut leaf = None;
    for line in text.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse::<Ipv4Addr>().ok();
        } else if line == "/32 host LOCAL"
            && let Some(address) = leaf.filter(|address| !address.is_loopback())
            // The main table's trie is the same where the two are merged.
            && !found.contains(&IpAddr::V4(address))
        {
            found.push(IpAddr::V4(address));
        }
    }
    found
}

/// A line of /proc/net/if_inet6: `ADDRESS INDEX PREFIX SCOPE FLAGS DEVICE`; scope 00 is global.
fn address6(line: &str) -> Option<IpAddr> {
    let mut words = line.split_whitespace();
    let address = hex6(words.next()?)?;
    (words.nth(2)? == "00").then_some(IpAddr::V6(address))
}

/// A line of /proc/net/route: `Iface Destination Gateway Flags RefCnt Use Metric Mask …`.
fn route4(line: &str) -> Option<NamespaceRoute> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let number = |at: usize| u32::from_str_radix(words.get(at)?, 16).ok();
    let address = |at: usize| Some(Ipv4Addr::from(number(at)?.to_ne_bytes()));
    let flags = number(3)?;
    // A blackhole has no device, and no flag to say so.
    if flags & RTF_UP == 0 || flags & RTF_REJECT != 0 || words.first() == Some(&"*") {
        return None;
    }
    let dst = IpNet::with_netmask(IpAddr::V4(address(1)?), IpAddr::V4(address(7)?)).ok()?;
    let gateway = address(2)?;
    Some(NamespaceRoute {
        dst,
        gateway: (flags & RTF_GATEWAY != 0).then_some(IpAddr::V4(gateway)),
        device: (*words.first()?).to_owned(),
    })
}

/// A line of /proc/net/ipv6_route: `DST LEN SRC LEN NEXTHOP METRIC REF USE FLAGS DEVICE`.
fn route6(line: &str) -> Option<NamespaceRoute> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let flags = u32::from_str_radix(words.get(8)?, 16).ok()?;
    let device = *words.get(9)?;
    if flags & RTF_UP == 0 || flags & (RTF_REJECT | RTF_LOCAL | RTF_ANYCAST) != 0 || device == "lo"
    {
        return None;
    }
    let dst = hex6(words.first()?)?;
    let dst = IpNet::new(IpAddr::V6(dst), u8::from_str_radix(words.get(1)?, 16).ok()?).ok()?;
    if dst.addr().is_multicast() {
        return None;
    }
    let gateway = hex6(words.get(4)?)?;
    Some(NamespaceRoute {
        dst,
        gateway: (flags & RTF_GATEWAY != 0).then_some(IpAddr::V6(gateway)),
        device: device.to_owned(),
    })
}

fn hex6(digits: &str) -> Option<Ipv6Addr> {
    let number = u128::from_str_radix(digits, 16).ok()?;
    (digits.len() == 32).then(|| Ipv6Addr::from(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_the_leaves_of_the_local_table() {
        let text = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     |-- 10.244.1.2\n        /32 host LOCAL\n     |-- 10.244.1.255\n        /32 link BROADCAST\n     |-- 127.0.0.1\n        /32 host LOCAL\nLocal:\n     |-- 10.244.1.2\n        /32 host LOCAL\n";
        assert_eq!(
            local_addresses(text),
            ["10.244.1.2".parse::<IpAddr>().unwrap()]
        );
        assert!(local_addresses("").is_empty());
    }

    #[test]
    fn ipv6_lines_are_understood() {
        let global = "fd001024400010000000000000000007 02 40 00 80     eth0";
        assert_eq!(
            address6(global),
            Some("fd00:1024:4000:1000::7".parse().unwrap())
        );
        assert_eq!(
            address6("fe800000000000000000000000000001 02 40 20 80     eth0"),
            None
        );
        let default = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fd001024400010000000000000000001 00000400 00000001 00000000 00000003     eth0";
        let route = route6(default).unwrap();
        assert_eq!(route.dst, "::/0".parse().unwrap());
        assert_eq!(
            route.gateway,
            Some("fd00:1024:4000:1000::1".parse().unwrap())
        );
        let reject = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo";
        assert_eq!(route6(reject), None);
    }

    #[test]
    fn ipv4_routes_are_understood() {
        if cfg!(target_endian = "big") {
            return;
        }
        let route = route4("eth0\t00000000\t0101F40A\t0003\t0\t0\t0\t00000000\t0\t0\t0").unwrap();
        assert_eq!(
            (route.dst, route.gateway),
            (
                "0.0.0.0/0".parse().unwrap(),
                Some("10.244.1.1".parse().unwrap())
            )
        );
        let route = route4("eth0\t0001F40A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0").unwrap();
        assert_eq!(
            (route.dst, route.gateway, route.device.as_str()),
            ("10.244.1.0/24".parse().unwrap(), None, "eth0")
        );
        assert!(route4("eth0\t00000000").is_none());
    }
}
