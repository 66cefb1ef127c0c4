//! Address translation between two peers, as each end tells it.
mod support;

use flatnet_model::probe::Transport;
use support::{Heard, Net, all_transports, flat, heard, ip, net_tests, received, target};

const TCP_AND_UDP: [Transport; 2] = [Transport::Tcp, Transport::Udp];

net_tests! {
    fn a_plain_router_changes_nothing() {
        let (a, _r, b) = Net::routed();
        let (mut a, mut b) = (a.probe(), b.probe());
        a.listen("here");
        let port = b.listen("there");
        for (ours, theirs) in [("10.9.1.1", "10.9.2.2"), ("fd09:1::1", "fd09:2::2")] {
            let transports = [Transport::Tcp, Transport::Udp, Transport::Icmp];
            for (transport, result) in transports.into_iter().zip(&a.dial(all_transports(theirs, port), 2000, 3)) {
                assert_eq!(heard(result), flat(transport, ours, "there", theirs));
                assert!(b.seen().contains(&received(transport, "here", ours, theirs, 1)));
            }
        }
    }

    fn masquerade_shows_in_what_the_responder_saw() {
        let (a, r, b) = Net::routed();
        r.nft("table inet t { chain c { type nat hook postrouting priority srcnat; oifname to-b masquerade; }; }");
        let (mut a, mut b) = (a.probe(), b.probe());
        a.listen("here");
        let port = b.listen("there");
        for (ours, theirs, routers) in [("10.9.1.1", "10.9.2.2", "10.9.2.254"), ("fd09:1::1", "fd09:2::2", "fd09:2::fe")] {
            let results = a.dial(all_transports(theirs, port), 2000, 3);
            for result in &results[..2] {
                let expected = Heard { seen_as: Some(ip(routers)), ..flat(Transport::Tcp, ours, "there", theirs) };
                assert_eq!(heard(result), expected);
            }
            // The kernel's echo reply tells the client nothing; what the other end received does.
            assert_eq!(heard(&results[2]), flat(Transport::Icmp, ours, "", theirs));
            for transport in [Transport::Tcp, Transport::Udp, Transport::Icmp] {
                assert!(b.seen().contains(&received(transport, "here", routers, theirs, 1)));
            }
        }
        assert_eq!(b.seen().len(), 6);
    }

    fn a_changed_destination_shows_in_who_answers() {
        let (a, r, b) = Net::routed();
        r.nft("table inet t { chain c { type nat hook prerouting priority dstnat;
            ip daddr 10.9.9.9 dnat ip to 10.9.2.2
            ip6 daddr fd09:9::9 dnat ip6 to fd09:2::2
        }; }");
        let (mut a, mut b) = (a.probe(), b.probe());
        a.listen("here");
        let port = b.listen("there");
        for (ours, dialled, theirs) in [("10.9.1.1", "10.9.9.9", "10.9.2.2"), ("fd09:1::1", "fd09:9::9", "fd09:2::2")] {
            let results = a.dial(all_transports(dialled, port), 2000, 3);
            for (transport, result) in [Transport::Tcp, Transport::Udp, Transport::Icmp].into_iter().zip(&results) {
                assert_eq!(heard(result), flat(transport, ours, "there", dialled));
                assert!(b.seen().contains(&received(transport, "here", ours, theirs, 1)));
            }
        }
    }

    fn a_port_redirected_to_another_peer_shows_in_its_name() {
        let (a, r, b) = Net::routed();
        let (mut a, mut middle, mut b) = (a.probe(), r.probe(), b.probe());
        let (port, middles) = (b.listen("there"), middle.listen("impostor"));
        r.nft(&format!("table ip t {{ chain c {{ type nat hook prerouting priority dstnat;
            ip daddr 10.9.2.2 meta l4proto {{ tcp, udp }} th dport {port} redirect to :{middles}
        }}; }}"));
        for (transport, result) in TCP_AND_UDP.into_iter().zip(&a.dial(all_transports("10.9.2.2", port)[..2].to_vec(), 2000, 3)) {
            assert_eq!(heard(result), flat(transport, "10.9.1.1", "impostor", "10.9.2.2"));
        }
        assert_eq!(b.seen(), []);
        assert!(middle.seen().iter().all(|seen| seen.destination == ip("10.9.1.254")), "{:?}", middle.seen());
    }

    fn a_rewritten_reply_source_is_received_and_reported() {
        let (a, r, b) = Net::routed();
        // Stateless, so that nothing translates it back.
        r.nft("table inet t { chain c { type filter hook forward priority 0;
            meta l4proto != tcp ip saddr 10.9.2.2 ip saddr set 10.9.2.77
            meta l4proto != tcp ip6 saddr fd09:2::2 ip6 saddr set fd09:2::77
        }; }");
        let (mut a, mut b) = (a.probe(), b.probe());
        let port = b.listen("there");
        for (ours, dialled, from) in [("10.9.1.1", "10.9.2.2", "10.9.2.77"), ("fd09:1::1", "fd09:2::2", "fd09:2::77")] {
            let results = a.dial(all_transports(dialled, port), 2000, 1);
            assert_eq!(heard(&results[0]), flat(Transport::Tcp, ours, "there", dialled));
            assert_eq!(heard(&results[1]), flat(Transport::Udp, ours, "there", from));
            assert_eq!(heard(&results[2]), flat(Transport::Icmp, ours, "there", from));
        }
    }

    /// A flow's first packet decides about its translation; another row's must not.
    fn rules_count_from_the_next_row_on() {
        let (a, r, b) = Net::routed();
        let (mut a, mut b) = (a.probe(), b.probe());
        let port = b.listen("there");
        // Connection tracking is in use before the rule is.
        r.nft("table ip t { chain c { type nat hook postrouting priority srcnat; }; }");
        let targets = [target(Transport::Tcp, "10.9.2.2", port), target(Transport::Udp, "10.9.2.2", port)].to_vec();
        for result in &a.dial(targets.clone(), 2000, 3) {
            assert_eq!(heard(result).seen_as, Some(ip("10.9.1.1")));
        }
        r.run("nft add rule ip t c oifname to-b masquerade");
        for result in &a.dial(targets, 2000, 3) {
            assert_eq!(heard(result).seen_as, Some(ip("10.9.2.254")));
        }
    }
}
