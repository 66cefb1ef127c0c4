//! A container runtime whose directories of CNI are not those that add-ons write to.
use flatnet_model::cause::CniDirectory;
use flatnet_model::cni::{BIN_DIR, CONF_DIR, configurations};
use flatnet_model::components::paths::CONTAINERD_CONFIG;
use flatnet_model::evidence::{Command, Remediation, Start, Todo};
use flatnet_model::probe::FileContent;

use super::{About, Cause, Finding, Known, Said, words};
use crate::inspect::answers::containerd::{CniDirectories, cni_directories};

/// The runtime found nothing where it looked, and what it wants is in the usual directory.
pub(super) fn of(about: &About<'_>) -> Option<Finding> {
    let files = about.node.inside.cni().ok()?;
    match said(about) {
        Said::NoConflist { directory } if !configurations(files).is_empty() => {
            let configured = configured(about).configurations;
            let other = configured.clone().or(directory)?;
            let setting = CniDirectory::Configurations;
            (other != CONF_DIR).then(|| finding(about, setting, &other, configured.is_some()))
        }
        Said::PluginMissing { plugin, path } if files.programs.contains(&plugin) => {
            let configured = configured(about).plugins;
            let is_set = !configured.is_empty();
            let path = if path.is_empty() { configured } else { path };
            let usual = path
                .iter()
                .any(|path| path.trim_end_matches('/') == BIN_DIR);
            let setting = CniDirectory::Plugins;
            (!path.is_empty() && !usual).then(|| finding(about, setting, &path.join(" "), is_set))
        }
        _ => None,
    }
}

/// Of the pod's events, or of the node's condition where those say nothing.
fn said(about: &About<'_>) -> Said {
    match about.said() {
        Said::NoConflist { directory: None } | Said::Other => {
            let (status, _, message) = about.node.ready();
            match status {
                "False" => words::read(message),
                _ => Said::Other,
            }
        }
        said => said,
    }
}

fn configured(about: &About<'_>) -> CniDirectories {
    let files = about.node.inside.files().ok();
    match files.and_then(|files| files.get(CONTAINERD_CONFIG)) {
        Some(FileContent::Text(text)) => cni_directories(text),
        _ => CniDirectories::default(),
    }
}

/// `is_set`: whether containerd's file has it.
fn finding(about: &About<'_>, setting: CniDirectory, directory: &str, is_set: bool) -> Finding {
    let node = about.node.object.name.clone();
    let (key, usual) = match setting {
        CniDirectory::Configurations => ("conf_dir", CONF_DIR),
        CniDirectory::Plugins => ("bin_dir", BIN_DIR),
    };
    let look = match is_set {
        true => about.on_node(&format!("grep -n {key} {CONTAINERD_CONFIG}")),
        false => about.on_node("grep -rn -e conf_dir -e bin_dir -e network_dir -e plugin_dir /etc/containerd /etc/crio"),
    };
    let fix = match is_set {
        true => {
            // `bin_dirs`, too, whose brackets a line ends with.
            let edit = format!(
                r#"s|^\( *{key}\) *=.*|\1 = "{usual}"|; s|^\( *{key}s\) *=.*|\1 = ["{usual}"]|"#
            );
            let argv = ["sed", "-i", &edit, CONTAINERD_CONFIG]
                .map(str::to_owned)
                .to_vec();
            let edit = Command {
                argv,
                ..about.on_node("sed")
            };
            Remediation::run(edit).then(Remediation::run(
                about.on_node("systemctl restart containerd"),
            ))
        }
        false => Remediation::to(Todo::SameDirectory, vec![look.clone()]),
    };
    let known = Known {
        subjects: vec![about.subject(), about.node()],
        culprit: flatnet_model::evidence::Subject::Runtime { node: node.clone() },
        expected: Start::RuntimeLooksIn {
            directory: usual.to_owned(),
            setting: key.to_owned(),
        }
        .into(),
        observed: vec![
            Start::RuntimeLooksIn {
                directory: directory.to_owned(),
                setting: match is_set {
                    true => format!("{key} in {CONTAINERD_CONFIG}"),
                    false => "the directory in the runtime's words".to_owned(),
                },
            }
            .into(),
        ],
        look,
        fix,
        seen: Vec::new(),
    };
    let directory = directory.to_owned();
    about.finding(
        Cause::RuntimeDirectory {
            node,
            setting,
            directory,
        },
        known,
    )
}
