//! Policy rules, the routes of every table, and the settings of bridge ports, as `ip` and `bridge` set them.
use std::collections::BTreeSet;

use flatnet_netlink::{BridgePort, PortState, Request, Rule};

use crate::observer::{bridge, ip, ip_succeeds, succeeds};
use crate::scene::{alone, device, link, veth};

#[test]
fn rules_are_read_as_ip_reads_them() {
    alone(|route| {
        for rule in [
            "rule add pref 90 to 10.244.1.2/32 lookup 100",
            "rule add pref 91 from 10.244.1.0/24 iif lo prohibit",
            "rule add pref 92 fwmark 0x7 lookup 1000",
            "-6 rule add pref 93 to fd00::/64 blackhole",
        ] {
            assert!(ip_succeeds(rule), "{rule}");
        }
        let seen = |family: &str| {
            let rules = ip(&format!("{family} rule show"));
            let rules = rules.as_array().unwrap().clone();
            rules
                .into_iter()
                .map(|rule| rule["priority"].as_u64().unwrap())
                .collect::<Vec<_>>()
        };
        let rules = route.rules().unwrap();
        for (family, v6) in [("-4", false), ("-6", true)] {
            let read = rules.iter().filter(|rule| rule.v6 == v6);
            let read: Vec<u64> = read.map(|rule| rule.priority.into()).collect();
            assert_eq!(read, seen(family));
        }
        let at = |priority| {
            rules
                .iter()
                .find(|rule| rule.priority == priority)
                .unwrap()
                .clone()
        };
        let plain = Rule {
            priority: 90,
            action: 1,
            table: 100,
            v6: false,
            from: None,
            to: Some("10.244.1.2/32".parse().unwrap()),
            iif: None,
            mark: None,
        };
        assert_eq!(at(90), plain);
        let prohibit = at(91);
        assert_eq!((prohibit.action, prohibit.iif.as_deref()), (8, Some("lo")));
        assert_eq!(prohibit.from, Some("10.244.1.0/24".parse().unwrap()));
        assert_eq!((at(92).mark, at(92).table), (Some(7), 1000));
        assert_eq!((at(93).action, at(93).v6), (6, true));
    });
}

#[test]
fn routes_of_every_table_are_read_with_their_table_and_mtu() {
    alone(|route| {
        for line in [
            "route add blackhole 10.244.1.2 table 100",
            "route add 198.51.100.0/24 dev lo mtu 1300",
            "-6 route add unreachable fd00::2 table 1000",
        ] {
            assert!(ip_succeeds(line), "{line}");
        }
        let all = route.routes_of_all_tables().unwrap();
        let ours: BTreeSet<(u32, String, u8, Option<u32>)> = all
            .iter()
            .filter(|(table, _)| *table != 255)
            .map(|(table, one)| (*table, one.dst.to_string(), one.kind, one.mtu))
            .collect();
        let expected = [
            (100, "10.244.1.2/32".to_owned(), 6, None),
            (254, "198.51.100.0/24".to_owned(), 1, Some(1300)),
            (1000, "fd00::2/128".to_owned(), 7, None),
        ];
        assert!(expected.iter().all(|one| ours.contains(one)), "{ours:?}");
        let main = route.routes().unwrap();
        assert!(main.iter().all(|one| one.kind == 1), "{main:?}");
    });
}

#[test]
fn the_settings_of_a_port_are_read_as_bridge_sets_them() {
    alone(|route| {
        let master = device(route, "br0");
        route
            .send(Request::add_veth(&veth("p0", "p1", None)))
            .unwrap();
        let index = link(route, "p0").index;
        route
            .send(Request::set_master(index, Some(master)))
            .unwrap();
        for index in [master, index, link(route, "p1").index] {
            route.send(Request::set_up(index)).unwrap();
        }
        // The bridge decides the port's state once more when the carrier comes. (Without STP it undoes every state but `disabled`.)
        while link(route, "p0").operstate != "UP" || link(route, "br0").operstate != "UP" {
            std::thread::yield_now();
        }
        let read = |route: &mut flatnet_netlink::Route| link(route, "p0").port.unwrap();
        assert_eq!(read(route), BridgePort::default());
        assert_eq!(bridge("-d link")[0]["state"], "forwarding");
        for (setting, expected) in [
            (
                "isolated on",
                BridgePort {
                    isolated: true,
                    ..BridgePort::default()
                },
            ),
            (
                "learning off",
                BridgePort {
                    learning: false,
                    ..BridgePort::default()
                },
            ),
            (
                "flood off",
                BridgePort {
                    flood: false,
                    ..BridgePort::default()
                },
            ),
            (
                "bcast_flood off",
                BridgePort {
                    broadcast_flood: false,
                    ..BridgePort::default()
                },
            ),
            (
                "mcast_flood off",
                BridgePort {
                    multicast_flood: false,
                    ..BridgePort::default()
                },
            ),
            (
                "locked on",
                BridgePort {
                    locked: true,
                    ..BridgePort::default()
                },
            ),
            (
                "hairpin on",
                BridgePort {
                    hairpin: true,
                    ..BridgePort::default()
                },
            ),
            (
                "state 0",
                BridgePort {
                    state: PortState::Disabled,
                    ..BridgePort::default()
                },
            ),
        ] {
            let (name, value) = setting.split_once(' ').unwrap();
            assert!(
                succeeds("bridge", &format!("link set dev p0 {setting}")),
                "{setting}"
            );
            assert_eq!(read(route), expected, "{setting}");
            let back = match value {
                "on" => "off",
                "off" => "on",
                _ => "3",
            };
            assert!(succeeds(
                "bridge",
                &format!("link set dev p0 {name} {back}")
            ));
        }
        assert_eq!(read(route), BridgePort::default());
    });
}
