//! Whether a CNI's agents run on every node, and what the one that does not is waiting for.
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::api::{ListParams, LogParams};
use kube::core::Selector;
use kube::{Api, Client, ResourceExt};

use crate::cni::Trouble;
use crate::{Error, Result};
use flatnet_cluster::kube::denied;
use flatnet_cluster::kube::objects::Objects;
use flatnet_cluster::kube::pods::log;
use flatnet_cluster::status::{self, image_missing};

/// Lines of a failed agent's log to report.
const LOG_LINES: i64 = 3;

/// After so many restarts, an agent that still crashes is given up. The kubelet's pauses between restarts
/// (10 s, doubled each time) have by then given kube-proxy, which some agents need at first, half a minute.
const HOPELESS_RESTARTS: i32 = 3;

/// What keeps the DaemonSets among `objects` from being ready everywhere.
pub(super) async fn trouble(client: &Client, objects: &Objects) -> Result<Option<Trouble>> {
    let mut waiting = Vec::new();
    for set in objects.daemon_sets() {
        let namespace = namespace_of(&set);
        let name = set.name_any();
        let api: Api<DaemonSet> = Api::namespaced(client.clone(), &namespace);
        let doing = format!("get DaemonSet {namespace}/{name}");
        let Some(now) = api.get_opt(&name).await.map_err(|e| denied(&doing, e))? else {
            waiting.push(format!("DaemonSet {namespace}/{name} is not there"));
            continue;
        };
        let status = now.status.clone().unwrap_or_default();
        let (wanted, ready) = (status.desired_number_scheduled, status.number_ready);
        let current = status.observed_generation == now.metadata.generation
            && status.updated_number_scheduled.unwrap_or(0) == wanted;
        if wanted > 0 && ready == wanted && current {
            continue;
        }
        let mut words = format!("DaemonSet {namespace}/{name} has {ready} of {wanted} pods ready");
        for pod in pods_of(client, &now).await? {
            if let Some(Error::Missing { what, remedy }) = image_missing(&status::pod(&pod)?) {
                return Ok(Some(Trouble {
                    what,
                    holds_back: true,
                    fatal: true,
                    remedy: Some(remedy),
                }));
            }
            if gave_up(&pod) {
                let why = why_not_ready(client, &namespace, &pod).await;
                return Ok(Some(Trouble {
                    what: format!("{words}; {}", why.unwrap_or_default()),
                    holds_back: true,
                    fatal: true,
                    remedy: None,
                }));
            }
            if let Some(why) = why_not_ready(client, &namespace, &pod).await {
                words = format!("{words}; {why}");
            }
        }
        waiting.push(words);
    }
    Ok((!waiting.is_empty()).then(|| Trouble {
        what: waiting.join("; "),
        holds_back: true,
        ..Trouble::default()
    }))
}

/// Whether a container crashes each time it is started.
fn gave_up(pod: &Pod) -> bool {
    containers(pod).any(|container| {
        let waiting = container.state.as_ref().and_then(|s| s.waiting.as_ref());
        let reason = waiting.and_then(|waiting| waiting.reason.as_deref());
        reason == Some("CrashLoopBackOff") && container.restart_count >= HOPELESS_RESTARTS
    })
}

/// Init containers first.
fn containers(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    pod.status.iter().flat_map(|status| {
        let inits = status.init_container_statuses.iter().flatten();
        inits.chain(status.container_statuses.iter().flatten())
    })
}

/// The pods that a DaemonSet selects.
pub(super) async fn pods_of(client: &Client, set: &DaemonSet) -> Result<Vec<Pod>> {
    let doing = format!("list the pods of DaemonSet {}", set.name_any());
    let selector = set.spec.clone().unwrap_or_default().selector;
    let selector = Selector::try_from(selector).map_err(|e| Error::failed(&doing, e))?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace_of(set));
    let of_set = ListParams::default().labels_from(&selector);
    let list = pods.list(&of_set).await;
    Ok(list.map_err(|e| denied(&doing, e))?.items)
}

fn namespace_of(set: &DaemonSet) -> String {
    set.namespace().unwrap_or_else(|| "default".to_owned())
}

/// What an agent's pod waits for, with its last words where it ended; nothing for one that is ready.
async fn why_not_ready(client: &Client, namespace: &str, pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let ready = status.conditions.iter().flatten();
    if ready
        .filter(|c| c.type_ == "Ready")
        .any(|c| c.status == "True")
    {
        return None;
    }
    let node = pod.spec.as_ref()?.node_name.clone().unwrap_or_default();
    let place = format!("{} on {node}", pod.name_any());
    let Some((container, state)) = containers(pod).find_map(|c| Some((c, stuck(c)?))) else {
        let phase = status.phase.as_deref().unwrap_or("Pending");
        return Some(format!("{place} is {phase} and not ready yet"));
    };
    let params = LogParams {
        container: Some(container.name.clone()),
        tail_lines: Some(LOG_LINES),
        previous: container.restart_count > 0 && container.state.as_ref()?.waiting.is_some(),
        ..LogParams::default()
    };
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let said = log(&pods, &pod.name_any(), &params)
        .await
        .unwrap_or_default();
    let said = said.trim().replace('\n', " | ");
    let said = if said.is_empty() {
        String::new()
    } else {
        format!(": {said}")
    };
    Some(format!(
        "{place}: container {} {state}{said}",
        container.name
    ))
}

/// How a container is stuck; nothing for one that runs and is ready, or has done its work.
fn stuck(container: &ContainerStatus) -> Option<String> {
    let state = container.state.as_ref()?;
    if let Some(waiting) = &state.waiting {
        let reason = waiting.reason.as_deref().unwrap_or("no reason given");
        let harmless = ["PodInitializing", "ContainerCreating"];
        return (!harmless.contains(&reason)).then(|| match container.restart_count {
            0 => format!("waits ({reason})"),
            restarts => format!("waits ({reason} after {restarts} restarts)"),
        });
    }
    if let Some(ended) = &state.terminated {
        return (ended.exit_code != 0).then(|| format!("ended with exit code {}", ended.exit_code));
    }
    (!container.ready).then(|| "runs but is not ready".to_owned())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::{Value, json};

    use super::*;

    /// An API with a DaemonSet of one agent, in this state, whose log ends with a complaint.
    fn api(container: Value) -> Client {
        let labels = json!({ "app": "net" });
        let set = json!({
            "metadata": { "name": "net", "namespace": "kube-system", "generation": 1 },
            "spec": { "selector": { "matchLabels": labels }, "template": {} },
            "status": {
                "desiredNumberScheduled": 1, "numberReady": 0, "observedGeneration": 1,
                "updatedNumberScheduled": 1, "currentNumberScheduled": 1, "numberMisscheduled": 0,
            },
        });
        let pods = json!({ "metadata": {}, "items": [{
            "metadata": { "name": "net-x", "namespace": "kube-system" },
            "spec": { "nodeName": "worker", "containers": [] },
            "status": { "phase": "Running", "containerStatuses": [container] },
        }] });
        let answer = move |request: Request<Body>| {
            let path = request.uri().path();
            let body = if path.ends_with("/log") {
                "no route to the store\ngiving up\n".to_owned()
            } else if path.ends_with("/pods") {
                pods.to_string()
            } else {
                set.to_string()
            };
            async move { Ok::<_, Infallible>(Response::new(Body::from(body.into_bytes()))) }
        };
        Client::new(tower::service_fn(answer), "default")
    }

    fn crashing(restarts: i32) -> Value {
        json!({
            "name": "agent", "image": "net:1", "imageID": "", "ready": false, "restartCount": restarts,
            "state": { "waiting": { "reason": "CrashLoopBackOff" } },
        })
    }

    async fn trouble_of(container: Value) -> Trouble {
        let objects = "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: net, namespace: kube-system}\nspec: {selector: {matchLabels: {app: net}}, template: {}}\n";
        let objects = Objects::parse("net", objects).unwrap();
        let trouble = trouble(&api(container), &objects).await.unwrap();
        trouble.expect("an agent that is not ready")
    }

    #[tokio::test]
    async fn an_agent_that_crashes_again_and_again_is_fatal_with_its_last_words() {
        let trouble = trouble_of(crashing(HOPELESS_RESTARTS)).await;
        assert!(trouble.fatal, "{trouble:?}");
        assert_eq!(
            trouble.what,
            "DaemonSet kube-system/net has 0 of 1 pods ready; net-x on worker: container agent waits (CrashLoopBackOff after 3 restarts): no route to the store | giving up"
        );
    }

    #[tokio::test]
    async fn an_agent_that_crashed_once_may_still_come_up() {
        let trouble = trouble_of(crashing(1)).await;
        assert!(trouble.holds_back && !trouble.fatal, "{trouble:?}");
    }

    #[tokio::test]
    async fn an_agent_whose_image_cannot_be_pulled_is_fatal_with_what_to_do() {
        let trouble = trouble_of(json!({
            "name": "agent", "image": "net:1", "imageID": "", "ready": false, "restartCount": 0,
            "state": { "waiting": { "reason": "ErrImagePull", "message": "no such host" } },
        }))
        .await;
        assert!(trouble.fatal, "{trouble:?}");
        assert!(trouble.what.contains("net:1"), "{trouble:?}");
        assert!(
            trouble
                .remedy
                .is_some_and(|remedy| remedy.contains("--image-archive"))
        );
    }
}
