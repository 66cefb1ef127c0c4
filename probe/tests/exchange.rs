//! Peers that can be reached: who answered, and what each end saw.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
mod support;

use flatnet_model::probe::{DialOutcome, Failure, Listening, Transport, ask};
use support::{Net, all_transports, failed, flat, heard, ip, net_tests, received, target};

const TRANSPORTS: [Transport; 3] = [Transport::Tcp, Transport::Udp, Transport::Icmp];

/// Two namespaces on one wire: 10.9.0.1 and fd09::1 here, .2 and ::2 there.
fn pair() -> (Net, Net) {
    let (a, b) = (Net::new(), Net::new());
    a.join(
        "eth0",
        &["10.9.0.1/24", "fd09::1/64"],
        &b,
        "eth0",
        &["10.9.0.2/24", "fd09::2/64"],
    );
    (a, b)
}

net_tests! {
    fn both_ends_tell_the_same_story_over_every_transport_and_family() {
        let (a, b) = pair();
        let (mut a, mut b) = (a.probe(), b.probe());
        a.listen("here");
        let port = b.listen("there");
        for (ours, theirs) in [("10.9.0.1", "10.9.0.2"), ("fd09::1", "fd09::2")] {
            let results = a.dial(all_transports(theirs, port), 2000, 3);
            for (transport, result) in TRANSPORTS.into_iter().zip(&results) {
                assert_eq!(heard(result), flat(transport, ours, "there", theirs), "{transport:?}");
            }
        }
        let expected: Vec<_> = TRANSPORTS
            .into_iter()
            .flat_map(|transport| [("10.9.0.1", "10.9.0.2"), ("fd09::1", "fd09::2")].map(|(s, d)| received(transport, "here", s, d, 1)))
            .collect();
        assert_eq!(b.seen(), expected);
        assert_eq!(a.seen(), []);
    }

    fn ping_sockets_do_as_well_as_raw_ones() {
        let (a, b) = pair();
        // Nobody may have ping sockets by default; the only group here that surely exists is our own.
        a.sysctl("ipv4/ping_group_range", "0 0");
        let (mut b, mut a) = (b.probe(), a.probe_after(drop_capabilities));
        b.listen("there");
        // Without capabilities it cannot record echo requests, but it can send them.
        assert!(matches!(a.ask(&listen("here", 0)), Listening { icmp_seen: false, icmp_send: true, .. }));
        let results = a.dial(vec![target(Transport::Icmp, "10.9.0.2", 0), target(Transport::Icmp, "fd09::2", 0)], 2000, 3);
        assert_eq!(heard(&results[0]), flat(Transport::Icmp, "10.9.0.1", "", "10.9.0.2"));
        assert_eq!(heard(&results[1]), flat(Transport::Icmp, "fd09::1", "", "fd09::2"));
        assert_eq!(b.seen(), [
            received(Transport::Icmp, "here", "10.9.0.1", "10.9.0.2", 1),
            received(Transport::Icmp, "here", "fd09::1", "fd09::2", 1),
        ]);
    }

    fn without_any_icmp_socket_icmp_is_unsupported_and_the_rest_works() {
        let (a, b) = pair();
        let (mut b, mut a) = (b.probe(), a.probe_after(drop_capabilities));
        let port = b.listen("there");
        assert!(matches!(a.ask(&listen("here", 0)), Listening { icmp_seen: false, icmp_send: false, .. }));
        let results = a.dial(all_transports("10.9.0.2", port), 2000, 3);
        assert_eq!(heard(&results[0]), flat(Transport::Tcp, "10.9.0.1", "there", "10.9.0.2"));
        assert_eq!(heard(&results[1]), flat(Transport::Udp, "10.9.0.1", "there", "10.9.0.2"));
        let (kind, detail, attempts) = failed(&results[2]);
        assert_eq!((kind, attempts), (Failure::Unsupported, 1));
        assert_eq!(detail, "no socket: operation not permitted");
    }

    fn a_probe_reaches_itself_by_its_own_address() {
        let (a, _b) = pair();
        let mut a = a.probe();
        let port = a.listen("here");
        for own in ["10.9.0.1", "fd09::1"] {
            for (transport, result) in TRANSPORTS.into_iter().zip(&a.dial(all_transports(own, port), 2000, 3)) {
                assert_eq!(heard(result), flat(transport, own, "here", own), "{transport:?}");
            }
        }
        assert_eq!(a.seen().len(), 6);
        assert!(a.seen().iter().all(|seen| seen.from == "here" && seen.source == seen.destination && seen.count == 1));
    }

    fn answers_come_from_the_address_that_was_dialled() {
        let (a, b) = pair();
        for more in ["10.9.0.3/32", "10.9.7.7/32", "fd09::3/128 nodad"] {
            b.run(&format!("ip addr add {more} dev eth0"));
        }
        a.run("ip route add 10.9.7.7 via 10.9.0.2");
        let (mut a, mut b) = (a.probe(), b.probe());
        let port = b.listen("there");
        a.listen("here");
        for (ours, theirs) in [("10.9.0.1", "10.9.0.3"), ("10.9.0.1", "10.9.7.7"), ("fd09::1", "fd09::3")] {
            for (transport, result) in TRANSPORTS.into_iter().zip(&a.dial(all_transports(theirs, port), 2000, 3)) {
                assert_eq!(heard(result), flat(transport, ours, "there", theirs), "{transport:?}");
                assert!(b.seen().contains(&received(transport, "here", ours, theirs, 1)));
            }
        }
    }

    fn ipv4_works_where_ipv6_is_off() {
        let (a, b) = pair();
        b.sysctl("ipv6/conf/all/disable_ipv6", "1");
        let (mut a, mut b) = (a.probe(), b.probe());
        let port = b.listen("there");
        let results = a.dial(all_transports("10.9.0.2", port), 2000, 3);
        assert_eq!(heard(&results[1]), flat(Transport::Udp, "10.9.0.1", "there", "10.9.0.2"));
        assert_eq!(b.seen().len(), 3);
    }

    fn results_keep_the_order_of_the_targets() {
        let (a, b) = pair();
        b.run("ip addr add 10.9.0.3/32 dev eth0");
        let (mut a, mut b) = (a.probe(), b.probe());
        a.listen("here");
        let port = b.listen("there");
        let addresses = ["10.9.0.2", "10.9.0.3", "fd09::2"];
        let targets: Vec<_> = (0..600).map(|i| target(TRANSPORTS[i / 7 % 3], addresses[i % 3], port)).collect();
        let results = a.ask(&ask::Dial { targets: targets.clone(), at_once: 64, timeout_ms: 5000, attempts: 3 }).results;
        assert_eq!(results.len(), 600);
        for (target, result) in targets.iter().zip(results) {
            let DialOutcome::Answered { reply_from, responder, .. } = result else { panic!("{target:?}: {result:?}") };
            assert_eq!((reply_from, responder.is_some()), (target.address, target.transport != Transport::Icmp));
        }
        let total: u32 = b.seen().iter().map(|seen| seen.count).sum();
        assert!(total >= 600, "{total}");
    }

    fn peers_are_answered_while_a_row_is_under_way() {
        let (a, b) = pair();
        a.run("ip route add 10.66.0.0/16 via 10.9.0.2");
        b.nft("table inet t { chain c { type filter hook prerouting priority -300; ip daddr 10.66.0.0/16 drop; }; }");
        let (mut a, mut b) = (a.probe(), b.probe());
        let port = a.listen("busy");
        // Nobody answers there, so that the row lasts until its time is up: longer than the other one takes.
        let dial = ask::Dial { targets: all_transports("10.66.0.1", 1), at_once: 3, timeout_ms: 1500, attempts: 1 };
        a.begin(&dial);
        for (transport, result) in TRANSPORTS.into_iter().zip(&b.dial(all_transports("10.9.0.1", port), 1000, 1)) {
            assert_eq!(heard(result), flat(transport, "10.9.0.2", "busy", "10.9.0.1"));
        }
        assert!(a.dialled(&dial).iter().all(|result| failed(result).0 == Failure::TimedOut));
        assert_eq!(a.seen().len(), 3);
    }

    fn a_client_that_never_listened_goes_by_its_hostname() {
        let (a, b) = pair();
        let (mut a, mut b) = (a.probe(), b.probe());
        let port = b.listen("there");
        heard(&a.dial(vec![target(Transport::Tcp, "10.9.0.2", port)], 2000, 3)[0]);
        let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        assert_eq!(b.seen()[0].from, hostname.trim());
    }

    fn a_second_listen_starts_over_on_the_same_port() {
        let (a, b) = pair();
        let (mut a, mut b) = (a.probe(), b.probe());
        let port = b.listen("first");
        assert_eq!(heard(&a.dial(vec![target(Transport::Tcp, "10.9.0.2", port)], 2000, 3)[0]).responder.as_deref(), Some("first"));
        // A child that another test has just forked holds copies of the sockets until it calls exec.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !b.try_ask(&listen("second", port)).is_ok_and(|listening| listening.port == port) {
            assert!(std::time::Instant::now() < deadline, "the port does not become free");
        }
        assert_eq!(b.seen(), []);
        for result in &a.dial(all_transports("10.9.0.2", port)[..2].to_vec(), 2000, 3) {
            assert_eq!(heard(result).responder.as_deref(), Some("second"));
        }
    }

    fn a_port_that_is_taken_is_said_to_be() {
        let a = Net::new();
        let (mut first, mut second) = (a.probe(), a.probe());
        let port = first.listen("first");
        let error = second.try_ask(&listen("second", port)).expect_err("two on one port");
        assert_eq!(error, format!("listen on port {port}: address already in use"));
        assert_ne!(second.listen("second"), port);
    }

    /// The probe of the last run may take a moment to end.
    fn a_port_that_becomes_free_in_a_moment_is_waited_for() {
        let a = Net::new();
        let (mut first, mut second) = (a.probe(), a.probe());
        let port = first.listen("first");
        let ending = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(500));
            drop(first);
        });
        let listening = second.try_ask(&listen("second", port));
        assert_eq!(listening.expect("the port is free by then").port, port);
        ending.join().expect("the first one ended");
    }

    fn slow_and_silent_connections_do_not_keep_others_waiting() {
        use std::io::{Read, Write};
        let (a, b) = pair();
        let mut there = b.probe();
        let port = there.listen("there");
        let slow = a.within(|| {
            let mut slow: Vec<_> = (0..20).map(|_| std::net::TcpStream::connect((ip("10.9.0.2"), port)).unwrap()).collect();
            // A hello in pieces, as the message table has it.
            slow[0].write_all(b"fnp1\x01AAAA").unwrap();
            slow
        });
        heard(&a.probe().dial(vec![target(Transport::Tcp, "10.9.0.2", port)], 2000, 3)[0]);
        let mut first = &slow[0];
        first.write_all(b"BBBB\x00\x04slow").unwrap();
        let mut answer = Vec::new();
        first.read_to_end(&mut answer).unwrap();
        assert_eq!(answer[..13], *b"fnp1\x02AAAABBBB");
        assert!(there.seen().contains(&received(Transport::Tcp, "slow", "10.9.0.1", "10.9.0.2", 1)));
    }

    fn no_connection_is_left_behind() {
        let (a, b) = pair();
        let (mut from, mut to) = (a.probe(), b.probe());
        let port = to.listen("there");
        from.dial(vec![target(Transport::Tcp, "10.9.0.2", port); 200], 2000, 3);
        for net in [&a, &b] {
            let sockets = net.within(|| std::fs::read_to_string("/proc/thread-self/net/tcp")).unwrap();
            // Local address, remote address, state 06 is TIME_WAIT (proc_net_tcp.txt).
            let waiting = sockets.lines().filter(|line| line.split_whitespace().nth(3) == Some("06")).count();
            assert_eq!(waiting, 0, "{sockets}");
        }
    }
}

fn listen(name: &str, port: u16) -> ask::Listen {
    ask::Listen {
        name: name.to_owned(),
        port,
    }
}

/// Of the calling thread alone.
fn drop_capabilities() {
    use nix::libc;
    // linux/capability.h: version 3, this thread; no effective, permitted or inheritable capability in either half.
    let header = [0x2008_0522_u32, 0];
    let none = [[0_u32; 3]; 2];
    // SAFETY: both structures are laid out as capset(2) has them and live across the call.
    let result = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}
