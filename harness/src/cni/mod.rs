//! What networks the pods: installed on a booted cluster, asked whether it works, taken off again.
mod choice;
mod conflist;
mod flatnet;

use async_trait::async_trait;
use flatnet_agent::node::Node;
use k8s_openapi::api::core::v1::Node as NodeObject;

pub use choice::Choice;
pub(crate) use flatnet::AGENT;

use crate::Result;
use crate::cluster::Cluster;
use crate::cluster::lab::LabCluster;
use crate::session::plan::Plan;

/// A CNI bound to one cluster.
#[async_trait]
pub trait Cni: Send + Sync {
    /// As the user named it.
    fn name(&self) -> &str;
    /// Puts it on every node; returns before nodes are Ready.
    async fn install(&self) -> Result<()>;
    /// What keeps it from being ready, if it knows.
    async fn trouble(&self) -> Result<Option<Trouble>>;
}

/// Why a CNI is not ready.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// In words, with the program's own.
    pub what: String,
    /// Waiting longer will not help.
    pub fatal: bool,
}

/// The chosen CNI on a lab.
///
/// # Errors
/// When the lab's nodes cannot be read.
pub async fn on_lab(choice: &Choice, lab: LabCluster, plan: &Plan) -> Result<Box<dyn Cni>> {
    let nodes = lab
        .nodes()
        .await?
        .iter()
        .map(node_of)
        .collect::<Result<Vec<_>>>()?;
    Ok(match choice {
        Choice::Flatnet { backend } => Box::new(flatnet::OnLab {
            lab,
            nodes,
            pod_network: plan.pod_network.clone(),
            backend: backend.clone(),
        }),
        Choice::Conflist {
            name,
            text,
            plugins,
        } => Box::new(conflist::OnLab {
            lab,
            nodes,
            name: name.clone(),
            text: text.clone(),
            plugins: plugins.clone(),
            spec: plan.lab.clone(),
        }),
    })
}

/// The agent's view of a Kubernetes node object.
///
/// # Errors
/// An address or podCIDR that does not parse, by name.
pub fn node_of(object: &NodeObject) -> Result<Node> {
    let name = object.metadata.name.clone().unwrap_or_default();
    let bad = |what: &str, text: &str| {
        crate::Error::Failed(format!("node {name}: {what} {text:?} does not parse"))
    };
    let addresses = object
        .status
        .iter()
        .flat_map(|s| s.addresses.iter().flatten())
        .filter(|a| a.type_ == "InternalIP")
        .map(|a| a.address.parse().map_err(|_| bad("InternalIP", &a.address)))
        .collect::<Result<_>>()?;
    let pod_cidrs = object
        .spec
        .iter()
        .flat_map(|s| s.pod_cidrs.iter().flatten())
        .map(|cidr| cidr.parse().map_err(|_| bad("podCIDR", cidr)))
        .collect::<Result<_>>()?;
    Ok(Node {
        name,
        addresses,
        pod_cidrs,
    })
}
