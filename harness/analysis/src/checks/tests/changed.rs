//! State that changed while packets were sent.
use flatnet_model::evidence::Basis;
use flatnet_model::observations::{Change, Item, Moment};
use flatnet_model::reference::Netns;

use super::*;
use crate::example::build::{Style, healthy};
use crate::example::pieces::net;

fn forwards(node: &str, since: Moment) -> Change {
    Change {
        at: Netns::Node(node.to_owned()),
        item: Item::Setting {
            key: "ipv4.ip_forward".to_owned(),
        },
        since,
        before: Some("0".to_owned()),
        now: Some("1".to_owned()),
    }
}

fn cut_off() -> Observations {
    let mut o = healthy(Style::Vxlan);
    node_facts(&mut o, "node3")
        .sysctls
        .insert("ipv4.ip_forward".to_owned(), "0".to_owned());
    lost(&mut o, |e| {
        e.crosses()
            && ((e.from_node == "node3" && !e.from_host) || (e.to_node == "node3" && !e.to_host))
    });
    o
}

fn basis(o: &Observations) -> (Basis, bool) {
    match find("cross-node").unwrap().judge(o) {
        Verdict::Fail { evidence } => {
            let found = evidence[0].deviation.finding.found().unwrap();
            (found.basis, evidence[0].remediation.is_some())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_green_verdict_says_what_changed_while_its_packets_were_sent() {
    let said = "net.ipv4.ip_forward of node2 was 0 when the dials began and is 1 now; verdicts tell of a network that changed meanwhile";
    let mut o = healthy(Style::Vxlan);
    let facts = |o: &Observations, id: &str| match find(id).unwrap().judge(o) {
        Verdict::Pass { facts } => facts,
        other => panic!("{other:?}"),
    };
    assert!(
        !facts(&o, "cross-node")
            .iter()
            .any(|fact| fact.contains("changed"))
    );
    o.changes.push(forwards("node2", Moment::DialsBegan));
    assert_eq!(facts(&o, "cross-node").last().unwrap(), said);
    // No packet decides about it.
    assert!(
        !facts(&o, "cni-config")
            .iter()
            .any(|fact| fact.contains("changed"))
    );
}

#[test]
fn a_cause_that_a_later_look_contradicts_was_not_seen_for_good() {
    let mut o = cut_off();
    assert_eq!(basis(&o), (Basis::Seen, true));
    // Of another node, and before it was found: neither contradicts it.
    o.changes.push(forwards("node1", Moment::DialsEnded));
    assert_eq!(basis(&o), (Basis::Seen, true));
    assert!(
        !sole("cross-node", &o)
            .observed
            .contains("changed meanwhile")
    );
    o.changes.push(forwards("node3", Moment::DialsEnded));
    assert_eq!(basis(&o), (Basis::Inferred, false));
    let evidence = sole("cross-node", &o);
    assert_contains(
        &evidence.observed,
        "net.ipv4.ip_forward of node3 was 0 when the dials had ended and is 1 now",
    );
    assert_contains(
        &evidence.cause.unwrap(),
        "it may be that node3 does not forward",
    );
}

#[test]
fn a_route_that_no_longer_refuses_was_not_seen_for_good() {
    let mut o = healthy(Style::Direct);
    let range = net("10.244.2.0/24");
    let mut routes = node_facts(&mut o, "node1").routes.iter_mut();
    routes.find(|route| route.dst == range).unwrap().kind = 6;
    let basis = |o: &Observations| match find("node-routes").unwrap().judge(o) {
        Verdict::Fail { evidence } => evidence[0].deviation.finding.found().unwrap().basis,
        other => panic!("{other:?}"),
    };
    let change = |dst| Change {
        at: Netns::Node("node1".to_owned()),
        item: Item::Route { dst },
        since: Moment::DialsEnded,
        before: Some("blackhole".to_owned()),
        now: Some("via 172.18.0.3 dev eth0".to_owned()),
    };
    o.changes.push(change(net("10.244.3.0/24")));
    assert_eq!(basis(&o), Basis::Seen);
    o.changes.push(change(range));
    assert_eq!(basis(&o), Basis::Inferred);
}
