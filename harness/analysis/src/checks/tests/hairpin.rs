//! hairpin through a service address: red where hairpin mode is seen to be off, or where only the pod itself is not reached.
use std::collections::BTreeMap;

use flatnet_model::cause::CauseId;
use flatnet_model::observations::Translated;
use flatnet_model::probe::{DialRequest, Transport};
use rstest::rstest;

use super::*;
use crate::example::plane::{fail, had, plane, real};

const OWN: &str = "203.0.113.10";
const OTHER: &str = "203.0.113.11";

fn dial(from: &ObservedPod, to: &ObservedPod, transport: Transport) -> Dial {
    let address = if from.object == to.object { OWN } else { OTHER };
    let address = address.parse().unwrap();
    Dial {
        from: from.endpoint(),
        to: to.endpoint(),
        request: DialRequest {
            address,
            transport,
            port: 7411,
        },
        result: DialOutcome::Answered {
            local: from.object.ips[0],
            responder: Some(to.endpoint().to_string()),
            seen_as: Some("10.244.0.1".parse().unwrap()),
            reply_from: address,
            rtt_us: 100,
            attempts: 1,
            retransmits: 0,
        },
    }
}

/// A healthy lab whose pods dialled themselves, and the next pod of their node, at translated addresses; nodes filter on bridges.
fn translated() -> Observations {
    let mut o = healthy(Style::Vxlan);
    let mut dials = Vec::new();
    for node in &o.nodes {
        let on_node = o
            .pods
            .iter()
            .filter(|pod| pod.object.node == node.object.name);
        let pods: Vec<_> = on_node.filter(|pod| !pod.object.host_network).collect();
        for (at, pod) in pods.iter().enumerate() {
            let next = pods[(at + 1) % pods.len()];
            for transport in [Transport::Tcp, Transport::Udp] {
                dials.push(dial(pod, pod, transport));
                if pods.len() > 1 {
                    dials.push(dial(pod, next, transport));
                }
            }
        }
    }
    let names = o.nodes.iter().map(|node| node.object.name.clone());
    o.translated = Some(Translated {
        nodes: names.map(|name| (name, Ok(()))).collect(),
        dials,
    });
    for name in ["node1", "node2", "node3"] {
        filters(&mut o, name, "1");
    }
    o
}

fn filters(o: &mut Observations, node: &str, value: &str) {
    let sysctls = &mut node_facts(o, node).sysctls;
    sysctls.insert(
        "bridge.bridge-nf-call-iptables".to_owned(),
        value.to_owned(),
    );
}

/// The port of busybox-1.
fn hairpin_off(o: &mut Observations) {
    let index = pod_facts(o, "busybox-1").link_named("eth0").unwrap().link;
    let mut links = node_facts(o, "node1").links.iter_mut();
    let port = links.find(|link| Some(link.index) == index).unwrap();
    port.port.as_mut().unwrap().hairpin = false;
}

fn silence(o: &mut Observations, which: impl Fn(&Dial) -> bool) {
    let dials = &mut o.translated.as_mut().unwrap().dials;
    for dial in dials.iter_mut().filter(|dial| which(dial)) {
        dial.result = DialOutcome::Failed {
            kind: Failure::TimedOut,
            detail: "no answer within 1500 ms".to_owned(),
            attempts: 2,
        };
    }
}

fn own(dial: &Dial) -> bool {
    bare(&dial.from) == "busybox-1" && dial.from == dial.to
}

#[test]
fn a_pass_says_what_was_tried() {
    let o = translated();
    assert_red(&o, &[], &[]);
    assert_fact("hairpin", &o, "through a service address over tcp, udp");
    // Without such dials it does not.
    let without = facts("hairpin", &healthy(Style::Vxlan));
    assert!(!without.concat().contains("service"), "{without:?}");
}

#[test]
fn hairpin_mode_that_is_off_is_seen() {
    let mut o = translated();
    hairpin_off(&mut o);
    // A setting alone is nothing that a pod could notice.
    assert_red(&o, &[], &[]);
    silence(&mut o, own);
    assert_red(&o, &["hairpin"], &[]);
    assert_eq!(causes("hairpin", &o), [CauseId::HairpinOff]);
    let e = sole("hairpin", &o);
    assert_eq!(e.culprit.as_deref(), Some("pod busybox-1 on node1"));
    assert_contains(&e.what, OWN);
    assert_contains(&e.observed, "no answer within 1500 ms");
    assert_contains(&e.cause.unwrap(), "net.bridge.bridge-nf-call-iptables is 1");
    assert!(
        e.look
            .starts_with("flatnet exec node1 -- bridge -d link show dev veth")
    );
}

/// The kernel sends what it routes to the port as its own.
#[rstest]
#[case::mode_is_on(true, "1")]
#[case::bridges_are_not_filtered(false, "0")]
fn where_hairpin_mode_is_not_it_the_cause_is_concluded(#[case] on: bool, #[case] filtered: &str) {
    let mut o = translated();
    if !on {
        hairpin_off(&mut o);
    }
    filters(&mut o, "node1", filtered);
    silence(&mut o, own);
    assert_eq!(causes("hairpin", &o), [CauseId::ServiceHairpin]);
    assert_contains(&sole("hairpin", &o).cause.unwrap(), "it may be that");
}

/// The other pod and it reach each other by their own addresses.
#[rstest]
#[case::it_reaches_no_other_pod(true)]
#[case::no_other_pod_reaches_it(false)]
fn what_is_lost_of_every_translated_packet_is_told_as_that(#[case] out: bool) {
    let mut o = translated();
    let other = |dial: &Dial| match out {
        true => bare(&dial.from) == "busybox-1",
        false => bare(&dial.to) == "busybox-1",
    };
    silence(&mut o, other);
    assert_red(&o, &["hairpin"], &[]);
    assert_eq!(causes("hairpin", &o), [CauseId::TranslatedLost]);
    let told = sole("hairpin", &o);
    // Other pods of the node get through.
    assert_eq!(told.culprit.as_deref(), Some("pod busybox-1 on node1"));
    assert_contains(&told.cause.unwrap(), "it may be that node1 drops packets");
    assert_contains(&told.observed, &format!("{OTHER}:7411"));
}

#[test]
fn a_node_that_loses_all_that_it_translates_is_to_blame() {
    let mut o = translated();
    let of_node1: Vec<String> = o
        .pods
        .iter()
        .filter(|pod| pod.object.node == "node1")
        .map(|pod| pod.endpoint().to_string())
        .collect();
    silence(&mut o, |dial| of_node1.contains(&dial.from.to_string()));
    assert_red(&o, &["hairpin"], &[]);
    let told = evidence("hairpin", &o);
    assert!(told.len() > 1, "{told:#?}");
    for one in told {
        assert_eq!(one.culprit.as_deref(), Some("node1"), "{one:#?}");
        assert_eq!(one.look, "flatnet exec node1 -- nft list ruleset");
    }
    let Verdict::Fail { evidence } = find("hairpin").unwrap().judge(&o) else {
        panic!("it passes");
    };
    assert_eq!(crate::alike::grouped(evidence).len(), 1);
}

#[test]
fn what_is_lost_untranslated_too_is_told_by_other_checks() {
    let mut o = translated();
    silence(&mut o, |dial| bare(&dial.from) == "busybox-1");
    lost(&mut o, |e| {
        bare(&e.dial.from) == "busybox-1" && e.dial.from != e.dial.to
    });
    assert!(!with("fail", &o).contains("hairpin"));
    assert!(with("fail", &o).contains("same-node"));
    assert_fact("hairpin", &o, "not judged through a service: busybox-1");
    assert_fact("hairpin", &o, "over tcp, udp (1 not judged)");
}

/// A rule that rewrites what a pod answers does so whoever is answered.
#[test]
fn what_is_rewritten_untranslated_too_is_told_by_other_checks() {
    let mut o = translated();
    silence(&mut o, |dial| bare(&dial.to) == "busybox-1");
    for dial in &mut o.dials {
        if let DialOutcome::Answered { reply_from, .. } = &mut dial.result
            && bare(&dial.to) == "busybox-1"
        {
            *reply_from = "10.244.0.200".parse().unwrap();
        }
    }
    assert!(!with("fail", &o).contains("hairpin"));
    assert!(with("fail", &o).contains("no-nat"));
    assert_fact("hairpin", &o, "not judged through a service: busybox-1");
}

#[test]
fn what_nothing_can_be_compared_with_is_not_green() {
    let mut o = translated();
    silence(&mut o, |dial| bare(&dial.from) == "busybox-1");
    o.dials
        .retain(|dial| dial.from == dial.to || bare(&dial.from) != "busybox-1");
    let error = broken("hairpin", &o);
    assert_contains(&error, "why pod busybox-1 on node1 does not reach itself");
}

/// There is no other pod to compare it with: it reaches pods of other nodes, and is reached by them.
#[test]
fn the_only_pod_of_a_node_is_judged_by_itself() {
    let mut o = translated();
    silence(&mut o, own);
    let mine = |dial: &Dial| [&dial.from, &dial.to].map(|end| bare(end) == "busybox-1");
    let dials = &mut o.translated.as_mut().unwrap().dials;
    dials.retain(|dial| matches!(mine(dial), [true, true] | [false, false]));
    assert_red(&o, &["hairpin"], &[]);
    assert_eq!(causes("hairpin", &o), [CauseId::ServiceHairpin]);
    // Where it is cut off, others tell that.
    lost(&mut o, |e| {
        bare(&e.dial.from) == "busybox-1" && e.dial.from != e.dial.to
    });
    assert!(!with("fail", &o).contains("hairpin"));
}

#[test]
fn an_answer_of_another_pod_is_none() {
    let mut o = translated();
    let mut dials = o.translated.as_mut().unwrap().dials.iter_mut();
    let dial = dials.find(|dial| own(dial)).unwrap();
    if let DialOutcome::Answered { responder, .. } = &mut dial.result {
        *responder = Some("pod/default/busybox-2".to_owned());
    }
    assert_contains(&sole("hairpin", &o).observed, "answered by");
}

#[test]
fn a_node_that_took_no_rules_is_not_green() {
    let mut o = translated();
    o.translated = Some(Translated {
        nodes: BTreeMap::from([("node1".to_owned(), Err("no such thing".to_owned()))]),
        dials: Vec::new(),
    });
    assert_eq!(with("broken", &o), BTreeSet::from(["hairpin"]));
    assert_contains(
        &broken("hairpin", &o),
        "whether pods of node1 reach themselves through a service: the node took no rules that translate an address: no such thing",
    );
}

#[test]
fn a_real_service_that_does_not_lead_back_names_the_port_too() {
    let mut o = real();
    filters(&mut o, "node1", "1");
    hairpin_off(&mut o);
    assert_red(&o, &[], &[]);
    fail(&mut had(&mut plane(&mut o).services).single.calls, |_| true);
    assert_red(&o, &["service"], &[]);
    assert_eq!(causes("service", &o), [CauseId::HairpinOff]);
}
