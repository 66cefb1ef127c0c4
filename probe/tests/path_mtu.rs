//! Packets that fit, and packets that do not.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
mod support;

use std::net::IpAddr;

use flatnet_model::probe::{MtuTrial, ask};
use support::{Net, net_tests};

/// `a` — router — `b`, where the second link carries 1400 bytes, which hosts on the first do not know.
fn narrow() -> (Net, Net, Net) {
    let (a, r, b) = Net::routed();
    b.run("ip link set dev eth0 mtu 1400");
    r.run("ip link set dev to-b mtu 1400");
    r.sysctl("ipv4/icmp_ratelimit", "0");
    r.sysctl("ipv6/icmp/ratelimit", "0");
    (a, r, b)
}

fn details(trials: &[MtuTrial]) -> Vec<(u32, &str)> {
    trials
        .iter()
        .map(|trial| {
            (
                trial.size,
                if trial.arrived {
                    "arrived"
                } else {
                    trial.detail.as_deref().unwrap()
                },
            )
        })
        .collect()
}

net_tests! {
    fn the_narrowest_link_decides_and_says_so() {
        let (a, r, b) = narrow();
        let (mut probe, mut there) = (a.probe(), b.probe());
        let port = there.listen("there");
        for (address, router) in [("10.9.2.2", "10.9.1.254"), ("fd09:2::2", "fd09:1::fe")] {
            let said = format!("message too long (path mtu 1400, said by {router})");
            // Twice: what the kernel has learnt about the path must not spare the wire the second time.
            for _ in 0..2 {
                let trials = probe.path_mtu(address, port, &[1501, 1280, 1400, 1401, 1500], 2000);
                assert_eq!(details(&trials), [
                    (1501, "message too long (interface mtu 1500)"),
                    (1280, "arrived"),
                    (1400, "arrived"),
                    (1401, &said[..]),
                    (1500, &said[..]),
                ]);
            }
        }
        // The kernel's own counters: nothing was cut into pieces or put together.
        for net in [&a, &r, &b] {
            let facts = net.probe().ask(&ask::Facts {});
            for counter in ["Ip.FragCreates", "Ip.ReasmReqds", "Ip6.FragCreates", "Ip6.ReasmReqds"] {
                assert_eq!(facts.counters[counter], 0, "{counter}");
            }
        }
    }

    fn what_the_kernel_has_learned_is_told_beside_the_trials() {
        let (a, _r, b) = narrow();
        let (mut probe, mut there) = (a.probe(), b.probe());
        let port = there.listen("there");
        for to in ["10.9.2.2", "fd09:2::2"] {
            let address: IpAddr = to.parse().unwrap();
            let mut learned = |bytes| {
                let targets = vec![ask::SizedRequest { address, port, bytes }];
                let answer = probe.ask(&ask::PathMtu { targets, timeout_ms: 2000, sends: 3 });
                answer.learned.get(&address).map(|learned| learned.mtu)
            };
            assert_eq!(learned(1400), None);
            assert_eq!(learned(1401), Some(1400));
            // It stays when the path is no longer tried, until the cache is flushed.
            assert_eq!(learned(1400), Some(1400));
            let shown = a.run(&format!("ip route get {to}"));
            assert!(shown.contains("mtu 1400") && shown.contains("expires"), "{shown}");
            a.run(if address.is_ipv4() { "ip route flush cache" } else { "ip -6 route flush cache" });
            assert_eq!(learned(1400), None);
        }
    }

    fn a_black_hole_is_a_lack_of_answers() {
        let (a, r, b) = narrow();
        r.nft("table inet t { chain c { type filter hook output priority 0;
            icmp type destination-unreachable drop
            icmpv6 type packet-too-big drop
        }; }");
        let (mut a, mut b) = (a.probe(), b.probe());
        let port = b.listen("there");
        for address in ["10.9.2.2", "fd09:2::2"] {
            let trials = a.path_mtu(address, port, &[1400, 1401], 600);
            assert_eq!(details(&trials), [(1400, "arrived"), (1401, "no answer within 600 ms")]);
        }
    }

    fn the_interface_is_named_where_it_is_the_limit() {
        let (a, r, b) = narrow();
        for (net, link) in [(&a, "eth0"), (&r, "to-a")] {
            net.run(&format!("ip link set dev {link} mtu 1300"));
        }
        let (mut a, mut b) = (a.probe(), b.probe());
        let port = b.listen("there");
        for address in ["10.9.2.2", "fd09:2::2"] {
            let trials = a.path_mtu(address, port, &[1300, 1301], 2000);
            assert_eq!(details(&trials), [(1300, "arrived"), (1301, "message too long (interface mtu 1300)")]);
        }
    }

    fn every_size_an_ip_packet_can_have_and_no_other() {
        let a = Net::new();
        let mut a = a.probe();
        let port = a.listen("self");
        let trials = a.path_mtu("127.0.0.1", port, &[0, 42, 43, 44, 1500, 9000, 65535, 65536], 2000);
        assert_eq!(details(&trials), [
            (0, "too small to carry a question (at least 43)"),
            (42, "too small to carry a question (at least 43)"),
            (43, "arrived"),
            (44, "arrived"),
            (1500, "arrived"),
            (9000, "arrived"),
            (65535, "arrived"),
            (65536, "larger than an ip packet can be (at most 65535)"),
        ]);
        let trials = a.path_mtu("::1", port, &[62, 63, 65536, 65537, 65576], 2000);
        assert_eq!(details(&trials), [
            (62, "too small to carry a question (at least 63)"),
            (63, "arrived"),
            (65536, "arrived"),
            (65537, "message too long (interface mtu 65536)"),
            (65576, "larger than an ip packet can be (at most 65575)"),
        ]);
        // More than are sent at once.
        let sizes: Vec<u32> = (1000..1100).collect();
        assert!(a.path_mtu("127.0.0.1", port, &sizes, 2000).iter().all(|trial| trial.arrived));
    }

    fn an_absent_peer_is_reported_in_the_kernels_words() {
        let (a, _r, _b) = narrow();
        let mut a = a.probe();
        let trials = a.path_mtu("10.9.2.2", 9, &[1000], 2000);
        assert_eq!(details(&trials), [(1000, "connection refused (said by 10.9.2.2)")]);
        let alone = Net::new();
        let trials = alone.probe().path_mtu("10.9.2.2", 9, &[1000], 2000);
        assert_eq!(details(&trials), [(1000, "network is unreachable")]);
    }
}
