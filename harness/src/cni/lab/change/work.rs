//! A configuration for a lab, carried out step by step.
use std::collections::BTreeMap;

use flatnet_agent::node::Node;
use flatnet_lab::LabSpec;
use flatnet_model::change::Step;

use super::config::Config;
use crate::cni::choice;
use crate::cni::lab::{conflist, flatnet};
use crate::{Error, Result};
use flatnet_cluster::lab::{AGENT, LabCluster};
use flatnet_cluster::status;
use flatnet_cluster::{Cluster, Target};

/// A lab and a configuration for it.
pub struct Work {
    lab: LabCluster,
    spec: LabSpec,
    config: Config,
    nodes: Vec<Node>,
}

impl Work {
    /// Reads the lab's nodes.
    ///
    /// # Errors
    /// A lab that does not answer.
    pub async fn new(lab: LabCluster, config: Config) -> Result<Self> {
        let spec = lab.info().await?.spec;
        let nodes = lab.nodes().await?;
        let as_agents_see = |node| status::node(node).map(Node::from);
        let nodes = nodes.iter().map(as_agents_see).collect::<Result<_>>()?;
        Ok(Work {
            lab,
            spec,
            config,
            nodes,
        })
    }

    /// Names of the nodes, in order.
    pub fn nodes(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.name.clone()).collect()
    }

    /// What is to be done on a node that has `from`.
    pub fn steps(&self, node: &str, from: &Config) -> Vec<Step> {
        let node = node.to_owned();
        let files = from.pod_cidrs != self.config.pod_cidrs
            || from.pod_network != self.config.pod_network
            || self.config.portmap.is_some()
            || self.config.wanted.plugin().is_some();
        let is_flatnet = self.config.is_flatnet();
        let written = (files || !is_flatnet || !from.is_flatnet())
            .then(|| Step::ConfigWritten { node: node.clone() });
        let agent = match (is_flatnet, from.is_flatnet()) {
            (true, _) => Some(Step::AgentRestarted { node }),
            (false, true) => Some(Step::AgentStopped { node }),
            (false, false) => None,
        };
        written.into_iter().chain(agent).collect()
    }

    /// Carries out one of the steps.
    ///
    /// # Errors
    /// [`Error::Input`] with the words of the CNI where it does not take the configuration.
    pub async fn carry_out(&mut self, step: &Step, from: &Config) -> Result<()> {
        match step {
            Step::ConfigWritten { node } => self.write_config(node).await,
            Step::AgentRestarted { node } => {
                let cni = self.flatnet();
                cni.start_agent(node).await?;
                cni.wait_ready(node).await?;
                match from.is_flatnet() {
                    true => Ok(()),
                    false => self.lab.remove_file(node, choice::CONFLIST).await,
                }
            }
            Step::AgentStopped { node } => {
                self.lab.stop_daemon(node, AGENT).await?;
                self.lab.remove_file(node, flatnet::CONFLIST).await
            }
            _ => Ok(()),
        }
    }

    /// The node gets its part of the ranges, of which all nodes hear, and its files.
    async fn write_config(&mut self, node: &str) -> Result<()> {
        let cidrs = self.config.pod_cidrs.get(node).cloned().unwrap_or_default();
        let mut moved = false;
        for known in self.nodes.iter_mut().filter(|known| known.name == node) {
            moved = known.pod_cidrs != cidrs;
            known.pod_cidrs.clone_from(&cidrs);
        }
        if moved {
            let labels = self.lab.info().await?.spec.labels;
            let of_node = BTreeMap::from([(node.to_owned(), cidrs)]);
            self.lab.record(labels, of_node).await?;
        }
        if !self.config.is_flatnet() {
            let cni = self.conflist()?;
            cni.write_routes().await?;
            let node = self.nodes.iter().find(|known| known.name == node);
            return match node {
                Some(node) => cni.write_config(node).await,
                None => Ok(()),
            };
        }
        let cni = self.flatnet();
        cni.write_config(node).await?;
        if moved {
            for other in self.nodes.iter().filter(|other| other.name != node) {
                cni.write_config(&other.name).await?;
            }
        }
        Ok(())
    }

    fn flatnet(&self) -> flatnet::OnLab {
        flatnet::OnLab {
            lab: self.lab.clone(),
            nodes: self.nodes.clone(),
            pod_network: self.config.pod_network.clone(),
            options: self.config.wanted.agent_options(),
            plugin: self.config.wanted.plugin(),
            portmap: self.config.portmap.clone(),
        }
    }

    fn conflist(&self) -> Result<conflist::OnLab> {
        let (text, plugins) = self
            .config
            .conflist
            .clone()
            .ok_or_else(|| Error::Failed(format!("{} has no conflist", self.config.wanted)))?;
        Ok(conflist::OnLab {
            lab: self.lab.clone(),
            nodes: self.nodes.clone(),
            name: self.config.wanted.name.clone(),
            text,
            plugins,
            spec: self.spec.clone(),
            mtu: self.config.wanted.mtu(),
        })
    }

    /// Whether each node's files would be in order; writes nothing.
    ///
    /// # Errors
    /// [`Error::Input`] for a conflist that does not parse with a node's values.
    pub fn check(&self) -> Result<()> {
        if self.config.is_flatnet() {
            return Ok(());
        }
        let cni = self.conflist()?;
        self.nodes
            .iter()
            .try_for_each(|node| cni.checked(node).map(drop))
    }

    /// Brings the configuration about on every node, from `other` or from anything between the two.
    ///
    /// # Errors
    /// What keeps a node from it.
    pub async fn bring_about(&mut self, other: &Config) -> Result<()> {
        for node in self.nodes() {
            self.write_config(&node).await?;
            for step in self.steps(&node, other) {
                if !matches!(step, Step::ConfigWritten { .. }) {
                    self.carry_out(&step, other).await?;
                }
            }
        }
        Ok(())
    }
}

/// Starts a pass of every agent at once, where the lab has agents.
///
/// # Errors
/// A lab that does not answer.
pub async fn hurry(lab: &LabCluster, config: &Config) -> Result<()> {
    let (true, Some(node)) = (config.is_flatnet(), config.pod_cidrs.keys().next()) else {
        return Ok(());
    };
    // Nodes of a lab share their processes.
    let script = format!(
        "for p in /proc/[0-9]*; do read -r name < $p/comm && [ \"$name\" = {AGENT} ] && kill -HUP ${{p#/proc/}}; done; true"
    );
    let argv = ["sh", "-c", &script].map(str::to_owned);
    let target = Target::Node(node.clone());
    lab.exec(&target, &argv, b"").await.map(drop)
}
