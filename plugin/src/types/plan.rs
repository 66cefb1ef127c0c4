//! What a pod of a network gets: the part of the configuration that ADD, CHECK and STATUS use.
use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::ipam::{Assigned, Pools, RawRange};

/// RT_SCOPE_LINK (linux/rtnetlink.h), the value of `scope` in the specification's routes.
pub(crate) const SCOPE_LINK: u8 = 253;
/// The smallest MTU that IPv6 allows, bytes (RFC 8200, section 5).
const MIN_MTU_V6: u32 = 1280;
/// The smallest MTU that IPv4 allows, bytes (RFC 791, section 3.2).
const MIN_MTU_V4: u32 = 68;
/// ETH_MAX_MTU (linux/if_ether.h).
const MAX_MTU: u32 = 65535;

/// A validated network.
#[derive(Debug)]
pub(crate) struct Plan {
    /// MTU of the veth pair, bytes; by default the bridge's.
    pub(crate) mtu: Option<u32>,
    pub(crate) default_gateway: bool,
    pub(crate) masquerade: bool,
    pub(crate) hairpin: bool,
    pub(crate) pools: Pools,
    /// `podNetwork`: destinations that are never masqueraded, in addition to this node's own ranges.
    pub(crate) pod_network: Vec<IpNet>,
    routes: Vec<ConfRoute>,
}

/// A route inside the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PodRoute {
    pub(crate) dst: IpNet,
    /// Next hop; `None` if the destination is on-link.
    pub(crate) gateway: Option<IpAddr>,
    /// Metric; lower wins.
    pub(crate) priority: Option<u32>,
    /// Set RTNH_F_ONLINK: the next hop is not our gateway, so no other route makes it on-link.
    pub(crate) onlink: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawPlan {
    mtu: Option<u32>,
    is_gateway: Option<bool>,
    is_default_gateway: Option<bool>,
    ip_masq: Option<bool>,
    hairpin_mode: Option<bool>,
    ipam: Option<RawIpam>,
    pod_network: Option<Vec<IpNet>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawIpam {
    #[serde(rename = "type")]
    kind: Option<String>,
    ranges: Option<Vec<Vec<RawRange>>>,
    // The short form: a single range, with its keys beside `ranges`.
    subnet: Option<IpNet>,
    range_start: Option<IpAddr>,
    range_end: Option<IpAddr>,
    gateway: Option<IpAddr>,
    routes: Option<Vec<RawRoute>>,
}

#[derive(Deserialize)]
struct RawRoute {
    dst: IpNet,
    gw: Option<IpAddr>,
    priority: Option<u32>,
    scope: Option<u8>,
    mtu: Option<u32>,
    advmss: Option<u32>,
    table: Option<u32>,
}

/// A route of `ipam.routes`.
#[derive(Debug)]
struct ConfRoute {
    dst: IpNet,
    hop: Hop,
    priority: Option<u32>,
}

#[derive(Debug)]
enum Hop {
    /// `gw` is absent: the gateway of the pod's address of the same family.
    OwnGateway,
    Via(IpAddr),
    OnLink,
}

impl Plan {
    pub(super) fn new(raw: RawPlan) -> Result<Self> {
        if raw.is_gateway == Some(false) && raw.is_default_gateway != Some(true) {
            let why =
                "pods have host addresses and reach each other through the gateway on the bridge";
            return Err(Error::UnsupportedField {
                key: "isGateway",
                value: "false".to_owned(),
                why,
            });
        }
        let ipam = raw.ipam.ok_or_else(|| {
            Error::config("ipam", "is missing; add it with ranges, or with a subnet")
        })?;
        if let Some(kind) = ipam
            .kind
            .filter(|kind| !kind.is_empty() && kind != "flatnet")
        {
            let why = format!(
                "{kind:?} is not known: this plugin has its own, `flatnet`, and calls no other"
            );
            return Err(Error::config("ipam.type", why));
        }
        let short = ipam.subnet.map(|subnet| RawRange {
            subnet,
            range_start: ipam.range_start,
            range_end: ipam.range_end,
            gateway: ipam.gateway,
        });
        let mut sets: Vec<Vec<RawRange>> = short.map(|range| vec![range]).into_iter().collect();
        sets.extend(ipam.ranges.unwrap_or_default());
        let pools = Pools::new(sets)?;

        let lowest = if pools.ranges().any(|range| range.is_v6()) {
            MIN_MTU_V6
        } else {
            MIN_MTU_V4
        };
        // 0 means "not set" in configurations written by Go programs.
        let mtu = raw.mtu.filter(|mtu| *mtu != 0);
        if let Some(mtu) = mtu.filter(|mtu| !(lowest..=MAX_MTU).contains(mtu)) {
            return Err(Error::config(
                "mtu",
                format!("{mtu} is not within {lowest} to {MAX_MTU}"),
            ));
        }
        let default_gateway = raw.is_default_gateway.unwrap_or(true);
        let routes = ipam
            .routes
            .unwrap_or_default()
            .into_iter()
            .map(|route| conf_route(route, &pools, default_gateway));
        Ok(Plan {
            mtu,
            default_gateway,
            masquerade: raw.ip_masq.unwrap_or(false),
            hairpin: raw.hairpin_mode.unwrap_or(true),
            routes: routes.collect::<Result<_>>()?,
            pod_network: raw.pod_network.unwrap_or_default(),
            pools,
        })
    }

    /// The routes of a pod with these addresses, on-link routes first, because the kernel requires that order.
    ///
    /// A pod's address is a host address (/32, /128), so its only neighbour is the gateway, whose MAC is a permanent entry.
    /// Pods that resolved every peer themselves would fill the kernel's neighbour table, which all namespaces of a host
    /// share and which overflows at 1024 entries (gc_thresh3).
    pub(crate) fn pod_routes(&self, assigned: &[Assigned]) -> Vec<PodRoute> {
        let mut routes: Vec<PodRoute> = Vec::new();
        let mut push = |route: PodRoute| {
            if !routes
                .iter()
                .any(|known| known.dst == route.dst && known.priority == route.priority)
            {
                routes.push(route);
            }
        };
        for one in assigned {
            push(PodRoute {
                dst: IpNet::from(one.gateway),
                gateway: None,
                priority: None,
                onlink: false,
            });
        }
        for one in assigned {
            let dst = if self.default_gateway {
                default_dst(one.gateway)
            } else {
                one.subnet
            };
            push(PodRoute {
                dst,
                gateway: Some(one.gateway),
                priority: None,
                onlink: false,
            });
        }
        for route in &self.routes {
            let own = assigned
                .iter()
                .find(|one| one.gateway.is_ipv4() == is_v4(&route.dst))
                .map(|one| one.gateway);
            let gateway = match route.hop {
                Hop::OwnGateway => own,
                Hop::Via(gateway) => Some(gateway),
                Hop::OnLink => None,
            };
            let onlink = gateway.is_some() && gateway != own;
            push(PodRoute {
                dst: route.dst,
                gateway,
                priority: route.priority,
                onlink,
            });
        }
        routes
    }
}

fn conf_route(raw: RawRoute, pools: &Pools, default_gateway: bool) -> Result<ConfRoute> {
    let key = || format!("ipam.routes {}", raw.dst);
    for (name, value) in [
        ("mtu", &raw.mtu),
        ("advmss", &raw.advmss),
        ("table", &raw.table),
    ] {
        if let Some(value) = value {
            return Err(Error::UnsupportedField {
                key: "ipam.routes",
                value: format!("{name} {value}"),
                why: "routes take dst, gw, priority and scope",
            });
        }
    }
    if raw.dst.trunc() != raw.dst {
        return Err(Error::config(
            key(),
            format!("has host bits set; the network is {}", raw.dst.trunc()),
        ));
    }
    let mut same_family = pools
        .ranges()
        .filter(|range| range.is_v6() != is_v4(&raw.dst))
        .peekable();
    if same_family.peek().is_none() {
        return Err(Error::config(key(), "no range is of this address family"));
    }
    let hop = match (raw.gw, raw.scope) {
        (Some(gateway), None | Some(0)) if gateway.is_ipv4() == is_v4(&raw.dst) => {
            Hop::Via(gateway)
        }
        (Some(gateway), None | Some(0)) => {
            return Err(Error::config(
                key(),
                format!("gw {gateway} is of the other address family"),
            ));
        }
        (None, None | Some(0)) => Hop::OwnGateway,
        (None, Some(SCOPE_LINK)) => Hop::OnLink,
        (_, Some(scope)) => {
            return Err(Error::config(key(), format!("scope {scope} does not fit")));
        }
    };
    if let Hop::Via(gateway) = hop
        && default_gateway
        && raw.dst.prefix_len() == 0
        && raw.priority.is_none()
        && !same_family.any(|range| range.gateway() == gateway)
    {
        let why = format!(
            "gw {gateway} contradicts isDefaultGateway, which makes the bridge the default gateway"
        );
        return Err(Error::config(key(), why));
    }
    Ok(ConfRoute {
        dst: raw.dst,
        hop,
        priority: raw.priority,
    })
}

pub(crate) fn is_v4(net: &IpNet) -> bool {
    matches!(net, IpNet::V4(_))
}

fn default_dst(gateway: IpAddr) -> IpNet {
    match gateway {
        IpAddr::V4(_) => IpNet::V4(ipnet::Ipv4Net::default()),
        IpAddr::V6(_) => IpNet::V6(ipnet::Ipv6Net::default()),
    }
}
