//! Planting on a real cluster, and taking it back: such a cluster may be used again.
use std::net::IpAddr;
use std::time::Duration;

use flatnet_model::probe::Protocol;
use flatnet_model::snapshot::NodeSnapshot;
use k8s_openapi::api::apps::v1::{DaemonSet, DaemonSetUpdateStrategy};
use k8s_openapi::api::core::v1::Affinity;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use crate::{Error, Result};
use flatnet_cluster::exposed::Exposed;
use flatnet_cluster::kind::peer::Peer;
use flatnet_cluster::kube::{KubeCluster, daemon_sets, denied};
use flatnet_cluster::limit::until_gone;
use flatnet_cluster::{Cluster, Target};
use flatnet_model::observations::Service;

/// How long the DaemonSet's controller may take to remove a pod.
const AGENT_GONE_WITHIN: Duration = Duration::from_secs(60);
/// How often a write that conflicts with another is retried.
const TRIES: usize = 5;

/// What there is to break.
pub struct ClusterContext<'a> {
    nodes: Vec<NodeSnapshot>,
    /// What was made for those who use the cluster.
    pub(super) exposed: &'a Exposed,
}

/// One step of planting.
pub(super) enum Step {
    /// A command on a node, and the one that takes it back.
    Command {
        /// The node.
        node: String,
        /// Plants.
        plant: Vec<String>,
        /// Takes it back.
        undo: Vec<String>,
    },
    /// The network agent's pod goes from a node and stays away.
    KeepAgentOff {
        /// The node.
        node: String,
    },
}

/// A fault that was planted on a cluster.
pub struct Planted {
    cluster: KubeCluster,
    fault: &'static str,
    undo: Vec<Undo>,
}

enum Undo {
    Command { node: String, argv: Vec<String> },
    Agent(Box<AgentSpec>),
}

/// What a DaemonSet was like.
struct AgentSpec {
    namespace: String,
    name: String,
    affinity: Option<Affinity>,
    strategy: Option<DaemonSetUpdateStrategy>,
}

impl Planted {
    /// Plants every step; what was planted before one that fails is taken back.
    pub(super) async fn plant(
        cluster: &KubeCluster,
        fault: &'static str,
        exposed: &Exposed,
        steps: fn(&ClusterContext<'_>) -> Result<Vec<Step>>,
    ) -> Result<Planted> {
        let nodes = cluster.nodes().await?;
        let context = ClusterContext {
            nodes: nodes
                .iter()
                .map(flatnet_cluster::status::node)
                .collect::<Result<_>>()?,
            exposed,
        };
        let mut planted = Planted {
            cluster: cluster.clone(),
            fault,
            undo: Vec::new(),
        };
        for step in steps(&context)? {
            if let Err(e) = planted.step(step).await {
                // What failed matters more than what cannot be taken back either.
                let _ = planted.undo().await;
                return Err(e);
            }
        }
        Ok(planted)
    }

    async fn step(&mut self, step: Step) -> Result<()> {
        match step {
            Step::Command { node, plant, undo } => {
                command(&self.cluster, &node, &plant).await?;
                self.undo.push(Undo::Command { node, argv: undo });
            }
            Step::KeepAgentOff { node } => {
                let before = keep_agent_off(&self.cluster, &node).await?;
                self.undo.push(Undo::Agent(Box::new(before)));
                wait_without_agent(&self.cluster, &node).await?;
            }
        }
        Ok(())
    }

    /// Takes it back, the last step first; every step is tried.
    ///
    /// # Errors
    /// The first that could not be taken back.
    pub async fn undo(&self) -> Result<()> {
        let mut outcome = Ok(());
        for undo in self.undo.iter().rev() {
            let done = match undo {
                Undo::Command { node, argv } => command(&self.cluster, node, argv).await,
                Undo::Agent(before) => {
                    let restore = |set: &mut DaemonSet| before.restore(set);
                    change(&self.cluster, &before.namespace, &before.name, restore).await
                }
            };
            outcome = outcome.and(done);
        }
        outcome.map_err(|e| Error::failed(format!("undo fault {}", self.fault), e))
    }

    /// What a person does who was left with it.
    pub fn stays(&self) -> String {
        let steps = self.undo.iter().rev().map(|undo| match undo {
            Undo::Command { node, argv } => format!("flatnet exec {node} -- {}", argv.join(" ")),
            Undo::Agent(before) => format!(
                "kubectl -n {} edit daemonset {} (spec.template.spec.affinity, spec.updateStrategy)",
                before.namespace, before.name
            ),
        });
        format!(
            "fault {} is still planted; to undo it: {}",
            self.fault,
            steps.collect::<Vec<_>>().join("; ")
        )
    }
}

impl ClusterContext<'_> {
    /// The node whose name ends so.
    pub(super) fn node(&self, end: &str) -> Result<&str> {
        let names = || self.nodes.iter().map(|node| node.name.as_str());
        names().find(|name| name.ends_with(end)).ok_or_else(|| {
            Error::Input(format!(
                "there is no node …{end} to plant a fault on; the nodes are {}",
                names().collect::<Vec<_>>().join(", ")
            ))
        })
    }

    /// The first other node.
    pub(super) fn another(&self, node: &str) -> Result<&str> {
        let mut others = self.nodes.iter().filter(|other| other.name != node);
        others
            .next()
            .map(|other| other.name.as_str())
            .ok_or_else(|| Error::Input(format!("{node} is the only node")))
    }

    pub(super) fn addresses(&self, node: &str) -> &[IpAddr] {
        let node = self.nodes.iter().find(|known| known.name == node);
        node.map_or(&[], |node| &node.internal_ips)
    }

    /// A node's address of the family of `like`.
    pub(super) fn address(&self, node: &str, like: IpAddr) -> Result<IpAddr> {
        let mut fit = self
            .addresses(node)
            .iter()
            .filter(|address| address.is_ipv4() == like.is_ipv4());
        fit.next()
            .copied()
            .ok_or_else(|| Error::Failed(format!("{node} has no address of the family of {like}")))
    }

    pub(super) fn services(&self) -> Result<&[Service; 2]> {
        let services = self.exposed.services.found();
        services.ok_or_else(|| Error::Failed("no service was made, see service".to_owned()))
    }

    pub(super) fn host_port(&self) -> Result<u16> {
        let made = self.exposed.host_ports.found();
        made.map(|made| made.port)
            .ok_or_else(|| Error::Failed("no hostPort was taken, see hostport".to_owned()))
    }

    pub(super) fn node_port(&self, protocol: Protocol) -> Result<u16> {
        let service = self.exposed.node_port.found();
        service
            .and_then(|service| service.node_ports.get(&protocol).copied())
            .ok_or_else(|| Error::Failed("no service has a node port, see nodeport".to_owned()))
    }

    /// The addresses of the peer outside that are of a family the node has: the peer may have both where the cluster has one.
    pub(super) fn peer_in_reach(&self, node: &str) -> Result<Vec<&IpAddr>> {
        let peer: Option<&Peer> = self.exposed.outside.found().map(AsRef::as_ref);
        let peer =
            peer.ok_or_else(|| Error::Failed("there is no peer outside, see egress".to_owned()))?;
        let reachable = |address: &&IpAddr| self.address(node, **address).is_ok();
        let reached: Vec<&IpAddr> = peer.addresses.iter().filter(reachable).collect();
        if reached.is_empty() {
            return Err(Error::Failed(format!(
                "{node} has no address of a family of the peer outside"
            )));
        }
        Ok(reached)
    }
}

async fn command(cluster: &KubeCluster, node: &str, argv: &[String]) -> Result<()> {
    let done = cluster
        .exec(&Target::Node(node.to_owned()), argv, &[])
        .await?;
    if done.code == 0 {
        return Ok(());
    }
    Err(Error::Failed(format!(
        "{} on {node} ended with exit code {}: {}",
        argv.join(" "),
        done.code,
        done.stderr.trim()
    )))
}

/// Changes the first network agent's DaemonSet so that it does without `node`, and so that its other pods stay as they are.
async fn keep_agent_off(cluster: &KubeCluster, node: &str) -> Result<AgentSpec> {
    let sets = daemon_sets::sets(cluster.client()).await?;
    let set = sets.first().ok_or_else(|| {
        Error::Input(
            "--plant agent-missing: no DaemonSet networks this cluster; choose a --cni that has one"
                .to_owned(),
        )
    })?;
    let affinity: Affinity = serde_json::from_value(json!({ "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [{
            "matchExpressions": [{ "key": "kubernetes.io/hostname", "operator": "NotIn", "values": [node] }] }] } } }))
    .map_err(|e| Error::failed("write an affinity", e))?;
    let mut before = AgentSpec {
        namespace: set.namespace.clone(),
        name: set.name.clone(),
        affinity: None,
        strategy: None,
    };
    change(cluster, &set.namespace, &set.name, |set| {
        let Some(spec) = set.spec.as_mut() else {
            return;
        };
        before.strategy = spec.update_strategy.replace(DaemonSetUpdateStrategy {
            type_: Some("OnDelete".to_owned()),
            rolling_update: None,
        });
        if let Some(pod) = spec.template.spec.as_mut() {
            before.affinity = pod.affinity.replace(affinity.clone());
        }
    })
    .await?;
    Ok(before)
}

impl AgentSpec {
    fn restore(&self, set: &mut DaemonSet) {
        if let Some(spec) = set.spec.as_mut() {
            spec.update_strategy = self.strategy.clone();
            if let Some(pod) = spec.template.spec.as_mut() {
                pod.affinity = self.affinity.clone();
            }
        }
    }
}

/// Reads, changes and writes a DaemonSet; again after a conflicting write.
async fn change(
    cluster: &KubeCluster,
    namespace: &str,
    name: &str,
    mut with: impl FnMut(&mut DaemonSet),
) -> Result<()> {
    let sets: Api<DaemonSet> = Api::namespaced(cluster.client().clone(), namespace);
    let doing = format!("change DaemonSet {namespace}/{name}");
    let mut tries = 1;
    loop {
        let mut set = sets.get(name).await.map_err(|e| denied(&doing, e))?;
        with(&mut set);
        match sets.replace(name, &PostParams::default(), &set).await {
            Ok(_) => return Ok(()),
            Err(kube::Error::Api(status)) if status.code == 409 && tries < TRIES => tries += 1,
            Err(e) => return Err(denied(&doing, e)),
        }
    }
}

async fn wait_without_agent(cluster: &KubeCluster, node: &str) -> Result<()> {
    let look = || async {
        let sets = daemon_sets::sets(cluster.client()).await?;
        let pods = sets.into_iter().take(1).flat_map(|set| set.pods);
        Ok(pods.filter(|pod| pod.node == node).collect())
    };
    until_gone(AGENT_GONE_WITHIN, look, |_| {
        format!("the network agent's pod is still on {node} after {AGENT_GONE_WITHIN:?}")
    })
    .await
}
