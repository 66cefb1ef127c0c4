//! Command lines of the control plane's components, from their static pod manifests or from the processes themselves.
use flatnet_model::probe::FileContent;
use serde::Deserialize;

use super::findings::Findings;
use flatnet_model::components::paths;
use flatnet_model::inspection::Source;
use flatnet_model::snapshot::NodeInside;

/// What a static pod's manifest says about programs.
#[derive(Deserialize)]
struct Manifest {
    #[serde(rename = "kind")]
    _kind: Kind,
    #[serde(default)]
    spec: Spec,
}

#[derive(Deserialize)]
enum Kind {
    Pod,
}

#[derive(Deserialize, Default)]
struct Spec {
    #[serde(default)]
    containers: Vec<Container>,
}

#[derive(Deserialize)]
struct Container {
    command: Option<Vec<String>>,
    args: Option<Vec<String>>,
}

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
    inside: &NodeInside,
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
        let processes = findings.observed(node, "processes", inside.processes())?;
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
fn manifests(node: &str, inside: &NodeInside, findings: &mut Findings) -> Vec<(String, Manifest)> {
    let Some(files) = findings.observed(node, "files", inside.files()) else {
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
            FileContent::Text(text) => match serde_yaml::from_str::<Manifest>(text) {
                Ok(pod) => pods.push((path.clone(), pod)),
                Err(error) => findings.problem(
                    Some(node),
                    path,
                    format!("it is not a pod's manifest: {error}"),
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
fn container(pod: &Manifest, program: &str) -> Option<Vec<String>> {
    pod.spec.containers.iter().find_map(|container| {
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
