//! `daemonset`: exactly one ready pod of the network's agent is on every node.
use super::calls::part;
use super::findings::{Findings, count, joined};
use super::{Evidence, Verdict};
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

fn on_node(node: &str, not_ready: Option<&str>, sets: &[AgentSet]) -> Vec<Evidence> {
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

fn wrong(node: &str, set: &AgentSet, pods: &[AgentPod], ready: usize) -> Evidence {
    let said: Vec<String> = pods
        .iter()
        .map(|pod| {
            let state = if pod.ready { "ready" } else { "not ready" };
            format!("{} is {} and {state}", pod.name, pod.phase)
        })
        .collect();
    let (what, cause) = if ready > 1 {
        (
            format!("{ready} pods of DaemonSet {} are ready on {node}", set.name),
            "two agents change the same interfaces, routes and files; the DaemonSet's surge or somebody else's copy of the pod".to_owned(),
        )
    } else {
        (
            format!("the pod of DaemonSet {} on {node} is not ready", set.name),
            "the agent does not come up on this node: its events and log say why".to_owned(),
        )
    };
    Evidence {
        what,
        expected: format!("exactly one ready pod of {} on {node}", set.name),
        observed: joined(&said, "; ", 4),
        culprit: Some(node.to_owned()),
        cause: Some(cause),
        look: format!(
            "kubectl -n {} describe pod {}",
            set.namespace,
            pods.first().map_or("", |pod| pod.name.as_str())
        ),
    }
}

fn absent(node: &str, not_ready: Option<&str>, sets: &[AgentSet]) -> Evidence {
    let names: Vec<String> = sets
        .iter()
        .map(|set| format!("{}/{}", set.namespace, set.name))
        .collect();
    let namespace = sets.first().map_or("kube-system", |set| &set.namespace);
    let mut observed = format!("no pod of {} on {node}", joined(&names, ", ", 4));
    if let Some(why) = not_ready {
        observed.push_str(&format!("; the node says: {why}"));
    }
    Evidence {
        what: format!("no network agent is on {node}"),
        expected: "exactly one ready agent pod".to_owned(),
        observed,
        culprit: Some(node.to_owned()),
        cause: Some(
            "a taint without toleration, a nodeSelector or an affinity keeps the DaemonSet off this node"
                .to_owned(),
        ),
        look: format!("kubectl -n {namespace} get pods -o wide"),
    }
}
