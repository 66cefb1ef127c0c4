//! Nodes.
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Condition, Malformed, Meta, addresses, networks, parts};

/// A node as the API describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSnapshot {
    /// `metadata.name`.
    pub name: String,
    /// InternalIP addresses of `status.addresses`.
    pub internal_ips: Vec<IpAddr>,
    /// `spec.podCIDRs`, or the single `spec.podCIDR`; empty where the CNI does not use them, as weave.
    pub pod_cidrs: Vec<IpNet>,
    /// The Ready condition, once there is one.
    pub ready: Option<Condition>,
    /// `status.nodeInfo`.
    pub info: NodeInfo,
    /// `status.images`: the names of images that are there. A kubelet reports its 50 largest, unless it is told otherwise.
    #[serde(skip)]
    pub images: Vec<String>,
}

/// The parts of `status.nodeInfo` that a person reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the names are the API's")]
pub struct NodeInfo {
    pub kubelet_version: String,
    pub os_image: String,
    pub kernel_version: String,
    pub container_runtime_version: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Spec {
    #[serde(rename = "podCIDRs")]
    pod_cidrs: Option<Vec<String>>,
    #[serde(rename = "podCIDR")]
    pod_cidr: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    addresses: Option<Vec<Address>>,
    conditions: Option<Vec<Condition>>,
    node_info: Option<NodeInfo>,
    images: Option<Vec<Image>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Image {
    names: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Address {
    #[serde(rename = "type")]
    kind: String,
    address: String,
}

impl NodeSnapshot {
    /// Reads a Node object (core/v1).
    ///
    /// # Errors
    /// An address or podCIDR that does not parse, by name; what is not a Node object.
    pub fn read(object: &Value) -> Result<NodeSnapshot, Malformed> {
        let bad = |why: String| Malformed::new("node", object, why);
        let (metadata, spec, status): (Meta, Spec, Status) = parts("node", object)?;
        let several = spec.pod_cidrs.filter(|cidrs| !cidrs.is_empty());
        let pod_cidrs = several.unwrap_or_else(|| spec.pod_cidr.into_iter().collect());
        let internal = status.addresses.unwrap_or_default().into_iter();
        let internal = internal.filter(|address| address.kind == "InternalIP");
        let mut conditions = status.conditions.unwrap_or_default().into_iter();
        Ok(NodeSnapshot {
            name: metadata.name,
            internal_ips: addresses(internal.map(|address| address.address)).map_err(bad)?,
            pod_cidrs: networks(pod_cidrs).map_err(bad)?,
            ready: conditions.find(|condition| condition.kind == "Ready"),
            info: status.node_info.unwrap_or_default(),
            images: status
                .images
                .into_iter()
                .flatten()
                .flat_map(|image| image.names.unwrap_or_default())
                .collect(),
        })
    }

    /// Whether an image of that name, as a manifest may have it, is reported to be there.
    pub fn has_image(&self, name: &str) -> bool {
        let last = name.rsplit('/').next().unwrap_or_default();
        let tagged = match last.contains([':', '@']) {
            true => name.to_owned(),
            false => format!("{name}:latest"),
        };
        ["", "docker.io/", "docker.io/library/"]
            .iter()
            .any(|registry| self.images.contains(&format!("{registry}{tagged}")))
    }

    /// Whether its Ready condition is True.
    pub fn is_ready(&self) -> bool {
        self.ready
            .as_ref()
            .is_some_and(|ready| ready.status == "True")
    }

    /// Whether its kubelet does not report: its Ready condition is Unknown, or there is none yet.
    pub fn is_silent(&self) -> bool {
        self.ready
            .as_ref()
            .is_none_or(|ready| ready.status == "Unknown")
    }

    /// Reason and message of a Ready condition that is not True; `None` for a Ready node.
    pub fn not_ready(&self) -> Option<String> {
        let Some(ready) = &self.ready else {
            return Some("no Ready condition yet".to_owned());
        };
        let or = |text: &str, other: &str| if text.is_empty() { other } else { text }.to_owned();
        (ready.status != "True").then(|| {
            format!(
                "{}: {}",
                or(&ready.reason, "not Ready"),
                or(&ready.message, "no message")
            )
        })
    }
}
