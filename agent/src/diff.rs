//! Routes, neighbours and FDB entries: what should be there against what is. Pure.
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;

use flatnet_netlink::request::NewRoute;
use flatnet_netlink::{FdbEntry, MacAddr, Neighbour, Request, RouteEntry};
use ipnet::IpNet;

use crate::desired::{Desired, Hop};
use crate::uplink::Uplink;

/// The protocol number (RTA_PROTOCOL) that marks routes as ours. 0x66; neither /etc/iproute2/rt_protos nor the kernel's
/// rtnetlink.h gives it to anybody.
pub const PROTOCOL: u8 = 102;
/// RTPROT_KERNEL: routes that follow from addresses. They are not ours to touch.
const PROTOCOL_KERNEL: u8 = 2;
/// RTN_UNICAST.
const UNICAST: u8 = 1;
/// What the kernel makes of an IPv6 route without a metric (IP6_RT_PRIO_USER).
const METRIC_V6: u32 = 1024;

/// The three tables of the kernel.
#[derive(Debug, Default)]
pub struct Actual {
    /// Main table.
    pub routes: Vec<RouteEntry>,
    /// Both families, every device.
    pub neighbours: Vec<Neighbour>,
    /// Every bridge and VXLAN device.
    pub fdb: Vec<FdbEntry>,
}

/// An interface, by index for the kernel and by name for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Interface index.
    pub index: u32,
    /// Interface name.
    pub name: String,
}

/// The interfaces that entries are on.
#[derive(Clone, Debug)]
pub struct Devices {
    /// Joins the nodes.
    pub uplink: Device,
    /// The pods' bridge.
    pub bridge: Device,
    /// The tunnel, if there is one.
    pub vxlan: Option<Device>,
}

/// A route to another node's pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// podCIDR.
    pub dst: IpNet,
    /// Next hop.
    pub gateway: IpAddr,
    /// Outgoing interface.
    pub dev: Device,
    /// The next hop is not within a prefix of the interface.
    pub onlink: bool,
}

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// None to that podCIDR was there.
    AddRoute(Route),
    /// A wrong one was, or several.
    ReplaceRoute(Route),
    /// Nobody wants it.
    DelRoute(RouteEntry),
    /// Missing or wrong.
    SetNeighbour(Device, IpAddr, MacAddr),
    /// Nobody wants it.
    DelNeighbour(Device, IpAddr),
    /// Missing or wrong.
    SetFdb(Device, MacAddr, IpAddr),
    /// Nobody wants it.
    DelFdb(Device, MacAddr, Option<IpAddr>),
}

/// A write and the node for whose sake it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The other node; `None` where something is removed.
    pub node: Option<String>,
    /// The write.
    pub write: Write,
}

/// The writes that make `actual` what `desired` says, in the order in which packets lose least: the tunnel's entries
/// before the routes that lead into it, removals last.
pub fn steps(desired: &Desired, devices: &Devices, actual: &Actual) -> Vec<Step> {
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
        mend_route(
            node,
            route,
            there.get(&route.dst).map_or(&[], Vec::as_slice),
            &mut steps,
        );
    }
    let wanted: HashSet<IpNet> = wanted.iter().map(|(_, route)| route.dst).collect();
    let stale = actual.routes.iter().filter(|r| {
        let ours = r.protocol == PROTOCOL && !wanted.contains(&r.dst);
        // A podCIDR that was another node's before: a route there would take this node's pods away.
        let usurper = r.protocol != PROTOCOL_KERNEL
            && r.oif != Some(devices.bridge.index)
            && r.kind == UNICAST;
        ours || (usurper && desired.pod_cidrs.contains(&r.dst))
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
    for way in &desired.ways {
        let Some(vtep) = way.vtep else { continue };
        let mut set = |write| {
            steps.push(Step {
                node: Some(way.node.clone()),
                write,
            })
        };
        if fdb.get(&vtep.mac) != Some(&Some(vtep.outer)) {
            set(Write::SetFdb(vxlan.clone(), vtep.mac, vtep.outer));
        }
        for (_, hop) in &way.hops {
            let Hop::Tunnel(gateway) = *hop else { continue };
            if neighbours.get(&gateway) != Some(&Some(vtep.mac)) {
                set(Write::SetNeighbour(vxlan.clone(), gateway, vtep.mac));
            }
        }
    }
}

fn stale_tunnel_entries(desired: &Desired, vxlan: &Device, actual: &Actual, steps: &mut Vec<Step>) {
    let hops: HashSet<IpAddr> = desired
        .ways
        .iter()
        .flat_map(|w| &w.hops)
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
        .ways
        .iter()
        .filter_map(|w| w.vtep)
        .map(|v| v.mac)
        .collect();
    for e in actual
        .fdb
        .iter()
        .filter(|e| e.index == vxlan.index && e.dst.is_some())
    {
        // An entry of a wanted MAC was replaced, not added to.
        if !vteps.contains(&e.mac) {
            steps.push(Step {
                node: None,
                write: Write::DelFdb(vxlan.clone(), e.mac, e.dst),
            });
        }
    }
}

fn wanted_routes<'a>(desired: &'a Desired, devices: &Devices) -> Vec<(&'a str, Route)> {
    let route = |dst: IpNet, hop: Hop| match (hop, &devices.vxlan) {
        (Hop::Direct(gateway), _) => Some(Route {
            dst,
            gateway,
            dev: devices.uplink.clone(),
            onlink: false,
        }),
        // A link-local next hop is on link by itself.
        (Hop::Tunnel(gateway), Some(vxlan)) => Some(Route {
            dst,
            gateway,
            dev: vxlan.clone(),
            onlink: gateway.is_ipv4(),
        }),
        (Hop::Tunnel(_), None) => None,
    };
    let hops = desired
        .ways
        .iter()
        .flat_map(|w| w.hops.iter().map(|hop| (w.node.as_str(), hop)));
    hops.filter_map(|(node, (dst, hop))| Some((node, route(*dst, *hop)?)))
        .collect()
}

/// `there`: what there is to that podCIDR, the kernel's own routes aside.
fn mend_route(node: &str, route: &Route, there: &[&RouteEntry], steps: &mut Vec<Step>) {
    let mut set = |write| {
        steps.push(Step {
            node: Some(node.to_owned()),
            write,
        })
    };
    let mut wrong: Vec<_> = there.iter().filter(|r| !is_right(r, route)).collect();
    if wrong.len() == there.len() {
        // The kernel replaces the first route of equal metric; routes of other metrics stay beside the new one.
        match wrong.iter().position(|r| default_metric(r)) {
            Some(replaced) => {
                wrong.remove(replaced);
                set(Write::ReplaceRoute(route.clone()));
            }
            None => set(Write::AddRoute(route.clone())),
        }
    }
    // One that only drops (blackhole, unreachable) cannot lie before ours except with a metric of the operator's choice.
    for r in wrong.into_iter().filter(|r| r.kind == UNICAST) {
        set(Write::DelRoute((*r).clone()));
    }
}

fn is_right(actual: &RouteEntry, wanted: &Route) -> bool {
    actual.kind == UNICAST
        && actual.protocol == PROTOCOL
        && actual.gateway == Some(wanted.gateway)
        && actual.oif == Some(wanted.dev.index)
        && actual.onlink == wanted.onlink
        && actual.src.is_none()
        && default_metric(actual)
}

fn default_metric(route: &RouteEntry) -> bool {
    let metric = route.metric.unwrap_or(0);
    metric == 0 || (metric == METRIC_V6 && route.dst.addr().is_ipv6())
}

impl Write {
    /// The message that does it.
    pub fn request(&self) -> Request {
        match self {
            Write::AddRoute(route) => Request::add_route(&route.message()),
            Write::ReplaceRoute(route) => Request::replace_route(&route.message()),
            Write::DelRoute(r) => Request::del_route(&NewRoute {
                dst: r.dst,
                gateway: r.gateway,
                oif: r.oif,
                onlink: r.onlink,
                scope_link: r.scope == "link",
                src: r.src,
                // Any: one hop of several may come from another hand than the first, whose protocol the kernel tells.
                protocol: 0,
                metric: r.metric,
            }),
            Write::SetNeighbour(dev, address, mac) => {
                Request::set_neighbour(dev.index, *address, *mac)
            }
            Write::DelNeighbour(dev, address) => Request::del_neighbour(dev.index, *address),
            Write::SetFdb(dev, mac, dst) => Request::set_fdb(dev.index, *mac, *dst),
            Write::DelFdb(dev, mac, dst) => Request::del_fdb(dev.index, *mac, *dst),
        }
    }

    /// Whether it takes something away (so that finding it gone is fine).
    pub fn is_removal(&self) -> bool {
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
        }
    }
}

impl Devices {
    /// The uplink, as a device.
    pub fn uplink(uplink: &Uplink) -> Device {
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

/// The line of the log once it is done.
impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Write::AddRoute(route) => write!(f, "{route}: added"),
            Write::ReplaceRoute(route) => write!(f, "{route}: replaced a wrong one"),
            Write::DelRoute(r) => {
                write!(f, "route {}", r.dst)?;
                if let Some(gateway) = r.gateway {
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
