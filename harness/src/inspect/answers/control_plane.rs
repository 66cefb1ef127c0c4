//! Command lines of the control plane's components, from their static pod manifests or from the processes themselves.
use flatnet_probe::FileContent;
use k8s_openapi::api::core::v1::Pod;

use super::findings::Findings;
use crate::inspect::model::Source;
use crate::inspect::paths;
use crate::inspect::view::Inside;

/// A component that runs on a node.
pub(super) struct Component {
    /// Its command line.
    pub(super) argv: Vec<String>,
    /// Where it was read.
    pub(super) source: Source,
}

/// The component of that program name on a node: as its manifest has it, else as it runs. What is wrong with a manifest is
/// kept.
pub(super) fn component(
    node: &str,
    inside: &Inside,
    program: &str,
    findings: &mut Findings,
) -> Option<Component> {
    let from_manifest = manifests(node, inside, findings)
        .into_iter()
        .find_map(|(path, pod)| {
            let argv = container(&pod, program)?;
            Some(Component {
                argv,
                source: Source::File(path),
            })
        });
    from_manifest.or_else(|| {
        let processes = findings.observed(node, "processes", &inside.processes)?;
        let process = processes
            .iter()
            .find(|process| process.program == program)?;
        Some(Component {
            argv: process.argv.clone(),
            source: Source::Command(format!("ps -ww -o args -C {program}")),
        })
    })
}

/// Static pods by the path of their manifest. The kubelet reads every file of the folder but those that begin with a dot
/// (Kubernetes, Create static Pods).
fn manifests(node: &str, inside: &Inside, findings: &mut Findings) -> Vec<(String, Pod)> {
    let Some(files) = findings.observed(node, "files", &inside.files) else {
        return Vec::new();
    };
    let mut pods = Vec::new();
    for (path, content) in files {
        let Some(name) = path
            .strip_prefix(paths::MANIFESTS)
            .and_then(|rest| rest.strip_prefix('/'))
        else {
            continue;
        };
        if name.starts_with('.') {
            continue;
        }
        match content {
            FileContent::Text(text) => match serde_yaml::from_str::<Pod>(text) {
                Ok(pod) => pods.push((path.clone(), pod)),
                Err(error) => findings.problem(
                    Some(node),
                    path,
                    format!("it is no manifest of a pod: {error}"),
                ),
            },
            FileContent::Unreadable(why) => {
                findings.problem(Some(node), path, format!("it cannot be read: {why}"))
            }
            FileContent::Folder(_) | FileContent::Absent => {}
        }
    }
    pods
}

/// Command and arguments of the container that runs the program.
fn container(pod: &Pod, program: &str) -> Option<Vec<String>> {
    let containers = &pod.spec.as_ref()?.containers;
    containers.iter().find_map(|container| {
        let words = container
            .command
            .iter()
            .flatten()
            .chain(container.args.iter().flatten());
        let argv: Vec<String> = words.cloned().collect();
        let runs = argv.first()?.rsplit('/').next()? == program;
        runs.then_some(argv)
    })
}
