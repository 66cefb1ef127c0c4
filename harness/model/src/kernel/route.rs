//! Routes and their next hops.
use std::iter::once;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// A route (RTM_NEWROUTE).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteEntry {
    /// Destination; `0.0.0.0/0` or `::/0` is the default route.
    pub dst: IpNet,
    /// Next hop, where it is not on link; of several the first.
    pub gateway: Option<IpAddr>,
    /// Outgoing interface index; of several next hops the first one's.
    pub oif: Option<u32>,
    /// Preferred source address.
    pub src: Option<IpAddr>,
    /// The next hop counts as on link though no address says so; of several the first.
    pub onlink: bool,
    /// Who made it (RTA_PROTOCOL): 2 kernel, 3 boot, 4 static, …
    pub protocol: u8,
    /// `global`, `link`, `host`, or the number.
    pub scope: String,
    /// Priority; lower wins.
    pub metric: Option<u32>,
    /// One of [`route_kind`], or another.
    pub kind: u8,
    /// The MTU of packets that take the route, bytes (RTAX_MTU), where it is not the interface's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// How long the kernel still remembers `mtu`, seconds (rta_cacheinfo), where it has learned it: see [`LearnedMtu`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu_expires_s: Option<u32>,
    /// The next hops after the first (RTA_MULTIPATH), where a hash of each packet chooses among several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_hops: Vec<NextHop>,
    /// The nexthop object (`ip nexthop`) that has the next hops, where it is not the route itself (RTA_NH_ID).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nexthop_id: Option<u32>,
}

/// A path MTU that a kernel has learned from an ICMP error about an earlier packet (`ip route get` shows when it expires).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LearnedMtu {
    /// The MTU, bytes.
    pub mtu: u32,
    /// How long the kernel still remembers it, seconds.
    pub expires_s: u32,
}

/// Where a route leads (struct rtnexthop).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextHop {
    /// Its address, where the destination is not on link.
    pub gateway: Option<IpAddr>,
    /// Outgoing interface index.
    pub oif: Option<u32>,
    /// It counts as on link though no address says so.
    pub onlink: bool,
}

impl RouteEntry {
    /// The path MTU that the kernel has learned, where `mtu` is not the route's own.
    pub fn learned_mtu(&self) -> Option<LearnedMtu> {
        let (mtu, expires_s) = (self.mtu?, self.mtu_expires_s?);
        Some(LearnedMtu { mtu, expires_s })
    }

    /// All its next hops: one, or several among which a hash of each packet chooses.
    pub fn hops(&self) -> impl Iterator<Item = NextHop> {
        let first = NextHop {
            gateway: self.gateway,
            oif: self.oif,
            onlink: self.onlink,
        };
        once(first).chain(self.more_hops.iter().copied())
    }

    /// The same route with that next hop alone.
    pub fn by(&self, hop: NextHop) -> RouteEntry {
        RouteEntry {
            gateway: hop.gateway,
            oif: hop.oif,
            onlink: hop.onlink,
            more_hops: Vec::new(),
            ..self.clone()
        }
    }
}
