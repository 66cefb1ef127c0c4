//! Addresses.
use std::collections::BTreeSet;

use flatnet_netlink::{Request, Route};
use nix::errno::Errno;
use serde_json::{Value, json};

use crate::observer::ip;
use crate::scene::{Namespace, alone, device, link, veth};

fn addresses(name: &str) -> Vec<Value> {
    let shown = ip(&format!("address show dev {name}"));
    shown[0]["addr_info"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}

fn add(route: &mut Route, index: u32, net: &str, noprefixroute: bool) {
    route
        .send(Request::add_address(
            index,
            net.parse().unwrap(),
            noprefixroute,
        ))
        .unwrap();
}

#[test]
fn both_families_are_added_and_usable_at_once() {
    alone(|route| {
        let index = device(route, "br0");
        add(route, index, "10.244.1.1/24", false);
        add(route, index, "fd00:1::1/64", false);
        let seen = addresses("br0");
        assert_eq!(seen.len(), 2);
        assert_eq!(
            (&seen[0]["local"], &seen[0]["prefixlen"]),
            (&json!("10.244.1.1"), &json!(24))
        );
        assert_eq!(
            (&seen[1]["local"], &seen[1]["prefixlen"]),
            (&json!("fd00:1::1"), &json!(64))
        );
        assert_eq!(
            (&seen[1]["nodad"], seen[1].get("tentative")),
            (&json!(true), None)
        );
        assert_eq!(ip("route show dev br0")[0]["dst"], "10.244.1.0/24");
        assert_eq!(ip("-6 route show dev br0")[0]["dst"], "fd00:1::/64");
    });
}

#[test]
fn addresses_behind_a_veth_are_read_without_entering_their_namespace() {
    alone(|route| {
        let there = Namespace::new();
        route
            .send(Request::add_veth(&veth("here0", "there0", Some(&there))))
            .unwrap();
        let mut inside = there.route();
        let far = link(&mut inside, "there0").index;
        for net in ["10.244.1.7/32", "fd00:1::7/128"] {
            add(&mut inside, far, net, true);
        }
        let number = link(route, "here0").link_netnsid.unwrap();

        let read = route.addresses_in(number).unwrap();

        let seen = there.run(|| ip("address show"));
        let seen: BTreeSet<String> = seen
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|link| link["addr_info"].as_array().unwrap())
            .map(|address| {
                format!(
                    "{}/{}",
                    address["local"].as_str().unwrap(),
                    address["prefixlen"]
                )
            })
            .collect();
        let read: BTreeSet<String> = read.iter().map(|address| address.net.to_string()).collect();
        assert_eq!(read, seen);
        assert!(read.contains("10.244.1.7/32") && read.contains("fd00:1::7/128"));
        let error = route.addresses_in(number + 1).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EINVAL));
    });
}

#[test]
fn noprefixroute_leaves_the_connected_route_out() {
    alone(|route| {
        let index = device(route, "br0");
        add(route, index, "10.244.1.1/24", true);
        add(route, index, "fd00:1::1/64", true);
        assert_eq!(addresses("br0").len(), 2);
        assert_eq!(ip("route show dev br0"), json!([]));
        assert_eq!(ip("-6 route show dev br0"), json!([]));
    });
}

#[test]
fn replacing_an_address_that_is_there_changes_nothing_and_adding_it_is_refused() {
    alone(|route| {
        let index = device(route, "br0");
        for net in ["10.244.1.1/24", "fd00:1::1/64"] {
            let net = net.parse().unwrap();
            route
                .send(Request::replace_address(index, net, false))
                .unwrap();
            route
                .send(Request::replace_address(index, net, false))
                .unwrap();
            let error = route
                .send(Request::add_address(index, net, false))
                .unwrap_err();
            assert!(error.is_exists(), "{error}");
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("add address {net} on link {index}: EEXIST: ")),
                "{error}"
            );
        }
        assert_eq!(addresses("br0").len(), 2);
    });
}

#[test]
fn a_deleted_address_is_gone_and_a_second_deletion_says_absent() {
    alone(|route| {
        let index = device(route, "br0");
        for net in ["10.244.1.1/24", "fd00:1::1/64"] {
            add(route, index, net, false);
            route
                .send(Request::del_address(index, net.parse().unwrap()))
                .unwrap();
            let error = route
                .send(Request::del_address(index, net.parse().unwrap()))
                .unwrap_err();
            assert!(error.is_absent(), "{error}");
        }
        assert_eq!(addresses("br0"), Vec::<Value>::new());
    });
}

#[test]
fn addresses_are_read_as_ip_reads_them() {
    alone(|route| {
        let (first, second) = (device(route, "br0"), device(route, "br1"));
        add(route, first, "10.244.1.1/24", false);
        add(route, second, "fd00:1::1/64", false);
        add(route, second, "192.0.2.7/32", true);
        let read = route.addresses(None).unwrap();
        let mut seen = Vec::new();
        for link in ip("address show").as_array().unwrap() {
            for address in link["addr_info"].as_array().unwrap() {
                let net = format!(
                    "{}/{}",
                    address["local"].as_str().unwrap(),
                    address["prefixlen"]
                );
                seen.push((
                    link["ifindex"].as_u64().unwrap(),
                    net,
                    address["scope"].as_str().unwrap().to_owned(),
                ));
            }
        }
        let mut ours: Vec<_> = read
            .iter()
            .map(|entry| {
                (
                    u64::from(entry.index),
                    entry.net.to_string(),
                    entry.scope.clone(),
                )
            })
            .collect();
        seen.sort();
        ours.sort();
        assert_eq!(ours, seen);
        assert_eq!(ours.len(), 5, "two of loopback, three added");

        let one = route.addresses(Some(second)).unwrap();
        assert_eq!(one.len(), 2);
        assert!(one.iter().all(|entry| entry.index == second));
        assert_eq!(
            route.addresses(Some(9999)).unwrap_err().errno(),
            Some(Errno::ENODEV)
        );
    });
}
