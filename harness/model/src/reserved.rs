//! Ranges that no pod can have its address from: a route to them would take packets away that are meant for something else.
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{Ipv4Addr, Ipv6Addr};

const fn v4(a: u8, b: u8, prefix_len: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, 0, 0), prefix_len))
}

const fn v6(first: u16, prefix_len: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(
        Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0),
        prefix_len,
    ))
}

/// What each is for (RFC 6890; RFC 4291, sections 2.5 to 2.7). The IPv6 addresses that begin with eight zero bits include the unspecified
/// and the loopback address.
const RESERVED: [(IpNet, &str); 8] = [
    (v4(0, 0, 8), "this host on this network"),
    (v4(127, 0, 8), "loopback"),
    (v4(169, 254, 16), "link-local"),
    (v4(224, 0, 4), "multicast"),
    (v4(240, 0, 4), "reserved"),
    (v6(0, 8), "reserved, loopback among it"),
    (v6(0xfe80, 10), "link-local"),
    (v6(0xff00, 8), "multicast"),
];

/// The first of them that shares an address with `range`, and what it is for.
pub fn overlapping(range: &IpNet) -> Option<(IpNet, &'static str)> {
    let shares = |reserved: &IpNet| {
        reserved.contains(&range.network()) || range.contains(&reserved.network())
    };
    RESERVED.into_iter().find(|(reserved, _)| shares(reserved))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_share_an_address_with_a_reserved_one_are_found() {
        for (range, purpose) in [
            ("0.0.0.0/0", "this host on this network"),
            ("127.1.0.0/16", "loopback"),
            ("169.254.10.0/24", "link-local"),
            ("239.0.0.0/24", "multicast"),
            ("255.255.255.0/24", "reserved"),
            ("::/0", "reserved, loopback among it"),
            ("fe80:1::/64", "link-local"),
            ("ff02::/64", "multicast"),
        ] {
            let found = overlapping(&range.parse().unwrap());
            assert_eq!(found.map(|(_, purpose)| purpose), Some(purpose), "{range}");
        }
        for range in [
            "10.244.0.0/16",
            "100.64.0.0/10",
            "198.18.0.0/15",
            "fd00::/8",
            "2001:db8::/32",
        ] {
            assert_eq!(overlapping(&range.parse().unwrap()), None, "{range}");
        }
    }
}
