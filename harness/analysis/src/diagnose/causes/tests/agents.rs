//! Agents that are gone: what puts them back, and when they are behind what a running pod suffers.
use flatnet_model::Netns;
use flatnet_model::cause::Found;
use flatnet_model::evidence::Finding as Wrong;
use flatnet_model::follow::RuleRef;
use flatnet_model::observations::Observations;

use super::*;
use crate::checks::tests::lost;
use crate::diagnose::causes::agent_behind;
use crate::example::build::{Style, healthy};

const APPLY: &str = "kubectl --context prod -n kube-system get configmap flatnet-cni -o jsonpath='{.data.manifest}' | kubectl --context prod apply --server-side --force-conflicts -f -";

fn fix(recorded: Option<&str>) -> String {
    let mut evidence = cluster(vec![node("a", Some("10.244.1.0/24"))], Vec::new());
    evidence.recorded = recorded.map(str::to_owned);
    let found = of_pod(
        &evidence,
        &pod(creating(), &[("FailedCreatePodSandBox", SUBNET_ENV)]),
    );
    assert_eq!(found[0].id, CauseId::AgentDown);
    text(&evidence, &found[0]).fix.unwrap()
}

/// The file of the repository has neither the cluster's ranges nor the image that was loaded.
#[test]
fn an_add_on_that_flatnet_applied_is_applied_as_it_was() {
    assert_eq!(fix(Some("flannel")), APPLY);
    assert_eq!(fix(Some("./my/flannel.yaml")), APPLY);
    assert_eq!(
        fix(Some("weave")),
        "kubectl --context prod apply -f manifests/flannel.yaml"
    );
    assert_eq!(
        fix(None),
        "kubectl --context prod apply -f manifests/flannel.yaml"
    );
}

/// busybox-1 of node1, which nobody on node2 reaches, and what the checks say of that.
fn unreached(works: bool) -> (Symptoms, PodSymptoms, Observations) {
    let mut o = healthy(Style::Vxlan);
    lost(&mut o, |ends| ends.between("node1", "node2"));
    let object = o.pods[0].object.clone();
    assert_eq!(object.node, "node1");
    let nodes = ["node1", "node2"].map(|name| node(name, None)).to_vec();
    let mut agent = agent("flannel", works, "");
    agent.on_nodes[0].node = "node1".to_owned();
    let pod = PodSymptoms {
        object,
        events: Ok(Vec::new()),
        tolerated: 1,
        last_words: Vec::new(),
    };
    (cluster(nodes, vec![agent]), pod, o)
}

fn first(evidence: &Symptoms, pod: &PodSymptoms, o: &Observations) -> CauseId {
    crate::diagnose::pod(evidence, pod, Some(o)).findings[0].id
}

#[test]
fn a_gone_agent_comes_before_what_only_may_be_a_packet_filter() {
    let (evidence, pod, o) = unreached(false);
    assert_eq!(first(&evidence, &pod, &o), CauseId::AgentDown);
    let (evidence, pod, o) = unreached(true);
    assert_eq!(first(&evidence, &pod, &o), CauseId::Unreachable);
    // An agent of another node says nothing about this one.
    let (mut evidence, pod, o) = unreached(false);
    let elsewhere = evidence.agents.as_mut().unwrap();
    elsewhere[0].on_nodes[0].ready = true;
    let mut other = elsewhere[0].on_nodes[0].clone();
    (other.node, other.ready) = ("node2".to_owned(), false);
    elsewhere[0].on_nodes.push(other);
    assert_eq!(first(&evidence, &pod, &o), CauseId::Unreachable);
}

#[test]
fn a_rule_that_was_seen_is_not_blamed_on_an_agent_that_happens_to_be_gone() {
    let (evidence, pod, o) = unreached(false);
    let mut against = reach::of(&evidence, &pod.object, &o);
    assert!(agent_behind(&evidence, &pod, &against).is_some());
    assert!(agent_behind(&evidence, &pod, &[]).is_none());
    let rule = RuleRef {
        family: "inet".to_owned(),
        table: "fault".to_owned(),
        chain: "fault".to_owned(),
        handle: Some(7),
        text: None,
    };
    let seen = Found::seen(Cause::DroppedByRule {
        at: Netns::Node("node1".to_owned()),
        rule,
    });
    let Wrong::Symptom { cause, .. } = &mut against[0].evidence.deviation.finding else {
        panic!("{:?}", against[0]);
    };
    *cause = Some(seen);
    assert!(agent_behind(&evidence, &pod, &against).is_none());
}
