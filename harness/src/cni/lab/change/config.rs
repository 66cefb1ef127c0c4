//! What networks a lab's pods, as the lab keeps it.
use std::collections::BTreeMap;
use std::path::PathBuf;

use flatnet_lab::LabSpec;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::cni::Wanted;
use crate::cni::choice::{self, Choice, Plugins};
use crate::cni::shipped::REFERENCE_DIRS;
use crate::{Error, Result};

/// The label of a lab that has its [`Config`].
const CONFIG: &str = "cni-config";

/// What networks a lab's pods: everything that is needed to bring it about again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// As a person writes it.
    pub wanted: Wanted,
    /// Ranges of the whole cluster's pods.
    pub pod_network: Vec<IpNet>,
    /// Each node's.
    pub pod_cidrs: BTreeMap<String, Vec<IpNet>>,
    /// Text and programs of a conflist; none for our own CNI.
    pub(super) conflist: Option<(String, Plugins)>,
    /// The `portmap` of this machine, where flatnet's chain is to have it.
    pub(super) portmap: Option<PathBuf>,
}

impl Config {
    /// What `choice` of `wanted` brings, with these ranges.
    ///
    /// # Errors
    /// [`Error::Input`] for a choice that is none for the lab; [`Error::Missing`] where `portmap` is nowhere.
    pub fn new(
        wanted: Wanted,
        choice: &Choice,
        pod_network: Vec<IpNet>,
        pod_cidrs: BTreeMap<String, Vec<IpNet>>,
    ) -> Result<Self> {
        let conflist = match choice {
            Choice::Conflist { text, plugins, .. } => Some((text.clone(), plugins.clone())),
            Choice::Flatnet(_) => None,
            Choice::Manifest { .. } | Choice::Kept | Choice::None => {
                return Err(Error::Input(format!(
                    "{wanted}: it is not a CNI for the lab"
                )));
            }
        };
        let portmap = match wanted.wants_portmap() {
            true => Some(find_portmap()?),
            false => None,
        };
        if let Some(plugin) = wanted.plugin()
            && !choice::is_program(&plugin)
        {
            return Err(Error::Input(format!(
                "{wanted}: plugin {}: not a program that can be run; name another",
                plugin.display()
            )));
        }
        Ok(Config {
            wanted: wanted.without_ranges(),
            pod_network,
            pod_cidrs,
            conflist,
            portmap,
        })
    }

    /// As a lab's labels have it; none where an older flatnet made the lab.
    pub fn of_lab(spec: &LabSpec) -> Option<Self> {
        serde_json::from_str(spec.labels.get(CONFIG)?).ok()
    }

    /// The label by which a lab keeps it.
    ///
    /// # Errors
    /// Those of serde_json.
    pub fn label(&self) -> Result<(String, String)> {
        labelled(CONFIG, self)
    }

    /// As a person writes it, with the ranges where `other` has others.
    pub fn words(&self, other: &Config) -> String {
        let ranges: Vec<String> = self.pod_network.iter().map(IpNet::to_string).collect();
        let mut words = self.wanted.to_string();
        if self.pod_cidrs != other.pod_cidrs || self.pod_network != other.pod_network {
            words.push_str(&format!(",pod-cidr={}", ranges.join("+")));
        }
        let mask = |config: &Config| {
            let mut nets = config.pod_cidrs.values().flatten();
            nets.find(|net| net.addr().is_ipv4()).map(IpNet::prefix_len)
        };
        if let Some(bits) = mask(self)
            && mask(other) != Some(bits)
        {
            words.push_str(&format!(",node-cidr-mask={bits}"));
        }
        words
    }

    /// Whether the nodes that have it have `portmap` among their plugins: flatnet's agent chains it then.
    pub fn brings_portmap(&self) -> bool {
        let in_chain =
            |(_, plugins): &(String, Plugins)| plugins.names().any(|name| name == "portmap");
        self.portmap.is_some() || self.conflist.as_ref().is_some_and(in_chain)
    }

    /// The way back from `other`: an agent chains portmap where it is installed, so that one that came with `other` has to be switched off.
    pub fn without_portmap_of(&self, other: &Config) -> Self {
        let mut back = self.clone();
        if back.is_flatnet() && back.portmap.is_none() && other.portmap.is_some() {
            back.wanted
                .options
                .insert("portmap".to_owned(), "off".to_owned());
        }
        back
    }

    pub(super) fn is_flatnet(&self) -> bool {
        self.conflist.is_none()
    }
}

/// A label that has a value as JSON.
///
/// # Errors
/// Those of serde_json.
pub(super) fn labelled(key: &str, value: &impl Serialize) -> Result<(String, String)> {
    let text = serde_json::to_string(value).map_err(|e| Error::failed("write a label", e))?;
    Ok((key.to_owned(), text))
}

fn find_portmap() -> Result<PathBuf> {
    let places = REFERENCE_DIRS
        .iter()
        .map(|dir| PathBuf::from(dir).join("portmap"));
    let mut found = places.filter(|path| choice::is_program(path));
    found.next().ok_or_else(|| Error::Missing {
        what: format!(
            "the plugin \"portmap\" is not in {}",
            REFERENCE_DIRS.join(", ")
        ),
        remedy: "install it (Debian: package containernetworking-plugins)".to_owned(),
    })
}
