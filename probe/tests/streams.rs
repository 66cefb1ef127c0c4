//! Streams of numbers: what the network does meanwhile, told by its own end, beside what was done to it.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime};

use flatnet_model::probe::{DialRequest, StreamReport, Transport, ask};
use support::{Net, Probe, net_tests, target};

const BOTH: [Transport; 2] = [Transport::Tcp, Transport::Udp];

/// 10.9.1.1 and fd09:1::1 here, 10.9.2.2 and fd09:2::2 there, a router between.
fn routed() -> (Net, Net, Net) {
    Net::routed()
}

fn open(targets: Vec<DialRequest>) -> ask::StreamsOpen {
    ask::StreamsOpen {
        targets,
        every_ms: 5,
        timeout_ms: 2000,
        stall_ms: 100,
        lasts_ms: 60_000,
    }
}

fn over_both(address: &str, port: u16) -> ask::StreamsOpen {
    open(
        BOTH.map(|transport| target(transport, address, port))
            .to_vec(),
    )
}

/// Asks until the streams are as wanted.
#[track_caller]
fn until(probe: &mut Probe, wanted: impl Fn(&[StreamReport]) -> bool) -> Vec<StreamReport> {
    let begun = Instant::now();
    loop {
        let streams = probe.ask(&ask::Streams {}).streams;
        if wanted(&streams) {
            return streams;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{streams:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Lets every stream get so many answers more.
#[track_caller]
fn run_on(probe: &mut Probe, answers: u64) -> Vec<StreamReport> {
    let now = probe.ask(&ask::Streams {}).streams;
    until(probe, |streams| {
        let mut pairs = streams.iter().zip(&now);
        pairs.all(|(stream, now)| stream.answered >= now.answered + answers)
    })
}

fn now_us() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(now.unwrap().as_micros()).unwrap()
}

net_tests! {
    fn a_network_that_is_left_alone_loses_and_changes_nothing() {
        let (a, _r, b) = routed();
        let (mut a, mut b) = (a.probe(), b.probe());
        let port = b.listen("there");
        let before = now_us();
        let four = open(["10.9.2.2", "fd09:2::2"].into_iter().flat_map(|to| BOTH.map(|over| target(over, to, port))).collect());
        assert_eq!(a.ask(&four).opened, [Ok(()), Ok(()), Ok(()), Ok(())]);
        run_on(&mut a, 50);
        // Other questions are answered meanwhile.
        assert!(!a.ask(&ask::Facts {}).links.is_empty());
        let ended = a.ask(&ask::StreamsEnd {}).streams;
        assert_eq!(ended.len(), 4);
        for stream in ended {
            assert_eq!((stream.answered, stream.lost()), (stream.sent, 0), "{stream:?}");
            assert_eq!((stream.duplicates, stream.reordered, stream.retransmits), (0, 0, 0), "{stream:?}");
            assert_eq!((&stream.ended, &stream.refused), (&None, &None), "{stream:?}");
            assert!(stream.began_us >= before && stream.began_us <= now_us());
        }
        assert_eq!(a.try_ask(&ask::Streams {}).unwrap_err(), "no stream is open");
        // What the streams sent is not among the requests.
        assert_eq!(b.seen(), []);
    }

    fn a_cut_is_told_with_its_time_and_a_connection_goes_on_after_it() {
        let (a, r, b) = routed();
        let (mut a, mut b) = (a.probe(), b.probe());
        let port = b.listen("there");
        a.ask(&over_both("10.9.2.2", port));
        run_on(&mut a, 20);
        let from = now_us();
        r.nft("table ip cut { chain c { type filter hook forward priority 0; ip daddr 10.9.2.2 drop; }; }");
        // The loss is known once numbers are too late.
        until(&mut a, |streams| streams[1].lost_going > 20);
        r.run("nft delete table ip cut");
        let to = now_us();
        run_on(&mut a, 20);
        let streams = a.ask(&ask::StreamsEnd {}).streams;
        let [tcp, udp] = &streams[..] else { panic!("{streams:?}") };
        // TCP sends again what the router dropped.
        assert_eq!((tcp.answered, &tcp.ended), (tcp.sent, &None), "{tcp:?}");
        assert!(tcp.retransmits > 0, "{tcp:?}");
        assert_eq!(tcp.cuts.len(), 1, "{tcp:?}");
        assert_eq!(tcp.cuts[0].lost, 0);
        assert_eq!(udp.cuts.len(), 1, "{udp:?}");
        assert_eq!((udp.lost_coming, udp.answered + udp.lost_going), (0, udp.sent), "{udp:?}");
        assert_eq!(udp.cuts[0].lost, udp.lost_going);
        for stream in [tcp, udp] {
            let cut = stream.cuts[0];
            // The rule came somewhere within its `nft`, and what was on its way before it may be the first that is lost.
            assert!(cut.from_us + 50_000 > from && cut.from_us < to, "{cut:?} {from} {to}");
            assert!(cut.from_us + cut.us > from, "{cut:?}");
        }
    }

    fn a_loss_on_the_way_back_is_told_apart() {
        let (a, r, b) = routed();
        let (mut a, mut b) = (a.probe(), b.probe());
        let port = b.listen("there");
        r.nft(&format!("table ip lossy {{ chain c {{ type filter hook forward priority 0; udp sport {port} numgen inc mod 4 == 0 drop; }}; }}"));
        a.ask(&over_both("10.9.2.2", port));
        run_on(&mut a, 60);
        let streams = a.ask(&ask::StreamsEnd {}).streams;
        let udp = &streams[1];
        assert!(udp.lost_coming >= 20 && udp.lost_going == 0, "{udp:?}");
        assert_eq!(streams[0].lost(), 0);
    }

    fn a_reset_ends_a_connection_at_a_time_and_the_datagrams_go_on() {
        let (a, r, b) = routed();
        let (mut a, mut b) = (a.probe(), b.probe());
        let port = b.listen("there");
        a.ask(&over_both("10.9.2.2", port));
        run_on(&mut a, 20);
        let from = now_us();
        r.nft("table ip cut { chain c { type filter hook forward priority 0; ip daddr 10.9.2.2 tcp dport > 1 reject with tcp reset; }; }");
        let streams = until(&mut a, |streams| streams[0].ended.is_some());
        let end = streams[0].ended.as_ref().unwrap();
        assert_eq!(end.how, "connection reset by peer");
        assert!(end.at_us > from);
        let streams = a.ask(&ask::StreamsEnd {}).streams;
        assert!(streams[0].lost() >= 1, "{streams:?}");
        assert_eq!((streams[1].lost(), &streams[1].ended), (0, &None), "{streams:?}");
    }

    fn the_end_of_the_other_probe_and_a_closed_port_are_told() {
        let (a, _r, b) = routed();
        let (mut a, mut there) = (a.probe(), b.probe());
        let port = there.listen("there");
        let refused = a.ask(&open(vec![target(Transport::Tcp, "10.9.2.2", 1), target(Transport::Icmp, "10.9.2.2", 1)]));
        assert_eq!(refused.opened, [
            Err("connection refused".to_owned()),
            Err("streams go over TCP and UDP".to_owned()),
        ]);
        a.ask(&over_both("10.9.2.2", port));
        run_on(&mut a, 10);
        drop(there);
        let streams = until(&mut a, |streams| streams[0].ended.is_some());
        let how = &streams[0].ended.as_ref().unwrap().how;
        assert!(["closed by the other end", "connection reset by peer"].contains(&how.as_str()), "{how}");
    }

    fn numbers_that_come_together_at_the_beginning_are_each_answered() {
        let (a, _r, b) = routed();
        let mut b = b.probe();
        let port = b.listen("there");
        let number = |number: u8| [&b"fnp1\x07\0\0\0\0\0\0\0\x07\0\x14\0\0\0\0\0\0\0"[..], &[number], &[0; 12]].concat();
        let answers = a.within(|| {
            let mut stream = TcpStream::connect(("10.9.2.2", port)).unwrap();
            stream.write_all(&[number(0), number(1), number(2)].concat()).unwrap();
            let mut answers = [0; 3 * 35];
            stream.read_exact(&mut answers).unwrap();
            answers
        });
        let told: Vec<[u8; 3]> = answers.chunks(35).map(|answer| [answer[4], answer[22], answer[30]]).collect();
        assert_eq!(told, [[8, 0, 1], [8, 1, 2], [8, 2, 3]]);
    }

    fn what_the_kernel_does_not_send_is_lost_with_its_words() {
        let (a, _r, b) = routed();
        let (net, mut a, mut b) = (&a, a.probe(), b.probe());
        let port = b.listen("there");
        a.ask(&over_both("10.9.2.2", port));
        run_on(&mut a, 10);
        net.run("ip route del default");
        until(&mut a, |streams| streams[1].refused.is_some());
        net.run("ip route add default via 10.9.1.254");
        run_on(&mut a, 10);
        let streams = a.ask(&ask::StreamsEnd {}).streams;
        assert_eq!(streams[1].refused.as_deref(), Some("network is unreachable"));
        assert!(streams[1].lost_going > 0 && streams[1].lost_coming == 0, "{streams:?}");
    }
}
