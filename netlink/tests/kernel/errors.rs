//! Error messages: what was requested, the errno, and the kernel's explanation.
use flatnet_netlink::request::{NewRoute, Veth};
use flatnet_netlink::{Error, Request};
use nix::errno::Errno;

use crate::observer::ip;
use crate::scene::{Namespace, alone, device, veth};

#[test]
fn the_kernels_explanation_is_part_of_the_message() {
    alone(|route| {
        let oif = device(route, "br0");
        let error = route
            .send(Request::add_route(&NewRoute {
                dst: "10.244.2.0/24".parse().unwrap(),
                gateway: Some("203.0.113.9".parse().unwrap()),
                oif: Some(oif),
                onlink: false,
                scope_link: false,
                src: None,
                protocol: 4,
                metric: None,
                mtu: None,
            }))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "add route 10.244.2.0/24 via 203.0.113.9 on link {oif}: \
                 ENETUNREACH: Network is unreachable (Nexthop has invalid gateway)"
            )
        );
        assert_eq!(error.errno(), Some(Errno::ENETUNREACH));
        assert!(
            std::error::Error::source(&error).is_none(),
            "nothing that a chain would print twice"
        );
    });
}

#[test]
fn a_name_that_is_taken_is_recognised() {
    alone(|route| {
        let pod = Namespace::new();
        device(&mut pod.route(), "eth0");
        let error = route
            .send(Request::add_veth(&veth("veth0", "eth0", Some(&pod))))
            .unwrap_err();
        assert!(error.is_exists() && !error.is_absent(), "{error}");
        assert_eq!(error.to_string(), "create veth veth0: EEXIST: File exists");
        assert_eq!(
            route.link("veth0").unwrap(),
            None,
            "nothing is left of the near end"
        );
    });
}

#[test]
fn what_is_not_there_is_absent() {
    alone(|route| {
        for request in [
            Request::del_link_by_name("nosuch"),
            Request::del_link(9999),
            Request::set_up(9999),
        ] {
            let what = request.what().to_owned();
            let error = route.send(request).unwrap_err();
            assert!(error.is_absent() && !error.is_exists(), "{error}");
            assert_eq!(error.to_string(), format!("{what}: ENODEV: No such device"));
        }
        let error = route
            .send(Request::add_veth(&Veth {
                master: Some(9999),
                ..veth("veth0", "veth1", None)
            }))
            .unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EINVAL), "{error}");
    });
}

#[test]
fn a_request_that_cannot_be_right_is_not_sent_nor_is_its_batch() {
    alone(|route| {
        let long = "x".repeat(70_000);
        for (name, detail) in [
            ("a\0b", "a name contains a NUL byte"),
            (&long, "an attribute is longer than 65535 bytes"),
        ] {
            let mut batch = route.batch();
            batch
                .push(Request::add_bridge("br0", crate::scene::mac(1), 1500))
                .push(Request::add_bridge(name, crate::scene::mac(2), 1500));
            let error = batch.commit().unwrap_err();
            assert!(
                matches!(&error, Error::Invalid { detail: actual, .. } if *actual == detail),
                "{error}"
            );
            let error = route.send(Request::del_link_by_name(name)).unwrap_err();
            assert!(matches!(&error, Error::Invalid { .. }), "{error}");
        }
        assert_eq!(
            ip("link show").as_array().unwrap().len(),
            1,
            "loopback only"
        );
    });
}

#[test]
fn a_socket_goes_on_after_a_refusal() {
    alone(|route| {
        for _ in 0..3 {
            assert!(route.send(Request::set_up(9999)).is_err());
            assert!(route.addresses(Some(9999)).is_err());
            assert_eq!(route.links().unwrap().len(), 1);
        }
        route.batch().commit().unwrap();
    });
}
