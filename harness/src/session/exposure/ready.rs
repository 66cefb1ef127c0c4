//! Waits, by watching, until pods are ready behind services.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::ListParams;
use kube::core::Expression;
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Api, Client, ResourceExt};

use crate::Result;
use flatnet_cluster::PodRef;
use flatnet_cluster::kube::denied;
use flatnet_cluster::kube::services::{SERVICE_NAME, is_ready};
use flatnet_model::observations::Backend;

/// A cluster whose nodes have just become Ready starts its DNS server only now.
const DNS_WITHIN: Duration = Duration::from_secs(90);

/// The ready pods of each service; returns once each has as many as are wanted, or `limit` has passed.
pub(super) async fn backends(
    client: &Client,
    namespace: &str,
    wanted: &[(&str, usize)],
    limit: Duration,
) -> Result<BTreeMap<String, Vec<Backend>>> {
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), namespace);
    let names = wanted.iter().map(|(name, _)| (*name).to_owned()).collect();
    let selector = Expression::In(SERVICE_NAME.to_owned(), names).into();
    // A forbidden watch is retried forever; a list reports it.
    let doing = format!("list EndpointSlices in namespace {namespace}");
    let list = slices
        .list(&ListParams::default().labels_from(&selector))
        .await;
    list.map_err(|e| denied(&doing, e))?;
    let enough = |ready: &Ready| {
        wanted
            .iter()
            .all(|(name, many)| ready.get(*name).is_some_and(|pods| pods.len() >= *many))
    };
    let (seen, writer) = reflector::store();
    let changes = watcher(slices, watcher::Config::default().labels_from(&selector));
    let mut changes = changes.default_backoff().reflect(writer).boxed();
    let watch = async { while !enough(&ready(&seen.state())) && changes.next().await.is_some() {} };
    // A timeout is not an error: the checks judge what is ready.
    let _ = tokio::time::timeout(limit, watch).await;
    let ready = ready(&seen.state()).into_iter();
    Ok(ready
        .map(|(service, pods)| {
            let pods = pods.into_iter().map(|(pod, node)| Backend {
                pod: PodRef::new(namespace, pod),
                node,
            });
            (service, pods.collect())
        })
        .collect())
}

/// The pods that are ready behind the DNS service, which has the name `kube-dns` whatever serves (Kubernetes, DNS for Services
/// and Pods, specification section 2.1).
pub(super) async fn dns(client: &Client) -> Result<Vec<Backend>> {
    let mut ready = backends(client, "kube-system", &[("kube-dns", 1)], DNS_WITHIN).await?;
    Ok(ready.remove("kube-dns").unwrap_or_default())
}

/// Pods that are ready behind each service, with their nodes.
type Ready = BTreeMap<String, BTreeMap<String, Option<String>>>;

fn ready(slices: &[Arc<EndpointSlice>]) -> Ready {
    let mut ready = Ready::new();
    for slice in slices {
        let Some(service) = slice.labels().get(SERVICE_NAME) else {
            continue;
        };
        let pods = ready.entry(service.clone()).or_default();
        for endpoint in &slice.endpoints {
            if is_ready(endpoint) {
                let target = endpoint.target_ref.as_ref();
                let pod = target.and_then(|target| target.name.clone());
                pods.extend(pod.map(|pod| (pod, endpoint.node_name.clone())));
            }
        }
    }
    ready
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::{Value, json};

    use super::*;

    fn slice(name: &str, endpoints: &Value) -> Value {
        json!({
            "addressType": "IPv4", "endpoints": endpoints,
            "metadata": { "name": name, "namespace": "n", "labels": { SERVICE_NAME: "s" } },
        })
    }

    /// Of a service with three pods, of which `a` and `c` are ready.
    fn slices() -> [Value; 2] {
        let v4 = json!([
            { "addresses": ["10.0.0.1"], "conditions": { "ready": true }, "targetRef": { "name": "a" }, "nodeName": "n1" },
            { "addresses": ["10.0.0.2"], "conditions": { "ready": false }, "targetRef": { "name": "b" } },
        ]);
        let v6 = json!([
            { "addresses": ["fd00::1"], "targetRef": { "name": "a" }, "nodeName": "n1" },
            { "addresses": ["fd00::3"], "conditions": {}, "targetRef": { "name": "c" } },
        ]);
        [slice("v4", &v4), slice("v6", &v6)]
    }

    #[test]
    fn only_ready_pods_count_each_once() {
        let slices = slices().map(|slice| Arc::new(serde_json::from_value(slice).unwrap()));
        let pods = ready(&slices).remove("s").unwrap();
        let node = Some("n1".to_owned());
        assert_eq!(
            pods,
            [("a".to_owned(), node), ("c".to_owned(), None)].into()
        );
    }

    /// An API with these slices, which never change.
    fn api() -> Client {
        let answer = |request: Request<Body>| async move {
            let query = request.uri().query().unwrap_or_default();
            assert!(query.contains("labelSelector=kubernetes.io%2Fservice-name+in+%28s%29"));
            if query.contains("watch=true") {
                std::future::pending::<()>().await;
            }
            let list = json!({ "metadata": { "resourceVersion": "1" }, "items": slices() });
            Ok::<_, Infallible>(Response::new(Body::from(list.to_string().into_bytes())))
        };
        Client::new(tower::service_fn(answer), "default")
    }

    #[tokio::test]
    async fn the_wait_ends_with_enough_pods_or_with_its_time() {
        let pods = [("a", Some("n1".to_owned())), ("c", None)].map(|(pod, node)| Backend {
            pod: PodRef::new("n", pod),
            node,
        });
        let ready = BTreeMap::from([("s".to_owned(), Vec::from(pods))]);
        for (wanted, limit) in [(2, Duration::from_secs(60)), (3, Duration::from_secs(1))] {
            let begun = std::time::Instant::now();
            let seen = backends(&api(), "n", &[("s", wanted)], limit).await;
            assert_eq!(seen.unwrap(), ready);
            assert!(
                wanted == 2 || begun.elapsed() >= limit,
                "it did not wait for the third"
            );
            assert!(begun.elapsed() < Duration::from_secs(30));
        }
    }
}
