//! Probes of a pod that runs.
use flatnet_model::evidence::{Command, Remediation, Rule, Start, Subject, Todo};

use super::{About, Cause, Finding, Known, PodSymptoms, Seen, said};

pub(super) fn of(about: &About<'_>, pod: &PodSymptoms) -> Option<Finding> {
    let unready: Vec<String> = pod
        .object
        .containers
        .iter()
        .filter(|c| !c.ready && c.state.running.is_some())
        .map(|c| c.name.clone())
        .collect();
    if unready.is_empty() {
        return None;
    }
    let event = pod.latest(&["Unhealthy"])?;
    let name = &pod.object.reference;
    let logs = format!("kubectl -n {} logs {}", name.namespace, name.name);
    let known = Known {
        subjects: vec![about.subject()],
        culprit: Subject::Container {
            pod: about.pod_at(pod),
            container: unready.join(", "),
        },
        expected: Start::ProbesSucceed.into(),
        observed: vec![said(&event.message)],
        look: about.evidence.advice.describe(name),
        fix: Remediation::to(Todo::ReadLogs, vec![Command::here(&logs)]),
        seen: vec![Seen::new(event.title(), &event.message)],
    };
    let cause = Cause::ProbeFails {
        pod: about.pod_at(pod),
        containers: unready,
    };
    Some(known.finding(Rule::pod_runs(), cause))
}
