//! Objects and paths that a pod names and that are not there.
use flatnet_model::PodRef;
use flatnet_model::evidence::{Command, Remediation, Rule, Start, Subject, Todo};

use super::{About, Cause, Finding, Known, PodSymptoms, Seen, said};

/// Volumes: mounted before anything of the pod is made.
pub(super) fn mounts(about: &About<'_>, pod: &PodSymptoms) -> Option<Finding> {
    let event = pod.latest(&["FailedMount", "FailedAttachVolume"])?;
    // The kubelet goes on to the sandbox once everything is mounted.
    let later = pod.latest(&["FailedCreatePodSandBox"]);
    let mounted = later.is_some_and(|sandbox| sandbox.last_seen > event.last_seen);
    // Its caches of ConfigMaps and Secrets start empty: one event is not evidence.
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
    let PodRef { namespace, .. } = &pod.object.reference;
    let object = ["configmap", "secret", "persistentvolumeclaim"]
        .into_iter()
        .find_map(|kind| Some((kind.to_owned(), namespace.clone(), named(message, kind)?)));
    let create = |what: &str| {
        let line = format!("kubectl -n {namespace} create {what} --from-literal=KEY=VALUE");
        Remediation::run(Command::here(&line))
    };
    let fix = match object.as_ref().map(|(kind, _, name)| (kind.as_str(), name)) {
        Some(("configmap", name)) => create(&format!("configmap {name}")),
        Some(("secret", name)) => create(&format!("secret generic {name}")),
        Some((_, name)) => {
            let apply = Command::here(&format!("kubectl -n {namespace} apply -f MANIFEST"));
            Remediation::to(Todo::CreateClaim { name: name.clone() }, vec![apply])
        }
        None => advice.edit(Todo::HeedWords, &pod.object.reference),
    };
    let culprit = match object.clone() {
        Some((resource, namespace, name)) => Subject::Object {
            resource,
            namespace,
            name,
        },
        None => about.subject(),
    };
    let known = Known {
        subjects: vec![about.subject(), culprit.clone()],
        culprit,
        expected: Start::ObjectThere {
            object: object.clone(),
        }
        .into(),
        observed: vec![said(message)],
        look: Command::here(&format!(
            "kubectl -n {namespace} get configmaps,secrets,persistentvolumeclaims"
        )),
        fix,
        seen: vec![Seen::new(source, message)],
    };
    let pod = about.pod_at(pod);
    known.finding(Rule::pod_runs(), Cause::ObjectMissing { pod, object })
}

/// `configmap "x" not found`, `couldn't find key k in ConfigMap default/x`.
fn named(message: &str, kind: &str) -> Option<String> {
    let lower = message.to_lowercase();
    let at = lower.find(&format!("{kind} \""))?;
    let rest = &message[at + kind.len() + 2..];
    Some(rest[..rest.find('"')?].to_owned())
}
