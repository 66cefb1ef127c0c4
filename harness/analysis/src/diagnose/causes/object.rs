//! Objects and paths that a pod names and that are not there.
use super::{About, Cause, Finding, PodSymptoms, Seen, checks};

/// Volumes: mounted before anything of the pod is made.
pub(super) fn mounts(about: &About<'_>, pod: &PodSymptoms) -> Option<Finding> {
    let event = pod.latest(&["FailedMount", "FailedAttachVolume"])?;
    // The kubelet goes on to the sandbox once everything is mounted.
    let later = pod.latest(&["FailedCreatePodSandBox"]);
    let mounted = later.is_some_and(|sandbox| sandbox.last_seen > event.last_seen);
    // Its caches of ConfigMaps and Secrets start empty: once is no evidence.
    let passing = event.message.contains("failed to sync") && event.count < 3;
    if mounted || passing {
        return None;
    }
    Some(finding(about, pod, event.title(), &event.message))
}

/// Environment variables: read before a container is created.
pub(super) fn references(about: &About<'_>, pod: &PodSymptoms) -> Option<Finding> {
    pod.object.containers.iter().find_map(|container| {
        let waiting = container.state.waiting.as_ref()?;
        (waiting.reason == "CreateContainerConfigError").then(|| {
            let source = format!("container {}", container.name);
            finding(about, pod, source, &waiting.message)
        })
    })
}

fn finding(about: &About<'_>, pod: &PodSymptoms, source: String, message: &str) -> Finding {
    let advice = &about.evidence.advice;
    let name = &pod.object.reference;
    let object = ["configmap", "secret", "persistentvolumeclaim"]
        .into_iter()
        .find_map(|kind| Some((kind, named(message, kind)?)));
    let (what, mend) = match object {
        Some((kind, object)) => (
            format!("{kind} {}/{object}", name.namespace),
            match kind {
                "configmap" => format!(
                    "kubectl -n {} create configmap {object} --from-literal=KEY=VALUE",
                    name.namespace
                ),
                "secret" => format!(
                    "kubectl -n {} create secret generic {object} --from-literal=KEY=VALUE",
                    name.namespace
                ),
                _ => format!(
                    "kubectl -n {} apply -f a PersistentVolumeClaim named {object}",
                    name.namespace
                ),
            },
        ),
        None => (
            "something that it mounts or reads".to_owned(),
            format!("what these words ask for: {}", advice.edit(name)),
        ),
    };
    Finding {
        id: Cause::ObjectMissing,
        evidence: checks::Evidence {
            what: format!("{} needs {what}, which is not there", about.who()),
            expected: format!("{what} is there before the pod starts"),
            observed: message.to_owned(),
            culprit: Some(what),
            cause: Some(
                "it was never made, is called otherwise, or is in another namespace".to_owned(),
            ),
            look: format!(
                "kubectl -n {} get configmaps,secrets,persistentvolumeclaims",
                name.namespace
            ),
        },
        mend,
        seen: vec![Seen::new(source, message)],
    }
}

/// `configmap "x" not found`, `couldn't find key k in ConfigMap default/x`.
fn named(message: &str, kind: &str) -> Option<String> {
    let lower = message.to_lowercase();
    let at = lower.find(&format!("{kind} \""))?;
    let rest = &message[at + kind.len() + 2..];
    Some(rest[..rest.find('"')?].to_owned())
}
