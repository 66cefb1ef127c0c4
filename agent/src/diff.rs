//! Compares desired routes, neighbours and FDB entries with the actual ones. Pure.
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;

use flatnet_netlink::request::NewRoute;
use flatnet_netlink::{FdbEntry, MacAddr, Neighbour, Request, RouteEntry};
use ipnet::IpNet;

use crate::desired::{Desired, Hop};
use crate::uplink::Uplink;

/// The protocol number (RTA_PROTOCOL) that marks routes as ours. 0x66; neither /etc/iproute2/rt_protos nor the kernel's
/// rtnetlink.h assigns it.
pub(crate) const PROTOCOL: u8 = 102;
/// RTPROT_KERNEL: routes that the kernel derives from addresses; never touched.
const PROTOCOL_KERNEL: u8 = 2;
/// RTPROT_STATIC, the highest of the numbers that the kernel and `ip route` give (linux/rtnetlink.h).
const PROTOCOL_STATIC: u8 = 4;
/// RTN_UNICAST.
pub(crate) const UNICAST: u8 = 1;
/// The metric that the kernel gives an IPv6 route without one (IP6_RT_PRIO_USER).
const METRIC_V6: u32 = 1024;

/// What the kernel's three tables hold.
#[derive(Debug, Default)]
pub(crate) struct Actual {
    /// The main routing table, both families.
    pub(crate) routes: Vec<RouteEntry>,
    /// Neighbours of both families, every device.
    pub(crate) neighbours: Vec<Neighbour>,
    /// FDB entries of every bridge and VXLAN device.
    pub(crate) fdb: Vec<FdbEntry>,
}

/// An interface: its index for the kernel, its name for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) index: u32,
    pub(crate) name: String,
}

/// The interfaces that routes, neighbours and FDB entries refer to.
#[derive(Clone, Debug)]
pub(crate) struct Devices {
    /// Connects this node to the others.
    pub(crate) uplink: Device,
    pub(crate) bridge: Device,
    /// The VXLAN device, if there is one.
    pub(crate) vxlan: Option<Device>,
}

/// A route to another node's pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) dst: IpNet,
    pub(crate) gateway: IpAddr,
    pub(crate) dev: Device,
    /// Set RTNH_F_ONLINK: the next hop is in no prefix of the interface.
    pub(crate) onlink: bool,
}

/// One change to a kernel table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    /// No route to that podCIDR existed.
    AddRoute(Route),
    /// A wrong route to it existed.
    ReplaceRoute(Route),
    /// No longer wanted, or conflicting.
    DelRoute(RouteEntry),
    /// The tunnel's next hop was missing or had another MAC.
    SetNeighbour(Device, IpAddr, MacAddr),
    /// No route uses this next hop any more.
    DelNeighbour(Device, IpAddr),
    /// The VTEP was missing or had another outer address.
    SetFdb(Device, MacAddr, IpAddr),
    /// No node has this VTEP any more.
    DelFdb(Device, MacAddr, Option<IpAddr>),
}

/// A write and the remote node that it concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// The remote node; `None` for a removal.
    pub(crate) node: Option<String>,
    pub(crate) write: Write,
}

/// The writes that turn `actual` into `desired`, in the order that loses the fewest packets: the tunnel's entries before
/// the routes that lead into it, removals last.
pub(crate) fn steps(desired: &Desired, devices: &Devices, actual: &Actual) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Some(vxlan) = &devices.vxlan {
        tunnel_entries(desired, vxlan, actual, &mut steps);
    }
    let wanted = wanted_routes(desired, devices);
    let mut there: HashMap<IpNet, Vec<&RouteEntry>> = HashMap::new();
    for route in actual
        .routes
        .iter()
        .filter(|r| r.protocol != PROTOCOL_KERNEL)
    {
        there.entry(route.dst).or_default().push(route);
    }
    for (node, route) in &wanted {
        fix_route(
            node,
            route,
            there.get(&route.dst).map_or(&[], Vec::as_slice),
            &mut steps,
        );
    }
    let wanted: HashSet<IpNet> = wanted.iter().map(|(_, route)| route.dst).collect();
    let stale = actual.routes.iter().filter(|r| {
        let ours = r.protocol == PROTOCOL && !wanted.contains(&r.dst);
        // The podCIDR was another node's before: a route to it would divert traffic from this node's pods.
        let conflicting = r.protocol != PROTOCOL_KERNEL
            && !is_foreign(r)
            && r.hops().any(|hop| hop.oif != Some(devices.bridge.index))
            && r.kind == UNICAST;
        ours || (conflicting && desired.pod_cidrs.contains(&r.dst))
    });
    steps.extend(stale.map(|r| Step {
        node: None,
        write: Write::DelRoute(r.clone()),
    }));
    if let Some(vxlan) = &devices.vxlan {
        stale_tunnel_entries(desired, vxlan, actual, &mut steps);
    }
    steps
}

fn tunnel_entries(desired: &Desired, vxlan: &Device, actual: &Actual, steps: &mut Vec<Step>) {
    let permanent = |n: &&Neighbour| n.index == vxlan.index && n.state == "PERMANENT";
    let neighbours: HashMap<IpAddr, Option<MacAddr>> = actual
        .neighbours
        .iter()
        .filter(permanent)
        .map(|n| (n.address, n.mac))
        .collect();
    let permanent = |e: &&FdbEntry| e.index == vxlan.index && e.state == "PERMANENT";
    let fdb: HashMap<MacAddr, Option<IpAddr>> = actual
        .fdb
        .iter()
        .filter(permanent)
        .map(|e| (e.mac, e.dst))
        .collect();
    for routes in &desired.routes {
        let Some(vtep) = routes.vtep else { continue };
        let mut set = |write| {
            steps.push(Step {
                node: Some(routes.node.clone()),
                write,
            })
        };
        if fdb.get(&vtep.mac) != Some(&Some(vtep.outer)) {
            set(Write::SetFdb(vxlan.clone(), vtep.mac, vtep.outer));
        }
        for (_, hop) in &routes.hops {
            let Hop::Tunnel(gateway) = *hop else { continue };
            if neighbours.get(&gateway) != Some(&Some(vtep.mac)) {
                set(Write::SetNeighbour(vxlan.clone(), gateway, vtep.mac));
            }
        }
    }
}

fn stale_tunnel_entries(desired: &Desired, vxlan: &Device, actual: &Actual, steps: &mut Vec<Step>) {
    let hops: HashSet<IpAddr> = desired
        .routes
        .iter()
        .flat_map(|r| &r.hops)
        .filter_map(|(_, hop)| hop.tunnel())
        .collect();
    for n in actual
        .neighbours
        .iter()
        .filter(|n| n.index == vxlan.index && n.state == "PERMANENT")
    {
        if !hops.contains(&n.address) {
            steps.push(Step {
                node: None,
                write: Write::DelNeighbour(vxlan.clone(), n.address),
            });
        }
    }
    let vteps: HashSet<MacAddr> = desired
        .routes
        .iter()
        .filter_map(|r| r.vtep)
        .map(|v| v.mac)
        .collect();
    for e in actual
        .fdb
        .iter()
        .filter(|e| e.index == vxlan.index && e.dst.is_some())
    {
        // An entry with a wanted MAC has been replaced above, so there is no second one.
        if !vteps.contains(&e.mac) {
            steps.push(Step {
                node: None,
                write: Write::DelFdb(vxlan.clone(), e.mac, e.dst),
            });
        }
    }
}

pub(crate) fn wanted_routes<'a>(desired: &'a Desired, devices: &Devices) -> Vec<(&'a str, Route)> {
    let route = |dst: IpNet, hop: Hop| match (hop, &devices.vxlan) {
        (Hop::Direct(gateway), _) => Some(Route {
            dst,
            gateway,
            dev: devices.uplink.clone(),
            onlink: false,
        }),
        // A link-local next hop is always on-link.
        (Hop::Tunnel(gateway), Some(vxlan)) => Some(Route {
            dst,
            gateway,
            dev: vxlan.clone(),
            onlink: gateway.is_ipv4(),
        }),
        (Hop::Tunnel(_), None) => None,
    };
    let hops = desired
        .routes
        .iter()
        .flat_map(|r| r.hops.iter().map(|hop| (r.node.as_str(), hop)));
    hops.filter_map(|(node, (dst, hop))| Some((node, route(*dst, *hop)?)))
        .collect()
}

/// `there`: the existing routes to that podCIDR, except the kernel's own.
fn fix_route(node: &str, route: &Route, there: &[&RouteEntry], steps: &mut Vec<Step>) {
    let mut set = |write| {
        steps.push(Step {
            node: Some(node.to_owned()),
            write,
        })
    };
    // There is no room beside it, and it stays; it is told elsewhere.
    if there.iter().any(|r| is_foreign(r) && default_metric(r)) {
        return;
    }
    let there: Vec<&&RouteEntry> = there.iter().filter(|r| !is_foreign(r)).collect();
    let mut wrong: Vec<_> = there
        .iter()
        .copied()
        .filter(|r| !is_right(r, route))
        .collect();
    if wrong.len() == there.len() {
        // NLM_F_REPLACE replaces the first route of equal metric; routes of other metrics stay beside the new one.
        match wrong.iter().position(|r| default_metric(r)) {
            Some(replaced) => {
                wrong.remove(replaced);
                set(Write::ReplaceRoute(route.clone()));
            }
            None => set(Write::AddRoute(route.clone())),
        }
    }
    // A route that only drops (blackhole, unreachable) precedes ours only if an operator gave it a lower metric; keep it.
    for r in wrong.into_iter().filter(|r| r.kind == UNICAST) {
        set(Write::DelRoute((*r).clone()));
    }
}

fn is_right(actual: &RouteEntry, wanted: &Route) -> bool {
    actual.kind == UNICAST
        && actual.protocol == PROTOCOL
        && actual.more_hops.is_empty()
        && actual.gateway == Some(wanted.gateway)
        && actual.oif == Some(wanted.dev.index)
        && actual.onlink == wanted.onlink
        && actual.src.is_none()
        && default_metric(actual)
}

/// Whether another program maintains the route.
pub(crate) fn is_foreign(route: &RouteEntry) -> bool {
    route.protocol > PROTOCOL_STATIC && route.protocol != PROTOCOL
}

fn default_metric(route: &RouteEntry) -> bool {
    let metric = route.metric.unwrap_or(0);
    metric == 0 || (metric == METRIC_V6 && route.dst.addr().is_ipv6())
}

impl Write {
    /// The netlink request that carries it out.
    pub(crate) fn request(&self) -> Request {
        match self {
            Write::AddRoute(route) => Request::add_route(&route.message()),
            Write::ReplaceRoute(route) => Request::replace_route(&route.message()),
            Write::DelRoute(r) => Request::del_route_entry(r),
            Write::SetNeighbour(dev, address, mac) => {
                Request::set_neighbour(dev.index, *address, *mac)
            }
            Write::DelNeighbour(dev, address) => Request::del_neighbour(dev.index, *address),
            Write::SetFdb(dev, mac, dst) => Request::set_fdb(dev.index, *mac, *dst),
            Write::DelFdb(dev, mac, dst) => Request::del_fdb(dev.index, *mac, *dst),
        }
    }

    /// Whether it removes an entry, so that finding none is fine.
    pub(crate) fn is_removal(&self) -> bool {
        matches!(
            self,
            Write::DelRoute(_) | Write::DelNeighbour(..) | Write::DelFdb(..)
        )
    }
}

impl Route {
    fn message(&self) -> NewRoute {
        NewRoute {
            dst: self.dst,
            gateway: Some(self.gateway),
            oif: Some(self.dev.index),
            onlink: self.onlink,
            scope_link: false,
            src: None,
            protocol: PROTOCOL,
            metric: None,
            mtu: None,
        }
    }
}

impl Devices {
    pub(crate) fn uplink(uplink: &Uplink) -> Device {
        Device {
            index: uplink.index,
            name: uplink.name.clone(),
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "route {} via {} dev {}",
            self.dst, self.gateway, self.dev.name
        )
    }
}

/// The log line of a completed write.
impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Write::AddRoute(route) => write!(f, "{route}: added"),
            Write::ReplaceRoute(route) => write!(f, "{route}: replaced a wrong one"),
            Write::DelRoute(r) => {
                write!(f, "route {}", r.dst)?;
                for gateway in r.hops().filter_map(|hop| hop.gateway) {
                    write!(f, " via {gateway}")?;
                }
                if r.protocol == PROTOCOL {
                    write!(f, ": removed")
                } else {
                    write!(f, ": removed (not ours)")
                }
            }
            Write::SetNeighbour(dev, address, mac) => {
                write!(f, "neighbour {address} dev {} at {mac}: set", dev.name)
            }
            Write::DelNeighbour(dev, address) => {
                write!(f, "neighbour {address} dev {}: removed", dev.name)
            }
            Write::SetFdb(dev, mac, dst) => write!(f, "fdb {mac} dev {} to {dst}: set", dev.name),
            Write::DelFdb(dev, mac, _) => write!(f, "fdb {mac} dev {}: removed", dev.name),
        }
    }
}

#[cfg(test)]
mod tests;
