//! The CNI network configuration list for the container runtime (CNI spec 1.1.0, section 1).
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use ipnet::IpNet;
use serde::Serialize;

use crate::Result;
use crate::desired::Desired;
use crate::install::{self, PLUGIN};

/// File name; runtimes use the first in lexical order.
const FILE_NAME: &str = "10-flatnet.conflist";
/// The plugin for host ports, chained if it is installed.
pub(crate) const PORTMAP: &str = "portmap";

/// `cniVersion` of the conflist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
pub enum CniVersion {
    /// Supported by containerd since 1.6 and by every portmap in use.
    #[serde(rename = "1.0.0")]
    #[value(name = "1.0.0")]
    V1_0_0,
    /// Adds GC and STATUS. Supported by containerd since 2.0 and by the reference plugins since 1.6; an older portmap in
    /// the chain refuses every pod.
    #[serde(rename = "1.1.0")]
    #[value(name = "1.1.0")]
    V1_1_0,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Conflist<'a> {
    cni_version: CniVersion,
    name: &'a str,
    plugins: Vec<Plugin<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Plugin<'a> {
    Flatnet(Flatnet<'a>),
    Portmap(Portmap),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Flatnet<'a> {
    r#type: &'static str,
    bridge: &'a str,
    mtu: u32,
    is_gateway: bool,
    is_default_gateway: bool,
    hairpin_mode: bool,
    /// Off: the agent's table masquerades for the whole node.
    ip_masq: bool,
    ipam: Ipam,
    pod_network: &'a [IpNet],
}

#[derive(Serialize)]
struct Ipam {
    /// A pod gets one address from each set of ranges; there is one set per family.
    ranges: Vec<[Range; 1]>,
}

#[derive(Serialize)]
struct Range {
    subnet: IpNet,
}

#[derive(Serialize)]
struct Portmap {
    r#type: &'static str,
    capabilities: Capabilities,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Capabilities {
    port_mappings: bool,
}

/// What the conflist says beside the desired state.
pub(crate) struct List<'a> {
    /// `name`.
    pub(crate) network: &'a str,
    /// `cniVersion`.
    pub(crate) cni_version: CniVersion,
    /// `hairpinMode`.
    pub(crate) hairpin: bool,
    /// `portmap` is chained for host ports.
    pub(crate) portmap: bool,
}

/// The conflist as text.
pub(crate) fn render(desired: &Desired, list: &List<'_>) -> String {
    let flatnet = Flatnet {
        r#type: PLUGIN,
        bridge: &desired.bridge.name,
        mtu: desired.pod_mtu,
        is_gateway: true,
        is_default_gateway: true,
        hairpin_mode: list.hairpin,
        ip_masq: false,
        ipam: Ipam {
            ranges: desired
                .pod_cidrs
                .iter()
                .map(|subnet| [Range { subnet: *subnet }])
                .collect(),
        },
        pod_network: &desired.pod_network,
    };
    let portmap = list.portmap.then_some(Plugin::Portmap(Portmap {
        r#type: PORTMAP,
        capabilities: Capabilities {
            port_mappings: true,
        },
    }));
    let plugins = std::iter::once(Plugin::Flatnet(flatnet))
        .chain(portmap)
        .collect();
    let list = Conflist {
        cni_version: list.cni_version,
        name: list.network,
        plugins,
    };
    let mut text = serde_json::to_string_pretty(&list)
        .expect("strings, numbers and booleans always serialise");
    text.push('\n');
    text
}

pub(crate) fn path(conf_dir: &Path) -> PathBuf {
    conf_dir.join(FILE_NAME)
}

/// Writes the conflist. `Ok(false)`: the same file was there already.
///
/// # Errors
/// A file operation fails.
pub(crate) fn ensure(conf_dir: &Path, content: &str) -> Result<bool> {
    install::ensure_file(&path(conf_dir), content.as_bytes(), 0o644)
}
