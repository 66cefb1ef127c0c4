//! Any conflist on the lab: programs, the file, and plain routes between nodes, which some real CNIs leave to the cloud.
use std::net::IpAddr;
use std::path::Path;

use async_trait::async_trait;
use flatnet_agent::node::Node;
use flatnet_lab::spec::PROGRAMS_DIR;
use flatnet_lab::{Change, LabSpec, LabTarget, Underlay};
use ipnet::IpNet;
use serde_json::json;

use super::programs;
use crate::cni::choice::{CONFLIST, Plugins, Values};
use crate::cni::{Cni, Trouble};
use crate::events::Observer;
use crate::{Error, Result};
use flatnet_cluster::lab::LabCluster;
use flatnet_cluster::{Cluster, Target};
use flatnet_model::cni::NetworkList;

/// A conflist on a lab.
pub(in crate::cni) struct OnLab {
    pub(in crate::cni) lab: LabCluster,
    pub(in crate::cni) nodes: Vec<Node>,
    pub(in crate::cni) name: String,
    pub(in crate::cni) text: String,
    pub(in crate::cni) plugins: Plugins,
    pub(in crate::cni) spec: LabSpec,
    /// `${MTU}`, where it is not the underlay's.
    pub(in crate::cni) mtu: Option<u32>,
}

impl OnLab {
    fn render(&self, node: &Node) -> String {
        let cidr = |v4: bool| {
            node.pod_cidrs
                .iter()
                .find(|c| c.addr().is_ipv4() == v4)
                .map(IpNet::to_string)
                .unwrap_or_default()
        };
        let ranges: Vec<_> = node
            .pod_cidrs
            .iter()
            .map(|cidr| json!([{ "subnet": cidr }]))
            .collect();
        let values = Values {
            pod_cidr: cidr(true),
            pod_cidr6: cidr(false),
            ranges: json!(ranges).to_string(),
            mtu: self.mtu.unwrap_or(self.spec.mtu),
            node_name: node.name.clone(),
            node_ip: node
                .addresses
                .first()
                .map(IpAddr::to_string)
                .unwrap_or_default(),
        };
        values.fill(&self.text)
    }

    /// Changes that give every node a plain route to every other node's pods.
    fn routes(&self) -> Vec<(LabTarget, Vec<Change>)> {
        let route = |dst: IpNet, gateway: IpAddr, dev: &str| Change::ReplaceRoute {
            dst,
            gateway: Some(gateway),
            dev: dev.to_owned(),
            onlink: false,
        };
        // (podCIDR, the node's address of that family)
        let ways = |node: &Node| -> Vec<(IpNet, IpAddr)> {
            let same = |cidr: &IpNet| {
                node.addresses
                    .iter()
                    .find(|a| a.is_ipv4() == cidr.addr().is_ipv4())
            };
            node.pod_cidrs
                .iter()
                .filter_map(|cidr| Some((*cidr, *same(cidr)?)))
                .collect()
        };
        let mut changes = Vec::new();
        for (index, node) in self.nodes.iter().enumerate() {
            let routers = self.spec.routers(index);
            let others = self
                .nodes
                .iter()
                .filter(|other| other.name != node.name)
                .flat_map(ways);
            let mine: Vec<Change> = others
                .filter_map(|(cidr, way)| {
                    let hop = match self.spec.underlay {
                        Underlay::L2 => way,
                        Underlay::Routed => {
                            *routers.iter().find(|r| r.is_ipv4() == way.is_ipv4())?
                        }
                    };
                    Some(route(cidr, hop, "eth0"))
                })
                .collect();
            changes.push((LabTarget::Node(node.name.clone()), mine));
        }
        if self.spec.underlay == Underlay::Routed {
            let on_wire = self.nodes.iter().flat_map(|node| {
                let dev = LabSpec::wire_port(&node.name);
                ways(node)
                    .into_iter()
                    .map(move |(cidr, way)| route(cidr, way, &dev))
                    .collect::<Vec<_>>()
            });
            changes.push((LabTarget::Wire, on_wire.collect()));
        }
        changes
    }

    /// Routes to the pods of other nodes, on every node and what joins them.
    pub(super) async fn write_routes(&self) -> Result<()> {
        for (place, changes) in self.routes() {
            self.lab.change(place, changes).await?;
        }
        Ok(())
    }

    /// Plugins, then the conflist that names them.
    pub(super) async fn write_config(&self, node: &Node) -> Result<()> {
        let text = self.checked(node)?;
        self.bring_plugins(&node.name).await?;
        self.lab
            .write_file(&node.name, CONFLIST, text.into_bytes())
            .await
    }

    /// The conflist of a node, which parses.
    ///
    /// # Errors
    /// [`Error::Input`] otherwise.
    pub(super) fn checked(&self, node: &Node) -> Result<String> {
        let text = self.render(node);
        NetworkList::parse(text.as_bytes(), Path::new(CONFLIST)).map_err(|e| {
            Error::Input(format!(
                "--cni {}: with the values of {} filled in: {e}",
                self.name, node.name
            ))
        })?;
        Ok(text)
    }

    /// Links to programs that the lab shows; others are copied.
    async fn bring_plugins(&self, node: &str) -> Result<()> {
        let shown = |plugin: &str| self.spec.programs.iter().any(|(name, _)| name == plugin);
        for (plugin, path) in self.plugins.paths().filter(|(plugin, _)| !shown(plugin)) {
            programs::install(&self.lab, node, plugin, path).await?;
        }
        let links = self.plugins.names().filter(|plugin| shown(plugin));
        let links: Vec<String> = links
            .map(|plugin| format!("{PROGRAMS_DIR}/{plugin}"))
            .collect();
        if links.is_empty() {
            return Ok(());
        }
        let mut link = vec!["ln".to_owned(), "-sf".to_owned()];
        link.extend(links);
        link.push("/opt/cni/bin/".to_owned());
        let target = Target::Node(node.to_owned());
        let done = self.lab.exec(&target, &link, b"").await?;
        if done.code != 0 {
            return Err(Error::Failed(format!(
                "link the plugins into /opt/cni/bin of {node}: {}",
                done.stderr.trim()
            )));
        }
        Ok(())
    }
}

#[async_trait]
impl Cni for OnLab {
    fn name(&self) -> &str {
        &self.name
    }

    async fn install(&self, _observer: &Observer) -> Result<()> {
        self.write_routes().await?;
        for node in &self.nodes {
            self.write_config(node).await?;
        }
        Ok(())
    }

    async fn trouble(&self) -> Result<Option<Trouble>> {
        Ok(None)
    }
}
