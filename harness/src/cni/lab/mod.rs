//! CNIs on the lab: our own agents, or any conflist with plain routes between nodes.
mod conflist;
mod flatnet;

use flatnet_agent::node::Node;
use flatnet_cluster::status::node_of;
use flatnet_lab::LabSpec;
use ipnet::IpNet;

use super::{Choice, Cni};
use crate::{Error, Result};
use flatnet_cluster::Cluster;
use flatnet_cluster::lab::LabCluster;

/// The chosen CNI on a lab.
///
/// # Errors
/// When the lab's nodes cannot be read, or the choice is not one for the lab.
pub async fn on_lab(
    choice: &Choice,
    lab: LabCluster,
    spec: &LabSpec,
    pod_network: &[IpNet],
) -> Result<Box<dyn Cni>> {
    let nodes = lab.nodes().await?;
    let nodes: Vec<Node> = nodes.iter().map(node_of).collect::<Result<_>>()?;
    match choice {
        Choice::Flatnet { backend } => Ok(Box::new(flatnet::OnLab {
            lab,
            nodes,
            pod_network: pod_network.to_vec(),
            backend: backend.clone(),
        })),
        Choice::Conflist {
            name,
            text,
            plugins,
        } => Ok(Box::new(conflist::OnLab {
            lab,
            nodes,
            name: name.clone(),
            text: text.clone(),
            plugins: plugins.clone(),
            spec: spec.clone(),
        })),
        Choice::Manifest { name, .. } => Err(Error::Input(format!(
            "--cni {name}: a manifest needs an API server; choose --provider kind"
        ))),
        Choice::None => Err(Error::Input(
            "--cni none: the lab's pods would never run; choose a CNI".to_owned(),
        )),
    }
}
