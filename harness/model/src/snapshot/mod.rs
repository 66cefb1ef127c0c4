//! Nodes, pods and events as the API describes them: the parts that flatnet judges by, read from the API's JSON, whoever
//! serves it.
mod container;
mod event;
mod inside;
mod node;
mod pod;

use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use container::{Container, ContainerState, Running, Termination, Waiting};
pub use event::EventSnapshot;
pub use inside::{NOT_ASKED, NodeInside, Observed};
pub use node::{NodeInfo, NodeSnapshot};
pub use pod::PodSnapshot;

/// An object of the API that lacks what every object of its kind has, or has a part that does not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {name:?} of the API: {why}")]
pub struct Malformed {
    kind: &'static str,
    name: String,
    why: String,
}

impl Malformed {
    fn new(kind: &'static str, object: &Value, why: impl ToString) -> Self {
        Malformed {
            kind,
            name: object["metadata"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            why: why.to_string(),
        }
    }
}

/// One of `status.conditions`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// `type`: `Ready`, `PodScheduled`, ….
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// One word in CamelCase; empty where there is none.
    #[serde(default)]
    pub reason: String,
    /// Empty where there is none.
    #[serde(default)]
    pub message: String,
}

/// The parts of `metadata` that matter here.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Meta {
    namespace: Option<String>,
    name: String,
    uid: Option<String>,
    creation_timestamp: Option<Timestamp>,
    deletion_timestamp: Option<Timestamp>,
}

/// An object of the API, as far as it is read.
#[derive(Deserialize)]
struct Object<Spec, Status> {
    #[serde(default)]
    metadata: Meta,
    spec: Option<Spec>,
    status: Option<Status>,
}

/// The parts of an object; a spec or status that is absent or null is an empty one.
fn parts<Spec, Status>(
    kind: &'static str,
    object: &Value,
) -> Result<(Meta, Spec, Status), Malformed>
where
    Spec: DeserializeOwned + Default,
    Status: DeserializeOwned + Default,
{
    let Object {
        metadata,
        spec,
        status,
    } = Object::deserialize(object).map_err(|e| Malformed::new(kind, object, e))?;
    Ok((
        metadata,
        spec.unwrap_or_default(),
        status.unwrap_or_default(),
    ))
}

fn addresses(texts: impl IntoIterator<Item = String>) -> Result<Vec<IpAddr>, String> {
    let parse = |text: String| {
        text.parse()
            .map_err(|_| format!("address {text:?} does not parse"))
    };
    texts.into_iter().map(parse).collect()
}

fn networks(texts: impl IntoIterator<Item = String>) -> Result<Vec<IpNet>, String> {
    let parse = |text: String| {
        text.parse()
            .map_err(|_| format!("podCIDR {text:?} does not parse"))
    };
    texts.into_iter().map(parse).collect()
}
