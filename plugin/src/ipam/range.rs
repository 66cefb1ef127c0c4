//! Address ranges, with host-local's keys.
use std::iter;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use serde::Deserialize;

use crate::error::{Error, Result};

/// A range as written in `ipam.ranges`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RawRange {
    pub(crate) subnet: IpNet,
    pub(crate) range_start: Option<IpAddr>,
    pub(crate) range_end: Option<IpAddr>,
    pub(crate) gateway: Option<IpAddr>,
}

/// Part of a subnet, with the subnet's gateway; never includes network and broadcast address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    subnet: IpNet,
    first: u128,
    last: u128,
    gateway: IpAddr,
}

/// Ranges of one address family; a pod gets one address from each set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RangeSet {
    ranges: Vec<Range>,
    /// Gateways of the whole network; never assigned to a pod, in whichever range they are.
    gateways: Vec<IpAddr>,
}

/// All range sets of a network: at least one, none overlapping another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pools {
    sets: Vec<RangeSet>,
}

/// An address assigned to a pod.
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
        // IPv6 has no broadcast address; its lowest is the subnet-router anycast address (RFC 4291, section 2.6.1).
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
    /// Every address available to pods, once each, starting after `after` and wrapping around.
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

    /// Number of addresses available to pods.
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
            return Err(Error::config(
                "ipam.ranges",
                "is missing; add at least one range",
            ));
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

    /// The range that contains the address.
    pub(crate) fn range_of(&self, address: IpAddr) -> Option<&Range> {
        self.ranges().find(|range| range.contains(address))
    }

    /// The gateway of the first range.
    pub(crate) fn main_gateway(&self) -> IpAddr {
        // `new` refuses an empty list and an empty set.
        self.sets[0].ranges[0].gateway
    }

    /// The bridge's addresses: each gateway once, with its subnet's prefix length.
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

    /// The subnets of all ranges, each once.
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

/// The inverse of [`number`]; [`Range::new`] guarantees that IPv4 numbers have 32 bits.
fn address(number: u128, v6: bool) -> IpAddr {
    if v6 {
        Ipv6Addr::from_bits(number).into()
    } else {
        Ipv4Addr::from_bits(number as u32).into()
    }
}

#[cfg(test)]
#[path = "range_tests.rs"]
mod tests;
