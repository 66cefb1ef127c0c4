//! CNIs on the lab: our own agents, or any conflist with plain routes between nodes.
pub mod change;
mod conflist;
mod flatnet;
mod programs;

use flatnet_agent::node::Node;
use flatnet_cluster::status;
use flatnet_lab::LabSpec;
use ipnet::IpNet;

use super::{Choice, Cni, Wanted};
use crate::{Error, Result};
use flatnet_cluster::Cluster;
use flatnet_cluster::lab::LabCluster;

/// The chosen CNI on a lab; nothing where the one it has stays.
///
/// # Errors
/// When the lab's nodes cannot be read, or the choice is not one for the lab.
pub async fn on_lab(
    choice: &Choice,
    lab: LabCluster,
    spec: &LabSpec,
    pod_network: &[IpNet],
) -> Result<Option<Box<dyn Cni>>> {
    let nodes = lab.nodes().await?;
    let agents_view = |node| status::node(node).map(Node::from);
    let nodes: Vec<Node> = nodes.iter().map(agents_view).collect::<Result<_>>()?;
    let cni: Box<dyn Cni> = match choice {
        Choice::Flatnet(given) => Box::new(flatnet::OnLab {
            lab,
            nodes,
            pod_network: pod_network.to_vec(),
            options: Wanted::given(given).agent_options(),
            plugin: None,
            portmap: None,
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
            spec: spec.clone(),
            mtu: None,
        }),
        Choice::Kept => return Ok(None),
        Choice::Manifest { name, .. } => {
            return Err(Error::Input(format!(
                "--cni {name}: a manifest needs an API server; choose --provider kind"
            )));
        }
        Choice::None => {
            return Err(Error::Input(
                "--cni none: the lab's pods would never run; choose a CNI".to_owned(),
            ));
        }
    };
    Ok(Some(cni))
}
