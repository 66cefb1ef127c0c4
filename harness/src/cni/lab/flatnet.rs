//! Our own CNI on the lab: one agent a node, which installs the plugin and keeps the way to the other nodes.
use std::path::PathBuf;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use flatnet_agent::node::{Node, NodesFile};
use flatnet_lab::spec::PROGRAMS_DIR;
use ipnet::IpNet;

use super::programs;
use crate::cni::{Cni, Trouble};
use crate::events::Observer;
use crate::{Error, Result};
use flatnet_cluster::lab::{AGENT, LabCluster};
use flatnet_cluster::{Cluster, Target};

/// Where the agents find the list of nodes.
const NODES_FILE: &str = "/run/flatnet/nodes.json";
/// Where an agent says whether its node can network pods.
const READY_SOCKET: &str = "/run/flatnet/agent.sock";
/// Where a plugin program is put that is to be installed in place of flatnet's own.
const OTHER_PLUGIN: &str = "/run/flatnet-cni";
/// The conflist that the agent writes.
pub(super) const CONFLIST: &str = "/etc/cni/net.d/10-flatnet.conflist";

/// How long an agent may take for its first pass.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// Between two looks at that.
const PAUSE: Duration = Duration::from_millis(20);

/// flatnet on a lab.
pub(in crate::cni) struct OnLab {
    pub(in crate::cni) lab: LabCluster,
    pub(in crate::cni) nodes: Vec<Node>,
    pub(in crate::cni) pod_network: Vec<IpNet>,
    /// The agent's, besides those that every lab's agents have.
    pub(in crate::cni) options: Vec<String>,
    /// A plugin program of this machine to install in place of flatnet's own.
    pub(in crate::cni) plugin: Option<PathBuf>,
    /// The `portmap` of this machine, where it is to be installed.
    pub(in crate::cni) portmap: Option<PathBuf>,
}

impl OnLab {
    /// What the agent of `node` reads and installs.
    pub(super) async fn write_config(&self, node: &str) -> Result<()> {
        if let Some(portmap) = &self.portmap {
            programs::install(&self.lab, node, "portmap", portmap).await?;
        }
        if let Some(plugin) = &self.plugin {
            let content = programs::read(plugin)?;
            let path = OTHER_PLUGIN;
            self.lab.write_program(node, path, content).await?;
        }
        let file = NodesFile {
            pod_network: self.pod_network.clone(),
            nodes: self.nodes.clone(),
        };
        let text = serde_json::to_vec_pretty(&file)
            .map_err(|e| Error::failed("write the nodes file", e))?;
        self.lab.write_file(node, NODES_FILE, text).await
    }

    /// Starts the agent of `node`; one that runs is ended first.
    pub(super) async fn start_agent(&self, node: &str) -> Result<()> {
        let plugin = match &self.plugin {
            Some(_) => OTHER_PLUGIN.to_owned(),
            None => format!("{PROGRAMS_DIR}/flatnet-cni"),
        };
        let fixed = [
            &format!("{PROGRAMS_DIR}/{AGENT}"),
            "--node",
            node,
            "--nodes-file",
            NODES_FILE,
            "--ready-socket",
            READY_SOCKET,
            "--install-plugin",
            &plugin,
        ];
        let mut argv = fixed.map(str::to_owned).to_vec();
        argv.extend(self.options.iter().cloned());
        self.lab.start_daemon(node, AGENT, argv).await
    }

    /// Waits until the agent of `node` has brought about what it was started with.
    ///
    /// # Errors
    /// [`Error::Input`] with the agent's words where it ends, or its node cannot network pods.
    pub(super) async fn wait_ready(&self, node: &str) -> Result<()> {
        let program = format!("{PROGRAMS_DIR}/{AGENT}");
        let ask = [&program, "ready", READY_SOCKET].map(str::to_owned);
        let (target, begun) = (Target::Node(node.to_owned()), Instant::now());
        loop {
            let done = self.lab.exec(&target, &ask, b"").await?;
            if done.code == 0 {
                return Ok(());
            }
            let (log, ended) = self.lab.daemon_log(node, AGENT).await?;
            if ended.is_some() || begun.elapsed() > READY_WITHIN {
                let said = log.trim().lines().last().unwrap_or("nothing").to_owned();
                return Err(Error::Input(format!(
                    "the agent of {node} does not make its node ready: {said}"
                )));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[async_trait]
impl Cni for OnLab {
    fn name(&self) -> &str {
        "flatnet"
    }

    async fn install(&self, _observer: &Observer) -> Result<()> {
        for node in &self.nodes {
            self.write_config(&node.name).await?;
            self.start_agent(&node.name).await?;
        }
        Ok(())
    }

    async fn trouble(&self) -> Result<Option<Trouble>> {
        let mut words = Vec::new();
        for node in &self.nodes {
            let (log, ended) = self.lab.daemon_log(&node.name, AGENT).await?;
            if let Some(code) = ended {
                let what = format!(
                    "the agent of {} ended with exit code {code}: {}",
                    node.name,
                    log.trim()
                );
                return Ok(Some(Trouble {
                    what,
                    fatal: true,
                    ..Trouble::default()
                }));
            }
            words.extend(
                log.lines()
                    .last()
                    .map(|line| format!("the agent of {} says: {line}", node.name)),
            );
        }
        Ok((!words.is_empty()).then(|| Trouble {
            what: words.join("; "),
            fatal: false,
            ..Trouble::default()
        }))
    }
}
