//! What a cluster records of its CNI: enough for any later run to remove it.
use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;

use super::snapshot::{self, Snapshot};
use crate::cni::Given;
use crate::{Error, Result};
use flatnet_cluster::kube::objects::Objects;
use flatnet_cluster::kube::{FIELD_MANAGER, LABEL_APP, delete, denied};
use flatnet_model::cni::{RECORD_KEY_CNI, RECORD_KEY_MANIFEST, RECORD_NAME, RECORD_NAMESPACE};

/// The record, kept as the ConfigMap `kube-system/flatnet-cni`.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// What was asked for.
    pub(super) given: Given,
    /// What was applied, YAML.
    pub(super) manifest: String,
    /// The paths on nodes, besides the usual ones, that were looked at before that.
    pub(super) paths: Vec<String>,
    /// Each node before that.
    pub(super) nodes: BTreeMap<String, Snapshot>,
}

impl Record {
    pub(super) fn new(
        given: Given,
        objects: &Objects,
        nodes: BTreeMap<String, Snapshot>,
    ) -> Result<Self> {
        Ok(Record {
            given,
            manifest: objects.to_yaml()?,
            paths: snapshot::host_paths(objects),
            nodes,
        })
    }

    /// With what is asked for and applied now. Of another CNI, nodes may keep what the former one left: its folders are still looked at.
    pub(super) fn with(self, given: Given, objects: &Objects) -> Result<Self> {
        let mut paths = self.paths;
        paths.extend(snapshot::host_paths(objects));
        paths.sort();
        paths.dedup();
        Ok(Record {
            given,
            manifest: objects.to_yaml()?,
            paths,
            nodes: self.nodes,
        })
    }

    pub(super) async fn read(client: &Client) -> Result<Option<Self>> {
        let doing = format!("read ConfigMap {RECORD_NAMESPACE}/{RECORD_NAME}");
        let map = api(client)
            .get_opt(RECORD_NAME)
            .await
            .map_err(|e| denied(&doing, e))?;
        let Some(mut data) = map.and_then(|map| map.data) else {
            return Ok(None);
        };
        let backend = data.remove("backend");
        let options = data.remove("options").unwrap_or_else(|| "{}".to_owned());
        // Records of earlier versions have none: then only the usual places are cleaned.
        let paths = data.remove("paths").unwrap_or_else(|| "[]".to_owned());
        let mut field = |key: &str| {
            data.remove(key).ok_or_else(|| {
                Error::Failed(format!(
                    "{doing}: it has no {key:?}; delete it and the CNI it describes by hand"
                ))
            })
        };
        let nodes = field("nodes")?;
        Ok(Some(Record {
            given: Given {
                name: field(RECORD_KEY_CNI)?,
                backend,
                options: serde_json::from_str(&options).map_err(|e| Error::failed(&doing, e))?,
            },
            manifest: field(RECORD_KEY_MANIFEST)?,
            paths: serde_json::from_str(&paths).map_err(|e| Error::failed(&doing, e))?,
            nodes: serde_json::from_str(&nodes).map_err(|e| Error::failed(&doing, e))?,
        }))
    }

    pub(super) async fn write(&self, client: &Client) -> Result<()> {
        let doing = format!("write ConfigMap {RECORD_NAMESPACE}/{RECORD_NAME}");
        let nodes = serde_json::to_string(&self.nodes).map_err(|e| Error::failed(&doing, e))?;
        let paths = serde_json::to_string(&self.paths).map_err(|e| Error::failed(&doing, e))?;
        let Given {
            name,
            backend,
            options,
        } = &self.given;
        let options = serde_json::to_string(options).map_err(|e| Error::failed(&doing, e))?;
        let mut data = json!({ RECORD_KEY_CNI: name, RECORD_KEY_MANIFEST: self.manifest, "options": options, "paths": paths, "nodes": nodes });
        if let Some(backend) = backend {
            data["backend"] = json!(backend);
        }
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": RECORD_NAME, "namespace": RECORD_NAMESPACE, "labels": { LABEL_APP: FIELD_MANAGER } },
            "data": data,
        });
        let params = PatchParams::apply(FIELD_MANAGER).force();
        api(client)
            .patch(RECORD_NAME, &params, &Patch::Apply(map))
            .await
            .map_err(|e| denied(&doing, e))?;
        Ok(())
    }

    pub(super) async fn delete(client: &Client) -> Result<()> {
        let doing = format!("delete ConfigMap {RECORD_NAMESPACE}/{RECORD_NAME}");
        delete(&api(client), RECORD_NAME, &DeleteParams::default(), &doing).await?;
        Ok(())
    }
}

fn api(client: &Client) -> Api<ConfigMap> {
    Api::namespaced(client.clone(), RECORD_NAMESPACE)
}
