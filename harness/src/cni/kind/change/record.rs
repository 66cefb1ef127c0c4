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
        format!(
            "a change from {} to {} was not finished: it ended at the step \"{}\"",
            self.from.wanted,
            self.to.wanted,
            self.step.words()
        )
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
