//! Images that are not on the node.
use flatnet_model::cause::PullFailure;
use flatnet_model::diagnosis::one_line;
use flatnet_model::evidence::{Command, Remediation, Rule, Start, Step, Subject, Todo};
use flatnet_model::snapshot::Container;

use super::{About, Cause, Finding, Known, PodSymptoms, Seen};

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
    let image = &container.image;
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
    let failure = match failure(reason, &registry) {
        PullFailure::OutOfReach
            if container.always_pulled && about.node.object.has_image(image) =>
        {
            PullFailure::AlwaysPulled
        }
        failure => failure,
    };
    let set = format!(
        "kubectl -n {} set image pod/{} {}=IMAGE",
        name.namespace, name.name, container.name
    );
    let set = Remediation::run(Command::here(&set));
    let load = advice.load(image).filter(|_| reason != "InvalidImageName");
    let known = Known {
        subjects: vec![about.subject()],
        culprit: Subject::Image {
            image: image.clone(),
        },
        expected: Start::ImageThere.into(),
        observed: vec![
            Start::Waiting {
                reason: reason.to_owned(),
                said: one_line(words),
            }
            .into(),
        ],
        look: advice.describe(name),
        fix: match load {
            _ if failure == PullFailure::AlwaysPulled => Remediation {
                steps: vec![Step {
                    todo: None,
                    commands: advice.change(
                        name,
                        "s/imagePullPolicy: Always/imagePullPolicy: IfNotPresent/",
                    ),
                }],
            },
            _ if !advice.capabilities.image_pulls.is_present() => Remediation {
                steps: vec![Step {
                    todo: None,
                    commands: advice.change(name, &format!("s|image: *{image}|image: busybox|")),
                }],
            },
            Some(load) => set.then(Remediation::to(Todo::LoadImage, vec![load])),
            None => set,
        },
        seen,
    };
    let cause = Cause::ImagePull {
        pod: about.pod_at(pod),
        container: container.name.clone(),
        image: image.clone(),
        failure,
    };
    known.finding(Rule::pod_runs(), cause)
}

fn failure(reason: &str, words: &str) -> PullFailure {
    let words = words.to_lowercase();
    let has = |any: &[&str]| any.iter().any(|part| words.contains(part));
    let no_access = [
        "unauthorized",
        "forbidden",
        "denied",
        "authorization failed",
    ];
    let no_way = [
        "no such host",
        "i/o timeout",
        "connection refused",
        "unreachable",
        "cut off",
        "dial tcp",
    ];
    match reason {
        "InvalidImageName" => PullFailure::InvalidName,
        "ErrImageNeverPull" => PullFailure::NeverPull,
        _ if has(&["not found", "manifest unknown", "does not exist"]) => PullFailure::NoSuchImage,
        _ if has(&no_access) => PullFailure::Credentials,
        _ if has(&["x509", "tls"]) => PullFailure::Certificate,
        _ if has(&no_way) => PullFailure::OutOfReach,
        _ => PullFailure::Unknown,
    }
}
