//! Images that are not on the node.
use flatnet_model::snapshot::Container;

use super::{About, Cause, Finding, PodSymptoms, Seen, checks};

/// Reasons of a container that waits for its image (kubernetes `pkg/kubelet/images`).
const REASONS: [&str; 5] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "ImageInspectError",
];

pub(super) fn of(about: &About<'_>, pod: &PodSymptoms) -> Vec<Finding> {
    let waiting = pod.object.containers.iter().filter_map(|container| {
        let waiting = container.state.waiting.as_ref()?;
        let reason = waiting.reason.as_str();
        REASONS
            .contains(&reason)
            .then(|| finding(about, pod, container, reason, &waiting.message))
    });
    waiting.collect()
}

fn finding(
    about: &About<'_>,
    pod: &PodSymptoms,
    container: &Container,
    reason: &str,
    words: &str,
) -> Finding {
    let advice = &about.evidence.advice;
    let node = &about.node.object.name;
    let (image, who) = (&container.image, about.who());
    let name = &pod.object.reference;
    let mut seen = vec![Seen::new(
        format!("container {}", container.name),
        &format!("{reason}: {words}"),
    )];
    // The container's own words lose the registry's after the first back-off.
    let events = pod.latest(&["Failed"]);
    seen.extend(events.map(|event| Seen::new(event.title(), &event.message)));
    let registry = seen
        .iter()
        .map(|seen| seen.text.as_str())
        .collect::<Vec<_>>()
        .join(" ");
    Finding {
        id: Cause::ImagePull,
        evidence: checks::Evidence {
            what: format!(
                "{who}: image {image} of container {} is not on {node} and cannot be pulled",
                container.name
            ),
            expected: "the image, on the node or from its registry".to_owned(),
            observed: match words.is_empty() {
                true => reason.to_owned(),
                false => format!("{reason}: {words}"),
            },
            culprit: Some(format!("image {image}")),
            cause: Some(why(reason, &registry).to_owned()),
            look: advice.describe(name),
        },
        mend: match (
            advice.capabilities.image_pulls.is_present(),
            advice.capabilities.image_loads.is_present(),
        ) {
            (false, _) => advice.change(name, &format!("s|image: *{image}|image: busybox|")),
            (true, true) if reason != "InvalidImageName" => format!(
                "kubectl -n {} set image pod/{} {}=IMAGE, or put it onto the nodes: kind load docker-image --name {} {image}",
                name.namespace, name.name, container.name, advice.cluster
            ),
            _ => format!(
                "kubectl -n {} set image pod/{} {}=IMAGE",
                name.namespace, name.name, container.name
            ),
        },
        seen,
    }
}

fn why(reason: &str, words: &str) -> &'static str {
    let words = words.to_lowercase();
    let has = |any: &[&str]| any.iter().any(|part| words.contains(part));
    match reason {
        "InvalidImageName" => "its name is no image reference",
        "ErrImageNeverPull" => "imagePullPolicy is Never, and nobody has put it onto the node",
        _ if has(&["not found", "manifest unknown", "does not exist"]) => {
            "the registry has no such image or tag"
        }
        _ if has(&[
            "unauthorized",
            "forbidden",
            "denied",
            "authorization failed",
        ]) =>
        {
            "the registry wants credentials (imagePullSecrets), or there is no such repository"
        }
        _ if has(&["x509", "tls"]) => "the registry's certificate is not trusted by the node",
        _ if has(&[
            "no such host",
            "i/o timeout",
            "connection refused",
            "unreachable",
            "cut off",
            "dial tcp",
        ]) =>
        {
            "the registry is out of the node's reach"
        }
        _ => "the image's name is wrong, or its registry does not give it out",
    }
}
