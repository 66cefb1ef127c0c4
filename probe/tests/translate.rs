//! Addresses that a namespace translates for its clients, as each end tells it; `nft` tells whether the table is there.
mod support;

use flatnet_model::probe::Transport;
use flatnet_model::probe::ask::{Translate, TranslateEnd, Translation};
use support::{Heard, Net, all_transports, failed, flat, heard, ip, net_tests};

const TABLE: &str = "flatnet-hairpin";

fn to(from: &str, dialled: &str, to: &str) -> Translation {
    Translation {
        from: ip(from),
        dialled: ip(dialled),
        to: ip(to),
    }
}

fn question(translations: Vec<Translation>) -> Translate {
    Translate {
        table: TABLE.to_owned(),
        translations,
    }
}

fn has_table(net: &Net) -> bool {
    net.run("nft list tables").contains(TABLE)
}

net_tests! {
    fn a_client_meets_itself_and_others_under_the_nodes_address() {
        let (a, r, b) = Net::routed();
        let (mut a, mut router, mut b) = (a.probe(), r.probe(), b.probe());
        let (own, others) = (a.listen("here"), b.listen("there"));
        router.ask(&question(vec![
            to("10.9.1.1", "203.0.113.10", "10.9.1.1"),
            to("10.9.1.1", "203.0.113.11", "10.9.2.2"),
            to("fd09:1::1", "2001:db8::10", "fd09:1::1"),
        ]));
        for (ours, dialled, name, port, seen) in [
            ("10.9.1.1", "203.0.113.10", "here", own, "10.9.1.254"),
            ("10.9.1.1", "203.0.113.11", "there", others, "10.9.2.254"),
            ("fd09:1::1", "2001:db8::10", "here", own, "fd09:1::fe"),
        ] {
            for result in &a.dial(all_transports(dialled, port), 2000, 3)[..2] {
                let expected = Heard { seen_as: Some(ip(seen)), ..flat(Transport::Tcp, ours, name, dialled) };
                assert_eq!(heard(result), expected);
            }
        }
        // Others' packets are left alone.
        for result in &b.dial(all_transports("203.0.113.10", own), 200, 1)[..2] {
            failed(result);
        }
    }

    fn the_table_lasts_until_the_end_that_is_asked_for_or_the_next() {
        let net = Net::new();
        let mut probe = net.probe();
        let own = to("10.9.1.1", "203.0.113.10", "10.9.1.1");
        probe.ask(&question(vec![own]));
        assert!(has_table(&net));
        probe.ask(&question(vec![to("10.9.1.7", "203.0.113.10", "10.9.1.7")]));
        let listing = net.run("nft list ruleset");
        assert!(listing.contains("10.9.1.7") && !listing.contains("10.9.1.1 "), "{listing}");
        probe.ask(&TranslateEnd {});
        assert!(!has_table(&net));
    }

    fn a_killed_probe_leaves_no_table() {
        let net = Net::new();
        let mut probe = net.probe_process();
        probe.ask(&question(vec![to("10.9.1.1", "203.0.113.10", "10.9.1.1")]));
        assert!(has_table(&net));
        probe.kill();
        assert!(!has_table(&net));
    }
}
