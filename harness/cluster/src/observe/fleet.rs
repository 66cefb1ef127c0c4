//! One probe in every pod and on every node, each started by one exec that lasts until the fleet is dropped.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flatnet_model::probe::{Question, ask};
use k8s_openapi::api::core::v1::Node;
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;

use super::conversation::Conversation;
use crate::kind::peer::Peer;
use crate::{Cluster, Process, Target};
use crate::{Error, Result};
use flatnet_model::observations::{Denied, Endpoint, Forbidden, Observed};
use flatnet_model::snapshot::PodSnapshot;

/// Facts and files are read without any traffic.
pub const READ_WITHIN: Duration = Duration::from_secs(10);
/// A program that has just been started, on a machine that starts a thousand.
const STARTS_WITHIN: Duration = Duration::from_secs(60);
/// Probes that are started at the same time: a thousand at once would only wait for each other, longer than any of them may take.
const STARTS_AT_ONCE: usize = 64;
/// The port on which pods' probes answer. A pod's network namespace is its own, so it is free there; nodes and
/// hostNetwork pods let the kernel choose.
pub const POD_PORT: u16 = 7411;

/// Probes that run.
pub struct Fleet {
    probes: BTreeMap<Endpoint, Arc<Probe>>,
    /// Endpoints whose probe does not run, and why.
    pub lost: BTreeMap<Endpoint, String>,
    /// What the cluster does not allow, each refusal once.
    pub denied: Vec<Denied>,
    /// Where probes of pods answer; 0 lets the kernel choose.
    pod_port: u16,
}

/// One probe and how to reach its responders.
struct Probe {
    conversation: Mutex<Conversation>,
    port: u16,
}

impl Fleet {
    /// No probe runs: every question gets an error.
    pub(super) fn none() -> Self {
        Fleet {
            probes: BTreeMap::new(),
            lost: BTreeMap::new(),
            denied: Vec::new(),
            pod_port: POD_PORT,
        }
    }

    /// Starts a probe on every node, in every running pod and in the peer outside, side by side, and has them listen.
    ///
    /// # Errors
    /// When not one probe of a node or pod could be started.
    pub async fn start(
        cluster: Arc<dyn Cluster>,
        nodes: &[Node],
        pods: &[&PodSnapshot],
        outside: Option<Arc<Peer>>,
    ) -> Result<Fleet> {
        let mut fleet = Fleet::none();
        let refusal = fleet.join(cluster, nodes, pods, outside).await?;
        let is_inside = |endpoint: &Endpoint| !matches!(endpoint, Endpoint::Outside(_));
        if fleet.probes.keys().any(is_inside) {
            return Ok(fleet);
        }
        let first = fleet
            .lost
            .iter()
            .next()
            .map(|(at, why)| format!("{at}: {why}"))
            .unwrap_or_default();
        Err(refusal.unwrap_or_else(|| Error::Failed(format!("no probe could be started; {first}"))))
    }

    /// Starts a probe in each of these pods that other fleets do not disturb, which come and go meanwhile.
    ///
    /// # Errors
    /// When one of them could not be started.
    pub async fn beside(cluster: Arc<dyn Cluster>, pods: &[&PodSnapshot]) -> Result<Fleet> {
        let mut fleet = Fleet {
            pod_port: 0,
            ..Fleet::none()
        };
        let refusal = fleet.join(cluster, &[], pods, None).await?;
        match (refusal, fleet.lost.iter().next()) {
            (Some(refusal), _) => Err(refusal),
            (None, Some((at, why))) => Err(Error::Failed(format!(
                "no probe could be started in {at}: {why}"
            ))),
            (None, None) => Ok(fleet),
        }
    }

    /// Starts more probes, in the same way; returns the first refusal of the cluster, if there was one.
    ///
    /// # Errors
    /// Only what keeps all of them from being started.
    pub async fn join(
        &mut self,
        cluster: Arc<dyn Cluster>,
        nodes: &[Node],
        pods: &[&PodSnapshot],
        outside: Option<Arc<Peer>>,
    ) -> Result<Option<Error>> {
        let on_nodes = nodes.iter().map(|node| {
            let name = node.metadata.name.clone().unwrap_or_default();
            (Endpoint::Node(name.clone()), Target::Node(name), 0)
        });
        let in_pods = pods.iter().map(|pod| {
            (
                Endpoint::Pod(pod.reference.clone()),
                Target::Pod(pod.reference.clone()),
                if pod.host_network { 0 } else { self.pod_port },
            )
        });
        let mut starting = JoinSet::new();
        let turns = Arc::new(Semaphore::new(STARTS_AT_ONCE));
        for (endpoint, target, port) in on_nodes.chain(in_pods) {
            let (cluster, turns) = (Arc::clone(&cluster), Arc::clone(&turns));
            starting.spawn(async move {
                // It is never closed.
                let _turn = turns.acquire().await;
                let probe = launch(&*cluster, &target, &endpoint, port).await;
                (endpoint, probe)
            });
        }
        if let Some(peer) = outside {
            starting.spawn(async move {
                let endpoint = peer.endpoint();
                let probe = match peer.start_probe().await {
                    Ok(process) => Probe::listening(process, &endpoint, 0).await,
                    Err(e) => Err(e),
                };
                (endpoint, probe)
            });
        }
        let mut refusal = None;
        while let Some(started) = starting.join_next().await {
            match started.map_err(|e| Error::failed("start probes", e))? {
                (endpoint, Ok(probe)) => drop(self.probes.insert(endpoint, Arc::new(probe))),
                (endpoint, Err(e)) => {
                    self.lost.insert(endpoint.clone(), e.to_string());
                    if let Error::Denied { .. } = e {
                        self.refused(&endpoint, &e);
                        refusal.get_or_insert(e);
                    }
                }
            }
        }
        Ok(refusal)
    }

    /// Ends the probes of pods that are about to be deleted.
    pub fn leave(&mut self, pods: &[&PodSnapshot]) {
        for pod in pods {
            let endpoint = Endpoint::Pod(pod.reference.clone());
            self.probes.remove(&endpoint);
            self.lost.remove(&endpoint);
        }
    }

    /// Has every probe forget what it has received, for an observation after another one. Ends connections of streams.
    pub async fn start_over(&self) {
        let listen = self.probes.iter().map(|(endpoint, probe)| {
            let listen = ask::Listen {
                name: endpoint.to_string(),
                port: probe.port,
            };
            (endpoint.clone(), listen)
        });
        // One that does not answer says so to the next question.
        self.ask(listen.collect(), STARTS_WITHIN).await;
    }

    /// Remembers what was not allowed, once for all it is true of.
    fn refused(&mut self, endpoint: &Endpoint, error: &Error) {
        let (Error::Denied { what, rule, .. }, Some(who)) = (
            error,
            match endpoint {
                Endpoint::Node(_) => Some(Forbidden::Nodes),
                Endpoint::Pod(_) => Some(Forbidden::Pods),
                Endpoint::Outside(_) => None,
            },
        ) else {
            return;
        };
        let known = |denied: &Denied| denied.who == who && denied.rule == *rule;
        if !self.denied.iter().any(known) {
            self.denied.push(Denied {
                who,
                what: what.clone(),
                rule: rule.clone(),
            });
        }
    }

    /// The port on which an endpoint's probe answers.
    pub fn port(&self, endpoint: &Endpoint) -> Option<u16> {
        self.probes.get(endpoint).map(|probe| probe.port)
    }

    /// Puts one question to each endpoint named, all at once; an endpoint without a probe answers with its reason.
    pub async fn ask<Q: Question>(
        &self,
        questions: Vec<(Endpoint, Q)>,
        limit: Duration,
    ) -> Vec<(Endpoint, Observed<Q::Answer>)> {
        let mut asking = JoinSet::new();
        let mut answers = Vec::new();
        for (endpoint, question) in questions {
            match self.probes.get(&endpoint) {
                Some(probe) => {
                    let probe = Arc::clone(probe);
                    asking.spawn(async move {
                        let answer = probe.conversation.lock().await.ask(&question, limit).await;
                        (endpoint, answer)
                    });
                }
                None => {
                    let why = self.why_lost(&endpoint);
                    answers.push((endpoint, Err(why)));
                }
            }
        }
        answers.extend(asking.join_all().await);
        answers
    }

    /// Puts one question to one endpoint.
    pub async fn ask_one<Q: Question>(
        &self,
        endpoint: &Endpoint,
        question: &Q,
        limit: Duration,
    ) -> Observed<Q::Answer> {
        match self.probes.get(endpoint) {
            Some(probe) => probe.conversation.lock().await.ask(question, limit).await,
            None => Err(self.why_lost(endpoint)),
        }
    }

    fn why_lost(&self, endpoint: &Endpoint) -> String {
        let why = self.lost.get(endpoint).cloned();
        why.unwrap_or_else(|| "no probe runs there".to_owned())
    }

    /// Puts the same question to all.
    pub async fn ask_all<Q: Question>(
        &self,
        question: &Q,
        limit: Duration,
    ) -> Vec<(Endpoint, Observed<Q::Answer>)> {
        let everyone = self.probes.keys().chain(self.lost.keys());
        self.ask(
            everyone
                .map(|endpoint| (endpoint.clone(), question.clone()))
                .collect(),
            limit,
        )
        .await
    }
}

async fn launch(
    cluster: &dyn Cluster,
    target: &Target,
    endpoint: &Endpoint,
    port: u16,
) -> Result<Probe> {
    let path = cluster.place_probe(target).await?;
    let process = cluster.start(target, &[path]).await?;
    Probe::listening(process, endpoint, port).await
}

impl Probe {
    /// The probe that `process` is, once it listens as `endpoint`; port 0 lets the kernel choose.
    async fn listening(process: Process, endpoint: &Endpoint, port: u16) -> Result<Probe> {
        let mut conversation = Conversation::with(process);
        let listen = ask::Listen {
            name: endpoint.to_string(),
            port,
        };
        let listening = conversation.ask(&listen, STARTS_WITHIN).await;
        Ok(Probe {
            port: listening.map_err(Error::Failed)?.port,
            conversation: Mutex::new(conversation),
        })
    }
}
