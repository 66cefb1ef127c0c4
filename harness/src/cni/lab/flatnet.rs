//! Our own CNI on the lab: one agent a node, which installs the plugin and keeps the way to the other nodes.
use async_trait::async_trait;
use flatnet_agent::node::{Node, NodesFile};
use flatnet_lab::spec::PROGRAMS_DIR;
use ipnet::IpNet;

use crate::cni::{Cni, Trouble};
use crate::events::Observer;
use crate::{Error, Result};
use flatnet_cluster::lab::{AGENT, LabCluster};

/// Where the agents find the list of nodes.
const NODES_FILE: &str = "/run/flatnet/nodes.json";

/// flatnet on a lab.
pub(in crate::cni) struct OnLab {
    pub(in crate::cni) lab: LabCluster,
    pub(in crate::cni) nodes: Vec<Node>,
    pub(in crate::cni) pod_network: Vec<IpNet>,
    pub(in crate::cni) backend: String,
}

#[async_trait]
impl Cni for OnLab {
    fn name(&self) -> &str {
        "flatnet"
    }

    async fn install(&self, _observer: &Observer) -> Result<()> {
        let file = NodesFile {
            pod_network: self.pod_network.clone(),
            nodes: self.nodes.clone(),
        };
        let text = serde_json::to_vec_pretty(&file)
            .map_err(|e| Error::failed("write the nodes file", e))?;
        for node in &self.nodes {
            let argv: Vec<String> = [
                &format!("{PROGRAMS_DIR}/{AGENT}"),
                "--node",
                &node.name,
                "--nodes-file",
                NODES_FILE,
                "--backend",
                &self.backend,
                "--install-plugin",
                &format!("{PROGRAMS_DIR}/flatnet-cni"),
            ]
            .map(str::to_owned)
            .to_vec();
            self.lab
                .write_file(&node.name, NODES_FILE, text.clone())
                .await?;
            self.lab.start_daemon(&node.name, AGENT, argv).await?;
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
