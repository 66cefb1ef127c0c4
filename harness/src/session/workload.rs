//! The pods of a run: the user's, or copies of the shipped manifest spread over the nodes there are.
use k8s_openapi::api::core::v1::Pod;

use crate::config::RunArgs;
use crate::{Error, Result};
use flatnet_cluster::manifest;
use flatnet_model::naming;

/// Above this many pods in all, a node gets as few as still make pairs on one node; every pod is one exec, every ordered pair a
/// dial.
const MANY: usize = 300;

/// What to deploy.
#[derive(Clone, Debug)]
pub enum Workload {
    /// So many copies on each node, and one hostNetwork pod a node on top.
    Shipped {
        /// Copies; nothing: three, or two where there are many nodes.
        per_node: Option<u16>,
    },
    /// The user's pods, as they are.
    Manifest {
        /// The file.
        origin: String,
        /// In its order.
        pods: Vec<Pod>,
    },
}

impl Workload {
    /// Reads what `--manifest` names.
    ///
    /// # Errors
    /// [`Error::Input`] as [`manifest::read`].
    pub fn choose(args: &RunArgs) -> Result<Self> {
        match &args.manifest {
            None => Ok(Workload::Shipped {
                per_node: args.pods_per_node,
            }),
            Some(path) => Ok(Workload::Manifest {
                origin: path.display().to_string(),
                pods: manifest::read(path)?,
            }),
        }
    }

    /// The pods for `nodes`, in the order of their creation. A manifest's `node1`, `node2`, … stand for the first node, the
    /// second, … of any cluster; everything else must be a node's name.
    ///
    /// # Errors
    /// [`Error::Input`] names the pod whose node there is not.
    pub fn place(&self, nodes: &[String], namespace: &str) -> Result<Vec<Pod>> {
        let mut pods = match self {
            Workload::Shipped { per_node } => {
                let per_node = per_node
                    .map_or_else(|| if nodes.len() * 3 > MANY { 2 } else { 3 }, usize::from);
                spread(nodes, per_node)?
            }
            Workload::Manifest { origin, pods } => pods
                .iter()
                .map(|pod| pinned(pod, nodes, origin))
                .collect::<Result<Vec<_>>>()?,
        };
        for pod in &mut pods {
            pod.metadata
                .namespace
                .get_or_insert_with(|| namespace.to_owned());
        }
        Ok(pods)
    }
}

/// Round-robin over the nodes, then one hostNetwork pod a node.
fn spread(nodes: &[String], per_node: usize) -> Result<Vec<Pod>> {
    let template = manifest::parse("manifests/busybox.yaml", manifest::BUSYBOX)?.remove(0);
    let copy = |name: String, node: &str, host_network: bool| {
        let mut pod = template.clone();
        pod.metadata.name = Some(name);
        if let Some(spec) = pod.spec.as_mut() {
            spec.node_name = Some(node.to_owned());
            spec.host_network = host_network.then_some(true);
        }
        pod
    };
    let round = nodes.iter().cycle().take(nodes.len() * per_node);
    let spread = round
        .enumerate()
        .map(|(i, node)| copy(format!("busybox-{}", i + 1), node, false));
    let host = nodes
        .iter()
        .enumerate()
        .map(|(i, node)| copy(format!("busybox-host-{}", i + 1), node, true));
    Ok(spread.chain(host).collect())
}

fn pinned(pod: &Pod, nodes: &[String], origin: &str) -> Result<Pod> {
    let mut pod = pod.clone();
    let name = pod.metadata.name.clone().unwrap_or_default();
    let Some(spec) = pod.spec.as_mut() else {
        return Ok(pod);
    };
    let wanted = spec.node_name.clone().unwrap_or_default();
    match naming::node(&wanted, nodes) {
        Some(node) => {
            spec.node_name = Some(node.clone());
            Ok(pod)
        }
        None => Err(Error::Input(format!(
            "manifest {origin}: pod {name:?}: spec.nodeName {wanted:?} is not a node of the cluster; choose one of {}",
            nodes.join(", ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(n: usize) -> Vec<String> {
        (1..=n).map(|i| format!("n{i}")).collect()
    }

    #[test]
    fn pods_go_round_and_each_node_has_a_host_network_pod() {
        let workload = Workload::Shipped { per_node: Some(2) };
        let pods = workload.place(&names(2), "ns").unwrap();
        let seen: Vec<_> = pods
            .iter()
            .map(|p| {
                let spec = p.spec.as_ref().unwrap();
                assert_eq!(p.metadata.namespace.as_deref(), Some("ns"));
                (
                    p.metadata.name.as_deref().unwrap(),
                    spec.node_name.as_deref().unwrap(),
                    spec.host_network == Some(true),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("busybox-1", "n1", false),
                ("busybox-2", "n2", false),
                ("busybox-3", "n1", false),
                ("busybox-4", "n2", false),
                ("busybox-host-1", "n1", true),
                ("busybox-host-2", "n2", true),
            ]
        );
    }

    #[test]
    fn many_nodes_get_fewer_pods_each() {
        let workload = Workload::Shipped { per_node: None };
        assert_eq!(workload.place(&names(3), "ns").unwrap().len(), 12);
        assert_eq!(workload.place(&names(200), "ns").unwrap().len(), 600);
    }

    #[test]
    fn a_manifest_may_count_nodes() {
        let text = |node: &str| {
            format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {{nodeName: {node}, containers: []}}\n"
            )
        };
        let place = |node: &str| {
            let pods = manifest::parse("f.yaml", &text(node)).unwrap();
            let workload = Workload::Manifest {
                origin: "f.yaml".to_owned(),
                pods,
            };
            workload.place(&names(2), "ns")
        };
        let on = |node: &str| place(node).unwrap()[0].spec.clone().unwrap().node_name;
        assert_eq!(on("node2").as_deref(), Some("n2"));
        assert_eq!(on("n1").as_deref(), Some("n1"));
        assert_eq!(
            place("node3").unwrap_err().to_string(),
            "manifest f.yaml: pod \"p\": spec.nodeName \"node3\" is not a node of the cluster; choose one of n1, n2"
        );
    }
}
