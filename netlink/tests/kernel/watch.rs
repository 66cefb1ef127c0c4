//! Waiting for links to disappear.
use std::time::Duration;

use flatnet_netlink::request::Veth;
use flatnet_netlink::{LinkWatch, Request};

use crate::scene::{alone, device, link, veth};

/// Longer than any test takes; passes only when something is wrong.
const LONG: Duration = Duration::from_secs(30);

#[test]
fn a_deletion_is_noticed_before_or_after_it_is_waited_for() {
    alone(|route| {
        let (first, second) = (device(route, "br0"), device(route, "br1"));
        let mut watch = LinkWatch::open().unwrap();
        route.send(Request::del_link(second)).unwrap();
        route.send(Request::del_link(first)).unwrap();
        assert!(watch.wait_deleted(first, LONG).unwrap());
        assert!(
            watch.wait_deleted(second, LONG).unwrap(),
            "heard while the other was waited for"
        );
    });
}

#[test]
fn neither_a_living_link_nor_a_port_that_leaves_its_bridge_is_deleted() {
    alone(|route| {
        let master = device(route, "br0");
        route
            .send(Request::add_veth(&Veth {
                master: Some(master),
                ..veth("veth0", "veth1", None)
            }))
            .unwrap();
        let port = link(route, "veth0").index;
        let mut watch = LinkWatch::open().unwrap();
        route.send(Request::set_master(port, None)).unwrap();
        assert!(!watch.wait_deleted(port, Duration::ZERO).unwrap());
        assert!(
            !watch
                .wait_deleted(master, Duration::from_millis(5))
                .unwrap()
        );
        route.send(Request::del_link(port)).unwrap();
        assert!(watch.wait_deleted(port, LONG).unwrap());
    });
}

#[test]
fn a_deletion_counts_although_its_event_was_lost() {
    alone(|route| {
        let (lost, living) = (device(route, "lost0"), device(route, "living0"));
        let mut watch = LinkWatch::open().unwrap();
        // Far more events than the buffer holds, with the one that matters at the end.
        let mut batch = route.batch();
        for mtu in 1000..2000 {
            batch.push(Request::set_mtu(living, mtu));
        }
        batch.commit().unwrap();
        route.send(Request::del_link(lost)).unwrap();
        assert!(watch.wait_deleted(lost, LONG).unwrap());
        assert!(
            !watch
                .wait_deleted(living, Duration::from_millis(5))
                .unwrap()
        );
        route.send(Request::del_link(living)).unwrap();
        assert!(watch.wait_deleted(living, LONG).unwrap());
    });
}
