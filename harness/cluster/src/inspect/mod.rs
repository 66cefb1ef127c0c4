//! Looks at a cluster once: its objects through the API, and every node through one probe. Whatever fails is kept with its
//! reason; the rest is had all the same.
mod nodes;

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, Pod};

use crate::status::{self, host_network, pod_ref};
use crate::{Cluster, Error, Result};
use flatnet_model::naming;
use flatnet_model::observations::Availability;
use flatnet_model::view::{Member, NodeInfo, NodeLook, PodLook, View};

/// Everything the questions are about; of the node named, or of all.
///
/// # Errors
/// [`Error::Input`] for a node that is not there; otherwise only what keeps the nodes from being listed.
pub async fn look(cluster: &Arc<dyn Cluster>, node: Option<&str>) -> Result<View> {
    let objects = cluster.nodes().await?;
    let members = objects.iter().map(member).collect::<Result<Vec<_>>>()?;
    let names: Vec<String> = members.iter().map(|member| member.name.clone()).collect();
    let node = match node {
        None => None,
        Some(text) => Some(naming::node(text, &names).ok_or_else(|| {
            Error::Input(format!(
                "there is no node {text:?} in cluster {}; nodes: {}",
                cluster.name(),
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
        pods(&**cluster),
        cluster.control_plane(),
        nodes::look(Arc::clone(cluster), &chosen),
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
        provider: cluster.provider().to_owned(),
        capabilities: cluster.capabilities().clone(),
        cluster: cluster.name().to_owned(),
        nodes,
        members,
        pods,
        api,
    })
}

async fn pods(cluster: &dyn Cluster) -> Availability<Vec<PodLook>> {
    let listed = cluster.pods().await;
    let mut pods: Vec<_> = match listed {
        Ok(pods) => pods.iter().map(pod).collect(),
        Err(error) => return Err(error).into(),
    };
    pods.sort_by_key(PodLook::full_name);
    Availability::Found(pods)
}

fn member(object: &Node) -> Result<Member> {
    let node = status::node(object)?;
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

fn pod(object: &Pod) -> PodLook {
    let status = object.status.as_ref();
    let ips = status.and_then(|status| status.pod_ips.as_ref());
    PodLook {
        namespace: pod_ref(object).namespace,
        name: pod_ref(object).name,
        node: object
            .spec
            .as_ref()
            .and_then(|spec| spec.node_name.clone())
            .unwrap_or_default(),
        host_network: host_network(object),
        ips: ips
            .into_iter()
            .flatten()
            .filter_map(|ip| ip.ip.parse().ok())
            .collect(),
    }
}
