//! A pod that stays Terminating because its network cannot be removed.
use flatnet_model::components::paths::CNI_RESULTS;
use flatnet_model::evidence::{Command, Remediation, Start, State, Subject, Todo};
use flatnet_model::probe::FileContent;

use super::{About, Cause, Finding, Known, PodSymptoms, said, words};

pub(super) fn of(about: &About<'_>, pod: &PodSymptoms) -> Option<Finding> {
    let event = pod.latest(&["FailedKillPod"])?;
    let text = event.message.as_str();
    let broken = record(about, text);
    let recorded = broken.as_ref().map(|(path, empty)| {
        State::from(Start::Record {
            path: path.clone(),
            empty: *empty,
        })
    });
    let path = broken.map(|(path, _)| path);
    let on_path = |program: &str, path: &str| Command {
        argv: vec![program.to_owned(), path.to_owned()],
        ..about.on_node(program)
    };
    let more = match about.evidence.advice.has_kubectl() {
        true => about.on_node("journalctl -u containerd -u crio -n 50"),
        false => about.evidence.advice.describe(&pod.object.reference),
    };
    let known = Known {
        subjects: vec![about.subject(), about.node()],
        culprit: match (&path, words::plugin(text)) {
            (Some(path), _) => Subject::File {
                node: about.node.object.name.clone(),
                path: path.clone(),
            },
            (None, Some(plugin)) => Subject::Plugin {
                node: about.node.object.name.clone(),
                plugin,
            },
            (None, None) => about.node(),
        },
        expected: Start::NetworkRemoved.into(),
        observed: std::iter::once(said(words::core(text)))
            .chain(recorded)
            .collect(),
        look: match &path {
            Some(path) => Command {
                argv: ["ls", "-l", path].map(str::to_owned).to_vec(),
                ..about.on_node("ls")
            },
            None => about.evidence.advice.describe(&pod.object.reference),
        },
        fix: match &path {
            // DEL without a record is done with the configuration in use.
            Some(path) => Remediation::run(on_path("rm", path)),
            None => Remediation::to(Todo::ReadMoreWords, vec![more]),
        },
        seen: Vec::new(),
    };
    let pod = about.pod_at(pod);
    Some(about.finding(Cause::StuckTerminating { pod, record: path }, known))
}

/// The record of the sandbox in these words that no runtime can read, and whether it is empty.
fn record(about: &About<'_>, text: &str) -> Option<(String, bool)> {
    let (_, rest) = text.split_once("network for sandbox ")?;
    let rest = rest.trim_start_matches(['\\', '"']);
    let sandbox = rest.split(|c: char| !c.is_ascii_alphanumeric()).next()?;
    if sandbox.is_empty() {
        return None;
    }
    let of_sandbox = format!("-{sandbox}-");
    let files = about.node.inside.files().ok()?.iter();
    files
        .filter(|(path, _)| path.starts_with(CNI_RESULTS) && path.contains(&of_sandbox))
        .find_map(|(path, content)| match content {
            FileContent::Text(text) if text.trim().is_empty() => Some((path.clone(), true)),
            FileContent::Text(text) => serde_json::from_str::<serde_json::Value>(text)
                .is_err()
                .then(|| (path.clone(), false)),
            _ => None,
        })
}
