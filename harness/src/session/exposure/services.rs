//! Services for the run's pods.
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use flatnet_model::probe::Protocol;
use k8s_openapi::api::core::v1::{Pod, Service as Object};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Map, json};

use super::{address, ready};
use crate::{Error, Result};
use flatnet_cluster::kube::{KubeCluster, LABEL_RUN, denied};
use flatnet_cluster::observe::fleet::POD_PORT;
use flatnet_model::PodRef;
use flatnet_model::observations::Service;

const SHARED: &str = "flatnet-shared";
const SINGLE: &str = "flatnet-single";
const NODE_PORT: &str = "flatnet-node-port";
/// Label of the pods behind every service of the run.
const LABEL_SHARED: &str = "flatnet/backend";
/// Label of the one pod behind the service that has only one.
const LABEL_SINGLE: &str = "flatnet/single";
/// EndpointSlices follow pods within a second or two.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// The services of a run.
pub(super) struct Made {
    pub(super) shared: Service,
    pub(super) single: Service,
    pub(super) node_port: Service,
}

/// Makes them, and waits until their backends are ready.
pub(super) async fn make(cluster: &KubeCluster, backends: &[PodRef]) -> Result<Made> {
    let Some(first) = backends.first() else {
        return Err(Error::Failed(format!(
            "no pod of the pod network runs in namespace {}, so no service has a backend; see pod-ip-present",
            cluster.namespace()
        )));
    };
    for pod in backends {
        label(cluster, pod, pod == first).await?;
    }
    let shared = create(cluster, SHARED, LABEL_SHARED, "ClusterIP").await?;
    let single = create(cluster, SINGLE, LABEL_SINGLE, "ClusterIP").await?;
    let node_port = create(cluster, NODE_PORT, LABEL_SHARED, "NodePort").await?;
    let all = backends.len();
    let wanted = [(SHARED, all), (SINGLE, 1), (NODE_PORT, all)];
    let client = cluster.client();
    let mut ready = ready::backends(client, cluster.namespace(), &wanted, READY_WITHIN).await?;
    let mut with_backends = |object: Object| {
        let name = object.metadata.name.as_ref();
        let backends = name.and_then(|name| ready.remove(name)).unwrap_or_default();
        service(
            object,
            backends.into_iter().map(|backend| backend.pod).collect(),
        )
    };
    Ok(Made {
        shared: with_backends(shared)?,
        single: with_backends(single)?,
        node_port: with_backends(node_port)?,
    })
}

/// Services find pods by their labels; the pods run already.
async fn label(cluster: &KubeCluster, pod: &PodRef, single: bool) -> Result<()> {
    let mut labels = Map::from_iter([(LABEL_SHARED.to_owned(), json!("yes"))]);
    if single {
        labels.insert(LABEL_SINGLE.to_owned(), json!("yes"));
    }
    let pods: Api<Pod> = Api::namespaced(cluster.client().clone(), &pod.namespace);
    let patch = json!({ "metadata": { "labels": labels } });
    let patched = pods
        .patch(&pod.name, &PatchParams::default(), &Patch::Merge(&patch))
        .await;
    match patched {
        Ok(_) => Ok(()),
        Err(e) => Err(denied(&format!("label pod {pod}"), e)),
    }
}

async fn create(cluster: &KubeCluster, name: &str, backend: &str, kind: &str) -> Result<Object> {
    let doing = format!("create service {}/{name}", cluster.namespace());
    let labels = BTreeMap::from(cluster.labels());
    let port = |name: &str, protocol: &str| json!({ "name": name, "protocol": protocol, "port": POD_PORT, "targetPort": POD_PORT });
    let object = serde_json::from_value(json!({
        "metadata": { "name": name, "namespace": cluster.namespace(), "labels": labels },
        "spec": {
            "type": kind,
            "ipFamilyPolicy": "PreferDualStack",
            "selector": { LABEL_RUN: labels[LABEL_RUN], backend: "yes" },
            "ports": [port("tcp", "TCP"), port("udp", "UDP")],
        }
    }))
    .map_err(|e| Error::failed(&doing, e))?;
    let services: Api<Object> = Api::namespaced(cluster.client().clone(), cluster.namespace());
    let created = services.create(&PostParams::default(), &object).await;
    created.map_err(|e| denied(&doing, e))
}

fn service(object: Object, backends: Vec<PodRef>) -> Result<Service> {
    let name = object.metadata.name.unwrap_or_default();
    let spec = object.spec.unwrap_or_default();
    let addresses = spec.cluster_ips.unwrap_or_default();
    let ports = spec.ports.unwrap_or_default();
    let node_ports = ports.iter().filter_map(|port| {
        let protocol = match port.protocol.as_deref() {
            Some("UDP") => Protocol::Udp,
            _ => Protocol::Tcp,
        };
        Some((protocol, u16::try_from(port.node_port?).ok()?))
    });
    Ok(Service {
        addresses: addresses
            .iter()
            .map(|text| address(&format!("service {name}"), text))
            .collect::<Result<_>>()?,
        port: POD_PORT,
        node_ports: node_ports.collect(),
        backends,
        namespace: object.metadata.namespace.unwrap_or_default(),
        name,
    })
}

/// Addresses of a service that is there already.
pub(super) async fn addresses(client: &Client, namespace: &str, name: &str) -> Result<Vec<IpAddr>> {
    let services: Api<Object> = Api::namespaced(client.clone(), namespace);
    let doing = format!("read service {namespace}/{name}");
    let object = services.get(name).await.map_err(|e| denied(&doing, e))?;
    Ok(service(object, Vec::new())?.addresses)
}
