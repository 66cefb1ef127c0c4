//! Reading links, and the sockets and batches that do it.
use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::thread;

use flatnet_netlink::request::Veth;
use flatnet_netlink::{Error, Request, Route};
use serde_json::json;

use crate::links::has_flag;
use crate::observer::{ip, ip_succeeds};
use crate::scene::{Namespace, alone, device, link, mac, veth};

#[test]
fn every_link_is_read_as_ip_reads_it() {
    alone(|route| {
        let bridge_index = device(route, "br0");
        route
            .send(Request::add_veth(&Veth {
                master: Some(bridge_index),
                ..veth("veth0", "veth1", None)
            }))
            .unwrap();
        let far = link(route, "veth1").index;
        route.send(Request::set_up(far)).unwrap();
        // Something for the counters.
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .send_to(b"count me", socket.local_addr().unwrap())
            .unwrap();
        assert_eq!(socket.recv(&mut [0; 16]).unwrap(), 8);

        // The kernel changes new links for a moment; a state that is the same before and after `ip` ran is what it saw.
        let (seen, read) = loop {
            let before = route.links().unwrap();
            let seen = ip("-d -s link show");
            let after = route.links().unwrap();
            if before == after {
                break (seen, after);
            }
        };
        let seen = seen.as_array().unwrap();
        assert_eq!(seen.len(), read.len());
        assert_eq!(read.len(), 4);
        for (seen, read) in seen.iter().zip(&read) {
            assert_eq!(read.index, seen["ifindex"]);
            assert_eq!(read.name, seen["ifname"].as_str().unwrap());
            assert_eq!(read.mtu, seen["mtu"]);
            assert_eq!(
                read.operstate,
                seen["operstate"].as_str().unwrap(),
                "{}",
                read.name
            );
            assert_eq!(
                read.mac.unwrap().to_string(),
                seen["address"].as_str().unwrap()
            );
            assert_eq!(
                (read.up, read.lower_up),
                (has_flag(seen, "UP"), has_flag(seen, "LOWER_UP"))
            );
            assert_eq!(
                read.kind,
                seen["linkinfo"]["info_kind"].as_str().unwrap_or_default()
            );
            assert_eq!(read.master.is_some(), seen.get("master").is_some());
            // Links may have sent packets of their own in between (IPv6 at link up).
            assert!(read.stats.tx_packets >= seen["stats64"]["tx"]["packets"].as_u64().unwrap());
        }
        let (seen, read) = (&seen[0]["stats64"], read[0].stats);
        assert_eq!((read.rx_packets, read.tx_packets), (1, 1));
        assert_eq!(
            (&seen["rx"]["packets"], &seen["rx"]["bytes"]),
            (&json!(1), &json!(read.rx_bytes))
        );
        assert_eq!(
            (
                read.rx_errors,
                read.rx_dropped,
                read.tx_errors,
                read.tx_dropped
            ),
            (0, 0, 0, 0)
        );
    });
}

#[test]
fn one_link_is_found_by_name_or_not_at_all() {
    alone(|route| {
        let index = device(route, "br0");
        assert_eq!(link(route, "br0").index, index);
        assert_eq!(route.link("nosuch").unwrap(), None);
    });
}

#[test]
fn a_long_batch_is_split_and_its_first_error_does_not_keep_back_the_rest() {
    alone(|route| {
        device(route, "br17");
        let mut batch = route.batch();
        for number in 0..150_u16 {
            batch.push(Request::add_bridge(
                &format!("br{number}"),
                mac(number as u8),
                1500,
            ));
        }
        let error = batch.commit().unwrap_err();
        assert!(error.is_exists(), "{error}");
        assert_eq!(error.to_string(), "create bridge br17: EEXIST: File exists");
        assert_eq!(ip("link show type bridge").as_array().unwrap().len(), 150);
        assert_eq!(route.links().unwrap().len(), 151);
        assert_eq!(ip("link show dev br149")[0]["address"], "0a:58:00:00:00:95");
    });
}

#[test]
fn a_socket_opened_in_another_namespace_stays_there() {
    alone(|route| {
        device(route, "here");
        let there = Namespace::new();
        let mut inside = there.route();
        device(&mut inside, "there");
        assert!(there.run(|| ip_succeeds("link show dev there")));
        assert_eq!(inside.link("here").unwrap(), None);
        assert_eq!(route.link("there").unwrap(), None);
    });
}

#[test]
fn a_file_that_is_not_a_namespace_cannot_be_entered() {
    let file = std::fs::File::open("/dev/null").unwrap();
    let error = flatnet_netlink::netns::within(file.as_fd(), || ()).unwrap_err();
    assert!(
        matches!(&error, Error::Socket { cause, .. } if cause.raw_os_error() == Some(22)),
        "{error}"
    );
}

#[test]
fn links_that_stay_are_read_once_each_while_others_come_and_go() {
    alone(|route| {
        const STAYING: usize = 60;
        let mut batch = route.batch();
        for number in 0..STAYING {
            batch.push(Request::add_bridge(
                &format!("stay{number}"),
                mac(number as u8),
                1500,
            ));
        }
        batch.commit().unwrap();
        let mut other = Route::open().unwrap();
        thread::scope(|scope| {
            let churn = scope.spawn(move || {
                for _ in 0..30 {
                    other
                        .send(Request::add_veth(&veth("come", "go", None)))
                        .unwrap();
                    other.send(Request::del_link_by_name("come")).unwrap();
                }
            });
            loop {
                let last = churn.is_finished();
                let links = route.links().unwrap();
                let names: BTreeSet<_> = links.iter().map(|link| link.name.as_str()).collect();
                assert_eq!(names.len(), links.len(), "none twice");
                assert!(
                    (0..STAYING).all(|number| names.contains(format!("stay{number}").as_str())),
                    "none missed"
                );
                if last {
                    break;
                }
            }
        });
    });
}
