//! Any Kubernetes objects of a YAML file: applied server-side, asked about, deleted again.
use std::collections::BTreeSet;

use super::FIELD_MANAGER;
use super::answer::{self, denied};
use crate::manifest::{self, Seen};
use crate::{Error, Result};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PropagationPolicy};
use kube::core::GroupVersionKind;
use kube::discovery::{self, ApiResource, Scope};
use kube::{Api, Client, ResourceExt};

/// The objects of one manifest, in its order.
#[derive(Clone, Debug)]
pub struct Objects {
    origin: String,
    list: Vec<DynamicObject>,
}

impl Objects {
    /// Reads every document of `text`; `List`s are unpacked. `origin` is the name that errors show.
    ///
    /// # Errors
    /// [`Error::Input`]: not YAML (with the line), a document that is not a Kubernetes object, none at all, an
    /// object that stands there twice.
    pub fn parse(origin: &str, text: &str) -> Result<Objects> {
        let bad = |detail: String| Error::Input(format!("manifest {origin}: {detail}"));
        let mut list = Vec::new();
        let mut seen = Seen::default();
        for document in manifest::documents(text) {
            let (number, value) = document.map_err(bad)?;
            let items = match (
                value.get("kind").and_then(|k| k.as_str()),
                value.get("items"),
            ) {
                (Some("List"), Some(items)) => items.as_sequence().cloned().unwrap_or_default(),
                _ => vec![value],
            };
            for item in items {
                let object: DynamicObject = serde_yaml::from_value(item).map_err(|e| {
                    bad(format!("document {number} is not a Kubernetes object: {e}"))
                })?;
                let Some(types) = &object.types else {
                    return Err(bad(format!("document {number} has no apiVersion and kind")));
                };
                if object.metadata.name.as_deref().unwrap_or("").is_empty() {
                    return Err(bad(format!("document {number} has no metadata.name")));
                }
                let called = format!("{} {}", types.api_version, title(&object));
                seen.once(called, number).map_err(bad)?;
                list.push(object);
            }
        }
        if list.is_empty() {
            return Err(bad("it contains no object".to_owned()));
        }
        Ok(Objects {
            origin: origin.to_owned(),
            list,
        })
    }

    /// The objects.
    pub fn iter(&self) -> impl Iterator<Item = &DynamicObject> {
        self.list.iter()
    }

    /// The objects, to be changed before they are applied.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut DynamicObject> {
        self.list.iter_mut()
    }

    /// As YAML documents.
    ///
    /// # Errors
    /// When an object cannot be written as YAML.
    pub fn to_yaml(&self) -> Result<String> {
        let mut text = String::new();
        for object in &self.list {
            text.push_str("---\n");
            text.push_str(
                &serde_yaml::to_string(object).map_err(|e| Error::failed("write YAML", e))?,
            );
        }
        Ok(text)
    }

    /// The DaemonSets among them.
    pub fn daemon_sets(&self) -> Vec<DaemonSet> {
        let sets = self.list.iter().filter(|object| is(object, "DaemonSet"));
        sets.filter_map(|object| {
            serde_json::to_value(object)
                .and_then(serde_json::from_value)
                .ok()
        })
        .collect()
    }

    /// Every image that their pods name, init containers included.
    pub fn images(&self) -> BTreeSet<String> {
        let sets = self.daemon_sets();
        let pods = sets
            .iter()
            .filter_map(|set| set.spec.as_ref()?.template.spec.as_ref());
        pods.flat_map(|pod| pod.init_containers.iter().flatten().chain(&pod.containers))
            .filter_map(|container| container.image.clone())
            .collect()
    }

    /// Applies every object in order, server-side; fields that others set are taken over.
    ///
    /// # Errors
    /// What the API refuses, with the object's name.
    pub async fn apply(&self, client: &Client) -> Result<()> {
        let params = PatchParams::apply(FIELD_MANAGER).force();
        for object in &self.list {
            let doing = format!("{}: apply {}", self.origin, title(object));
            let api = api_of(client, object)
                .await
                .map_err(|e| denied(&doing, e))?
                .ok_or_else(|| {
                    Error::Input(format!("{doing}: this cluster serves no such kind"))
                })?;
            api.patch(&object.name_any(), &params, &Patch::Apply(object))
                .await
                .map_err(|e| denied(&doing, e))?;
        }
        Ok(())
    }

    /// The objects of these that are there, as the cluster has them, without what it adds by itself.
    ///
    /// # Errors
    /// When the API cannot be asked.
    pub async fn live(&self, client: &Client) -> Result<Objects> {
        let mut list = Vec::new();
        for object in &self.list {
            let Some(mut there) = self.there(client, object).await? else {
                continue;
            };
            there.types.clone_from(&object.types);
            there.metadata = ObjectMeta {
                name: there.metadata.name,
                namespace: there.metadata.namespace,
                labels: there.metadata.labels,
                annotations: there.metadata.annotations,
                ..ObjectMeta::default()
            };
            if let Some(data) = there.data.as_object_mut() {
                data.remove("status");
            }
            list.push(there);
        }
        Ok(Objects {
            origin: self.origin.clone(),
            list,
        })
    }

    /// Those that `other` does not have; none where it has all of them.
    pub fn without(&self, other: &Objects) -> Option<Objects> {
        let has = |object: &&DynamicObject| {
            let mut others = other.list.iter();
            !others.any(|one| group(one) == group(object) && title(one) == title(object))
        };
        let list: Vec<DynamicObject> = self.list.iter().filter(has).cloned().collect();
        (!list.is_empty()).then(|| Objects {
            origin: self.origin.clone(),
            list,
        })
    }

    /// Deletes every object, last first, and waits for none: see [`Objects::remaining`]. Objects that are gone already are fine.
    ///
    /// # Errors
    /// What the API refuses.
    pub async fn delete(&self, client: &Client) -> Result<()> {
        let params = DeleteParams {
            propagation_policy: Some(PropagationPolicy::Background),
            ..DeleteParams::default()
        };
        for object in self.list.iter().rev() {
            let doing = format!("{}: delete {}", self.origin, title(object));
            let Some(api) = api_of(client, object)
                .await
                .map_err(|e| denied(&doing, e))?
            else {
                continue;
            };
            answer::delete(&api, &object.name_any(), &params, &doing).await?;
        }
        Ok(())
    }

    /// The objects that are still there, in words.
    ///
    /// # Errors
    /// When the API cannot be asked.
    pub async fn remaining(&self, client: &Client) -> Result<Vec<String>> {
        let mut left = Vec::new();
        for object in &self.list {
            if self.there(client, object).await?.is_some() {
                left.push(title(object));
            }
        }
        Ok(left)
    }

    /// The object as the cluster has it, if it does.
    async fn there(
        &self,
        client: &Client,
        object: &DynamicObject,
    ) -> Result<Option<DynamicObject>> {
        let doing = format!("{}: get {}", self.origin, title(object));
        let api = api_of(client, object).await;
        let Some(api) = api.map_err(|e| denied(&doing, e))? else {
            return Ok(None);
        };
        let there = api.get_opt(&object.name_any()).await;
        there.map_err(|e| denied(&doing, e))
    }
}

/// Whether the object is of that kind.
pub fn is(object: &DynamicObject, kind: &str) -> bool {
    object.types.as_ref().is_some_and(|t| t.kind == kind)
}

/// The API group, which versions of a kind share.
fn group(object: &DynamicObject) -> &str {
    let version = object.types.as_ref().map_or("", |t| t.api_version.as_str());
    version.split_once('/').map_or("", |(group, _)| group)
}

fn title(object: &DynamicObject) -> String {
    let kind = object.types.as_ref().map_or("object", |t| t.kind.as_str());
    match &object.metadata.namespace {
        Some(namespace) => format!("{kind} {namespace}/{}", object.name_any()),
        None => format!("{kind} {}", object.name_any()),
    }
}

/// The API of the object's kind; nothing where the cluster serves no such kind.
async fn api_of(
    client: &Client,
    object: &DynamicObject,
) -> std::result::Result<Option<Api<DynamicObject>>, kube::Error> {
    let Some(types) = &object.types else {
        return Ok(None);
    };
    let Ok(kind) = GroupVersionKind::try_from(types) else {
        return Ok(None);
    };
    let (resource, capabilities): (ApiResource, _) =
        match discovery::pinned_kind(client, &kind).await {
            Ok(found) => found,
            Err(kube::Error::Discovery(_)) => return Ok(None),
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(None),
            Err(e) => return Err(e),
        };
    Ok(Some(match capabilities.scope {
        Scope::Cluster => Api::all_with(client.clone(), &resource),
        Scope::Namespaced => Api::namespaced_with(
            client.clone(),
            object.metadata.namespace.as_deref().unwrap_or("default"),
            &resource,
        ),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_and_lists_are_read_in_order() {
        let objects = Objects::parse(
            "f",
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\n---\napiVersion: v1\nkind: List\nitems:\n- apiVersion: apps/v1\n  kind: DaemonSet\n  metadata: {name: d, namespace: a}\n  spec: {selector: {}, template: {spec: {initContainers: [{name: i, image: one}], containers: [{name: c, image: two}]}}}\n",
        )
        .unwrap();
        assert_eq!(objects.list.len(), 2);
        assert_eq!(
            objects.images().into_iter().collect::<Vec<_>>(),
            ["one", "two"]
        );
        let again = Objects::parse("f", &objects.to_yaml().unwrap()).unwrap();
        assert_eq!(again.list, objects.list);
    }

    #[test]
    fn objects_that_another_manifest_has_too_are_left_out() {
        let object = |version: &str, kind: &str, name: &str| {
            format!(
                "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}, namespace: n}}\n---\n"
            )
        };
        let parse = |texts: &[String]| Objects::parse("f", &texts.concat()).unwrap();
        let (map, set) = (
            object("v1", "ConfigMap", "a"),
            object("apps/v1", "DaemonSet", "a"),
        );
        let first = parse(&[map.clone(), set.clone()]);
        let second = parse(&[
            object("apps/v1beta2", "DaemonSet", "a"),
            object("v1", "ConfigMap", "b"),
        ]);
        let left = first.without(&second).unwrap();
        assert_eq!(left.list, parse(&[map]).list);
        assert!(first.without(&first).is_none());
    }

    #[test]
    fn what_is_not_an_object_is_reported_with_its_place() {
        let error = |text: &str| Objects::parse("f.yaml", text).unwrap_err().to_string();
        assert!(error("a: [\n").contains("manifest f.yaml: not YAML"));
        assert!(error("a: b\n").contains("document 1"), "{}", error("a: b"));
        assert!(error("apiVersion: v1\nkind: Pod\nmetadata: {}\n").contains("no metadata.name"));
        assert!(error("# nothing\n").contains("no object"));
        let twice =
            "apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: n}\n---\n".repeat(2);
        assert!(
            error(&twice).contains("v1 Service n/s stands twice, in documents 1 and 2"),
            "{}",
            error(&twice)
        );
        assert!(error("just text").contains("document 1 is not a Kubernetes object"));
    }
}
