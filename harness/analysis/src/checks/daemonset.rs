//! `daemonset`: exactly one ready pod of the network's agent is on every node.
use super::calls::part;
use super::findings::{Findings, Seen, count, some};
use super::{Deviation, Verdict};
use flatnet_model::cause::{AgentState, Cause};
use flatnet_model::evidence::{Command, Finding, Found, State, Subject, Symptom, Talk};
use flatnet_model::observations::{AgentPod, AgentSet, Observations};

pub(super) fn judge(observations: &Observations) -> Verdict {
    let sets = match part(observations, |plane| &plane.agents) {
        Ok(sets) => sets,
        Err(verdict) => return verdict,
    };
    let mut findings = Findings::default();
    if observations.nodes.is_empty() {
        findings.unmeasured("there is no node to look at");
    }
    for set in sets {
        let ready = set.pods.iter().filter(|pod| pod.ready).count();
        findings.fact(format!(
            "{}/{}: {ready} of {} ready",
            set.namespace,
            set.name,
            count(usize::try_from(set.desired).unwrap_or(0), "pod")
        ));
    }
    for node in &observations.nodes {
        for evidence in on_node(&node.object.name, node.object.not_ready().as_deref(), sets) {
            findings.fail(evidence);
        }
    }
    findings.verdict()
}

fn on_node(node: &str, not_ready: Option<&str>, sets: &[AgentSet]) -> Vec<Deviation> {
    let here = |set: &AgentSet| -> Vec<AgentPod> {
        let pods = set.pods.iter().filter(|pod| pod.node == node);
        pods.cloned().collect()
    };
    let mut found = Vec::new();
    let mut covered = false;
    for set in sets {
        let pods = here(set);
        let ready = pods.iter().filter(|pod| pod.ready).count();
        covered |= ready > 0;
        if ready > 1 || (ready == 0 && !pods.is_empty()) {
            found.push(wrong(node, set, &pods, ready));
        }
    }
    if !covered && found.is_empty() {
        found.push(absent(node, not_ready, sets));
    }
    found
}

fn wrong(node: &str, set: &AgentSet, pods: &[AgentPod], ready: usize) -> Deviation {
    let (node, name) = (node.to_owned(), set.name.clone());
    let expected = Talk::OneReadyAgent {
        set: Some(name.clone()),
        node: node.clone(),
    };
    let (symptom, cause) = if ready > 1 {
        let symptom = Symptom::AgentsReady {
            count: ready,
            set: name.clone(),
            node: node.clone(),
        };
        let cause = Cause::DuplicateAgent {
            node: node.clone(),
            set: name,
        };
        (symptom, cause)
    } else {
        let symptom = Symptom::AgentNotReady {
            set: name,
            node: node.clone(),
        };
        let cause = Cause::AgentDown {
            node: node.clone(),
            agent: full_name(set),
            state: AgentState::NotReady,
        };
        (symptom, cause)
    };
    let said = pods.iter().map(|pod| {
        State::from(Talk::AgentPod {
            name: pod.name.clone(),
            phase: pod.phase.clone(),
            ready: pod.ready,
        })
    });
    let pod = pods.first().map_or("", |pod| pod.name.as_str());
    let agent = Subject::Agent {
        node: node.clone(),
        agent: full_name(set),
    };
    Deviation {
        subjects: vec![agent],
        culprits: vec![Subject::Node { node }],
        finding: Finding::of(symptom, Found::seen(cause)),
        expected: expected.into(),
        observed: some(said.collect(), 4),
        look: Command::here(&format!("kubectl -n {} describe pod {pod}", set.namespace)),
    }
}

fn absent(node: &str, not_ready: Option<&str>, sets: &[AgentSet]) -> Deviation {
    let node = node.to_owned();
    let names = sets
        .iter()
        .map(|set| format!("{}/{}", set.namespace, set.name));
    let namespace = sets.first().map_or("kube-system", |set| &set.namespace);
    let observed = Talk::NoAgentPod {
        sets: names.collect(),
        node: node.clone(),
        not_ready: not_ready.map(str::to_owned),
    };
    let expected = Talk::OneReadyAgent {
        set: None,
        node: node.clone(),
    };
    let cause = Cause::AgentDown {
        node: node.clone(),
        agent: sets
            .first()
            .map_or_else(|| "the network add-on".to_owned(), full_name),
        state: AgentState::NotScheduled,
    };
    let symptom = Symptom::NoAgent { node: node.clone() };
    let look = Command::here(&format!("kubectl -n {namespace} get pods -o wide"));
    let node = vec![Subject::Node { node }];
    Seen::new(expected, observed, look).deviation(
        node.clone(),
        node,
        Finding::of(symptom, Found::seen(cause)),
    )
}

/// As `flatnet diagnose` calls it.
fn full_name(set: &AgentSet) -> String {
    format!("DaemonSet {}/{}", set.namespace, set.name)
}
