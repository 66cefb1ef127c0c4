//! Probes of a pod that runs.
use super::{About, Cause, Finding, PodSymptoms, Seen, checks};

pub(super) fn of(about: &About<'_>, pod: &PodSymptoms) -> Option<Finding> {
    let unready: Vec<&str> = pod
        .object
        .containers
        .iter()
        .filter(|c| !c.ready && c.state.running.is_some())
        .map(|c| c.name.as_str())
        .collect();
    if unready.is_empty() {
        return None;
    }
    let event = pod.latest(&["Unhealthy"])?;
    let name = &pod.object.reference;
    Some(Finding {
        id: Cause::ProbeFails,
        evidence: checks::Evidence {
            what: format!(
                "{} runs and is not ready: container {}",
                about.who(),
                unready.join(", ")
            ),
            expected: "its probes succeed".to_owned(),
            observed: event.message.clone(),
            culprit: Some(format!(
                "container {} of {}",
                unready.join(", "),
                about.who()
            )),
            cause: Some("the program does not answer as its probe expects, or not yet".to_owned()),
            look: about.evidence.advice.describe(name),
        },
        mend: format!(
            "what these words say; its own: kubectl -n {} logs {}",
            name.namespace, name.name
        ),
        seen: vec![Seen::new(event.title(), &event.message)],
    })
}
