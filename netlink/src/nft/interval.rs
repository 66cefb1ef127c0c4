//! Converts prefixes to the interval elements of an nftables set.
use std::net::IpAddr;

use ipnet::IpNet;

/// An element of an interval set: the start of an interval, or the first address after its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    /// Address in network byte order.
    pub(crate) key: Vec<u8>,
    pub(crate) end: bool,
}

/// The elements for `prefixes`, in order. Overlapping prefixes are merged, because the kernel refuses them, and adjacent
/// ones too. An interval up to the last address has no end element. `None` if a prefix is of the other family.
pub(crate) fn elements(prefixes: &[IpNet], v6: bool) -> Option<Vec<Element>> {
    let last = if v6 { u128::MAX } else { u128::from(u32::MAX) };
    let mut elements = Vec::new();
    for (start, end) in merged(prefixes, v6)? {
        elements.push(Element {
            key: bytes(start, v6),
            end: false,
        });
        if end < last {
            elements.push(Element {
                key: bytes(end + 1, v6),
                end: true,
            });
        }
    }
    Some(elements)
}

/// Disjoint intervals, bounds included, in ascending order, with gaps between them. (`IpNet::aggregate` would be shorter,
/// but makes the plugin 15 KB larger.)
fn merged(prefixes: &[IpNet], v6: bool) -> Option<Vec<(u128, u128)>> {
    let bounds = prefixes.iter().map(|net| {
        (net.addr().is_ipv6() == v6).then(|| (number(net.network()), number(net.broadcast())))
    });
    let mut bounds = bounds.collect::<Option<Vec<_>>>()?;
    bounds.sort_unstable();
    let mut merged: Vec<(u128, u128)> = Vec::with_capacity(bounds.len());
    for (start, end) in bounds {
        match merged.last_mut() {
            Some((_, before)) if start <= before.saturating_add(1) => *before = end.max(*before),
            _ => merged.push((start, end)),
        }
    }
    Some(merged)
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn bytes(number: u128, v6: bool) -> Vec<u8> {
    let all = number.to_be_bytes();
    let skip = if v6 { 0 } else { 12 };
    all[skip..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(prefixes: &[&str], v6: bool) -> Option<Vec<(IpAddr, bool)>> {
        let prefixes: Vec<IpNet> = prefixes.iter().map(|text| text.parse().unwrap()).collect();
        let address = |key: &[u8]| match key.len() {
            4 => IpAddr::from(<[u8; 4]>::try_from(key).unwrap()),
            _ => IpAddr::from(<[u8; 16]>::try_from(key).unwrap()),
        };
        Some(
            elements(&prefixes, v6)?
                .iter()
                .map(|element| (address(&element.key), element.end))
                .collect(),
        )
    }

    fn expect(prefixes: &[&str], v6: bool, expected: &[(&str, bool)]) {
        let expected = expected
            .iter()
            .map(|(text, end)| (text.parse().unwrap(), *end))
            .collect();
        assert_eq!(of(prefixes, v6), Some(expected), "{prefixes:?}");
    }

    #[test]
    fn a_prefix_starts_at_its_network_and_ends_after_its_last_address() {
        expect(
            &["10.1.2.3/24"],
            false,
            &[("10.1.2.0", false), ("10.1.3.0", true)],
        );
        expect(
            &["fd00::5/64"],
            true,
            &[("fd00::", false), ("fd00:0:0:1::", true)],
        );
        expect(
            &["10.0.0.7/32"],
            false,
            &[("10.0.0.7", false), ("10.0.0.8", true)],
        );
    }

    #[test]
    fn what_reaches_the_last_address_has_no_end() {
        expect(&["0.0.0.0/0"], false, &[("0.0.0.0", false)]);
        expect(&["::/0"], true, &[("::", false)]);
        expect(
            &["255.255.255.255/32"],
            false,
            &[("255.255.255.255", false)],
        );
        expect(&["ffff::/16"], true, &[("ffff::", false)]);
    }

    #[test]
    fn overlapping_and_adjacent_prefixes_become_one() {
        expect(
            &["10.0.0.0/8", "10.1.0.0/16", "10.0.0.0/8"],
            false,
            &[("10.0.0.0", false), ("11.0.0.0", true)],
        );
        expect(
            &["10.244.1.0/24", "10.244.0.0/24"],
            false,
            &[("10.244.0.0", false), ("10.244.2.0", true)],
        );
        // No single prefix covers these.
        expect(
            &["10.244.2.0/24", "10.244.1.0/24"],
            false,
            &[("10.244.1.0", false), ("10.244.3.0", true)],
        );
        expect(&["0.0.0.0/0", "255.0.0.0/8"], false, &[("0.0.0.0", false)]);
        expect(&["::/0", "ffff::/16"], true, &[("::", false)]);
    }

    #[test]
    fn gaps_stay() {
        expect(
            &["10.244.2.0/24", "10.244.0.0/24"],
            false,
            &[
                ("10.244.0.0", false),
                ("10.244.1.0", true),
                ("10.244.2.0", false),
                ("10.244.3.0", true),
            ],
        );
    }

    #[test]
    fn a_prefix_of_the_other_family_is_refused() {
        assert_eq!(of(&["10.0.0.0/8", "fd00::/8"], false), None);
        assert_eq!(of(&["10.0.0.0/8"], true), None);
    }
}
