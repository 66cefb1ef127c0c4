//! The record of a change in its cluster: the ConfigMap `kube-system/flatnet-change`.
use std::collections::BTreeMap;

use flatnet_model::change::Step;
use flatnet_model::cni::RECORD_NAMESPACE;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::config::Config;
use crate::cni::kind::snapshot::Snapshot;
use crate::{Error, Result};
use flatnet_cluster::kube::{FIELD_MANAGER, LABEL_APP, delete, denied};

/// Its name.
const NAME: &str = "flatnet-change";
/// The key of a change that is under way: [`Pending`], JSON.
const PENDING: &str = "pending";
/// The key of one sentence about a change that was undone.
const UNFINISHED: &str = "unfinished";

/// A change that is under way, or whose process was killed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pending {
    /// What the cluster had.
    pub from: Config,
    /// What it is to get.
    pub to: Config,
    /// How far it has come.
    pub step: Step,
    /// Each node before it.
    pub(super) nodes: BTreeMap<String, Snapshot>,
    /// The folders that were looked at there.
    pub(super) paths: Vec<String>,
}

impl Pending {
    /// Of a cluster whose change was not finished.
    ///
    /// # Errors
    /// A cluster that does not answer.
    pub async fn read(client: &Client) -> Result<Option<Self>> {
        let data = read(client).await?;
        let Some(text) = data.get(PENDING) else {
            return Ok(None);
        };
        let doing = format!("read ConfigMap {RECORD_NAMESPACE}/{NAME}");
        let pending = serde_json::from_str(text).map_err(|e| Error::failed(doing, e))?;
        Ok(Some(pending))
    }

    /// Notes in the cluster that the change has come to its step.
    pub(super) async fn note(&self, client: &Client) -> Result<()> {
        let text =
            serde_json::to_string(self).map_err(|e| Error::failed("write a change's record", e))?;
        write(client, PENDING, text).await
    }

    pub(super) fn words(&self) -> String {
        self.from.wanted.unfinished(&self.to.wanted, &self.step)
    }
}

/// What the next command on a cluster should say of a change that was not finished.
///
/// # Errors
/// A cluster that does not answer.
pub async fn unfinished(client: &Client, cluster: &str) -> Result<Option<String>> {
    if let Some(pending) = Pending::read(client).await? {
        return Ok(Some(format!(
            "{}; its nodes have either of the two or parts of both; to put {} back: flatnet change --cluster {cluster} --to {1}",
            pending.words(),
            pending.from.wanted
        )));
    }
    Ok(read(client).await?.remove(UNFINISHED))
}

/// Notes that a change which was undone has been told.
///
/// # Errors
/// A cluster that does not answer.
pub async fn told(client: &Client) -> Result<()> {
    match Pending::read(client).await? {
        Some(_) => Ok(()),
        None => settle(client, None).await,
    }
}

/// Notes that no change is under way, and what is to be told of the last one.
pub(super) async fn settle(client: &Client, unfinished: Option<String>) -> Result<()> {
    match unfinished {
        Some(words) => write(client, UNFINISHED, words).await,
        None => {
            let doing = format!("delete ConfigMap {RECORD_NAMESPACE}/{NAME}");
            delete(&api(client), NAME, &DeleteParams::default(), &doing).await?;
            Ok(())
        }
    }
}

async fn read(client: &Client) -> Result<BTreeMap<String, String>> {
    let doing = format!("read ConfigMap {RECORD_NAMESPACE}/{NAME}");
    let map = api(client).get_opt(NAME).await;
    let map = map.map_err(|e| denied(&doing, e))?;
    Ok(map.and_then(|map| map.data).unwrap_or_default())
}

async fn write(client: &Client, key: &str, text: String) -> Result<()> {
    let doing = format!("write ConfigMap {RECORD_NAMESPACE}/{NAME}");
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": NAME, "namespace": RECORD_NAMESPACE, "labels": { LABEL_APP: FIELD_MANAGER } },
        "data": { key: text },
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    api(client)
        .patch(NAME, &params, &Patch::Apply(map))
        .await
        .map_err(|e| denied(&doing, e))?;
    Ok(())
}

fn api(client: &Client) -> Api<ConfigMap> {
    Api::namespaced(client.clone(), RECORD_NAMESPACE)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};

    use http::{Method, Request, Response, StatusCode};
    use kube::client::Body;
    use serde_json::Value;

    use super::*;

    /// An API that keeps one object.
    fn api_with_memory() -> Client {
        let kept: Arc<Mutex<Option<Value>>> = Arc::default();
        let answer = move |request: Request<Body>| {
            let kept = Arc::clone(&kept);
            async move {
                let method = request.method().clone();
                let sent = request.into_body().collect_bytes().await.unwrap();
                let mut kept = kept.lock().unwrap();
                match method {
                    Method::PATCH => *kept = Some(serde_json::from_slice(&sent).unwrap()),
                    Method::DELETE => *kept = None,
                    _ => {}
                }
                let missing = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "not found", "reason": "NotFound", "code": 404 });
                let is_gone = method == Method::GET && kept.is_none();
                let status = if is_gone {
                    StatusCode::NOT_FOUND
                } else {
                    StatusCode::OK
                };
                let body = kept.clone().unwrap_or(missing).to_string();
                let response = Response::builder().status(status);
                Ok::<_, Infallible>(response.body(Body::from(body.into_bytes())).unwrap())
            }
        };
        Client::new(tower::service_fn(answer), "default")
    }

    fn config(text: &str) -> Config {
        let wanted = json!({ "wanted": { "name": text, "options": {} }, "manifest": "" });
        serde_json::from_value(wanted).unwrap()
    }

    #[tokio::test]
    async fn a_change_is_told_until_it_is_settled_and_once_after_it_was_undone() {
        let client = api_with_memory();
        assert_eq!(unfinished(&client, "demo").await.unwrap(), None);
        let pending = Pending {
            from: config("flatnet"),
            to: config("flannel"),
            step: Step::CniRemoved,
            nodes: BTreeMap::from([("worker".to_owned(), Snapshot::parse("== links\n- cni0\n"))]),
            paths: Vec::new(),
        };
        pending.note(&client).await.unwrap();
        let read = Pending::read(&client).await.unwrap().unwrap();
        assert_eq!((&read.nodes, &read.step), (&pending.nodes, &pending.step));
        // To tell it changes nothing: it is still under way.
        for _ in 0..2 {
            let words = unfinished(&client, "demo").await.unwrap().unwrap();
            assert!(words.starts_with("a change from flatnet to flannel was not finished: it ended at the step \"former CNI removed\""), "{words}");
            assert!(
                words.ends_with("flatnet change --cluster demo --to flatnet"),
                "{words}"
            );
            told(&client).await.unwrap();
        }
        settle(&client, Some("it is undone".to_owned()))
            .await
            .unwrap();
        assert!(Pending::read(&client).await.unwrap().is_none());
        let words = unfinished(&client, "demo").await.unwrap();
        assert_eq!(words.as_deref(), Some("it is undone"));
        told(&client).await.unwrap();
        assert_eq!(unfinished(&client, "demo").await.unwrap(), None);
    }
}
