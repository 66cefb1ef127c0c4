//! Routes of other programs that maintain theirs (a BGP daemon, a DHCP client): they are left alone, because two programs that replace
//! each other's routes never end. What a person added by hand is none of those.
use flatnet_netlink::RouteEntry;

use crate::Error;
use crate::desired::Desired;
use crate::diff::{Devices, UNICAST, is_foreign, wanted_routes};

/// The metrics of IPv6 routes without one, and of those that an address brings with it (IP6_RT_PRIO_USER and IP6_RT_PRIO_ADDRCONF).
const METRIC_V6: u32 = 1024;
const METRIC_OF_PREFIX_V6: u32 = 256;

/// An error for each route of another program that is in the place of one to a podCIDR, or is preferred to it.
pub(crate) fn conflicts(desired: &Desired, devices: &Devices, routes: &[RouteEntry]) -> Vec<Error> {
    let of_others = || routes.iter().filter(|route| is_foreign(route));
    let remote = wanted_routes(desired, devices)
        .into_iter()
        .flat_map(|(node, wanted)| {
            of_others()
                .filter(move |route| {
                    let serves = route.kind == UNICAST
                        && route.hops().all(|hop| {
                            hop.gateway == Some(wanted.gateway) && hop.oif == Some(wanted.dev.index)
                        });
                    route.dst == wanted.dst && !serves && precedes(route, METRIC_V6)
                })
                .map(move |route| error(Some(node), route))
        });
    let own = of_others().filter(|route| {
        desired.pod_cidrs.contains(&route.dst)
            && route
                .hops()
                .any(|hop| hop.oif != Some(devices.bridge.index))
            && precedes(route, METRIC_OF_PREFIX_V6)
    });
    remote.chain(own.map(|route| error(None, route))).collect()
}

/// Whether the kernel would not prefer a route of ours; `v6` is the metric of that, IPv4's is 0.
fn precedes(route: &RouteEntry, v6: u32) -> bool {
    let ours = if route.dst.addr().is_ipv4() { 0 } else { v6 };
    route.metric.unwrap_or(0) <= ours
}

fn error(node: Option<&str>, route: &RouteEntry) -> Error {
    Error::ForeignRoute {
        node: node.map(str::to_owned),
        dst: route.dst,
        gateway: route.gateway,
        protocol: route.protocol,
    }
}
