//! Looks at a cluster once: its objects through the API, and every node through one probe. Whatever fails is kept with its
//! reason; the rest is had all the same.
mod nodes;
mod objects;

use std::sync::Arc;

use k8s_openapi::api::core::v1::Node;

use crate::Ground;
use crate::Place;
use crate::{Error, Result};
use flatnet_model::naming;
use flatnet_model::observations::Availability;
use flatnet_model::view::{Member, NodeInfo, NodeLook, View};

/// Why there is nothing of the control plane on the lab.
const NO_API: &str =
    "the lab has no control plane: its nodes and pods are namespaces of this machine";

/// Everything the questions are about; of the node named, or of all.
///
/// # Errors
/// [`Error::Input`] for a node that is not there; otherwise only what keeps the nodes from being listed.
pub async fn look(place: Place<'_>, node: Option<&str>) -> Result<View> {
    let objects = place.cluster.nodes().await?;
    let members = objects.iter().map(member).collect::<Result<Vec<_>>>()?;
    let names: Vec<String> = members.iter().map(|member| member.name.clone()).collect();
    let node = match node {
        None => None,
        Some(text) => Some(naming::node(text, &names).ok_or_else(|| {
            Error::Input(format!(
                "there is no node {text:?} in cluster {}; nodes: {}",
                place.name,
                naming::listed(names.iter())
            ))
        })?),
    };
    let wanted = |name: &str| node.is_none_or(|wanted| wanted == name);
    let chosen: Vec<Node> = objects
        .iter()
        .filter(|object| object.metadata.name.as_deref().is_some_and(wanted))
        .cloned()
        .collect();
    let (pods, api, mut insides) = tokio::join!(
        pods(place),
        async {
            match place.client() {
                Some(client) => Availability::Found(objects::look(client).await),
                None => Availability::Absent {
                    why: NO_API.to_owned(),
                },
            }
        },
        nodes::look(Arc::clone(place.cluster), &chosen),
    );
    let nodes = members.iter().filter(|member| wanted(&member.name));
    let nodes = nodes
        .map(|member| NodeLook {
            member: member.clone(),
            inside: insides.remove(&member.name).unwrap_or(Availability::Lost {
                error: "it was not asked".to_owned(),
            }),
        })
        .collect();
    Ok(View {
        provider: place.cluster.provider().to_owned(),
        cluster: place.name.to_owned(),
        nodes,
        members,
        pods,
        api,
    })
}

async fn pods(place: Place<'_>) -> Availability<Vec<flatnet_model::view::PodLook>> {
    let listed = match place.ground {
        Ground::Lab(lab) => lab.call(flatnet_lab::Lab::pods).await,
        Ground::Kubernetes(cluster) => objects::pods(cluster.client()).await,
    };
    let mut pods: Vec<_> = match listed {
        Ok(pods) => pods.iter().map(objects::pod).collect(),
        Err(error) => return Err(error).into(),
    };
    pods.sort_by_key(flatnet_model::view::PodLook::full_name);
    Availability::Found(pods)
}

fn member(object: &Node) -> Result<Member> {
    let node = crate::status::node(object)?;
    Ok(Member {
        not_ready: node.not_ready(),
        name: node.name,
        internal_ips: node.internal_ips,
        pod_cidrs: node.pod_cidrs,
        info: NodeInfo {
            kubelet_version: node.info.kubelet_version,
            os_image: node.info.os_image,
            kernel_version: node.info.kernel_version,
            container_runtime_version: node.info.container_runtime_version,
        },
    })
}
