//! nftables: what `nft` reads of what was written.
use flatnet_netlink::Error;
use flatnet_netlink::nft::{Chain, ChainType, Expr, Hook, Nft, Set, Table, masquerade_table};
use nix::errno::Errno;
use serde_json::{Value, json};

use crate::observer::nft;
use crate::scene::{Namespace, alone};

fn table(chains: Vec<Chain>) -> Table {
    Table {
        name: "t".to_owned(),
        sets: Vec::new(),
        chains,
    }
}

fn chain(kind: ChainType, hook: Hook, priority: i32, rules: Vec<Vec<Expr>>) -> Chain {
    Chain {
        name: "c".to_owned(),
        kind,
        hook,
        priority,
        rules,
    }
}

fn set(name: &str, v6: bool, prefixes: &[&str]) -> Set {
    Set {
        name: name.to_owned(),
        v6,
        prefixes: prefixes.iter().map(|text| text.parse().unwrap()).collect(),
    }
}

/// The objects of one kind in the ruleset.
fn objects(kind: &str) -> Vec<Value> {
    nft("ruleset")
        .into_iter()
        .filter_map(|mut object| object.get_mut(kind).map(Value::take))
        .collect()
}

/// `nft` reads a rule of these expressions in a filter (or nat) chain as that.
#[track_caller]
fn reads_as(nft: &mut Nft, kind: ChainType, hook: Hook, rule: Vec<Expr>, expected: Value) {
    nft.replace_table(&table(vec![chain(kind, hook, 0, vec![rule.clone()])]))
        .unwrap();
    let rules = objects("rule");
    assert_eq!(rules.len(), 1, "{rule:?}");
    assert_eq!(rules[0]["expr"], expected, "{rule:?}");
}

fn matches(operation: &str, left: Value, right: Value) -> Value {
    json!({"match": {"op": operation, "left": left, "right": right}})
}

fn field(protocol: &str, field: &str) -> Value {
    json!({"payload": {"protocol": protocol, "field": field}})
}

fn prefix(address: &str, length: u8) -> Value {
    json!({"prefix": {"addr": address, "len": length}})
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

#[test]
fn chains_have_their_type_hook_and_priority() {
    alone(|_| {
        let mut nft = Nft::open().unwrap();
        for (kind, hook, priority, expected) in [
            (
                ChainType::Filter,
                Hook::Prerouting,
                -300,
                ("filter", "prerouting"),
            ),
            (ChainType::Filter, Hook::Input, 0, ("filter", "input")),
            (ChainType::Filter, Hook::Forward, -1, ("filter", "forward")),
            (ChainType::Nat, Hook::Output, -100, ("nat", "output")),
            (
                ChainType::Nat,
                Hook::Postrouting,
                100,
                ("nat", "postrouting"),
            ),
        ] {
            nft.replace_table(&table(vec![chain(kind, hook, priority, Vec::new())]))
                .unwrap();
            let chains = objects("chain");
            assert_eq!(chains.len(), 1);
            assert_eq!(
                (&chains[0]["type"], &chains[0]["hook"]),
                (&json!(expected.0), &json!(expected.1))
            );
            assert_eq!(
                (&chains[0]["prio"], &chains[0]["policy"]),
                (&json!(priority), &json!("accept"))
            );
            assert_eq!(
                (&chains[0]["family"], &chains[0]["table"]),
                (&json!("inet"), &json!("t"))
            );
        }
    });
}

#[test]
fn sets_hold_exactly_their_prefixes() {
    alone(|_| {
        let mut nft = Nft::open().unwrap();
        for (v6, prefixes, expected) in [
            (false, vec![], Value::Null),
            (
                false,
                vec!["10.0.0.0/8", "10.1.0.0/16"],
                json!([prefix("10.0.0.0", 8)]),
            ),
            (
                false,
                vec!["10.244.1.0/24", "10.244.0.0/24"],
                json!([prefix("10.244.0.0", 23)]),
            ),
            (
                false,
                vec!["10.0.0.1/32", "10.0.0.3/32"],
                json!(["10.0.0.1", "10.0.0.3"]),
            ),
            (
                false,
                vec!["10.244.1.0/24", "10.244.2.0/24"],
                json!([{"range": ["10.244.1.0", "10.244.2.255"]}]),
            ),
            (false, vec!["0.0.0.0/0"], json!([prefix("0.0.0.0", 0)])),
            (
                false,
                vec!["10.0.0.0/8", "255.0.0.0/8"],
                json!([prefix("10.0.0.0", 8), prefix("255.0.0.0", 8)]),
            ),
            (
                true,
                vec!["fd00::/64", "ffff::/16"],
                json!([prefix("fd00::", 64), prefix("ffff::", 16)]),
            ),
            (true, vec!["::/0"], json!([prefix("::", 0)])),
        ] {
            let sets = vec![set("s", v6, &prefixes)];
            nft.replace_table(&Table {
                sets,
                ..table(Vec::new())
            })
            .unwrap();
            let sets = objects("set");
            assert_eq!(sets.len(), 1);
            assert_eq!(sets[0]["elem"], expected, "{prefixes:?}");
            assert_eq!(sets[0]["type"], if v6 { "ipv6_addr" } else { "ipv4_addr" });
            assert_eq!(sets[0]["flags"], json!(["interval"]));
        }
    });
}

#[test]
fn thousands_of_prefixes_fit_one_transaction() {
    alone(|_| {
        let prefix = |number: u32| {
            format!("10.{}.{}.0/28", number / 256, number % 256)
                .parse()
                .unwrap()
        };
        let prefixes = (0..6000).map(prefix).collect();
        let sets = vec![Set {
            name: "s".to_owned(),
            v6: false,
            prefixes,
        }];
        Nft::open()
            .unwrap()
            .replace_table(&Table {
                sets,
                ..table(Vec::new())
            })
            .unwrap();
        let listed = nft("ruleset")
            .into_iter()
            .find_map(|mut object| object.get_mut("set").map(Value::take))
            .unwrap();
        let elements = listed["elem"].as_array().unwrap();
        assert_eq!(elements.len(), 6000);
        assert_eq!(
            elements[5999],
            json!({"prefix": {"addr": "10.23.111.0", "len": 28}})
        );
    });
}

#[test]
fn the_masquerade_table_has_one_rule_a_family() {
    alone(|_| {
        let nets = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| text.parse().unwrap())
                .collect::<Vec<_>>()
        };
        let mut nft = Nft::open().unwrap();
        let dual = masquerade_table(
            "flatnet",
            &nets(&["10.244.1.0/24", "fd00:1::/64"]),
            &nets(&["10.244.0.0/16", "fd00::/16"]),
        );
        nft.replace_table(&dual).unwrap();
        let rule = |ip: &str, digit: u8, multicast: Value| {
            json!([
                matches("==", field(ip, "saddr"), json!(format!("@pods{digit}"))),
                matches("!=", field(ip, "daddr"), json!(format!("@unmasked{digit}"))),
                matches("!=", field(ip, "daddr"), multicast),
                {"masquerade": null}
            ])
        };
        let rules: Vec<_> = objects("rule")
            .into_iter()
            .map(|mut rule| rule["expr"].take())
            .collect();
        assert_eq!(
            rules,
            [
                rule("ip", 4, prefix("224.0.0.0", 4)),
                rule("ip6", 6, prefix("ff00::", 8))
            ]
        );
        let chains = objects("chain");
        assert_eq!(
            (&chains[0]["hook"], &chains[0]["prio"], &chains[0]["type"]),
            (&json!("postrouting"), &json!(100), &json!("nat"))
        );

        nft.replace_table(&masquerade_table("flatnet", &nets(&["10.244.1.0/24"]), &[]))
            .unwrap();
        let names: Vec<_> = objects("set")
            .into_iter()
            .map(|mut set| set["name"].take())
            .collect();
        assert_eq!(names, ["pods4", "unmasked4"]);
        assert_eq!(objects("rule").len(), 1);
    });
}

#[test]
fn replacing_leaves_nothing_of_what_was() {
    alone(|_| {
        let mut nft = Nft::open().unwrap();
        let accept = |count| {
            chain(
                ChainType::Filter,
                Hook::Input,
                0,
                vec![vec![Expr::Accept]; count],
            )
        };
        nft.replace_table(&Table {
            sets: vec![set("old", false, &["10.0.0.0/8"])],
            ..table(vec![accept(3)])
        })
        .unwrap();
        nft.replace_table(&table(vec![accept(1)])).unwrap();
        assert_eq!(
            (
                objects("table").len(),
                objects("rule").len(),
                objects("set").len()
            ),
            (1, 1, 0)
        );
    });
}

#[test]
fn a_refused_transaction_names_its_rule_and_leaves_the_old_table() {
    alone(|_| {
        let mut nft = Nft::open().unwrap();
        let good = table(vec![chain(
            ChainType::Filter,
            Hook::Input,
            0,
            vec![vec![Expr::Accept]],
        )]);
        nft.replace_table(&good).unwrap();
        let missing = Expr::SourceInSet {
            set: "nosuch".to_owned(),
            v6: false,
            negate: false,
        };
        let bad = table(vec![chain(
            ChainType::Filter,
            Hook::Input,
            0,
            vec![vec![Expr::Drop], vec![missing]],
        )]);
        let error = nft.replace_table(&bad).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::ENOENT));
        assert!(
            error
                .to_string()
                .starts_with("create rule 2 of chain c in nftables table t: ENOENT: "),
            "{error}"
        );
        let rules = objects("rule");
        assert_eq!(
            (rules.len(), &rules[0]["expr"]),
            (1, &json!([{"accept": null}]))
        );

        // The connection is as good as before.
        nft.replace_table(&table(Vec::new())).unwrap();
        assert_eq!(objects("chain"), Vec::<Value>::new());
    });
}

#[test]
fn a_table_that_contradicts_itself_is_not_sent() {
    alone(|_| {
        let mut nft = Nft::open().unwrap();
        let mixed = Table {
            sets: vec![set("s", false, &["10.0.0.0/8", "fd00::/8"])],
            ..table(Vec::new())
        };
        let long = Expr::InInterface("a-name-of-16-cha".to_owned());
        let named = table(vec![chain(
            ChainType::Filter,
            Hook::Input,
            0,
            vec![vec![long]],
        )]);
        for wrong in [
            mixed,
            named,
            Table {
                name: "a\0b".to_owned(),
                ..table(Vec::new())
            },
        ] {
            let error = nft.replace_table(&wrong).unwrap_err();
            assert!(matches!(error, Error::Invalid { .. }), "{error}");
        }
        assert_eq!(crate::observer::nft("ruleset"), Vec::<Value>::new());
    });
}

#[test]
fn a_table_is_looked_up_and_deleted_in_its_own_namespace() {
    alone(|_| {
        let other = Namespace::new();
        let (mut here, mut there) = (Nft::open().unwrap(), Nft::open_in(other.fd()).unwrap());
        here.replace_table(&table(Vec::new())).unwrap();
        assert!(here.has_table("t").unwrap());
        assert!(!here.has_table("u").unwrap());
        assert!(!there.has_table("t").unwrap());
        there.replace_table(&table(Vec::new())).unwrap();
        assert_eq!(other.run(|| objects("table").len()), 1);

        here.delete_table("t").unwrap();
        here.delete_table("t").unwrap();
        assert!(!here.has_table("t").unwrap());
        assert!(there.has_table("t").unwrap());
        assert_eq!(objects("table"), Vec::<Value>::new());
    });
}

#[test]
fn a_table_survives_being_written_down() {
    let table = masquerade_table(
        "flatnet",
        &["10.244.1.0/24".parse().unwrap()],
        &["10.244.0.0/16".parse().unwrap()],
    );
    let text = serde_json::to_string(&table).unwrap();
    assert_eq!(serde_json::from_str::<Table>(&text).unwrap(), table);
}
