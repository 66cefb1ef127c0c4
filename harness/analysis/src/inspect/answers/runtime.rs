//! The kubelet's runtime endpoint, and the pause image.
use flatnet_model::probe::{FileContent, NodeProcess};
use serde::Deserialize;

use super::containerd::{PauseImage, pause_image};
use super::findings::Findings;
use flatnet_model::components::{flags, paths};
use flatnet_model::inspection::{Fact, Outcome, Source};
use flatnet_model::snapshot::NodeInside;
use flatnet_model::view::View;

/// What the kubelet takes where nothing says otherwise (kubelet.config.k8s.io/v1beta1, `containerRuntimeEndpoint`).
const DEFAULT_ENDPOINT: &str = "unix:///run/containerd/containerd.sock";
/// Programs whose flag of this name says which pause image is used; the kubelet only keeps it from being collected.
const PAUSE_FLAG: &str = "pod-infra-container-image";

/// The part of a KubeletConfiguration that is asked about.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KubeletConfiguration {
    #[serde(default)]
    container_runtime_endpoint: String,
}

pub(in crate::inspect) fn answer(view: &View) -> Outcome {
    let mut findings = Findings::default();
    for (node, inside) in findings.insides(view) {
        let name = &node.object.name;
        let Some(processes) = findings.observed(name, "processes", inside.processes()) else {
            continue;
        };
        if let Some(kubelet) = processes
            .iter()
            .find(|process| process.program == "kubelet")
        {
            endpoint(name, kubelet, inside, &mut findings);
        }
        for process in processes
            .iter()
            .filter(|p| ["kubelet", "cri-dockerd"].contains(&p.program.as_str()))
        {
            if let Some(image) = flags::value(&process.argv, PAUSE_FLAG) {
                findings.fact(pause(
                    name,
                    &image,
                    &format!("flag --{PAUSE_FLAG} of {}", process.program),
                    command_line(&process.program),
                ));
            }
        }
        if processes
            .iter()
            .any(|process| process.program == "containerd")
        {
            containerd(name, inside, &mut findings);
        }
    }
    let lab = !view.capabilities.kubectl.is_present();
    findings.outcome(|| if lab {
        "the lab has no kubelet and no container runtime: flatnet-lab executes the CNI plugins itself, as containerd does".to_owned()
    } else {
        "no kubelet runs on the nodes that were looked at".to_owned()
    })
}

fn command_line(program: &str) -> Source {
    Source::Command(format!("ps -ww -o args -C {program}"))
}

/// A flag goes before the configuration file (Kubernetes, Set Kubelet Parameters Via A Configuration File).
fn endpoint(node: &str, kubelet: &NodeProcess, inside: &NodeInside, findings: &mut Findings) {
    const FLAG: &str = "container-runtime-endpoint";
    let fact = |endpoint: &str, set_by: &str, source: Source| {
        Fact::new("runtime-endpoint", "kubelet", source)
            .on(node)
            .with("endpoint", endpoint)
            .with("set-by", set_by)
    };
    if let Some(endpoint) = flags::value(&kubelet.argv, FLAG) {
        findings.fact(fact(
            &endpoint,
            "flag --container-runtime-endpoint",
            command_line("kubelet"),
        ));
        return;
    }
    if let Some(folder) = flags::value(&kubelet.argv, "config-dir") {
        findings.problem(
            Some(node),
            &folder,
            "the kubelet takes in files of this folder too (--config-dir), which were not read",
        );
    }
    let path =
        flags::value(&kubelet.argv, "config").unwrap_or_else(|| paths::KUBELET_CONFIG.to_owned());
    let Some(files) = findings.observed(node, "files", inside.files()) else {
        return;
    };
    let configuration = match files.get(&path) {
        Some(FileContent::Text(text)) => serde_yaml::from_str::<KubeletConfiguration>(text)
            .map_err(|error| format!("it is not a KubeletConfiguration: {error}")),
        Some(FileContent::Unreadable(why)) => Err(format!("it cannot be read: {why}")),
        Some(FileContent::Folder(_)) => Err("it is a folder".to_owned()),
        Some(FileContent::Absent) | None => Err("it is not there".to_owned()),
    };
    match configuration {
        Ok(configuration) if configuration.container_runtime_endpoint.is_empty() => {
            findings.fact(fact(
                DEFAULT_ENDPOINT,
                "the kubelet's default",
                Source::File(path),
            ));
        }
        Ok(configuration) => findings.fact(fact(
            &configuration.container_runtime_endpoint,
            "containerRuntimeEndpoint",
            Source::File(path),
        )),
        Err(why) => findings.problem(Some(node), &path, why),
    }
}

fn containerd(node: &str, inside: &NodeInside, findings: &mut Findings) {
    let Some(files) = findings.observed(node, "files", inside.files()) else {
        return;
    };
    let path = paths::CONTAINERD_CONFIG;
    let read = match files.get(path) {
        Some(FileContent::Text(text)) => pause_image(text),
        Some(FileContent::Unreadable(why)) => Err(format!("it cannot be read: {why}")),
        Some(FileContent::Folder(_)) => Err("it is a folder".to_owned()),
        // Without the file everything is containerd's default.
        Some(FileContent::Absent) | None => Ok(PauseImage::Default),
    };
    match read {
        Ok(PauseImage::Set { image, key }) => findings.fact(pause(node, &image, key, Source::File(path.to_owned()))),
        Ok(PauseImage::Default) => findings.fact(
            Fact::new("pause-image", "containerd's default", Source::command("containerd config dump"))
                .on(node)
                .with("set-by", format!("{path} names none")),
        ),
        Ok(PauseImage::Imported(imports)) => findings.problem(Some(node), path, format!(
            "it names no pause image and takes in {}, which were not read; see: containerd config dump",
            imports.join(", ")
        )),
        Err(why) => findings.problem(Some(node), path, why),
    }
}

fn pause(node: &str, image: &str, set_by: &str, source: Source) -> Fact {
    Fact::new("pause-image", image, source)
        .on(node)
        .with("set-by", set_by)
}
