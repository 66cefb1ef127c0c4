//! Rules of netfilter, as facts.
use flatnet_model::fact::{Fact, Kind, Place, Seen};
use flatnet_model::kernel::netfilter::{Netfilter, RuleChain, RuleSet, RuleTable};
use flatnet_model::observations::Observations;

use super::facts_of;
use crate::example::build::{Style, healthy};

fn chain(name: &str, hook: Option<&str>, rules: &[&str]) -> RuleChain {
    RuleChain {
        name: name.to_owned(),
        hook: hook.map(str::to_owned),
        policy: hook.map(|_| "accept".to_owned()),
        rules: rules.iter().map(|rule| (*rule).to_owned()).collect(),
        unread: 0,
    }
}

fn table(family: &str, name: &str, chains: Vec<RuleChain>) -> RuleTable {
    RuleTable {
        family: family.to_owned(),
        name: name.to_owned(),
        chains,
        sets: Vec::new(),
    }
}

/// A healthy cluster whose first node has these tables.
fn with(tables: Vec<RuleTable>, legacy: Result<Vec<RuleTable>, String>) -> Observations {
    let mut observations = healthy(Style::Direct);
    for node in &mut observations.nodes {
        node.inside.netfilter = Some(Ok(Netfilter {
            tables: Vec::new(),
            legacy: Ok(Vec::new()),
        }));
    }
    observations.nodes[0].inside.netfilter = Some(Ok(Netfilter { tables, legacy }));
    observations
}

/// Facts of rules and sets: part, subject, value.
fn told(observations: &Observations) -> Vec<(String, String, String)> {
    let kinds = [Kind::NftRules, Kind::NftSet, Kind::LegacyIptables];
    let facts = facts_of(observations).into_iter();
    let own = facts.filter(|fact| kinds.contains(&fact.key.id));
    own.map(|fact: Fact| {
        let subject = fact.key.subject.to_string();
        (fact.key.about, subject, fact.seen.to_string())
    })
    .collect()
}

fn fact(about: &str, subject: &str, value: &str) -> (String, String, String) {
    (about.to_owned(), subject.to_owned(), value.to_owned())
}

const POSTROUTING: Option<&str> = Some("nat hook postrouting priority 100");

#[test]
fn addresses_are_whose_they_are_and_sets_say_what_all_nodes_have_in_one_word() {
    let mut flatnet = table(
        "inet",
        "flatnet",
        vec![chain(
            "postrouting",
            POSTROUTING,
            &["ip saddr @pods4 ip daddr != 224.0.0.0/4 masquerade"],
        )],
    );
    let observations = with(Vec::new(), Ok(Vec::new()));
    let node = |n: usize| &observations.nodes[n].object;
    let ranges = observations.nodes.iter();
    let ranges = ranges.map(|node| node.object.pod_cidrs[0].to_string());
    let ips = (0..observations.nodes.len()).map(|n| node(n).internal_ips[0].to_string());
    let all: Vec<String> = ranges.chain(ips).collect();
    flatnet.sets = vec![
        RuleSet {
            name: "pods4".to_owned(),
            elements: Some(vec![node(0).pod_cidrs[0].to_string()]),
        },
        RuleSet {
            name: "unmasked4".to_owned(),
            elements: Some(all),
        },
        RuleSet {
            name: "seen".to_owned(),
            elements: None,
        },
    ];
    let own = node(0).pod_cidrs[0];
    let other = node(1).internal_ips[0];
    let rule = format!(
        "ip saddr {own} ip daddr {{ {other}, 192.0.2.1 }} tcp dport 80 dnat to {other}:8080"
    );
    let by_hand = table("ip", "own", vec![chain("c", POSTROUTING, &[&rule])]);
    assert_eq!(
        told(&with(vec![flatnet, by_hand], Ok(Vec::new()))),
        [
            fact(
                "inet flatnet postrouting",
                "node1",
                "nat hook postrouting priority 100; policy accept; ip saddr @pods4 ip daddr != 224.0.0.0/4 masquerade"
            ),
            fact(
                "ip own c",
                "node1",
                "nat hook postrouting priority 100; policy accept; ip saddr its own podCIDR ip daddr { node2's InternalIP, 192.0.2.1 } tcp dport 80 dnat to node2's InternalIP:8080"
            ),
            fact("inet flatnet pods4", "node1", "its own podCIDR"),
            fact("inet flatnet seen", "node1", "what packets put into it"),
            fact(
                "inet flatnet unmasked4",
                "node1",
                "every node's InternalIP; every node's podCIDR"
            ),
        ]
    );
}

#[test]
fn adjacent_ranges_that_a_kernel_merged_are_told_apart_again() {
    let observations = with(Vec::new(), Ok(Vec::new()));
    let ranges: Vec<_> = observations
        .nodes
        .iter()
        .map(|node| node.object.pod_cidrs[0])
        .collect();
    let (first, last) = (ranges.iter().min().unwrap(), ranges.iter().max().unwrap());
    let mut own = table("ip", "own", Vec::new());
    own.sets = vec![RuleSet {
        name: "s".to_owned(),
        elements: Some(vec![
            format!("{}-{}", first.network(), last.broadcast()),
            "10.0.0.0/8".to_owned(),
            "192.0.2.1-192.0.2.9".to_owned(),
        ]),
    }];
    assert_eq!(
        told(&with(vec![own], Ok(Vec::new()))),
        [fact(
            "ip own s",
            "node1",
            "10.0.0.0/8; 192.0.2.1-192.0.2.9; every node's podCIDR"
        )]
    );
}

#[test]
fn rules_of_pods_are_told_of_them_and_those_of_others_are_not_compared() {
    let observations = with(Vec::new(), Ok(Vec::new()));
    let ip_on = |node: &str| {
        let mut pods = observations.pods.iter();
        let pod = pods.find(|pod| pod.object.node == node && !pod.object.host_network);
        pod.unwrap().object.ips[0]
    };
    let (own, far) = (ip_on("node1"), ip_on("node2"));
    let nat = |order: [&str; 2]| {
        let hash = "CNI-0123456789abcdef01234567";
        let pods = [
            format!("ip saddr {own} counter jump {hash}"),
            "ip saddr 10.244.1.99 counter jump CNI-ffffffffffffffff01234567".to_owned(),
        ];
        let mut rules = vec!["counter jump KUBE-POSTROUTING".to_owned()];
        rules.extend(
            order
                .iter()
                .map(|at| pods[at.parse::<usize>().unwrap()].clone()),
        );
        rules.push(format!("ip daddr {far} drop"));
        let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
        let mut kept = chain("KUBE-POSTROUTING", None, &[]);
        kept.unread = 7;
        table(
            "ip",
            "nat",
            vec![
                chain("POSTROUTING", POSTROUTING, &rules),
                chain("OUTPUT", Some("nat hook output priority -100"), &[]),
                kept,
                chain(hash, None, &["masquerade"]),
            ],
        )
    };
    let facts = told(&with(vec![nat(["0", "1"])], Ok(Vec::new())));
    assert_eq!(
        facts,
        [
            fact(
                "ip nat POSTROUTING",
                "node1",
                "nat hook postrouting priority 100; policy accept; ip daddr the address of node2/pod1 drop"
            ),
            fact(
                "ip nat POSTROUTING",
                "node1/pod1",
                "ip saddr its own address counter jump CNI-(hash)"
            ),
            fact("kube-proxy and kubelet", "node1", "in ip nat"),
        ]
    );
    assert_eq!(told(&with(vec![nat(["1", "0"])], Ok(Vec::new()))), facts);
}

#[test]
fn a_policy_counts_where_no_rule_stands() {
    let mut forward = chain("FORWARD", Some("filter hook forward priority 0"), &[]);
    let filter = |chain: &RuleChain| vec![table("ip", "filter", vec![chain.clone()])];
    assert_eq!(told(&with(filter(&forward), Ok(Vec::new()))), []);
    forward.policy = Some("drop".to_owned());
    assert_eq!(
        told(&with(filter(&forward), Ok(Vec::new()))),
        [fact(
            "ip filter FORWARD",
            "node1",
            "filter hook forward priority 0; policy drop"
        )]
    );
    forward.hook = None;
    let legacy = told(&with(Vec::new(), Ok(filter(&forward))));
    assert_eq!(legacy, [fact("ip filter FORWARD", "node1", "policy drop")]);
}

#[test]
fn what_cannot_be_read_is_said() {
    let why = "iptables-legacy-save: not found".to_owned();
    let observations = with(Vec::new(), Err(why));
    assert_eq!(
        told(&observations),
        [fact(
            "",
            "node1",
            "not observed: iptables-legacy-save: not found"
        )]
    );
    let mut observations = observations;
    observations.nodes[0].inside.netfilter = Some(Err("not allowed".to_owned()));
    let unread = facts_of(&observations).into_iter();
    let unread = unread.filter(|fact| fact.seen == Seen::Unread("not allowed".to_owned()));
    let kinds: Vec<(Kind, String)> = unread
        .map(|fact| (fact.key.id, fact.key.subject.to_string()))
        .collect();
    let node = Place::Node(1).to_string();
    let all = [Kind::NftRules, Kind::NftSet, Kind::LegacyIptables];
    assert_eq!(kinds, all.map(|kind| (kind, node.clone())));
}
