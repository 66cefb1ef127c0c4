//! nftables: what `nft` reads of single rules.
use flatnet_netlink::nft::{ChainType, Expr, Hook, Nft};
use serde_json::{Value, json};

use crate::nft_listing::{chain, field, matches, objects, prefix, table};
use crate::scene::alone;

/// `nft` reads a rule of these expressions in a filter (or nat) chain as that.
#[track_caller]
fn reads_as(nft: &mut Nft, kind: ChainType, hook: Hook, rule: Vec<Expr>, expected: Value) {
    nft.replace_table(&table(vec![chain(kind, hook, 0, vec![rule.clone()])]))
        .unwrap();
    let rules = objects("rule");
    assert_eq!(rules.len(), 1, "{rule:?}");
    assert_eq!(rules[0]["expr"], expected, "{rule:?}");
}

#[test]
fn address_matches_read_as_nft_would_write_them() {
    alone(|_| {
        let mut nft = Nft::open().unwrap();
        let net = |text: &str| text.parse().unwrap();
        for (rule, expected) in [
            (
                Expr::SourceIn(net("10.3.0.0/16")),
                matches("==", field("ip", "saddr"), prefix("10.3.0.0", 16)),
            ),
            (
                Expr::SourceNotIn(net("10.2.0.0/15")),
                matches("!=", field("ip", "saddr"), prefix("10.2.0.0", 15)),
            ),
            (
                Expr::DestinationIn(net("10.3.4.5/32")),
                matches("==", field("ip", "daddr"), json!("10.3.4.5")),
            ),
            (
                Expr::DestinationNotIn(net("224.0.0.0/4")),
                matches("!=", field("ip", "daddr"), prefix("224.0.0.0", 4)),
            ),
            (
                Expr::SourceIn(net("fd00::/9")),
                matches("==", field("ip6", "saddr"), prefix("fd00::", 9)),
            ),
            (
                Expr::SourceNotIn(net("fd00::1/128")),
                matches("!=", field("ip6", "saddr"), json!("fd00::1")),
            ),
            (
                Expr::DestinationIn(net("fd00:1:2::/64")),
                matches("==", field("ip6", "daddr"), prefix("fd00:1:2::", 64)),
            ),
            (
                Expr::DestinationNotIn(net("ff00::/8")),
                matches("!=", field("ip6", "daddr"), prefix("ff00::", 8)),
            ),
        ] {
            reads_as(
                &mut nft,
                ChainType::Filter,
                Hook::Forward,
                vec![rule],
                json!([expected]),
            );
        }
    });
}

#[test]
fn interfaces_protocols_ports_and_verdicts_read_as_nft_would_write_them() {
    alone(|_| {
        let mut nft = Nft::open().unwrap();
        let meta = |key: &str| json!({"meta": {"key": key}});
        let either = matches("==", meta("l4proto"), json!({"set": ["tcp", "udp"]}));
        for (rule, expected) in [
            (
                vec![
                    Expr::InInterface("eth0".into()),
                    Expr::OutInterface("a-name-of-15-ch".into()),
                    Expr::Drop,
                ],
                json!([
                    matches("==", meta("iifname"), json!("eth0")),
                    matches("==", meta("oifname"), json!("a-name-of-15-ch")),
                    {"drop": null}
                ]),
            ),
            (
                vec![
                    Expr::Protocol(6),
                    Expr::DestinationPort(80),
                    Expr::Counter,
                    Expr::Accept,
                ],
                json!([
                    matches("==", field("tcp", "dport"), json!(80)),
                    {"counter": {"packets": 0, "bytes": 0}},
                    {"accept": null}
                ]),
            ),
            (
                vec![Expr::Protocol(17), Expr::SourcePort(53)],
                json!([matches("==", field("udp", "sport"), json!(53))]),
            ),
            (
                vec![Expr::SourcePort(53), Expr::DestinationPort(54)],
                json!([
                    either,
                    matches("==", field("th", "sport"), json!(53)),
                    matches("==", field("th", "dport"), json!(54))
                ]),
            ),
        ] {
            reads_as(&mut nft, ChainType::Filter, Hook::Input, rule, expected);
        }
    });
}

#[test]
fn translations_read_as_nft_would_write_them() {
    alone(|_| {
        let mut nft = Nft::open().unwrap();
        let family = |name: &str| matches("==", json!({"meta": {"key": "nfproto"}}), json!(name));
        for (hook, rule, expected) in [
            (
                Hook::Postrouting,
                vec![Expr::Masquerade],
                json!([{"masquerade": null}]),
            ),
            (
                Hook::Prerouting,
                vec![
                    Expr::Protocol(6),
                    Expr::DestinationPort(80),
                    Expr::Dnat("10.0.0.2:8080".parse().unwrap()),
                ],
                json!([
                    matches("==", field("tcp", "dport"), json!(80)),
                    family("ipv4"),
                    {"dnat": {"family": "ip", "addr": "10.0.0.2", "port": 8080}}
                ]),
            ),
            (
                Hook::Output,
                vec![
                    Expr::DestinationIn("fd00::1/128".parse().unwrap()),
                    Expr::DnatAddress("fd00::2".parse().unwrap()),
                ],
                json!([
                    matches("==", field("ip6", "daddr"), json!("fd00::1")),
                    {"dnat": {"family": "ip6", "addr": "fd00::2"}}
                ]),
            ),
            (
                Hook::Postrouting,
                vec![Expr::SnatAddress("10.0.0.9".parse().unwrap())],
                json!([family("ipv4"), {"snat": {"family": "ip", "addr": "10.0.0.9"}}]),
            ),
        ] {
            reads_as(&mut nft, ChainType::Nat, hook, rule, expected);
        }
        for (protocol, address) in [("ip", "10.0.0.9"), ("ip6", "fd00::9")] {
            let rule = vec![Expr::SetSource(address.parse().unwrap())];
            let mangle = json!({"mangle": {"key": field(protocol, "saddr"), "value": address}});
            let family = family(if protocol == "ip" { "ipv4" } else { "ipv6" });
            nft.replace_table(&table(vec![chain(
                ChainType::Filter,
                Hook::Forward,
                0,
                vec![rule],
            )]))
            .unwrap();
            let listed = objects("rule")[0]["expr"].take();
            // `nft` leaves the family out where the rest of the rule implies it.
            assert!(
                listed == json!([mangle]) || listed == json!([family, mangle]),
                "{listed}"
            );
        }
    });
}
