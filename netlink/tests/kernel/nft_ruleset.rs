//! nftables: everything that there is, made by `nft` and `iptables-nft`, which did not read it.
use std::net::UdpSocket;
use std::process::Command;

use flatnet_model::kernel::netfilter::{RuleChain, RuleTable};
use flatnet_netlink::Nft;

use crate::scene::alone;

#[track_caller]
fn run(program: &str, arguments: &str) {
    let status = Command::new(program).args(arguments.split(' ')).status();
    assert!(status.unwrap().success(), "{program} {arguments}");
}

#[track_caller]
fn nft(text: &str) {
    let status = Command::new("nft").arg(text).status().unwrap();
    assert!(status.success(), "{text}");
}

fn ruleset() -> Vec<RuleTable> {
    let mut nft = Nft::open().unwrap();
    nft.ruleset(
        |table| table.starts_with("hidden"),
        |_, chain| chain.starts_with("KUBE-"),
    )
    .unwrap()
}

#[track_caller]
fn chain<'t>(tables: &'t [RuleTable], table: &str, chain: &str) -> &'t RuleChain {
    let table = tables.iter().find(|one| one.name == table).unwrap();
    table.chains.iter().find(|one| one.name == chain).unwrap()
}

#[test]
fn chains_have_their_hooks_policies_and_rules_in_order() {
    alone(|_| {
        assert_eq!(ruleset(), []);
        nft(
            "table inet t { chain c { type filter hook forward priority -5; policy drop; tcp dport 80 counter accept; ip saddr 10.0.0.0/8 jump other; }; chain other { drop; }; }
            table netdev d { chain i { type filter hook ingress device lo priority 3; meta mark set 0x1; }; }
            table ip hidden-1 { chain c { drop; }; }",
        );
        let tables = ruleset();
        let names: Vec<_> = tables
            .iter()
            .map(|table| (table.family.as_str(), table.name.as_str()))
            .collect();
        assert_eq!(names, [("inet", "t"), ("netdev", "d")]);
        let base = chain(&tables, "t", "c");
        assert_eq!(
            base.hook.as_deref(),
            Some("filter hook forward priority -5")
        );
        assert_eq!(base.policy.as_deref(), Some("drop"));
        assert_eq!(
            base.rules,
            [
                "tcp dport 80 counter accept",
                "ip saddr 10.0.0.0/8 jump other"
            ]
        );
        let other = chain(&tables, "t", "other");
        assert_eq!((&other.hook, &other.policy), (&None, &None));
        assert_eq!(other.rules, ["drop"]);
        let ingress = chain(&tables, "d", "i");
        assert_eq!(
            ingress.hook.as_deref(),
            Some("filter hook ingress devices \"lo\" priority 3")
        );
    });
}

#[test]
fn sets_are_listed_whole_and_those_without_a_name_stand_in_their_rules() {
    alone(|_| {
        nft(
            "table ip t {
            set many { type ipv4_addr; flags interval; elements = { 10.0.0.0/16, 10.1.0.0-10.1.0.5, 10.2.0.1 }; };
            set ports { type ipv4_addr . inet_service; elements = { 10.0.0.1 . 80, 10.0.0.1 . 443 }; };
            set seen { type ipv4_addr; flags dynamic, timeout; timeout 1m; };
            map to { type inet_service : verdict; elements = { 80 : jump other, 22 : drop }; };
            map nat { type inet_service : ipv4_addr; elements = { 80 : 10.0.0.7 }; };
            chain other { };
            chain c { tcp dport { 22, 80 } drop; ip saddr { 10.0.0.0/8, 172.16.0.0/12 } drop; tcp dport vmap { 1 : drop, 2 : accept }; ip saddr @many drop; };
            }",
        );
        let tables = ruleset();
        let sets: Vec<(&str, Option<Vec<&str>>)> = tables[0]
            .sets
            .iter()
            .map(|set| {
                let elements = set.elements.as_ref();
                let words = elements.map(|all| all.iter().map(String::as_str).collect());
                (set.name.as_str(), words)
            })
            .collect();
        assert_eq!(
            sets,
            [
                (
                    "many",
                    Some(vec!["10.0.0.0/16", "10.1.0.0-10.1.0.5", "10.2.0.1"])
                ),
                ("ports", Some(vec!["10.0.0.1 . 80", "10.0.0.1 . 443"])),
                ("seen", None),
                ("to", Some(vec!["22 : drop", "80 : jump other"])),
                ("nat", Some(vec!["80 : 10.0.0.7"])),
            ]
        );
        assert_eq!(
            chain(&tables, "t", "c").rules,
            [
                "tcp dport { 22, 80 } drop",
                "ip saddr { 10.0.0.0/8, 172.16.0.0/12 } drop",
                "tcp dport vmap { 1 : drop, 2 : accept }",
                "ip saddr @many drop",
            ]
        );
    });
}

#[test]
fn rules_that_differ_in_what_has_no_words_are_told_apart() {
    alone(|_| {
        for rule in [
            "-A FORWARD -m conntrack --ctstate INVALID -j DROP",
            "-A FORWARD -m conntrack --ctstate NEW -j DROP",
            "-t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.0.0.7:8080",
            "-t nat -A POSTROUTING -j MASQUERADE",
            "-t nat -A POSTROUTING -j MASQUERADE --random-fully",
        ] {
            run("iptables-nft", rule);
        }
        nft(
            "table ip t { chain c { meta mark set meta mark | 0x4000; meta mark set meta mark | 0x8000; limit rate 10/second burst 7 packets accept; limit rate 10/second accept; log group 1; log group 2; }; }",
        );
        let tables = ruleset();
        let different = |table: &str, of: &str| {
            let rules = &chain(&tables, table, of).rules;
            for (at, rule) in rules.iter().enumerate() {
                assert!(!rules[..at].contains(rule), "{rules:#?}");
            }
        };
        different("filter", "FORWARD");
        different("nat", "POSTROUTING");
        different("t", "c");
        let translation = &chain(&tables, "nat", "PREROUTING").rules[0];
        assert!(translation.ends_with("to 10.0.0.7:8080"), "{translation}");
    });
}

#[test]
fn what_counts_does_not_change_what_is_read() {
    alone(|_| {
        let rules = [
            "-A OUTPUT -m limit --limit 5/s -j ACCEPT",
            "-A OUTPUT -m conntrack --ctstate NEW -j ACCEPT",
            "-N KUBE-X",
            "-A KUBE-X -j ACCEPT",
            "-A OUTPUT -j KUBE-X",
        ];
        for rule in rules {
            run("iptables-nft", rule);
        }
        nft(
            "table ip t { chain c { type filter hook output priority 0; counter limit rate 3/second quota over 50 bytes log; }; }",
        );
        let before = ruleset();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let own = socket.local_addr().unwrap();
        for _ in 0..20 {
            assert_eq!(socket.send_to(&[0; 100], own).unwrap(), 100);
        }
        assert_eq!(ruleset(), before);
        let kept = chain(&before, "filter", "KUBE-X");
        assert_eq!((kept.rules.len(), kept.unread), (0, 1));
    });
}
