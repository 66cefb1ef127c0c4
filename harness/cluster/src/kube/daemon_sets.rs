//! DaemonSets that network the cluster, known by what their pods can do on their node.
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
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
                "no DaemonSet writes to {CONF_DIR} or {BIN_DIR} of its nodes or serves a plugin there: the CNI was installed another way"
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

/// Directories in which agents serve their plugins: Cilium's and Calico's socket, what flanneld writes, flatnet's list.
const SERVED: [&str; 5] = [
    "/var/run/cilium",
    "/run/cilium",
    "/var/run/calico",
    "/run/flannel",
    "/run/flatnet",
];

fn is_agent(set: &DaemonSet) -> bool {
    let template = set.spec.as_ref().and_then(|s| s.template.spec.as_ref());
    template.is_some_and(|pod| mounts_cni_dir(pod) || reaches_cni_dir(pod))
}

/// The CNI folders themselves, or something in them.
fn mounts_cni_dir(pod: &PodSpec) -> bool {
    host_paths(pod).any(|(_, path)| {
        let of = |dir: &str| path == dir || path.starts_with(&format!("{dir}/"));
        of(CONF_DIR) || of(BIN_DIR)
    })
}

/// A folder above them (`/`, `/etc`, `/opt`), or one in which a plugin is served, as agents have it: in the node's network, with
/// the right to change it, and to write there. What only watches a node mounts the same folders read-only.
fn reaches_cni_dir(pod: &PodSpec) -> bool {
    let above = |path: &str| {
        let inner = format!("{}/", path.trim_end_matches('/'));
        CONF_DIR.starts_with(&inner) || BIN_DIR.starts_with(&inner)
    };
    let volumes: Vec<&str> = host_paths(pod)
        .filter(|(_, path)| above(path) || SERVED.contains(path))
        .map(|(name, _)| name)
        .collect();
    let mut containers = pod
        .containers
        .iter()
        .chain(pod.init_containers.iter().flatten());
    let networks = pod.containers.iter().any(changes_networks);
    networks
        && pod.host_network == Some(true)
        && containers.any(|container| {
            let mut mounts = container.volume_mounts.iter().flatten();
            mounts.any(|mount| {
                volumes.contains(&mount.name.as_str()) && mount.read_only != Some(true)
            })
        })
}

fn changes_networks(container: &Container) -> bool {
    let Some(context) = &container.security_context else {
        return false;
    };
    let added = context
        .capabilities
        .iter()
        .flat_map(|c| c.add.iter().flatten());
    let mut added = added.map(|name| name.trim_start_matches("CAP_"));
    context.privileged == Some(true) || added.any(|name| name == "NET_ADMIN" || name == "ALL")
}

/// Name and path, without a slash at its end, of each volume that is a path of the node.
fn host_paths(pod: &PodSpec) -> impl Iterator<Item = (&str, &str)> {
    let volumes = pod.volumes.iter().flatten();
    volumes.filter_map(|volume| {
        let path = volume.host_path.as_ref()?.path.as_str();
        let path = match path.trim_end_matches('/') {
            "" => "/",
            path => path,
        };
        Some((volume.name.as_str(), path))
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
        assert!(is_agent(&set("/etc/cni/net.d/multus.d")));
        assert!(!is_agent(&set("/run/xtables.lock")));
        assert!(!is_agent(&set("/")));
    }

    #[test]
    fn an_agent_that_mounts_more_is_told_from_what_only_watches() {
        let set = |path: &str, privileged: bool, network: bool, read_only: bool| -> DaemonSet {
            serde_json::from_value(serde_json::json!({
                "metadata": { "name": "a" },
                "spec": { "selector": {}, "template": { "spec": {
                    "hostNetwork": network,
                    "containers": [{
                        "name": "c",
                        "securityContext": { "privileged": privileged },
                        "volumeMounts": [{ "name": "v", "mountPath": "/host", "readOnly": read_only }],
                    }],
                    "volumes": [{ "name": "v", "hostPath": { "path": path } }] } } },
            }))
            .unwrap()
        };
        // Weave has /opt and /etc, others the whole of the node, or only their socket.
        for path in ["/", "/etc", "/etc/cni/", "/opt", "/var/run/cilium"] {
            assert!(is_agent(&set(path, true, true, false)), "{path}");
            assert!(!is_agent(&set(path, true, true, true)), "{path}");
            assert!(!is_agent(&set(path, false, true, false)), "{path}");
            assert!(!is_agent(&set(path, true, false, false)), "{path}");
        }
        for path in [
            "/etcetera",
            "/var/lib/kubelet",
            "/var/run/cilium/envoy/sockets",
        ] {
            assert!(!is_agent(&set(path, true, true, false)), "{path}");
        }
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
