//! Routes.
use flatnet_netlink::request::NewRoute;
use flatnet_netlink::{Flow, Request, Route, RouteEntry};
use nix::errno::Errno;
use serde_json::{Value, json};

use crate::observer::{ip, ip_succeeds};
use crate::scene::{alone, device};

/// A device with an address of each family.
fn node(route: &mut Route) -> u32 {
    let index = device(route, "br0");
    for net in ["10.0.0.1/24", "fd00::1/64"] {
        route
            .send(Request::add_address(index, net.parse().unwrap(), false))
            .unwrap();
    }
    index
}

fn to(dst: &str, gateway: Option<&str>, oif: u32) -> NewRoute {
    NewRoute {
        dst: dst.parse().unwrap(),
        gateway: gateway.map(|text| text.parse().unwrap()),
        oif: Some(oif),
        onlink: false,
        scope_link: false,
        src: None,
        protocol: 4,
        metric: None,
        mtu: None,
    }
}

/// What `ip route show` says about one destination.
fn shown(dst: &str) -> Vec<Value> {
    let family = if dst.contains(':') { "-6" } else { "-4" };
    ip(&format!("-d {family} route show {dst}"))
        .as_array()
        .cloned()
        .unwrap_or_default()
}

fn read(route: &mut Route, dst: &str) -> Vec<RouteEntry> {
    let dst: ipnet::IpNet = dst.parse().unwrap();
    route
        .routes()
        .unwrap()
        .into_iter()
        .filter(|entry| entry.dst == dst)
        .collect()
}

#[test]
fn a_namespace_without_routes_has_none() {
    alone(|route| assert_eq!(route.routes().unwrap(), []));
}

#[test]
fn everything_about_a_route_is_written_and_read() {
    alone(|route| {
        let oif = node(route);
        for (dst, gateway, src) in [
            ("10.244.2.0/24", "203.0.113.9", "10.0.0.1"),
            ("fd00:2::/64", "fd77::9", "fd00::1"),
        ] {
            let new = NewRoute {
                onlink: true,
                src: Some(src.parse().unwrap()),
                protocol: 99,
                metric: Some(50),
                ..to(dst, Some(gateway), oif)
            };
            route.send(Request::add_route(&new)).unwrap();
            let seen = shown(dst);
            assert_eq!(seen.len(), 1);
            assert_eq!(
                (&seen[0]["gateway"], &seen[0]["dev"]),
                (&json!(gateway), &json!("br0"))
            );
            assert_eq!(
                (&seen[0]["prefsrc"], &seen[0]["metric"]),
                (&json!(src), &json!(50))
            );
            assert!(
                seen[0]["flags"]
                    .as_array()
                    .unwrap()
                    .contains(&json!("onlink")),
                "{seen:?}"
            );
            let expected = RouteEntry {
                dst: new.dst,
                gateway: new.gateway,
                oif: new.oif,
                src: new.src,
                onlink: true,
                protocol: 99,
                scope: "global".to_owned(),
                metric: Some(50),
                kind: 1,
                mtu: None,
                mtu_expires_s: None,
                more_hops: Vec::new(),
                nexthop_id: None,
            };
            assert_eq!(read(route, dst), [expected]);
        }
    });
}

#[test]
fn default_and_link_scope_routes() {
    alone(|route| {
        let oif = node(route);
        route
            .send(Request::add_route(&to(
                "0.0.0.0/0",
                Some("10.0.0.254"),
                oif,
            )))
            .unwrap();
        route
            .send(Request::add_route(&to("::/0", Some("fd00::fe"), oif)))
            .unwrap();
        route
            .send(Request::add_route(&NewRoute {
                scope_link: true,
                ..to("169.254.1.1/32", None, oif)
            }))
            .unwrap();
        assert_eq!(ip("route show default")[0]["gateway"], "10.0.0.254");
        assert_eq!(ip("-6 route show default")[0]["gateway"], "fd00::fe");
        assert_eq!(ip("route show 169.254.1.1")[0]["scope"], "link");
        assert_eq!(
            read(route, "0.0.0.0/0")[0].gateway,
            Some("10.0.0.254".parse().unwrap())
        );
        assert_eq!(
            read(route, "::/0")[0].gateway,
            Some("fd00::fe".parse().unwrap())
        );
        assert_eq!(read(route, "169.254.1.1/32")[0].scope, "link");
    });
}

#[test]
fn an_ipv4_route_via_an_ipv6_neighbour() {
    alone(|route| {
        let oif = node(route);
        route
            .send(Request::add_route(&to(
                "10.244.3.0/24",
                Some("fd00::2"),
                oif,
            )))
            .unwrap();
        assert_eq!(
            shown("10.244.3.0/24")[0]["via"],
            json!({"family": "inet6", "host": "fd00::2"})
        );
        assert_eq!(
            read(route, "10.244.3.0/24")[0].gateway,
            Some("fd00::2".parse().unwrap())
        );
    });
}

#[test]
fn replacing_moves_a_route_and_adding_it_twice_is_refused() {
    alone(|route| {
        let oif = node(route);
        route
            .send(Request::add_route(&to(
                "10.244.2.0/24",
                Some("10.0.0.2"),
                oif,
            )))
            .unwrap();
        let again = route
            .send(Request::add_route(&to(
                "10.244.2.0/24",
                Some("10.0.0.3"),
                oif,
            )))
            .unwrap_err();
        assert!(again.is_exists(), "{again}");
        route
            .send(Request::replace_route(&to(
                "10.244.2.0/24",
                Some("10.0.0.3"),
                oif,
            )))
            .unwrap();
        let seen = shown("10.244.2.0/24");
        assert_eq!((seen.len(), &seen[0]["gateway"]), (1, &json!("10.0.0.3")));
    });
}

#[test]
fn only_the_route_that_is_meant_is_deleted() {
    alone(|route| {
        let oif = node(route);
        for dst in ["10.244.2.0/24", "fd00:2::/64"] {
            let gateway = if dst.contains(':') {
                "fd00::2"
            } else {
                "10.0.0.2"
            };
            let ours = NewRoute {
                protocol: 99,
                ..to(dst, Some(gateway), oif)
            };
            route.send(Request::add_route(&ours)).unwrap();
            let error = route
                .send(Request::del_route(&NewRoute {
                    protocol: 98,
                    ..to(dst, Some(gateway), oif)
                }))
                .unwrap_err();
            assert!(error.is_absent(), "{error}");
            assert_eq!(shown(dst).len(), 1);
            route.send(Request::del_route(&ours)).unwrap();
            assert_eq!(shown(dst), Vec::<Value>::new());
        }
        // A link scope route, by nothing but its destination.
        route
            .send(Request::add_route(&NewRoute {
                scope_link: true,
                ..to("169.254.1.1/32", None, oif)
            }))
            .unwrap();
        let any = NewRoute {
            oif: None,
            protocol: 0,
            ..to("169.254.1.1/32", None, oif)
        };
        route.send(Request::del_route(&any)).unwrap();
        assert_eq!(shown("169.254.1.1"), Vec::<Value>::new());
    });
}

#[test]
fn bits_beyond_the_prefix_are_left_out() {
    alone(|route| {
        let oif = node(route);
        route
            .send(Request::add_route(&to(
                "10.244.2.7/24",
                Some("10.0.0.2"),
                oif,
            )))
            .unwrap();
        assert_eq!(shown("10.244.2.0/24").len(), 1);
    });
}

#[test]
fn other_peoples_routes_are_understood() {
    alone(|route| {
        node(route);
        for command in [
            "route add blackhole 10.2.0.0/16 metric 7",
            "route add unreachable 10.3.0.0/16",
            "-6 route add unreachable fd03::/64",
            "route add 10.4.0.0/16 via 10.0.0.2 table 100",
            "route add prohibit 10.5.0.0/16",
        ] {
            assert!(ip_succeeds(command), "{command}");
        }
        let kinds = |entries: &[RouteEntry]| -> Vec<_> {
            entries
                .iter()
                .map(|e| (e.kind, e.gateway, e.metric))
                .collect()
        };
        assert_eq!(kinds(&read(route, "10.2.0.0/16")), [(6, None, Some(7))]);
        assert_eq!(kinds(&read(route, "10.3.0.0/16")), [(7, None, None)]);
        assert_eq!(read(route, "fd03::/64")[0].kind, 7);
        assert_eq!(read(route, "10.4.0.0/16"), [], "not the main table");
        assert_eq!(kinds(&read(route, "10.5.0.0/16")), [(8, None, None)]);
        let ours: Vec<_> = route
            .routes()
            .unwrap()
            .into_iter()
            .map(|entry| entry.dst.to_string())
            .collect();
        assert!(
            !ours.iter().any(|dst| dst.starts_with("127.")
                || dst.starts_with("ff00")
                || dst == "10.0.0.1/32"),
            "{ours:?}"
        );
    });
}

#[test]
fn the_route_to_an_address_is_looked_up() {
    alone(|route| {
        let oif = node(route);
        route
            .send(Request::add_route(&to(
                "10.244.2.0/24",
                Some("10.0.0.2"),
                oif,
            )))
            .unwrap();
        route
            .send(Request::add_route(&to("fd00:2::/64", Some("fd00::2"), oif)))
            .unwrap();
        for (address, gateway) in [("10.244.2.9", "10.0.0.2"), ("fd00:2::9", "fd00::2")] {
            let found = route.route_of(&Flow::to(address.parse().unwrap())).unwrap();
            assert_eq!(
                (found.gateway, found.oif),
                (Some(gateway.parse().unwrap()), Some(oif))
            );
            assert_eq!(found.dst.addr().to_string(), address);
        }
        assert_eq!(
            route
                .route_of(&Flow::to("10.0.0.1".parse().unwrap()))
                .unwrap()
                .kind,
            2,
            "an address of this namespace"
        );
        for nowhere in ["192.0.2.1", "2001:db8::1"] {
            let error = route
                .route_of(&Flow::to(nowhere.parse().unwrap()))
                .unwrap_err();
            assert_eq!(error.errno(), Some(Errno::ENETUNREACH), "{error}");
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("look up the route to {nowhere}: ENETUNREACH")),
                "{error}"
            );
        }
    });
}

#[test]
fn the_route_of_an_incoming_packet_is_the_one_of_ip_route_get() {
    alone(|route| {
        let oif = node(route);
        let iif = device(route, "br1");
        route
            .send(Request::add_address(
                iif,
                "10.1.0.1/24".parse().unwrap(),
                false,
            ))
            .unwrap();
        route
            .send(Request::add_route(&to(
                "10.244.2.0/24",
                Some("10.0.0.2"),
                oif,
            )))
            .unwrap();
        let flow = Flow {
            from: Some("10.1.0.7".parse().unwrap()),
            iif: Some(iif),
            ..Flow::to("10.244.2.9".parse().unwrap())
        };
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "0").unwrap();
        let refused = route.route_of(&flow).unwrap_err();
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
        let found = route.route_of(&flow).unwrap();

        let shown = ip("route get 10.244.2.9 from 10.1.0.7 iif br1");
        assert_eq!(refused.errno(), Some(Errno::EHOSTUNREACH), "{refused}");
        assert_eq!(
            found.gateway.map(|gateway| gateway.to_string()).as_deref(),
            shown[0]["gateway"].as_str()
        );
        assert_eq!((found.oif, &shown[0]["dev"]), (Some(oif), &json!("br0")));
    });
}
