//! One pod a node that takes a port of its node.
use flatnet_cluster::exposed::PortPods;
use flatnet_cluster::status::{self, pod_ref};
use std::time::Duration;

use k8s_openapi::api::core::v1::{ContainerPort, Pod};
use tokio::task::JoinSet;

use crate::{Error, Result};
use flatnet_cluster::kube::KubeCluster;
use flatnet_cluster::observe::fleet::POD_PORT;
use flatnet_cluster::{Cluster, manifest};

/// hostPorts of runs: below the usual range of NodePorts (30000) and of ports the kernel gives out (32768).
const FIRST_PORT: u16 = 20_000;
const PORTS: u32 = 10_000;

/// Makes them and waits until each runs or cannot, or `limit` has passed.
pub(super) async fn make(
    cluster: &KubeCluster,
    nodes: &[String],
    limit: Duration,
) -> Result<PortPods> {
    let port = port_of(cluster.labels()[1].1);
    let mut waits = JoinSet::new();
    for (index, node) in nodes.iter().enumerate() {
        let pod = object(cluster, &format!("busybox-port-{}", index + 1), node, port)?;
        cluster.create_pod(&pod).await?;
        let (cluster, name) = (cluster.clone(), pod_ref(&pod));
        waits.spawn(async move { (index, cluster.wait_pod(&name, limit).await) });
    }
    let mut pods = Vec::new();
    for (index, pod) in waits.join_all().await {
        pods.push((index, status::pod(&pod?)?));
    }
    pods.sort_by_key(|(index, _)| *index);
    Ok(PortPods {
        port,
        pods: pods.into_iter().map(|(_, pod)| pod).collect(),
    })
}

/// A port for a run: two runs on one cluster should not want the same.
fn port_of(run: &str) -> u16 {
    let number = u32::from_str_radix(run, 16).unwrap_or_default();
    // Below 10 000.
    FIRST_PORT + (number % PORTS) as u16
}

fn object(cluster: &KubeCluster, name: &str, node: &str, port: u16) -> Result<Pod> {
    let mut pod = manifest::parse("manifests/busybox.yaml", manifest::BUSYBOX)?.remove(0);
    pod.metadata.name = Some(name.to_owned());
    pod.metadata.namespace = Some(cluster.namespace().to_owned());
    let none = || Error::Failed("manifests/busybox.yaml has no container".to_owned());
    let spec = pod.spec.as_mut().ok_or_else(none)?;
    spec.node_name = Some(node.to_owned());
    let container = spec.containers.first_mut().ok_or_else(none)?;
    container.ports = Some(
        ["TCP", "UDP"]
            .map(|protocol| ContainerPort {
                container_port: POD_PORT.into(),
                host_port: Some(port.into()),
                protocol: Some(protocol.to_owned()),
                ..ContainerPort::default()
            })
            .into(),
    );
    Ok(pod)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runs_port_is_its_own_and_in_range() {
        assert_eq!(port_of("000000"), 20_000);
        assert_ne!(port_of("0a1b2c"), port_of("0a1b2d"));
        assert!(port_of("ffffff") < 30_000);
    }
}
