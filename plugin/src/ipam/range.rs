//! Ranges of addresses, in host-local's vocabulary.
use std::iter;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use serde::Deserialize;

use crate::error::{Error, Result};

/// A range as it is written in `ipam.ranges`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RawRange {
    pub(crate) subnet: IpNet,
    pub(crate) range_start: Option<IpAddr>,
    pub(crate) range_end: Option<IpAddr>,
    pub(crate) gateway: Option<IpAddr>,
}

/// Part of a subnet, with the subnet's gateway. Network and broadcast address are never part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    subnet: IpNet,
    first: u128,
    last: u128,
    gateway: IpAddr,
}

/// Ranges of one address family; a pod gets one address out of each set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RangeSet {
    ranges: Vec<Range>,
    /// Gateways of the whole network: never a pod's, whichever range they are in.
    gateways: Vec<IpAddr>,
}

/// All range sets of a network: at least one, none overlapping another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pools {
    sets: Vec<RangeSet>,
}

/// An address a pod was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assigned {
    pub(crate) address: IpAddr,
    pub(crate) gateway: IpAddr,
    /// The subnet of its range.
    pub(crate) subnet: IpNet,
}

impl Range {
    fn new(raw: &RawRange) -> Result<Self> {
        let subnet = raw.subnet;
        let key = || format!("ipam range {subnet}");
        if subnet.trunc() != subnet {
            return Err(Error::config(
                key(),
                format!("has host bits set; the network is {}", subnet.trunc()),
            ));
        }
        if subnet.prefix_len() > subnet.max_prefix_len() - 2 {
            return Err(Error::config(key(), "is too small to allocate from"));
        }
        if subnet.network().is_multicast() || subnet.network().is_loopback() {
            return Err(Error::config(key(), "has no addresses for pods"));
        }
        let inside = |name: &str, address: IpAddr| {
            let within = subnet.contains(&address);
            if within {
                Ok(number(address))
            } else {
                Err(Error::config(key(), format!("{name} {address} is outside")))
            }
        };
        let lowest = number(subnet.network()) + 1;
        // IPv6 has no broadcast; its lowest address is the routers' anycast address (RFC 4291, section 2.6.1).
        let highest = number(subnet.broadcast()) - u128::from(!is_v6(&subnet));
        let gateway = raw
            .gateway
            .unwrap_or_else(|| address(lowest, is_v6(&subnet)));
        if !(lowest..=highest).contains(&inside("gateway", gateway)?) {
            return Err(Error::config(
                key(),
                format!("gateway {gateway} is the network's own address"),
            ));
        }
        let first = raw
            .range_start
            .map_or(Ok(lowest), |start| inside("rangeStart", start))?
            .max(lowest);
        let last = raw
            .range_end
            .map_or(Ok(highest), |end| inside("rangeEnd", end))?
            .min(highest);
        let range = Range {
            subnet,
            first,
            last,
            gateway,
        };
        if first > last || (first == last && first == number(gateway)) {
            return Err(Error::config(
                key(),
                "has no address for a pod between rangeStart and rangeEnd",
            ));
        }
        Ok(range)
    }

    pub(crate) fn is_v6(&self) -> bool {
        is_v6(&self.subnet)
    }

    pub(crate) fn gateway(&self) -> IpAddr {
        self.gateway
    }

    pub(crate) fn subnet(&self) -> IpNet {
        self.subnet
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv6() == self.is_v6() && (self.first..=self.last).contains(&number(address))
    }

    fn overlaps(&self, other: &Range) -> bool {
        self.is_v6() == other.is_v6() && self.first <= other.last && other.first <= self.last
    }

    fn assigned(&self, number: u128) -> Assigned {
        Assigned {
            address: address(number, self.is_v6()),
            gateway: self.gateway,
            subnet: self.subnet,
        }
    }
}

impl RangeSet {
    /// Every address a pod may get, once, starting behind `after` and going round.
    pub(crate) fn candidates(&self, after: Option<IpAddr>) -> impl Iterator<Item = Assigned> {
        let count = self.ranges.len();
        let start = after.and_then(|last| {
            self.ranges
                .iter()
                .position(|range| range.contains(last))
                .map(|index| (index, number(last)))
        });
        let (index, resume) = start.unwrap_or((count - 1, u128::MAX));
        let head = &self.ranges[index];
        let behind = if resume < head.last {
            Some((head, resume + 1, head.last))
        } else {
            None
        };
        let others = (1..count).map(move |step| &self.ranges[(index + step) % count]);
        let before = (head, head.first, resume.min(head.last));
        let spans = behind
            .into_iter()
            .chain(others.map(|range| (range, range.first, range.last)));
        spans
            .chain(iter::once(before))
            .flat_map(|(range, first, last)| {
                (first..=last).map(move |number| range.assigned(number))
            })
            .filter(|one| !self.gateways.contains(&one.address))
    }

    /// How many addresses there are for pods.
    pub(crate) fn capacity(&self) -> u128 {
        let all: u128 = self.ranges.iter().fold(0, |sum, range| {
            sum.saturating_add(range.last - range.first + 1)
        });
        let gateways = self
            .gateways
            .iter()
            .filter(|gateway| self.contains(**gateway))
            .count();
        all - gateways as u128
    }

    /// Whether an address is within one of the ranges.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.ranges.iter().any(|range| range.contains(address))
    }

    /// The subnets, for messages.
    pub(crate) fn describe(&self) -> String {
        let subnets: Vec<String> = self
            .ranges
            .iter()
            .map(|range| range.subnet.to_string())
            .collect();
        subnets.join(", ")
    }
}

impl Pools {
    pub(crate) fn new(raw: Vec<Vec<RawRange>>) -> Result<Self> {
        let mut sets = Vec::with_capacity(raw.len());
        for set in &raw {
            let ranges = set.iter().map(Range::new).collect::<Result<Vec<_>>>()?;
            let Some(first) = ranges.first() else {
                return Err(Error::config("ipam.ranges", "holds an empty set"));
            };
            if let Some(other) = ranges.iter().find(|range| range.is_v6() != first.is_v6()) {
                let why = format!(
                    "{} and {} are of different families in one set",
                    first.subnet, other.subnet
                );
                return Err(Error::config("ipam.ranges", why));
            }
            sets.push(RangeSet {
                ranges,
                gateways: Vec::new(),
            });
        }
        if sets.is_empty() {
            return Err(Error::config("ipam.ranges", "is missing"));
        }
        let pools = Pools { sets };
        let all: Vec<&Range> = pools.ranges().collect();
        for (index, range) in all.iter().enumerate() {
            if let Some(other) = all[index + 1..].iter().find(|other| range.overlaps(other)) {
                let why = format!("{} and {} overlap", range.subnet, other.subnet);
                return Err(Error::config("ipam.ranges", why));
            }
        }
        let mut gateways: Vec<IpAddr> = Vec::new();
        for range in &all {
            if !gateways.contains(&range.gateway) {
                gateways.push(range.gateway);
            }
        }
        let mut pools = pools;
        for set in &mut pools.sets {
            set.gateways.clone_from(&gateways);
        }
        match pools.sets.iter().find(|set| set.capacity() == 0) {
            Some(set) => Err(Error::config(
                "ipam.ranges",
                format!("{} has only gateways", set.describe()),
            )),
            None => Ok(pools),
        }
    }

    pub(crate) fn sets(&self) -> &[RangeSet] {
        &self.sets
    }

    pub(crate) fn ranges(&self) -> impl Iterator<Item = &Range> {
        self.sets.iter().flat_map(|set| &set.ranges)
    }

    /// The range an address is from.
    pub(crate) fn range_of(&self, address: IpAddr) -> Option<&Range> {
        self.ranges().find(|range| range.contains(address))
    }

    /// The gateway of the first range.
    pub(crate) fn main_gateway(&self) -> IpAddr {
        // `new` refuses an empty list and an empty set.
        self.sets[0].ranges[0].gateway
    }

    /// What the bridge is given: each gateway with its subnet's prefix length, each once.
    pub(crate) fn gateways(&self) -> Vec<IpNet> {
        let mut nets: Vec<IpNet> = Vec::new();
        for range in self.ranges() {
            let net = IpNet::new_assert(range.gateway, range.subnet.prefix_len());
            if !nets.contains(&net) {
                nets.push(net);
            }
        }
        nets
    }

    /// The subnets, each once.
    pub(crate) fn subnets(&self) -> Vec<IpNet> {
        let mut nets: Vec<IpNet> = Vec::new();
        for range in self.ranges() {
            if !nets.contains(&range.subnet) {
                nets.push(range.subnet);
            }
        }
        nets
    }
}

fn is_v6(net: &IpNet) -> bool {
    matches!(net, IpNet::V6(_))
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The inverse of [`number`]; an IPv4 number has 32 bits, which [`Range::new`] sees to.
fn address(number: u128, v6: bool) -> IpAddr {
    if v6 {
        Ipv6Addr::from_bits(number).into()
    } else {
        Ipv4Addr::from_bits(number as u32).into()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn pools(json: &str) -> Result<Pools> {
        Pools::new(serde_json::from_str(json).unwrap())
    }

    fn text(set: &RangeSet, after: Option<&str>) -> Vec<String> {
        let after = after.map(|a| a.parse().unwrap());
        set.candidates(after)
            .map(|one| one.address.to_string())
            .collect()
    }

    #[test]
    fn network_broadcast_and_gateway_are_left_out() {
        let pools =
            pools(r#"[[{"subnet":"10.1.0.0/29"}],[{"subnet":"fd00::/126","gateway":"fd00::2"}]]"#)
                .unwrap();
        let [v4, v6] = pools.sets() else {
            panic!("two sets")
        };
        assert_eq!(
            text(v4, None),
            ["10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.5", "10.1.0.6"]
        );
        assert_eq!(text(v6, None), ["fd00::1", "fd00::3"]);
        assert_eq!((v4.capacity(), v6.capacity()), (5, 2));
        let gateways: Vec<String> = pools.gateways().iter().map(ToString::to_string).collect();
        assert_eq!(gateways, ["10.1.0.1/29", "fd00::2/126"]);
    }

    #[test]
    fn the_search_goes_round_through_all_ranges_of_a_set() {
        let pools = pools(
            r#"[[{"subnet":"10.1.0.0/24","rangeStart":"10.1.0.5","rangeEnd":"10.1.0.7"},
                 {"subnet":"10.2.0.0/24","rangeStart":"10.2.0.1","rangeEnd":"10.2.0.2"}]]"#,
        )
        .unwrap();
        let set = &pools.sets()[0];
        assert_eq!(
            text(set, None),
            ["10.1.0.5", "10.1.0.6", "10.1.0.7", "10.2.0.2"]
        );
        assert_eq!(
            text(set, Some("10.1.0.6")),
            ["10.1.0.7", "10.2.0.2", "10.1.0.5", "10.1.0.6"]
        );
        assert_eq!(
            text(set, Some("10.2.0.2")),
            ["10.1.0.5", "10.1.0.6", "10.1.0.7", "10.2.0.2"]
        );
        assert_eq!(text(set, Some("192.0.2.1")), text(set, None));
    }

    #[test]
    fn ranges_that_make_no_sense_are_refused() {
        for bad in [
            r#"[]"#,
            r#"[[]]"#,
            r#"[[{"subnet":"10.1.0.1/24"}]]"#,
            r#"[[{"subnet":"10.1.0.0/31"}]]"#,
            r#"[[{"subnet":"fd00::/127"}]]"#,
            r#"[[{"subnet":"127.0.0.0/8"}]]"#,
            r#"[[{"subnet":"ff00::/64"}]]"#,
            r#"[[{"subnet":"10.1.0.0/24","gateway":"10.2.0.1"}]]"#,
            r#"[[{"subnet":"10.1.0.0/24","gateway":"10.1.0.255"}]]"#,
            r#"[[{"subnet":"10.1.0.0/24","gateway":"fd00::1"}]]"#,
            r#"[[{"subnet":"10.1.0.0/24","rangeStart":"10.1.1.0"}]]"#,
            r#"[[{"subnet":"10.1.0.0/24","rangeStart":"10.1.0.9","rangeEnd":"10.1.0.8"}]]"#,
            r#"[[{"subnet":"10.1.0.0/24","rangeStart":"10.1.0.1","rangeEnd":"10.1.0.1"}]]"#,
            r#"[[{"subnet":"10.1.0.0/24"},{"subnet":"fd00::/64"}]]"#,
            r#"[[{"subnet":"10.1.0.0/24"}],[{"subnet":"10.1.0.128/25"}]]"#,
        ] {
            assert_eq!(pools(bad).unwrap_err().code(), 7, "{bad}");
        }
    }

    #[test]
    fn the_whole_address_space_does_not_overflow() {
        let pools = pools(r#"[[{"subnet":"::/0"}]]"#).unwrap();
        let set = &pools.sets()[0];
        assert_eq!(set.capacity(), u128::MAX - 1);
        let last: IpAddr = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap();
        assert_eq!(
            set.candidates(Some(last))
                .next()
                .unwrap()
                .address
                .to_string(),
            "::2"
        );
    }

    proptest! {
        #[test]
        fn every_pod_address_comes_up_exactly_once(
            prefix in 22u8..=30, start in 0u32..1024, length in 1u32..1024, gateway in 0u32..1024, after in 0u32..1024,
        ) {
            let base = 0x0a01_0000;
            let ip = |offset: u32| IpAddr::from(Ipv4Addr::from_bits(base + offset));
            let raw = RawRange {
                subnet: IpNet::new(ip(0), prefix).unwrap(),
                range_start: Some(ip(start)),
                range_end: Some(ip(start + length - 1)),
                gateway: Some(ip(gateway)),
            };
            let size = 1u32 << (32 - prefix);
            let Ok(pools) = Pools::new(vec![vec![raw]]) else { return Ok(()) };
            let set = &pools.sets()[0];
            let got: Vec<IpAddr> = set.candidates(Some(ip(after))).map(|one| one.address).collect();
            let unique: BTreeSet<IpAddr> = got.iter().copied().collect();
            let expected: BTreeSet<IpAddr> = (start..start + length)
                .filter(|offset| *offset > 0 && *offset < size - 1 && *offset != gateway)
                .map(ip)
                .collect();
            prop_assert_eq!(got.len(), unique.len());
            prop_assert_eq!(got.len() as u128, set.capacity());
            prop_assert_eq!(&unique, &expected);
            if let Some(next) = expected.range(ip(after)..).find(|a| **a != ip(after)) && expected.contains(&ip(after)) {
                prop_assert_eq!(got[0], *next);
            }
        }
    }
}
