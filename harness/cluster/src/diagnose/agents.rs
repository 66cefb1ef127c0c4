//! The network add-on's agents: DaemonSets that mount the CNI folders, or the lab's daemons.
use flatnet_model::snapshot::{Container, PodSnapshot};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};

use super::Place;
use super::pods::{LAST_LINES, log};
use crate::Ground;
use crate::Result;
use crate::kube::denied;
use crate::lab::AGENT;
use crate::lab::LabCluster;
use crate::observe::agents_of;
use flatnet_model::PodRef;
use flatnet_model::observations::AgentPod;
use flatnet_model::symptoms::{Agent, AgentOnNode};

pub(super) async fn read(
    place: Place<'_>,
    nodes: &[String],
    everyone: &[PodSnapshot],
) -> Result<Vec<Agent>> {
    match place.ground {
        Ground::Lab(lab) => daemons(lab, nodes).await,
        Ground::Kubernetes(cluster) => sets(cluster.client(), everyone).await,
    }
}

async fn sets(client: &Client, everyone: &[PodSnapshot]) -> Result<Vec<Agent>> {
    let mut agents = Vec::new();
    for set in agents_of(client).await? {
        let api = Api::namespaced(client.clone(), &set.namespace);
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
                    last_words(&api, &pod, object).await
                },
                node: pod.node,
                pod: Some(reference),
                ready: pod.ready,
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

/// What its first container that is not ready waits for, or said last.
async fn last_words(
    api: &Api<Pod>,
    pod: &AgentPod,
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
    match log(api, &pod.name, container).await {
        Ok(text) if !text.trim().is_empty() => Ok(text),
        Ok(_) => Ok(waits.unwrap_or_default()),
        Err(e) => {
            waits.ok_or_else(|| denied(&format!("read the log of {}", pod.name), e).to_string())
        }
    }
}

/// flatnet's agents, where the lab was made with them or any was ever started.
async fn daemons(lab: &LabCluster, nodes: &[String]) -> Result<Vec<Agent>> {
    let info = lab.call(flatnet_lab::Lab::info).await?;
    let mut on_nodes = Vec::new();
    for node in nodes {
        let name = node.clone();
        // A node on which none was started has no log: that is an answer.
        let Ok((said, exit)) = lab.call(move |lab| lab.daemon_log(&name, AGENT)).await else {
            continue;
        };
        let lines: Vec<&str> = said.trim().lines().collect();
        let from = lines
            .len()
            .saturating_sub(usize::try_from(LAST_LINES).unwrap_or_default());
        on_nodes.push(AgentOnNode {
            node: node.clone(),
            pod: None,
            ready: exit.is_none(),
            status: exit.map_or_else(
                || "Running".to_owned(),
                |code| format!("ended with exit code {code}"),
            ),
            last_words: Ok(lines[from..].join("\n")),
        });
    }
    let made_with = info
        .spec
        .labels
        .get("cni")
        .is_some_and(|cni| cni == "flatnet");
    Ok(if made_with || !on_nodes.is_empty() {
        vec![Agent {
            name: AGENT.to_owned(),
            set: None,
            on_nodes,
        }]
    } else {
        Vec::new()
    })
}
