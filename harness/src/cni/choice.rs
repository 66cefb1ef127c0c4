//! Which CNI was asked for, validated before anything starts.
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Given;
use super::shipped::{FLANNEL, REFERENCE, REFERENCE_DIRS, WEAVE};
use crate::config::booted::is_file;
use crate::config::{Provider, RunArgs};
use crate::{Error, Result};
use flatnet_cluster::input;
use flatnet_cluster::kube::objects::Objects;
use flatnet_model::cni::{ListError, NetworkList, Version};

/// Names that `--cni` knows without a file.
const KNOWN: [&str; 5] = ["flatnet", "flannel", "weave", "reference", "none"];

/// The file that a conflist becomes on each node of a lab: a name that leaves room before and after in lexical order.
pub(super) const CONFLIST: &str = "/etc/cni/net.d/50-conflist.conflist";

/// A validated choice.
#[derive(Clone, Debug)]
pub enum Choice {
    /// Our own plugin and agent.
    Flatnet(Given),
    /// A conflist, the same on each node but for its placeholders, and plain routes between nodes.
    Conflist {
        /// As the user named it.
        name: String,
        /// Text, with placeholders.
        text: String,
        /// Programs it needs.
        plugins: Plugins,
    },
    /// Kubernetes objects for a real cluster.
    Manifest {
        /// As the user named it.
        name: String,
        /// What is applied.
        objects: Objects,
    },
    /// What the cluster was given when it was made, or later: it stays as it is.
    Kept,
    /// What is there, or nothing.
    None,
}

/// Plugin programs on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plugins(Vec<(String, PathBuf)>);

impl Plugins {
    /// Names, as in the conflist.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Names, and where each program is.
    pub(super) fn paths(&self) -> impl Iterator<Item = (&str, &Path)> {
        let each = self.0.iter();
        each.map(|(name, path)| (name.as_str(), path.as_path()))
    }
}

impl Choice {
    /// Reads and validates what `--cni` and `--cni-bin` name.
    ///
    /// # Errors
    /// [`Error::Input`]: unknown name, unreadable or malformed conflist (with line). [`Error::Missing`]: a plugin program
    /// that is not there.
    pub fn parse(args: &RunArgs) -> Result<Choice> {
        let unfit = |name: &str, why: &str| {
            Err(Error::Input(format!(
                "--cni {name} with --provider {}: {why}",
                args.provider().name()
            )))
        };
        match (args.cni(), args.provider()) {
            ("none", Provider::Kind | Provider::Kubeconfig) => Ok(Choice::None),
            ("none", Provider::Lab) => unfit("none", "its pods would never run; choose a CNI"),
            (name, Provider::Kubeconfig) => unfit(
                name,
                "flatnet installs no CNI on a cluster it did not boot; leave --cni out to check the CNI that is there",
            ),
            ("flatnet", _) => Ok(Choice::Flatnet(Given {
                name: "flatnet".to_owned(),
                backend: Some(args.backend().to_owned()),
                options: args.cni_options.clone(),
            })),
            ("flannel", Provider::Kind) => shipped("flannel", FLANNEL),
            ("weave", Provider::Kind) => shipped("weave", WEAVE),
            (name @ ("flannel" | "weave"), Provider::Lab) => {
                unfit(name, "it needs an API server; choose --provider kind")
            }
            ("reference", Provider::Lab) => {
                let dirs: Vec<PathBuf> = match &args.lab.cni_bin {
                    Some(dir) => vec![dir.clone()],
                    None => REFERENCE_DIRS.iter().map(PathBuf::from).collect(),
                };
                conflist(
                    "reference",
                    REFERENCE,
                    &dirs,
                    "install them (Debian: package containernetworking-plugins) or name their directory with --cni-bin",
                )
            }
            ("reference", Provider::Kind) => unfit(
                "reference",
                "it is a conflist for the lab; choose flatnet, flannel, weave or a manifest",
            ),
            (file, provider) if is_file(file) => {
                let text = input::text(Path::new(file)).map_err(|e| {
                    Error::Input(format!(
                        "--cni {file}: {e}; give the path of a readable {}",
                        match provider {
                            Provider::Lab => "conflist",
                            Provider::Kind | Provider::Kubeconfig => "manifest",
                        }
                    ))
                })?;
                from_file(file, &text, args)
            }
            (unknown, _) => Err(Error::Input(format!(
                "--cni {unknown}: unknown CNI; choose {}, or the path of a conflist (lab) or manifest (kind), which contains a / or a .",
                KNOWN.join(", ")
            ))),
        }
    }

    /// Programs that nodes must be shown.
    pub fn programs(&self) -> Vec<(String, PathBuf)> {
        match self {
            Choice::Flatnet(_) | Choice::Manifest { .. } | Choice::Kept | Choice::None => {
                Vec::new()
            }
            Choice::Conflist { plugins, .. } => plugins.0.clone(),
        }
    }
}

fn shipped(name: &str, text: &str) -> Result<Choice> {
    Ok(Choice::Manifest {
        name: name.to_owned(),
        objects: Objects::parse(&format!("manifests/{name}.yaml"), text)?,
    })
}

/// A file of the user's: a conflist for the lab, a manifest for kind.
fn from_file(file: &str, text: &str, args: &RunArgs) -> Result<Choice> {
    if args.provider() == Provider::Kind {
        return Ok(Choice::Manifest {
            name: file.to_owned(),
            objects: Objects::parse(file, text)?,
        });
    }
    let dir = args.lab.cni_bin.clone().ok_or_else(|| {
        Error::Input(format!(
            "--cni {file} needs --cni-bin DIR, the directory with the plugins it names"
        ))
    })?;
    if !dir.is_dir() {
        return Err(Error::Input(format!(
            "--cni-bin {}: not a directory; name the one that has the plugins of {file}",
            dir.display()
        )));
    }
    conflist(
        file,
        text,
        &[dir],
        "put it there, or name another directory with --cni-bin",
    )
}

/// What the placeholders of a conflist stand for on one node.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    /// `${POD_CIDR}`: the node's IPv4 range.
    pub(super) pod_cidr: String,
    /// `${POD_CIDR6}`: the node's IPv6 range.
    pub(super) pod_cidr6: String,
    /// `${RANGES}`: host-local's list of ranges, JSON.
    pub(super) ranges: String,
    /// `${MTU}`: the underlay's.
    pub(super) mtu: u32,
    /// `${NODE_NAME}`.
    pub(super) node_name: String,
    /// `${NODE_IP}`: its first InternalIP.
    pub(super) node_ip: String,
}

impl Values {
    /// The text with every placeholder filled in.
    pub(super) fn fill(&self, text: &str) -> String {
        text.replace("${POD_CIDR}", &self.pod_cidr)
            .replace("${POD_CIDR6}", &self.pod_cidr6)
            .replace("${RANGES}", &self.ranges)
            .replace("${MTU}", &self.mtu.to_string())
            .replace("${NODE_NAME}", &self.node_name)
            .replace("${NODE_IP}", &self.node_ip)
    }
}

fn conflist(name: &str, text: &str, dirs: &[PathBuf], remedy: &str) -> Result<Choice> {
    let bad = |what: String| Error::Input(format!("--cni {name}: {what}"));
    // Placeholders need not be JSON; any value shows whether the rest is.
    let sample = Values {
        ranges: "[]".to_owned(),
        node_name: "node".to_owned(),
        ..Values::default()
    };
    let filled = sample.fill(text);
    let network =
        NetworkList::parse(filled.as_bytes(), Path::new(CONFLIST)).map_err(|e| bad(explain(&e)))?;
    if network.declared.is_empty() {
        return Err(bad(lacks("cniVersion")));
    }
    if !network.versions.iter().any(|version| version.is_spoken()) {
        return Err(bad(format!(
            "cniVersion {} is not supported; choose one of {}",
            network.declared.join(", "),
            Version::spoken()
        )));
    }
    let mut plugins = Vec::new();
    for plugin in network.programs() {
        let found = dirs
            .iter()
            .map(|dir| dir.join(plugin))
            .find(|path| is_program(path));
        let path = found.ok_or_else(|| Error::Missing {
            what: format!(
                "--cni {name}: the plugin {plugin:?} is not in {}",
                join(dirs)
            ),
            remedy: remedy.to_owned(),
        })?;
        plugins.push((
            plugin.to_owned(),
            path.canonicalize()
                .map_err(|e| Error::failed(format!("resolve {}", path.display()), e))?,
        ));
    }
    Ok(Choice::Conflist {
        name: name.to_owned(),
        text: text.to_owned(),
        plugins: Plugins(plugins),
    })
}

/// What a user can do about it: whatever the file is called, it becomes a list on each node.
fn explain(error: &ListError) -> String {
    match error {
        ListError::Json(why) => format!("not JSON: {why}; correct the file"),
        ListError::NoName => lacks("name"),
        ListError::NoPlugins | ListError::EmptyChain => {
            "no \"plugins\" list with at least one plugin; give a conflist, not the configuration of a single plugin"
                .to_owned()
        }
        ListError::InChain { position, fault } => format!(
            "plugins[{}] {fault}; each plugin is an object whose \"type\" is the name of its program",
            position - 1
        ),
        other => other.to_string(),
    }
}

fn lacks(key: &str) -> String {
    format!("no string {key:?}; add it (CNI spec, section 1)")
}

pub(super) fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

fn join(dirs: &[PathBuf]) -> String {
    dirs.iter()
        .map(|d| d.display().to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        conflist(
            "x.conflist",
            text,
            &[PathBuf::from("/nowhere")],
            "put it there",
        )
        .unwrap_err()
        .to_string()
    }

    #[test]
    fn a_malformed_conflist_is_reported_with_place_and_reason() {
        assert!(error("{\n \"name\": ,\n}").contains("not JSON: expected value at line 2"));
        assert!(error("{}").contains("no string \"name\""));
        assert!(error(r#"{"name":"n","cniVersion":"1.0.0"}"#).contains("\"plugins\" list"));
        assert!(
            error(r#"{"name":"n","cniVersion":"1.0.0","plugins":[{"type":"../x"}]}"#)
                .contains("plugins[0]")
        );
        assert_eq!(
            error(r#"{"name":"n","cniVersion":"0.2.0","plugins":[{"type":"bridge"}]}"#),
            "--cni x.conflist: cniVersion 0.2.0 is not supported; choose one of 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0"
        );
        let missing = error(r#"{"name":"n","cniVersion":"1.0.0","plugins":[{"type":"bridge"}]}"#);
        assert_eq!(
            missing,
            "--cni x.conflist: the plugin \"bridge\" is not in /nowhere; put it there"
        );
    }

    #[test]
    fn placeholders_are_filled() {
        let values = Values {
            mtu: 1450,
            ranges: "[[{}]]".to_owned(),
            ..Values::default()
        };
        assert_eq!(
            values.fill(r#"{"mtu": ${MTU}, "ranges": ${RANGES}}"#),
            r#"{"mtu": 1450, "ranges": [[{}]]}"#
        );
    }
}
