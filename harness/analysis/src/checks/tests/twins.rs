//! Two pods of one name in two namespaces are two pods.
use flatnet_model::PodRef;

use super::*;
use crate::example::build::{ETH0, Style, healthy};
use crate::example::pieces::{address, ip};
use flatnet_model::observations::PodNames;

/// `busybox-5` of `default` becomes `busybox-1` of `other`, wherever it appears.
fn with_twin() -> Observations {
    let (old, new) = (pod_end("busybox-5"), twin_end());
    let text = serde_json::to_string(&healthy(Style::Vxlan)).unwrap();
    let text = text.replace(&old.to_string(), &new.to_string());
    let mut o: Observations = serde_json::from_str(&text).unwrap();
    pod(&mut o, "busybox-5").object.reference = twin();
    o
}

fn twin() -> PodRef {
    PodRef::new("other", "busybox-1")
}

fn twin_end() -> Endpoint {
    Endpoint::Pod(twin())
}

fn twin_pod(o: &mut Observations) -> &mut ObservedPod {
    let mut pods = o.pods.iter_mut();
    pods.find(|pod| *pod.reference() == twin()).unwrap()
}

#[test]
fn they_are_told_apart_and_every_check_passes() {
    let o = with_twin();
    assert_red(&o, &[], &[]);
    assert_eq!(skipped(&o), BTreeSet::new());
    assert_eq!(
        facts("pod-ip-unique", &o),
        ["6 addresses of 6 pods, all different"]
    );
    assert_eq!(
        facts("cross-node", &o)[0],
        "78 of 78 ordered pairs over tcp, udp, icmp"
    );
}

#[test]
fn only_a_name_that_several_have_needs_its_namespace() {
    let names = |o: &Observations, pods: &[PodRef]| -> Vec<String> {
        let names = PodNames::of(o);
        pods.iter().map(|pod| names.pod(pod)).collect()
    };
    let known = [
        PodRef::new("default", "busybox-1"),
        twin(),
        PodRef::new("default", "busybox-2"),
        PodRef::new("kube-system", "coredns"),
    ];
    let mut o = with_twin();
    let told = names(&o, &known);
    assert_eq!(
        told,
        [
            "default/busybox-1",
            "other/busybox-1",
            "busybox-2",
            "kube-system/coredns"
        ]
    );
    o.pods.retain(|pod| pod.reference().namespace == "other");
    assert_eq!(names(&o, &[twin()]), ["other/busybox-1"]);
    o.namespace = "other".to_owned();
    assert_eq!(names(&o, &[twin()]), ["busybox-1"]);
}

/// busybox-1 of `other` is on node2.
#[test]
fn the_one_to_blame_is_named_with_its_namespace() {
    let mut o = with_twin();
    let routes = &mut twin_pod(&mut o).facts.as_mut().unwrap().routes;
    routes.retain(|route| route.dst.prefix_len() != 0);
    unanswered(&mut o, |e| e.dial.from == twin_end() && e.crosses());
    assert_red(&o, &["gateway", "cross-node"], &[]);
    for id in ["gateway", "cross-node"] {
        let evidence = sole(id, &o);
        assert_contains(&evidence.what, "pod other/busybox-1 on node2");
        assert_eq!(
            evidence.culprit.as_deref(),
            Some("pod other/busybox-1 on node2")
        );
        assert!(
            evidence.look.starts_with("flatnet exec other/busybox-1"),
            "{evidence:?}"
        );
    }
}

#[test]
fn an_address_that_both_hold_is_shared() {
    let mut o = with_twin();
    let facts = twin_pod(&mut o).facts.as_mut().unwrap();
    facts.addresses.push(address(ETH0, ip("10.244.1.2"), 32));
    // Packets between the two never leave the one that dials.
    assert_red(&o, &["pod-ip-unique"], &["mtu"]);
    let what = sole("pod-ip-unique", &o).what;
    assert_contains(
        &what,
        "pod default/busybox-1 on node1 and pod other/busybox-1 on node2",
    );
}

#[test]
fn a_twin_that_answers_in_place_of_the_other_is_address_translation() {
    let mut o = with_twin();
    let first = pod_end("busybox-1");
    let asked =
        |dial: &&mut Dial| dial.to == first && dial.from == Endpoint::Node("node3".to_owned());
    for dial in o.dials.iter_mut().filter(asked) {
        if let DialOutcome::Answered { responder, .. } = &mut dial.result {
            *responder = responder.is_some().then(|| twin_end().to_string());
        }
    }
    assert_red(&o, &["no-nat", "cross-node"], &[]);
    let what = sole("no-nat", &o).what;
    assert_contains(
        &what,
        "other/busybox-1 on node2 answers in place of default/busybox-1 on node1",
    );
}
