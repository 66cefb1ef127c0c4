//! What the API server knows of the network: ranges, and the DaemonSets that network the cluster.
use ipnet::IpNet;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, PodSpec};
use k8s_openapi::api::networking::v1::ServiceCIDR;
use kube::api::{ListParams, LogParams};
use kube::{Api, Client, ResourceExt};

use super::{daemon_sets, denied, pods, ranges};
use crate::Result;
use flatnet_model::observations::{AgentSet, Availability, Observed};
use flatnet_model::view::{AddOnAgent, ApiObjects, ConfigFile};

/// The container of weave's pods whose log shows its options.
const WEAVE: &str = "weave";
/// The options come first; the rest of the log may be long, bytes.
const LOG_BEGINNING: i64 = 16 * 1024;

pub(super) async fn look(client: &Client) -> ApiObjects {
    let (kubeadm, service_cidrs, agents) =
        tokio::join!(ranges::read(client), service_cidrs(client), agents(client));
    ApiObjects {
        kubeadm: kubeadm.into(),
        service_cidrs,
        agents: agents.into(),
    }
}

/// ServiceCIDR objects, which Kubernetes has from 1.33 on (networking.k8s.io/v1).
async fn service_cidrs(client: &Client) -> Availability<Vec<(String, Vec<IpNet>)>> {
    let all: Api<ServiceCIDR> = Api::all(client.clone());
    match all.list(&ListParams::default()).await {
        Ok(list) => Availability::Found(
            list.items
                .iter()
                .map(|object| {
                    let cidrs = object
                        .spec
                        .iter()
                        .flat_map(|spec| spec.cidrs.iter().flatten());
                    (
                        object.name_any(),
                        cidrs.filter_map(|net| net.parse().ok()).collect(),
                    )
                })
                .collect(),
        ),
        Err(kube::Error::Api(status)) if status.code == 404 => Availability::Absent {
            why: "this API server has no ServiceCIDR objects: it is older than Kubernetes 1.33"
                .to_owned(),
        },
        Err(e) => Err(denied("list ServiceCIDRs", e)).into(),
    }
}

async fn agents(client: &Client) -> Result<Vec<AddOnAgent>> {
    let mut looks = Vec::new();
    for set in daemon_sets::sets(client).await? {
        let api: Api<DaemonSet> = Api::namespaced(client.clone(), &set.namespace);
        let doing = format!("get DaemonSet {}/{}", set.namespace, set.name);
        let object = api.get(&set.name).await.map_err(|e| denied(&doing, e))?;
        let spec = object
            .spec
            .and_then(|spec| spec.template.spec)
            .unwrap_or_default();
        looks.push(AddOnAgent {
            images: spec
                .containers
                .iter()
                .filter_map(|c| c.image.clone())
                .collect(),
            config: config(client, &set.namespace, &spec).await.into(),
            weave_log: weave_log(client, &set, &spec).await,
            set,
        });
    }
    Ok(looks)
}

async fn config(client: &Client, namespace: &str, spec: &PodSpec) -> Result<Vec<ConfigFile>> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let mut files = Vec::new();
    let volumes = spec.volumes.iter().flatten();
    for name in volumes.filter_map(|volume| Some(&volume.config_map.as_ref()?.name)) {
        let doing = format!("get ConfigMap {namespace}/{name}");
        let map = api.get_opt(name).await.map_err(|e| denied(&doing, e))?;
        let data = map.and_then(|map| map.data).unwrap_or_default();
        files.extend(data.into_iter().map(|(key, text)| ConfigFile {
            namespace: namespace.to_owned(),
            map: name.clone(),
            key,
            text,
        }));
    }
    Ok(files)
}

async fn weave_log(
    client: &Client,
    set: &AgentSet,
    spec: &PodSpec,
) -> Option<Observed<(String, String)>> {
    spec.containers
        .iter()
        .find(|container| container.name == WEAVE)?;
    let pod = set.pods.iter().find(|pod| pod.ready)?;
    let api: Api<Pod> = Api::namespaced(client.clone(), &set.namespace);
    let beginning = LogParams {
        container: Some(WEAVE.to_owned()),
        limit_bytes: Some(LOG_BEGINNING),
        ..LogParams::default()
    };
    let doing = format!("read the log of pod {}/{}", set.namespace, pod.name);
    let log = pods::log(&api, &pod.name, &beginning).await;
    Some(
        log.map(|text| (pod.name.clone(), text))
            .map_err(|e| denied(&doing, e).to_string()),
    )
}
