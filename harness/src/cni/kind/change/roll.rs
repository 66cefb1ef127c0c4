//! A configuration for a cluster behind an API, brought about as an operator does it, and followed node by node.
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use flatnet_model::change::Step;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, Client, ResourceExt};

use super::config::Config;
use super::record::{self, Pending};
use crate::cni::kind::record::Record;
use crate::cni::kind::removal::Removal;
use crate::cni::kind::snapshot::{self, Section, Snapshot};
use crate::cni::kind::{KindCluster, agents, images, in_use, swap};
use crate::{Error, Result};
use flatnet_cluster::kube::objects::Objects;
use flatnet_cluster::kube::{delete, denied};
use flatnet_cluster::limit::until_gone;
use flatnet_cluster::status;

/// Between two looks at agents.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a rollout may take.
const ROLLED_OUT_WITHIN: Duration = Duration::from_secs(180);
/// How long pods of others may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(120);

/// Told of each step as it begins.
pub(super) type Begin<'a> = dyn FnMut(Step) + Send + 'a;

/// A cluster, and the two configurations.
pub struct Change {
    /// The cluster.
    pub onto: KindCluster,
    /// What it has.
    pub from: Config,
    /// What it is to get.
    pub to: Config,
}

impl Change {
    /// The change back.
    pub fn back(&self) -> Self {
        Change {
            onto: self.onto.clone(),
            from: self.to.clone(),
            to: self.from.clone(),
        }
    }

    /// What the cluster's record says of its nodes before the first CNI; nothing where flatnet did not install it.
    pub(super) async fn base(&self) -> Result<Option<BTreeMap<String, Snapshot>>> {
        Ok(Record::read(self.onto.client())
            .await?
            .map(|record| record.nodes))
    }

    /// Looks at the nodes. Where the CNI is replaced, waits until no other run has pods there: those that one kept are deleted.
    ///
    /// # Errors
    /// [`Error::Input`] where another run is at work whose pods a replaced CNI would cut off.
    pub async fn begin(&self) -> Result<Pending> {
        let onto = &self.onto;
        if !self.to.is_in_place(&self.from)? {
            let own = onto.cluster.namespace();
            in_use::wait_for_other_runs(onto.client(), &onto.name, own).await?;
        }
        let mut paths = self.from.paths()?;
        paths.extend(self.to.paths()?);
        paths.sort();
        paths.dedup();
        Ok(Pending {
            from: self.from.clone(),
            to: self.to.clone(),
            step: Step::Before,
            nodes: snapshot::all(onto, &paths).await?,
            paths,
        })
    }

    /// Takes the first CNI off, where it is another one, applies the second, and waits until it is on every node. [`Change::settle`]
    /// ends it.
    ///
    /// # Errors
    /// [`Error::Input`] with the words of the cluster where it does not take the configuration, or an agent does not get ready.
    pub async fn roll_out(&self, mut pending: Pending, begin: &mut Begin<'_>) -> Result<()> {
        let onto = &self.onto;
        let client = onto.client();
        if !self.to.is_in_place(&self.from)? {
            pending.step = Step::CniRemoved;
            pending.note(client).await?;
            begin(Step::CniRemoved);
            if let Some(former) = self.from.objects_without(&self.to)? {
                former.delete(client).await?;
                swap::wait_gone(client, &former).await?;
            }
            self.remove_conflists(&pending).await?;
        }
        let objects = self.to.objects()?;
        images::bring_plugins(onto, &objects).await?;
        pending.step = Step::CniApplied;
        pending.note(client).await?;
        begin(Step::CniApplied);
        let refused = |why: Error| match why {
            // It says what is missing and how to get it.
            missing @ Error::Missing { .. } => missing,
            why => Error::Input(format!("--to {}: refused: {why}", self.to.wanted)),
        };
        let known = agents_of(client, &objects).await?;
        objects.apply(client).await.map_err(refused)?;
        let rolled_out = rolled_out(client, &objects, &known, begin).await;
        rolled_out.map_err(refused)
    }

    /// A runtime takes the first file: that of the CNI that is gone may come before the one that comes.
    async fn remove_conflists(&self, pending: &Pending) -> Result<()> {
        let base = self.base().await?.unwrap_or_default();
        for (node, before) in &pending.nodes {
            let Some(base) = base.get(node) else { continue };
            let mut brought = before.since(base);
            brought.retain(|(section, _)| *section == Section::Conf);
            Removal::of(&brought).run(&self.onto.cluster, node).await?;
        }
        Ok(())
    }

    /// Notes that the cluster has the second configuration on every node.
    ///
    /// # Errors
    /// A cluster that does not answer.
    pub async fn settle(&self) -> Result<()> {
        let client = self.onto.client();
        if let Some(record) = Record::read(client).await? {
            let objects = self.to.objects()?;
            let record = record.with(self.to.wanted.as_given(), &objects)?;
            record.write(client).await?;
        }
        record::settle(client, None).await
    }

    /// Deletes the pods of others that the first CNI networked, where that was another one and something makes them again. Returns the
    /// names of those that nothing makes again, which stay.
    ///
    /// # Errors
    /// One that does not go.
    pub async fn renew_others(&self) -> Result<Vec<String>> {
        if self.to.is_in_place(&self.from)? {
            return Ok(Vec::new());
        }
        let client = self.onto.client();
        let own = self.onto.cluster.namespace();
        let all: Api<Pod> = Api::all(client.clone());
        let list = all.list(&ListParams::default()).await;
        let mut pods = list.map_err(|e| denied("list pods", e))?.items;
        pods.retain(|pod| swap::is_networked(pod) && pod.namespace().as_deref() != Some(own));
        let has_owner = |pod: &Pod| {
            let owners = pod.owner_references();
            owners.iter().any(|owner| owner.controller == Some(true))
        };
        let (renewed, bare): (Vec<Pod>, Vec<Pod>) = pods.into_iter().partition(has_owner);
        for pod in &renewed {
            let namespace = pod.namespace().unwrap_or_default();
            let api: Api<Pod> = Api::namespaced(client.clone(), &namespace);
            let name = pod.name_any();
            let params = DeleteParams::default().grace_period(1);
            delete(&api, &name, &params, &format!("delete pod {name}")).await?;
        }
        let gone: BTreeSet<String> = renewed.iter().filter_map(ResourceExt::uid).collect();
        let look = || async {
            let list = all.list(&ListParams::default()).await;
            let mut left = list.map_err(|e| denied("list pods", e))?.items;
            left.retain(|pod| pod.uid().is_some_and(|uid| gone.contains(&uid)));
            Ok(left)
        };
        until_gone(GONE_WITHIN, look, |left: Vec<Pod>| {
            let names: Vec<String> = left.iter().map(Pod::name_any).collect();
            format!(
                "pods of the former CNI are still there: {}",
                names.join(", ")
            )
        })
        .await?;
        let name =
            |pod: &Pod| format!("{}/{}", pod.namespace().unwrap_or_default(), pod.name_any());
        Ok(bare.iter().map(name).collect())
    }
}

/// Waits until the DaemonSets of `objects` run everywhere as they are now, and every node is Ready. A pod of theirs that is not `known` is
/// told as it starts, and as it is ready.
///
/// # Errors
/// What keeps an agent or a node from it, in words.
pub(super) async fn rolled_out(
    client: &Client,
    objects: &Objects,
    known: &BTreeSet<String>,
    begin: &mut Begin<'_>,
) -> Result<()> {
    let mut told = Vec::new();
    let started = Instant::now();
    loop {
        for pod in pods_of(client, objects).await? {
            let is_known = pod.uid().is_some_and(|uid| known.contains(&uid));
            let Some(node) = pod.spec.as_ref().and_then(|spec| spec.node_name.clone()) else {
                continue;
            };
            let seen = status::pod(&pod)?;
            if is_known || !seen.is_running() {
                continue;
            }
            let ready = is_ready(&pod).then(|| Step::RolledOut { node: node.clone() });
            for step in [Some(Step::AgentRestarted { node }), ready]
                .into_iter()
                .flatten()
            {
                if !told.contains(&step) {
                    told.push(step.clone());
                    begin(step);
                }
            }
        }
        let trouble = agents::trouble(client, objects).await?;
        let mut waiting: Vec<String> = trouble.iter().map(|trouble| trouble.what.clone()).collect();
        for node in swap::nodes(&Api::all(client.clone())).await? {
            let why = status::node(&node)?.not_ready();
            waiting.extend(why.map(|why| format!("{} is not Ready: {why}", node.name_any())));
        }
        if waiting.is_empty() {
            return Ok(());
        }
        let trouble = trouble.unwrap_or_default();
        if let Some(remedy) = trouble.remedy {
            return Err(Error::Missing {
                what: trouble.what,
                remedy,
            });
        }
        if trouble.fatal || started.elapsed() > ROLLED_OUT_WITHIN {
            return Err(Error::Failed(waiting.join("; ")));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Uids of the pods of the DaemonSets among `objects`.
async fn agents_of(client: &Client, objects: &Objects) -> Result<BTreeSet<String>> {
    let pods = pods_of(client, objects).await?;
    Ok(pods.iter().filter_map(ResourceExt::uid).collect())
}

async fn pods_of(client: &Client, objects: &Objects) -> Result<Vec<Pod>> {
    let mut pods = Vec::new();
    for set in objects.daemon_sets() {
        pods.extend(agents::pods_of(client, &set).await?);
    }
    Ok(pods)
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| &status.conditions);
    let mut ready = conditions.flatten().filter(|one| one.type_ == "Ready");
    ready.any(|one| one.status == "True")
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::{Value, json};

    use super::*;

    fn agent(uid: &str, node: &str, is_ready: bool, state: Value) -> Value {
        json!({
            "metadata": { "name": uid, "namespace": "kube-system", "uid": uid },
            "spec": { "nodeName": node, "containers": [] },
            "status": {
                "podIPs": [{ "ip": "172.18.0.2" }],
                "phase": if state["running"].is_object() { "Running" } else { "Pending" },
                "conditions": [{ "type": "Ready", "status": if is_ready { "True" } else { "False" } }],
                "containerStatuses": [{
                    "name": "agent", "image": "net:1", "imageID": "", "ready": is_ready,
                    "restartCount": state["restarts"].as_i64().unwrap_or(0), "state": state,
                }],
            },
        })
    }

    fn running() -> Value {
        json!({ "running": {} })
    }

    /// An API whose agents are these at each look, one after the other, the last forever; the DaemonSet is current once all are ready.
    fn api(looks: Vec<Vec<Value>>) -> Client {
        let (looked, looks) = (AtomicUsize::new(0), Arc::new(looks));
        let at = Arc::new(looked);
        let answer = move |request: Request<Body>| {
            let path = request.uri().path().to_owned();
            let index = |add: usize| at.fetch_add(add, Ordering::Relaxed).min(looks.len() - 1);
            let body = if path.ends_with("/log") {
                "no such backend".to_owned()
            } else if path.ends_with("/pods") {
                json!({ "metadata": {}, "items": looks[index(1)] }).to_string()
            } else if path.ends_with("/nodes") {
                let ready = json!([{ "type": "Ready", "status": "True" }]);
                let node =
                    json!({ "metadata": { "name": "a" }, "status": { "conditions": ready } });
                json!({ "metadata": {}, "items": [node] }).to_string()
            } else {
                let current = index(0) + 1 == looks.len();
                let ready = if current { 2 } else { 1 };
                json!({
                    "metadata": { "name": "net", "namespace": "kube-system", "generation": 2 },
                    "spec": { "selector": { "matchLabels": { "app": "net" } }, "template": {} },
                    "status": {
                        "desiredNumberScheduled": 2, "numberReady": ready, "observedGeneration": 2,
                        "updatedNumberScheduled": ready, "currentNumberScheduled": 2, "numberMisscheduled": 0,
                    },
                })
                .to_string()
            };
            async move { Ok::<_, Infallible>(Response::new(Body::from(body.into_bytes()))) }
        };
        Client::new(tower::service_fn(answer), "default")
    }

    async fn steps(looks: Vec<Vec<Value>>) -> (Vec<Step>, Result<()>) {
        let text = "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: net, namespace: kube-system}\nspec: {selector: {matchLabels: {app: net}}, template: {}}\n";
        let objects = Objects::parse("net", text).unwrap();
        let mut steps = Vec::new();
        let client = api(looks);
        let known = agents_of(&client, &objects).await.unwrap();
        let done = rolled_out(&client, &objects, &known, &mut |step| steps.push(step)).await;
        (steps, done)
    }

    #[tokio::test]
    async fn each_agent_that_is_new_is_told_as_it_starts_and_as_it_is_ready() {
        let old = |node: &str| agent(&format!("old-{node}"), node, true, running());
        let new = |node: &str, is_ready| agent(&format!("new-{node}"), node, is_ready, running());
        let waits = agent("new-b", "b", false, json!({ "waiting": {} }));
        let (told, done) = steps(vec![
            vec![old("a"), old("b")],
            vec![new("a", false), old("b")],
            // The look that finds what keeps the DaemonSet from being ready.
            vec![new("a", false), old("b")],
            vec![new("a", true), waits.clone()],
            vec![new("a", true), waits],
            vec![new("a", true), new("b", true)],
        ])
        .await;
        done.unwrap();
        let node = |name: &str| name.to_owned();
        let expected = [
            Step::AgentRestarted { node: node("a") },
            Step::RolledOut { node: node("a") },
            Step::AgentRestarted { node: node("b") },
            Step::RolledOut { node: node("b") },
        ];
        assert_eq!(told, expected);
    }

    #[tokio::test]
    async fn an_agent_that_crashes_again_and_again_ends_the_rollout_with_its_last_words() {
        let crash = json!({ "waiting": { "reason": "CrashLoopBackOff" }, "restarts": 3 });
        let old = agent("old", "a", true, running());
        let new = agent("new", "a", false, crash);
        let (told, done) = steps(vec![
            vec![old],
            vec![new.clone()],
            vec![new.clone()],
            vec![new],
        ])
        .await;
        assert_eq!(told, []);
        let words = done.unwrap_err().to_string();
        assert!(
            words.contains("CrashLoopBackOff after 3 restarts"),
            "{words}"
        );
        assert!(words.contains("no such backend"), "{words}");
    }
}
