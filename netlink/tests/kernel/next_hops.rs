//! Routes with several next hops, and those whose next hops are an object of their own.
use flatnet_netlink::{Request, Route, RouteEntry};
use serde_json::Value;

use crate::observer::{ip, ip_succeeds};
use crate::scene::{alone, link, veth, wait_until_up};

/// Next hops as `ip -j route` shows them: address, device, whether it is taken to be on link.
fn shown(route: &Value) -> Vec<(String, String, bool)> {
    let own = [route.clone()];
    let hops = route["nexthops"].as_array().map_or(&own[..], Vec::as_slice);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let onlink = |hop: &Value| {
        let flags = hop["flags"].as_array().cloned().unwrap_or_default();
        flags.contains(&Value::from("onlink"))
    };
    // One of the other family than the destination is shown under a name of its own.
    let via = |hop: &Value| text(hop.get("gateway").unwrap_or(&hop["via"]["host"]));
    hops.iter()
        .map(|hop| (via(hop), text(&hop["dev"]), onlink(hop)))
        .collect()
}

fn routes_to(dst: &str) -> Vec<Value> {
    let family = if dst.contains(':') { "-6" } else { "-4" };
    let routes = ip(&format!("{family} route show {dst}"));
    routes.as_array().cloned().unwrap_or_default()
}

#[test]
fn a_route_is_read_with_all_its_next_hops_and_deleted_as_it_was_read() {
    alone(|route| {
        route
            .send(Request::add_veth(&veth("eth0", "eth1", None)))
            .unwrap();
        let far = link(route, "eth1").index;
        route.send(Request::set_up(far)).unwrap();
        for (name, nets) in [
            ("eth0", ["10.0.0.1/24", "fd00::1/64"]),
            ("eth1", ["10.0.1.1/24", "fd00:1::1/64"]),
        ] {
            // Next hops of objects need a carrier.
            wait_until_up(route, name);
            let index = link(route, name).index;
            for net in nets {
                let request = Request::add_address(index, net.parse().unwrap(), false);
                route.send(request).unwrap();
            }
        }
        for object in [
            "id 1 via 10.0.0.2 dev eth0",
            "id 2 via 10.0.1.3 dev eth1",
            "id 3 group 1/2",
            "id 4 via fd00::2 dev eth0",
            "id 5 via fd00:1::3 dev eth1",
            "id 6 group 4/5",
        ] {
            assert!(ip_succeeds(&format!("nexthop add {object}")), "{object}");
        }
        for (dst, hops) in [
            (
                "10.1.0.0/16",
                "nexthop via 10.0.0.2 dev eth0 nexthop via 10.0.0.3 dev eth0 weight 2",
            ),
            (
                "10.1.0.0/16",
                "nexthop via 10.9.9.9 dev eth0 onlink nexthop via 10.0.1.3 dev eth1",
            ),
            (
                "10.1.0.0/16",
                "nexthop via inet6 fd00::7 dev eth0 nexthop via 10.0.1.3 dev eth1",
            ),
            (
                "fd01::/64",
                "nexthop via fd00::2 dev eth0 nexthop via fd00::3 dev eth0",
            ),
            ("10.1.0.0/16", "nhid 3"),
            ("10.1.0.0/16", "nhid 1"),
            ("fd01::/64", "nhid 6"),
            ("10.1.0.0/16", "via 10.0.0.2"),
        ] {
            read_and_deleted(route, dst, hops);
        }
    });
}

fn read_and_deleted(route: &mut Route, dst: &str, hops: &str) {
    // Another route to the same destination stays when the one that was read is deleted.
    for command in [
        format!("route add {dst} metric 7 {hops}"),
        format!("route add {dst} dev eth1 metric 8"),
    ] {
        assert!(ip_succeeds(&command), "{command}");
    }

    let read = || -> Vec<RouteEntry> {
        let mut routes = Route::open().unwrap();
        let routes = routes.routes().unwrap().into_iter();
        routes
            .filter(|entry| entry.dst.to_string() == dst)
            .collect()
    };
    let [ours, _] = &read()[..] else {
        panic!("{:?}", read());
    };
    let links = route.links().unwrap();
    let name = |index: Option<u32>| {
        let link = links.iter().find(|link| Some(link.index) == index);
        link.map(|link| link.name.clone()).unwrap_or_default()
    };
    let hops: Vec<_> = ours
        .hops()
        .map(|hop| {
            let gateway = hop.gateway.map(|gateway| gateway.to_string());
            (gateway.unwrap_or_default(), name(hop.oif), hop.onlink)
        })
        .collect();
    assert_eq!(hops, shown(&routes_to(dst)[0]));
    let object = routes_to(dst)[0]["nhid"].as_u64();
    assert_eq!(ours.nexthop_id.map(u64::from), object);

    route.send(Request::del_route_entry(ours)).unwrap();
    let left = routes_to(dst);
    let metrics: Vec<_> = left.iter().map(|route| route["metric"].as_u64()).collect();
    assert_eq!(metrics, [Some(8)]);
    assert!(ip_succeeds(&format!("route del {dst} metric 8")));
}
