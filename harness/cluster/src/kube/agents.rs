//! The network add-on's agents: DaemonSets that mount the CNI folders, and the last words of those that do not work.
use flatnet_model::PodRef;
use flatnet_model::cni::{RECORD_KEY_CNI, RECORD_NAME, RECORD_NAMESPACE};
use flatnet_model::snapshot::{Container, PodSnapshot};
use flatnet_model::symptoms::{Agent, AgentOnNode};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};

use super::{KubeCluster, daemon_sets, denied};
use crate::{Cluster, Result};

/// DaemonSets that mount the CNI folders; `everyone` are the cluster's pods.
pub(super) async fn read(cluster: &KubeCluster, everyone: &[PodSnapshot]) -> Result<Vec<Agent>> {
    let mut agents = Vec::new();
    for set in daemon_sets::sets(cluster.client()).await? {
        let mut on_nodes = Vec::new();
        for pod in set.pods {
            let reference = PodRef {
                namespace: set.namespace.clone(),
                name: pod.name.clone(),
            };
            let object = everyone.iter().find(|other| other.reference == reference);
            on_nodes.push(AgentOnNode {
                // One that works is not asked.
                last_words: if pod.ready {
                    Ok(String::new())
                } else {
                    last_words(cluster, &reference, object).await
                },
                node: pod.node,
                pod: Some(reference),
                ready: pod.ready,
                stopped: None,
                status: pod.phase,
            });
        }
        agents.push(Agent {
            name: format!("DaemonSet {}/{}", set.namespace, set.name),
            set: Some((set.namespace, set.name)),
            on_nodes,
        });
    }
    Ok(agents)
}

/// What flatnet was asked for when it applied the cluster's CNI.
pub(super) async fn recorded(client: &Client) -> Result<Option<String>> {
    let doing = format!("read ConfigMap {RECORD_NAMESPACE}/{RECORD_NAME}");
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), RECORD_NAMESPACE);
    let map = maps.get_opt(RECORD_NAME).await;
    let map = map.map_err(|e| denied(&doing, e))?;
    let data = map.and_then(|map| map.data);
    Ok(data.and_then(|mut data| data.remove(RECORD_KEY_CNI)))
}

/// What its first container that is not ready waits for, or said last.
async fn last_words(
    cluster: &KubeCluster,
    pod: &PodRef,
    object: Option<&PodSnapshot>,
) -> std::result::Result<String, String> {
    let containers = object.into_iter().flat_map(|object| &object.containers);
    let done = |c: &&Container| {
        let end = c.state.terminated.as_ref();
        c.init && end.is_some_and(|end| end.exit_code == 0)
    };
    let unready = containers.filter(|c| !done(c)).find(|c| !c.ready);
    let waiting = unready.and_then(|c| c.state.waiting.as_ref());
    let waits = waiting
        .map(|waiting| waiting.message.clone())
        .filter(|message| !message.is_empty());
    let container = unready.map(|c| c.name.as_str());
    match cluster.last_lines(pod, container).await {
        Ok(text) if !text.trim().is_empty() => Ok(text),
        Ok(_) => Ok(waits.unwrap_or_default()),
        Err(e) => waits.ok_or_else(|| e.to_string()),
    }
}
