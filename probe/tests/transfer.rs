//! Data over TCP, where something on the way takes only short packets.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
mod support;

use std::net::SocketAddr;

use flatnet_model::probe::{Transfer, TransferCut, ask};
use support::{Net, net_tests};

const ADDRESSES: [&str; 2] = ["10.9.2.2", "fd09:2::2"];

/// Of `b`'s responder, at both of its addresses.
fn transfers(a: &Net, b: &Net) -> Vec<Transfer> {
    let (mut probe, mut there) = (a.probe(), b.probe());
    let port = there.listen("there");
    let target = |address: &str| SocketAddr::new(address.parse().unwrap(), port);
    let question = ask::Transfer {
        targets: ADDRESSES.map(target).into(),
        bytes: 65_536,
        stall_ms: 300,
        at_once: 2,
    };
    probe.ask(&question).transfers
}

/// The router drops what is longer than 1000 bytes and fits the match.
fn filtered(matching: &str) -> Vec<Transfer> {
    let (a, r, b) = Net::routed();
    r.run(&format!(
        "nft table inet t {{ chain c {{ type filter hook forward priority 0; {matching} meta length > 1000 drop; }}; }}"
    ));
    transfers(&a, &b)
}

fn cut(transfer: &Transfer) -> &TransferCut {
    match transfer {
        Transfer::TransferCut(cut) => cut,
        other => panic!("{other:?}"),
    }
}

net_tests! {
    fn all_of_it_arrives_each_way() {
        let (a, _r, b) = Net::routed();
        assert_eq!(transfers(&a, &b), [Transfer::Passed, Transfer::Passed]);
    }

    fn what_the_client_sends_stalls_and_the_far_end_says_so() {
        let found = filtered("meta l4proto tcp");
        // 1500 bytes less headers of 20 or 40 and 20 bytes, and 12 of timestamps.
        for (transfer, mss) in found.iter().zip([1448, 1428]) {
            let stalled = TransferCut {
                back: false,
                altered: false,
                arrived: Some(0),
                acked: Some(0),
                mss,
            };
            assert_eq!(*cut(transfer), stalled);
        }
    }

    fn what_the_server_sends_stalls() {
        let found = filtered("ip daddr 10.9.1.1");
        let cut = cut(&found[0]);
        assert_eq!((cut.back, cut.altered, cut.arrived, cut.mss), (true, false, Some(0), 1448));
        assert_eq!(found[1], Transfer::Passed);
    }

    fn a_far_end_that_is_not_heard_leaves_what_was_acknowledged() {
        let (a, r, b) = Net::routed();
        // Short segments with data, as reports are, do not come back once data is under way.
        r.run("nft table inet t { chain c { type filter hook forward priority 0; tcp sport != 0 ip saddr 10.9.2.2 ct original packets > 4 meta length > 60 drop; ip daddr 10.9.2.2 meta length > 1000 drop; }; }");
        let found = transfers(&a, &b);
        let cut = cut(&found[0]);
        assert_eq!((cut.back, cut.arrived, cut.acked), (false, None, Some(0)));
    }

    fn without_a_responder_nothing_is_said_of_data() {
        let (a, _r, _b) = Net::routed();
        let question = ask::Transfer {
            targets: vec!["10.9.2.2:9".parse().unwrap()],
            bytes: 65_536,
            stall_ms: 300,
            at_once: 1,
        };
        let found = a.probe().ask(&question).transfers;
        let refused = Transfer::Failed { detail: "connection refused".to_owned() };
        assert_eq!(found, [refused]);
    }
}
