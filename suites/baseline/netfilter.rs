//! Rules of netfilter that somebody changed: each is told as just that, also where no packet between pods meets it.
use rstest::rstest;
use serde_json::Value;

use super::{Lab, Reports, all, flatnet};

/// What a run of the lab differs in from the baseline, as kinds and texts.
#[track_caller]
fn differences(lab: &Lab, reports: &Reports) -> (Vec<String>, Vec<String>) {
    let output = lab.test(&reports.path("lab.yaml"), &["--output", "json"]);
    let json: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", all(&output)));
    let diff = &json["comparison"]["baseline"]["diff"];
    let changes = diff["changes"].as_array().into_iter().flatten();
    let real = changes.filter(|change| change["class"] != "noise");
    let text = |change: &Value, key: &str| change[key].as_str().unwrap_or_default().to_owned();
    real.map(|change| (text(change, "id"), text(change, "text")))
        .unzip()
}

/// A lab, and its baseline `lab.yaml`.
fn lab(word: &str) -> (Lab, Reports) {
    let reports = Reports::new();
    let lab = Lab::up(word, &[]);
    lab.baseline(&reports.path("lab.yaml"));
    assert_eq!(differences(&lab, &reports), (vec![], vec![]));
    (lab, reports)
}

#[rstest]
#[case::rule_by_hand(
    "node2",
    "nft 'add table ip own; add chain ip own c { type filter hook forward priority 5; }; add rule ip own c ip saddr 192.0.2.7 counter drop'",
    "nft-rules",
    "nftables rules of ip own c: not there → filter hook forward priority 5; policy accept; ip saddr 192.0.2.7 counter drop (node2 only)"
)]
#[case::rule_in_a_chain_that_is_there(
    "node3",
    "nft add rule inet flatnet postrouting ip daddr 192.0.2.7 return",
    "nft-rules",
    "nftables rules of inet flatnet postrouting: new: ip daddr 192.0.2.7 return (node3 only)"
)]
#[case::iptables(
    "node1",
    "iptables-nft -A INPUT -p tcp --dport 9 -j DROP",
    "nft-rules",
    "nftables rules of ip filter INPUT: not there → filter hook input priority 0; policy accept; tcp dport 9 counter drop (node1 only)"
)]
#[case::policy(
    "node1",
    "nft 'add table ip own; add chain ip own c { type filter hook input priority 5; policy drop; }; add rule ip own c accept'",
    "nft-rules",
    "nftables rules of ip own c: not there → filter hook input priority 5; policy drop; accept (node1 only)"
)]
#[case::element_of_a_set(
    "node2",
    "nft add element inet flatnet unmasked4 '{ 192.0.2.0/24 }'",
    "nft-set",
    "nftables set inet flatnet unmasked4: new: 192.0.2.0/24 (node2 only)"
)]
fn a_change_by_hand_is_just_that(
    #[case] node: &str,
    #[case] line: &str,
    #[case] kind: &str,
    #[case] text: &str,
) {
    let (lab, reports) = lab("rules");
    // The agent puts its own table right at once; it is not what is tested.
    for at in ["node1", "node2", "node3"] {
        lab.exec(at, super::caught::STOP_AGENT);
    }
    lab.exec(node, line);
    let expected = (vec![kind.to_owned()], vec![text.to_owned()]);
    assert_eq!(differences(&lab, &reports), expected);
}

#[test]
fn a_policy_that_changes_is_told_beside_rules_that_do_not() {
    let reports = Reports::new();
    let lab = Lab::up("policy", &[]);
    let line = |policy: &str| {
        let chain =
            format!("add chain ip own c {{ type filter hook input priority 5; policy {policy}; }}");
        lab.exec("node2", &format!("nft 'add table ip own; {chain}'"));
    };
    line("accept");
    lab.exec("node2", "nft add rule ip own c accept");
    lab.baseline(&reports.path("lab.yaml"));
    line("drop");
    let text = "nftables rules of ip own c: policy accept → policy drop (node2 only)";
    let expected = (vec!["nft-rules".to_owned()], vec![text.to_owned()]);
    assert_eq!(differences(&lab, &reports), expected);
}

#[test]
fn masquerade_that_is_switched_off_is_told_as_its_rules() {
    let (lab, reports) = lab("masquerade");
    let to = |cni: &str| {
        let mut command = flatnet();
        command.args(["change", "--quiet", "--cluster", &lab.0, "--to", cni]);
        let output = command.output().expect("flatnet starts");
        assert_eq!(output.status.code(), Some(0), "{}", all(&output));
    };
    to("flatnet,masquerade=off");
    let (kinds, texts) = differences(&lab, &reports);
    assert_eq!(kinds, ["nft-rules", "nft-set", "nft-set"], "{texts:#?}");
    assert_eq!(
        texts[0],
        "nftables rules of inet flatnet postrouting: nat hook postrouting priority 100; policy accept; ip saddr @pods4 ip daddr != @unmasked4 ip daddr != 224.0.0.0/4 masquerade → not there (every node)"
    );
    to("flatnet");
    assert_eq!(differences(&lab, &reports), (vec![], vec![]));
}

#[test]
fn rules_of_legacy_iptables_are_told_where_they_can_be_listed() {
    let (lab, reports) = lab("legacy");
    lab.exec("node3", "iptables-legacy -A INPUT -s 192.0.2.7 -j DROP");
    let text = "legacy iptables rules of ip filter INPUT: not there → policy accept; -s 192.0.2.7 -j DROP (node3 only)";
    let expected = (vec!["legacy-iptables".to_owned()], vec![text.to_owned()]);
    assert_eq!(differences(&lab, &reports), expected);
    // Nothing lists them now: what cannot be read is not the same.
    lab.exec(
        "node3",
        "for d in /usr/local/sbin /usr/sbin /sbin; do f=$d/iptables-legacy-save; [ -e $f ] && mount --bind /dev/null $f; done; true",
    );
    let output = lab.test(&reports.path("lab.yaml"), &[]);
    assert_eq!(output.status.code(), Some(4), "{}", all(&output));
    let why = "iptables-legacy-save: not found, and there are rules that only it can list";
    assert!(all(&output).contains(why), "{}", all(&output));
}
