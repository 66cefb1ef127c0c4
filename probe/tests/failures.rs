//! Peers that cannot be reached: each cause by its name.
mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};

use flatnet_model::probe::{DialRequest, Failure, Transport, ask};
use support::{Net, all_transports, failed, heard, ip, net_tests, target};

/// [`Net::routed`] with every ICMP error sent.
fn routed() -> (Net, Net, Net) {
    let (a, r, b) = Net::routed();
    r.sysctl("ipv4/icmp_ratelimit", "0");
    r.sysctl("ipv6/icmp/ratelimit", "0");
    (a, r, b)
}

net_tests! {
    fn nothing_listens() {
        let (a, _r, _b) = routed();
        let mut a = a.probe();
        let targets = ["10.9.2.2", "fd09:2::2"].iter().flat_map(|address| all_transports(address, 9)[..2].to_vec()).collect();
        let results = a.dial(targets, 2000, 2);
        let details = results.iter().map(failed).collect::<Vec<_>>();
        assert_eq!(details, [
            (Failure::Refused, "connection refused", 2),
            (Failure::Refused, "connection refused (said by 10.9.2.2)", 2),
            (Failure::Refused, "connection refused", 2),
            (Failure::Refused, "connection refused (said by fd09:2::2)", 2),
        ]);
    }

    fn no_route_here() {
        let a = Net::new();
        let mut probe = a.probe();
        let targets = [all_transports("10.9.2.2", 9), all_transports("fd09:2::2", 9)].concat();
        for result in probe.dial(targets, 2000, 1) {
            assert_eq!(failed(&result), (Failure::Unreachable, "network is unreachable", 1));
        }
        a.run("ip route add blackhole 10.1.0.0/16");
        a.run("ip route add unreachable 10.2.0.0/16");
        a.run("ip route add prohibit 10.3.0.0/16");
        for address in ["10.1.0.1", "10.2.0.1", "10.3.0.1"] {
            for result in probe.dial(all_transports(address, 9), 2000, 1) {
                assert_eq!(failed(&result).0, Failure::Unreachable, "{address}: {result:?}");
            }
        }
    }

    fn no_route_on_the_way() {
        let (a, r, _b) = routed();
        r.run("ip route add unreachable 10.66.0.0/16");
        r.run("ip route add unreachable fd66::/16");
        let mut a = a.probe();
        // An IPv6 router says "no route to destination", an IPv4 one "host unreachable".
        let cases = [
            ("10.66.0.1", "10.9.1.254", "no route to host"),
            ("fd66::1", "fd09:1::fe", "network is unreachable"),
        ];
        for (address, router, words) in cases {
            let results = a.dial(all_transports(address, 9), 2000, 1);
            let said = format!("{words} (said by {router})");
            assert_eq!(failed(&results[0]), (Failure::Unreachable, words, 1));
            assert_eq!(failed(&results[1]), (Failure::Unreachable, &said[..], 1));
            assert_eq!(failed(&results[2]), (Failure::Unreachable, &said[..], 1));
        }
    }

    /// The kernel hands an error to the next call on the socket, whatever that is about.
    fn one_unreachable_target_is_not_blamed_on_its_neighbours() {
        let (a, r, b) = routed();
        r.run("ip route add unreachable 10.66.0.0/16");
        let (mut a, mut b) = (a.probe(), b.probe());
        let port = b.listen("there");
        let pair = |transport| [target(transport, "10.66.0.1", 9), target(transport, "10.9.2.2", port)];
        let targets: Vec<_> = (0..100).flat_map(|_| [pair(Transport::Udp), pair(Transport::Icmp)]).flatten().collect();
        // A router may send only so many errors a second: some of the unreachable ones may time out.
        let results = a.ask(&ask::Dial { targets, at_once: 400, timeout_ms: 1000, attempts: 1 }).results;
        assert_eq!(results.len(), 400);
        for (i, result) in results.iter().enumerate() {
            if i % 2 == 1 {
                heard(result);
            } else {
                assert!(matches!(failed(result).0, Failure::Unreachable | Failure::TimedOut), "{result:?}");
            }
        }
    }

    fn dropped_on_the_way() {
        let (a, r, _b) = routed();
        r.nft("table inet t { chain c { type filter hook forward priority 0; policy drop; }; }");
        let targets = [all_transports("10.9.2.2", 9), all_transports("fd09:2::2", 9)].concat();
        for result in a.probe().dial(targets, 200, 2) {
            assert_eq!(failed(&result), (Failure::TimedOut, "no answer within 200 ms", 2));
        }
    }

    fn a_later_attempt_succeeds_and_is_counted() {
        let (a, r, b) = routed();
        // The first two packets of each protocol are lost. A TCP connection repeats its SYN only after a second.
        r.nft("table inet t {
            chain c { type filter hook forward priority 0; ip daddr 10.9.2.2 jump lossy; }
            chain lossy {
                meta l4proto udp quota until 120 bytes drop
                meta l4proto icmp quota until 120 bytes drop
            }
        }");
        let (mut a, mut b) = (a.probe(), b.probe());
        a.listen("x");
        let port = b.listen("there");
        let results = a.dial(all_transports("10.9.2.2", port)[1..].to_vec(), 300, 6);
        for result in &results {
            let flatnet_model::probe::DialOutcome::Answered { attempts, .. } = result else { panic!("{result:?}") };
            assert!(*attempts > 1, "{result:?}");
        }
    }

    /// What is lost because there is too much to do in a moment would be lost again in that moment.
    fn a_second_attempt_waits_until_each_target_has_had_its_first() {
        let (a, r, b) = routed();
        let (mut one, mut two) = (b.probe(), b.probe());
        let ports = [one.listen("one"), two.listen("two")];
        let [p, q] = ports;
        // A port passes once a packet to the other has been seen: the first that is dialled does not.
        r.nft(&format!("table inet t {{
            set p {{ type ipv4_addr; flags dynamic; }}
            set q {{ type ipv4_addr; flags dynamic; }}
            chain c {{
                type filter hook forward priority 0;
                udp dport {p} add @p {{ ip daddr }}
                udp dport {q} add @q {{ ip daddr }}
                udp dport {p} ip daddr != @q drop
                udp dport {q} ip daddr != @p drop
            }}
        }}"));
        let targets = ports.map(|port| target(Transport::Udp, "10.9.2.2", port)).to_vec();
        let results = a.probe().ask(&ask::Dial { targets, at_once: 1, timeout_ms: 300, attempts: 2 }).results;
        let attempts = results.iter().map(|result| match result {
            flatnet_model::probe::DialOutcome::Answered { attempts, .. } => *attempts,
            failed => panic!("{failed:?}"),
        });
        assert_eq!(attempts.sum::<u32>(), 3, "{results:?}");
    }

    fn refused_by_a_firewall_here() {
        let (a, _r, _b) = routed();
        a.nft("table inet t { chain c { type filter hook output priority 0; policy drop; }; }");
        let mut a = a.probe();
        for address in ["10.9.2.2", "fd09:2::2"] {
            for result in &a.dial(all_transports(address, 9)[1..].to_vec(), 500, 2) {
                assert_eq!(failed(result), (Failure::NotSent, "operation not permitted", 2));
            }
        }
    }

    fn rejected_by_a_firewall_on_the_way() {
        let (a, r, _b) = routed();
        let mut probe = a.probe();
        // What iptables and firewalld use for IPv4, then what says the same in both families, then a plain "unreachable".
        let cases = [
            ("icmp host-prohibited", &["10.9.2.2"][..], Failure::Prohibited),
            ("icmp net-prohibited", &["10.9.2.2"], Failure::Prohibited),
            ("icmpv6 policy-fail", &["fd09:2::2"], Failure::Prohibited),
            ("icmpx admin-prohibited", &["10.9.2.2", "fd09:2::2"], Failure::Prohibited),
            ("icmp host-unreachable", &["10.9.2.2"], Failure::Unreachable),
        ];
        for (with, addresses, kind) in cases {
            r.nft(&format!("table inet t {{ chain c {{ type filter hook forward priority 0; reject with {with}; }}; }}"));
            for address in addresses {
                let results = probe.dial(all_transports(address, 9), 2000, 1);
                // A stream socket tells no more than its error number.
                assert_eq!(failed(&results[0]).0, Failure::Unreachable, "{with}: {results:?}");
                for result in &results[1..] {
                    assert_eq!(failed(result).0, kind, "{with}: {result:?}");
                    assert_eq!(failed(result).1.contains("prohibited (said by"), kind == Failure::Prohibited, "{result:?}");
                }
            }
            r.nft("delete table inet t");
        }
    }

    fn another_program_answers() {
        let b = Net::new();
        let (tcp, udp) = b.within(|| {
            let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
            let udp = UdpSocket::bind(tcp.local_addr().unwrap()).unwrap();
            (tcp, udp)
        });
        let port = tcp.local_addr().unwrap().port();
        let targets = [target(Transport::Tcp, "127.0.0.1", port), target(Transport::Udp, "127.0.0.1", port)].to_vec();
        // An answer in our protocol, but to a question that was not asked; then garbage; then silence that ends.
        let stray = b"fnp1\x02NNNNNNNN\x00\x11\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\x01x";
        let cases: [(&[u8], &str); 3] = [
            (stray, "an answer to another question (wrong nonce)"),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not a message of a probe: begins otherwise"),
            (b"", "connection closed after 0 bytes of an answer"),
        ];
        let dial = |targets: &[DialRequest]| ask::Dial { targets: targets.to_vec(), at_once: 1, timeout_ms: 2000, attempts: 1 };
        let mut probe = b.probe();
        for (bytes, detail) in cases {
            probe.begin(&dial(&targets[..1]));
            let (mut client, _) = tcp.accept().unwrap();
            let got = client.read(&mut [0; 600]).unwrap();
            assert!(got > 15);
            client.write_all(bytes).unwrap();
            drop(client);
            assert_eq!(failed(&probe.dialled(&dial(&targets[..1]))[0]), (Failure::BadAnswer, detail, 1));
        }
        probe.begin(&dial(&targets[1..]));
        let (_, client) = udp.recv_from(&mut [0; 600]).unwrap();
        // Somebody else's answer is not ours to judge; garbage from the one we asked is.
        udp.send_to(stray, client).unwrap();
        udp.send_to(b"what?", client).unwrap();
        assert_eq!(failed(&probe.dialled(&dial(&targets[1..]))[0]), (Failure::BadAnswer, "not a message of a probe: begins otherwise", 1));
        assert_eq!(ip("127.0.0.1"), client.ip());
    }

    fn zeroes_are_taken_as_the_least_there_is() {
        let a = Net::new();
        let mut a = a.probe();
        let results = a.ask(&ask::Dial { targets: all_transports("127.0.0.1", 9), at_once: 0, timeout_ms: 1000, attempts: 0 }).results;
        assert_eq!(results.len(), 3);
        assert_eq!(failed(&results[0]), (Failure::Refused, "connection refused", 1));
        assert_eq!(failed(&results[1]), (Failure::Refused, "connection refused (said by 127.0.0.1)", 1));
        heard(&results[2]);
        let none = ask::Dial { targets: Vec::new(), at_once: 8, timeout_ms: 1000, attempts: 1 };
        assert!(a.ask(&none).results.is_empty());
    }
}
