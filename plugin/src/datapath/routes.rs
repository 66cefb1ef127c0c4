//! Routes of a container that has other interfaces.
use flatnet_netlink::RouteEntry;
use ipnet::IpNet;

use crate::types::PodRoute;

/// The metric that the kernel gives an IPv6 route without one (IP6_RT_PRIO_USER, net/ip6_fib.h); IPv4's is 0.
const METRIC_V6: u32 = 1024;

/// The routes of an interface that is attached after others: where the container has a route to a destination, ours gets a higher metric
/// than it, so that the interface that was there first keeps the traffic, and ours is used by what is bound to its interface, and when
/// the first is gone. A configured `priority` stays unless the container has a route of that very metric; then the next free one is taken.
pub(super) fn behind_others(mut routes: Vec<PodRoute>, present: &[RouteEntry]) -> Vec<PodRoute> {
    let there = present
        .iter()
        .map(|entry| (entry.dst, metric(entry.dst, entry.metric)));
    let mut taken: Vec<(IpNet, u32)> = there.collect();
    for route in &mut routes {
        let of_dst = |(dst, metric): &(IpNet, u32)| (*dst == route.dst).then_some(*metric);
        if let Some(highest) = taken.iter().filter_map(of_dst).max() {
            let wanted = route.priority.unwrap_or(highest.saturating_add(1));
            route.priority = (wanted..=u32::MAX)
                .chain((0..wanted).rev())
                .find(|metric| !taken.contains(&(route.dst, *metric)));
        }
        taken.push((route.dst, metric(route.dst, route.priority)));
    }
    routes
}

fn metric(dst: IpNet, set: Option<u32>) -> u32 {
    set.unwrap_or(if dst.addr().is_ipv4() { 0 } else { METRIC_V6 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(dst: &str, priority: Option<u32>) -> PodRoute {
        PodRoute {
            dst: dst.parse().unwrap(),
            gateway: None,
            priority,
            onlink: false,
        }
    }

    fn entry(dst: &str, metric: Option<u32>) -> RouteEntry {
        RouteEntry {
            dst: dst.parse().unwrap(),
            gateway: None,
            oif: Some(2),
            src: None,
            onlink: false,
            protocol: 4,
            scope: "global".to_owned(),
            metric,
            kind: 1,
            mtu: None,
            mtu_expires_s: None,
            more_hops: Vec::new(),
            nexthop_id: None,
        }
    }

    fn metrics(present: &[RouteEntry], routes: Vec<PodRoute>) -> Vec<Option<u32>> {
        let routes = behind_others(routes, present);
        routes.iter().map(|route| route.priority).collect()
    }

    #[test]
    fn what_was_there_first_keeps_the_traffic() {
        let present = [
            entry("0.0.0.0/0", None),
            entry("0.0.0.0/0", Some(100)),
            entry("::/0", Some(1024)),
            entry("192.0.2.0/24", Some(5)),
            entry("192.0.2.0/24", Some(6)),
            entry("198.51.100.0/24", Some(u32::MAX)),
        ];
        let ours = vec![
            route("0.0.0.0/0", None),
            route("::/0", None),
            route("10.9.0.1/32", None),
            route("192.0.2.0/24", Some(4)),
            route("192.0.2.0/24", Some(5)),
            route("198.51.100.0/24", None),
        ];
        let expected = [
            Some(101),
            Some(1025),
            None,
            Some(4),
            Some(7),
            Some(u32::MAX - 1),
        ];
        assert_eq!(metrics(&present, ours), expected);
        assert_eq!(metrics(&[], vec![route("0.0.0.0/0", None)]), [None]);
    }
}
