//! Policy rules, the routes of every table, and the settings of bridge ports, as `ip` and `bridge` set them.
use std::collections::BTreeSet;

use flatnet_netlink::{BridgePort, Carries, Flow, PortState, Request, RuleAction};
use nix::errno::Errno;

use crate::observer::{bridge, ip_succeeds, ip_text, succeeds};
use crate::scene::{alone, device, link, veth};

#[test]
fn rules_are_read_as_ip_reads_them() {
    alone(|route| {
        for rule in [
            "rule add pref 90 to 10.244.1.2/32 lookup 100",
            "rule add pref 91 from 10.244.1.0/24 iif lo prohibit",
            "rule add pref 92 fwmark 0x7 lookup 1000",
            "rule add pref 93 not fwmark 0xca6c lookup 51820",
            "rule add pref 94 lookup main suppress_prefixlength 0",
            "rule add pref 95 fwmark 0x0/0x10 oif lo lookup 100",
            "rule add pref 96 uidrange 0-99 ipproto tcp sport 1000-2000 dport 80 lookup 100",
            "rule add pref 97 from 10.1.2.3 ipproto icmp goto 32766",
            "rule add pref 98 ipproto udp unreachable",
            "rule add pref 99 l3mdev",
            "rule add pref 101 nop",
            "-6 rule add pref 93 to fd00::/64 blackhole",
            "-6 rule add pref 94 not from fd00::1 ipproto ipv6-icmp lookup 7",
        ] {
            assert!(ip_succeeds(rule), "{rule}");
        }
        let rules = route.rules().unwrap();
        for (family, v6) in [("-4", false), ("-6", true)] {
            let read = rules.iter().filter(|rule| rule.v6 == v6);
            let read: Vec<String> = read
                .map(|rule| format!("{}:\t{rule}", rule.priority))
                .collect();
            let shown = ip_text(&format!("{family} rule show"));
            let shown: Vec<&str> = shown.lines().map(str::trim_end).collect();
            assert_eq!(read, shown);
        }
        let at = |priority, v6| {
            let mut rules = rules.iter();
            rules
                .find(|rule| (rule.priority, rule.v6) == (priority, v6))
                .unwrap()
        };
        assert_eq!(at(90, false).action, RuleAction::Lookup(100));
        assert_eq!(at(93, true).action, RuleAction::Blackhole);
        assert!(rules.iter().all(|rule| !rule.more));
    });
}

#[test]
fn conditions_that_are_not_read_are_known_to_be_there() {
    alone(|route| {
        assert!(ip_succeeds("rule add pref 90 tos 0x10 lookup 100"));
        assert!(ip_succeeds(
            "rule add pref 91 lookup 100 suppress_ifgroup 5"
        ));
        let rules = route.rules().unwrap();
        let more = rules.iter().filter(|rule| rule.more);
        let more: Vec<u32> = more.map(|rule| rule.priority).collect();
        assert_eq!(more, [90, 91]);
    });
}

#[test]
fn a_packet_is_looked_up_with_its_protocol_port_and_mark() {
    alone(|route| {
        device(route, "d0");
        for line in [
            "link set d0 up",
            "addr add 10.9.9.1/24 dev d0",
            "route add blackhole default table 100",
            "route add prohibit default table 101",
            "rule add pref 90 ipproto udp dport 53 lookup 100",
            "rule add pref 91 fwmark 5 lookup 101",
        ] {
            assert!(ip_succeeds(line), "{line}");
        }
        let mut ends = |carries, mark| {
            let flow = Flow {
                carries,
                mark,
                ..Flow::to("10.9.9.2".parse().unwrap())
            };
            route.route_of(&flow).err().and_then(|error| error.errno())
        };
        let udp = |destination| {
            Some(Carries {
                protocol: 17,
                source: None,
                destination: Some(destination),
            })
        };
        assert_eq!(ends(None, None), None);
        assert_eq!(ends(udp(54), None), None);
        assert_eq!(ends(udp(53), None), Some(Errno::EINVAL));
        assert_eq!(ends(None, Some(5)), Some(Errno::EACCES));
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
