//! DaemonSets that network the cluster, known by the directories of their node that their pods mount.
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Pod, PodSpec};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};

use super::denied;
use crate::Result;
use crate::status;
use flatnet_model::cni::{BIN_DIR, CONF_DIR};
use flatnet_model::observations::{AgentPod, AgentSet, Availability};

/// Every such set with its pods; absent where there is none.
pub(crate) async fn list(client: &Client) -> Availability<Vec<AgentSet>> {
    match sets(client).await {
        Ok(sets) if sets.is_empty() => Availability::Absent {
            why: format!(
                "no DaemonSet mounts {CONF_DIR} or {BIN_DIR} of its nodes: the CNI was installed another way"
            ),
        },
        result => result.into(),
    }
}

/// As [`list`], for changing one.
pub async fn sets(client: &Client) -> Result<Vec<AgentSet>> {
    let all: Api<DaemonSet> = Api::all(client.clone());
    let list = all.list(&ListParams::default()).await;
    let list = list.map_err(|e| denied("list DaemonSets", e))?;
    let mut sets = Vec::new();
    for set in list.items.iter().filter(|set| is_agent(set)) {
        sets.push(with_pods(client, set).await?);
    }
    Ok(sets)
}

fn is_agent(set: &DaemonSet) -> bool {
    let template = set.spec.as_ref().and_then(|s| s.template.spec.as_ref());
    template.is_some_and(mounts_cni_dir)
}

fn mounts_cni_dir(pod: &PodSpec) -> bool {
    let volumes = pod.volumes.iter().flatten();
    let mut paths = volumes.filter_map(|volume| Some(&volume.host_path.as_ref()?.path));
    paths.any(|path| {
        let path = path.trim_end_matches('/');
        [CONF_DIR, BIN_DIR].contains(&path)
    })
}

async fn with_pods(client: &Client, set: &DaemonSet) -> Result<AgentSet> {
    let namespace = set.namespace().unwrap_or_default();
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    let doing = format!("list pods in namespace {namespace}");
    let list = pods
        .list(&ListParams::default())
        .await
        .map_err(|e| denied(&doing, e))?;
    let owned = |pod: &&Pod| {
        let uid = set.uid();
        pod.owner_references()
            .iter()
            .any(|owner| Some(&owner.uid) == uid.as_ref())
    };
    Ok(AgentSet {
        name: set.name_any(),
        namespace,
        desired: set
            .status
            .as_ref()
            .map_or(0, |status| status.desired_number_scheduled),
        pods: list
            .items
            .iter()
            .filter(owned)
            .map(agent_pod)
            .collect::<Result<_>>()?,
    })
}

fn agent_pod(pod: &Pod) -> Result<AgentPod> {
    let pod = status::pod(pod)?;
    Ok(AgentPod {
        ready: pod.is_ready(),
        phase: match pod.terminating {
            true => "Terminating".to_owned(),
            false => pod.status(),
        },
        name: pod.reference.name,
        node: pod.node,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_known_by_what_it_mounts() {
        let set = |path: &str| -> DaemonSet {
            serde_json::from_value(serde_json::json!({
                "metadata": { "name": "a" },
                "spec": { "selector": {}, "template": { "spec": {
                    "containers": [{ "name": "c" }],
                    "volumes": [{ "name": "e", "emptyDir": {} }, { "name": "v", "hostPath": { "path": path } }] } } },
            }))
            .unwrap()
        };
        assert!(is_agent(&set("/etc/cni/net.d")));
        assert!(is_agent(&set("/opt/cni/bin/")));
        assert!(!is_agent(&set("/run/xtables.lock")));
        assert!(!is_agent(&set("/")));
    }

    #[test]
    fn a_pod_on_its_way_out_is_not_ready() {
        let pod = |more: serde_json::Value| -> Pod {
            let mut pod = serde_json::json!({
                "metadata": { "name": "a" }, "spec": { "nodeName": "n", "containers": [] },
                "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] },
            });
            if let Some(object) = pod["metadata"].as_object_mut() {
                object.extend(more.as_object().cloned().unwrap_or_default());
            }
            serde_json::from_value(pod).unwrap()
        };
        assert!(agent_pod(&pod(serde_json::json!({}))).unwrap().ready);
        let leaving = agent_pod(&pod(
            serde_json::json!({ "deletionTimestamp": "2026-01-01T00:00:00Z" }),
        ))
        .unwrap();
        assert!(!leaving.ready && leaving.phase == "Terminating");
    }
}
