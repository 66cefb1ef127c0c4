//! Neighbours and forwarding databases.
use std::collections::BTreeSet;

use flatnet_netlink::request::{Veth, Vxlan};
use flatnet_netlink::{Request, Route};
use serde_json::{Value, json};

use crate::observer::{bridge, ip};
use crate::scene::{alone, device, link, mac, veth};

fn vxlan(route: &mut Route) -> u32 {
    let lower = device(route, "lower0");
    let local = "192.0.2.1".parse().unwrap();
    route
        .send(Request::add_vxlan(&Vxlan {
            name: "vx0",
            vni: 1,
            port: 8472,
            local,
            dev: lower,
            mac: mac(1),
            mtu: 1450,
        }))
        .unwrap();
    let index = link(route, "vx0").index;
    route.send(Request::set_up(index)).unwrap();
    index
}

/// What `bridge fdb` says about the VTEPs behind vx0.
fn vteps() -> Vec<Value> {
    let mut entries = bridge("fdb show dev vx0")
        .as_array()
        .cloned()
        .unwrap_or_default();
    entries.retain(|entry| entry.get("dst").is_some());
    entries
}

#[test]
fn a_permanent_neighbour_of_either_family_is_set_replaced_and_deleted() {
    alone(|route| {
        let index = device(route, "br0");
        for address in ["10.244.2.0", "fd00:2::"] {
            let parsed = address.parse().unwrap();
            for last in [5, 6] {
                route
                    .send(Request::set_neighbour(index, parsed, mac(last)))
                    .unwrap();
                let seen = ip(&format!("neighbour show {address} dev br0"));
                assert_eq!(
                    (&seen[0]["lladdr"], &seen[0]["state"]),
                    (&json!(mac(last).to_string()), &json!(["PERMANENT"]))
                );
            }
            let read = route.neighbours().unwrap();
            let [entry] = read.as_slice() else {
                panic!("one neighbour expected: {read:?}")
            };
            assert_eq!(
                (entry.index, entry.address, entry.mac),
                (index, parsed, Some(mac(6)))
            );
            assert_eq!(entry.state, "PERMANENT");
            route.send(Request::del_neighbour(index, parsed)).unwrap();
            assert_eq!(ip("neighbour show dev br0"), json!([]));
            let error = route
                .send(Request::del_neighbour(index, parsed))
                .unwrap_err();
            assert!(error.is_absent(), "{error}");
        }
    });
}

#[test]
fn a_vtep_is_set_replaced_and_deleted() {
    alone(|route| {
        let index = vxlan(route);
        for vtep in ["192.0.2.2", "192.0.2.3"] {
            route
                .send(Request::set_fdb(index, mac(7), vtep.parse().unwrap()))
                .unwrap();
            let seen = vteps();
            assert_eq!(seen.len(), 1, "replaced, not one more: {seen:?}");
            assert_eq!(
                (&seen[0]["mac"], &seen[0]["dst"]),
                (&json!(mac(7).to_string()), &json!(vtep))
            );
            assert_eq!(
                (&seen[0]["flags"], &seen[0]["state"]),
                (&json!(["self"]), &json!("permanent"))
            );
        }
        let read: Vec<_> = route
            .fdb()
            .unwrap()
            .into_iter()
            .filter(|entry| entry.dst.is_some())
            .collect();
        let [entry] = read.as_slice() else {
            panic!("one VTEP expected: {read:?}")
        };
        assert_eq!(
            (entry.index, entry.mac, entry.dst),
            (index, mac(7), Some("192.0.2.3".parse().unwrap()))
        );
        assert_eq!(entry.state, "PERMANENT");

        route
            .send(Request::del_fdb(
                index,
                mac(7),
                Some("192.0.2.3".parse().unwrap()),
            ))
            .unwrap();
        assert_eq!(vteps(), Vec::<Value>::new());
        route
            .send(Request::set_fdb(
                index,
                mac(8),
                "192.0.2.4".parse().unwrap(),
            ))
            .unwrap();
        route.send(Request::del_fdb(index, mac(8), None)).unwrap();
        assert_eq!(vteps(), Vec::<Value>::new());
        assert!(
            route
                .send(Request::del_fdb(index, mac(8), None))
                .unwrap_err()
                .is_absent()
        );
    });
}

#[test]
fn the_forwarding_database_is_read_as_bridge_reads_it() {
    alone(|route| {
        let master = device(route, "br0");
        let index = vxlan(route);
        route
            .send(Request::add_veth(&Veth {
                master: Some(master),
                mac: Some(mac(3)),
                ..veth("veth0", "veth1", None)
            }))
            .unwrap();
        route
            .send(Request::set_fdb(
                index,
                mac(7),
                "192.0.2.2".parse().unwrap(),
            ))
            .unwrap();
        let names: Vec<_> = route
            .links()
            .unwrap()
            .into_iter()
            .map(|link| (link.index, link.name))
            .collect();
        let name = |index: u32| {
            names
                .iter()
                .find(|(i, _)| *i == index)
                .map(|(_, name)| name.clone())
                .unwrap()
        };
        let ours: BTreeSet<_> = route
            .fdb()
            .unwrap()
            .into_iter()
            .map(|e| {
                (
                    name(e.index),
                    e.mac.to_string(),
                    e.dst.map(|d| d.to_string()),
                    e.master.map(name),
                    e.state.to_lowercase(),
                )
            })
            .collect();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let seen: BTreeSet<_> = bridge("fdb show")
            .as_array()
            .unwrap()
            .iter()
            .map(|e| {
                (
                    text(&e["ifname"]).unwrap(),
                    text(&e["mac"]).unwrap(),
                    text(&e["dst"]),
                    text(&e["master"]),
                    text(&e["state"]).unwrap(),
                )
            })
            .collect();
        assert_eq!(ours, seen);
        assert!(ours.contains(&(
            "veth0".into(),
            mac(3).to_string(),
            None,
            Some("br0".into()),
            "permanent".into()
        )));
    });
}

#[test]
fn reserved_neighbours_are_empty_until_used_and_not_counted() {
    alone(|route| {
        route
            .send(Request::add_veth(&veth("a", "b", None)))
            .unwrap();
        let index = link(route, "a").index;
        route
            .send(Request::add_address(
                index,
                "10.9.0.1/16".parse().unwrap(),
                false,
            ))
            .unwrap();
        let mut batch = route.batch();
        // More than gc_thresh3, which no namespace can change for itself.
        for number in 0..1500_u16 {
            let [high, low] = number.to_be_bytes();
            let address = std::net::Ipv4Addr::new(10, 9, high + 1, low);
            batch.push(Request::reserve_neighbour(index, address.into()));
        }
        batch.commit().unwrap();
        assert_eq!(route.neighbours().unwrap(), [], "none has been used");
        let seen = ip("neighbour show dev a");
        let seen = seen.as_array().unwrap();
        assert_eq!(seen.len(), 1500);
        assert!(
            seen.iter()
                .all(|entry| entry.get("lladdr").is_none() && entry.get("extern_learn").is_some())
        );
        route
            .send(Request::set_neighbour(
                index,
                "10.9.1.5".parse().unwrap(),
                mac(7),
            ))
            .unwrap();
        let set = ip("neighbour show 10.9.1.5 dev a");
        assert_eq!(set[0]["lladdr"], json!(mac(7).to_string()));
    });
}

#[test]
fn the_neighbour_tables_of_the_machine_are_read_in_any_namespace() {
    alone(|route| {
        let read = route.neighbour_tables().unwrap();
        for name in ["arp_cache", "ndisc_cache"] {
            let listed = ip(&format!("-s ntable show name {name}"));
            let listed = listed.as_array().unwrap();
            let overflows = listed
                .iter()
                .find_map(|table| table["table_fulls"].as_u64());
            let table = read.iter().find(|table| table.name == name).unwrap();
            // Another program of the machine may fill it in between.
            assert!(
                overflows.unwrap() >= table.overflows,
                "{table:?}: {listed:?}"
            );
            assert_eq!(read.iter().filter(|table| table.name == name).count(), 1);
        }
    });
}
