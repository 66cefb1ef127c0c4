//! nftables: what `nft` reads of what was written.
use flatnet_netlink::Error;
use flatnet_netlink::nft::{ChainType, Expr, Hook, Nft, Set, Table, masquerade_table};
use nix::errno::Errno;
use serde_json::{Value, json};

use crate::nft_listing::{chain, field, matches, objects, prefix, table};
use crate::scene::{Namespace, alone};

fn set(name: &str, v6: bool, prefixes: &[&str]) -> Set {
    Set {
        name: name.to_owned(),
        v6,
        prefixes: prefixes.iter().map(|text| text.parse().unwrap()).collect(),
    }
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
        let listed = objects("set").remove(0);
        let elements = listed["elem"].as_array().unwrap();
        assert_eq!(elements.len(), 6000);
        assert_eq!(
            elements[5999],
            json!({"prefix": {"addr": "10.23.111.0", "len": 28}})
        );
    });
}

#[test]
fn the_masquerade_table_has_one_rule_per_family() {
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
