//! Pod manifests: the file a person would `kubectl apply`. Also what every manifest has: documents, and no object twice.
use std::collections::BTreeMap;
use std::path::Path;

use k8s_openapi::api::core::v1::Pod;
use serde::Deserialize;
use serde_yaml::Value;

use crate::{Error, Result, input};

/// The manifest that ships with flatnet.
pub const BUSYBOX: &str = include_str!("../../../manifests/busybox.yaml");

/// Reads every Pod of a YAML file.
///
/// # Errors
/// [`Error::Input`] names the file, the line, and what is wrong: not readable, not YAML, not a Pod, no name, no node, a
/// Pod that stands there twice.
pub fn read(path: &Path) -> Result<Vec<Pod>> {
    let text = input::text(path).map_err(|e| {
        Error::Input(format!(
            "manifest {}: {e}; name a readable YAML file of Pods",
            path.display()
        ))
    })?;
    parse(&path.display().to_string(), &text)
}

/// The pods of `text`; `origin` is the name that errors show.
///
/// # Errors
/// As [`read`].
pub fn parse(origin: &str, text: &str) -> Result<Vec<Pod>> {
    let bad = |detail: String| Error::Input(format!("manifest {origin}: {detail}"));
    let mut pods = Vec::new();
    let mut seen = Seen::default();
    for document in documents(text) {
        let (number, value) = document.map_err(bad)?;
        match (
            value.get("apiVersion").and_then(|v| v.as_str()),
            value.get("kind").and_then(|v| v.as_str()),
        ) {
            (Some("v1"), Some("Pod")) => {}
            (version, kind) => {
                return Err(bad(format!(
                    "document {number} is {}/{}, expected v1/Pod",
                    version.unwrap_or("(no apiVersion)"),
                    kind.unwrap_or("(no kind)")
                )));
            }
        }
        let pod: Pod = serde_yaml::from_value(value)
            .map_err(|e| bad(format!("document {number} is not a valid Pod: {e}")))?;
        let name = pod.metadata.name.clone().unwrap_or_default();
        if name.is_empty() {
            return Err(bad(format!("document {number} has no metadata.name")));
        }
        if pod
            .spec
            .as_ref()
            .is_none_or(|spec| spec.node_name.as_deref().unwrap_or("").is_empty())
        {
            return Err(bad(format!(
                "pod {name:?} has no spec.nodeName; flatnet pins every pod to a node"
            )));
        }
        // As kubectl has it: without a namespace, it is for the default one.
        let namespace = pod.metadata.namespace.as_deref().unwrap_or("default");
        seen.once(format!("{namespace}/{name}"), number)
            .map_err(bad)?;
        pods.push(pod);
    }
    if pods.is_empty() {
        return Err(bad("it contains no Pod".to_owned()));
    }
    Ok(pods)
}

/// The documents of a YAML text that hold something, each with its number, counted from 1; an error says where it is not YAML.
pub(crate) fn documents(
    text: &str,
) -> impl Iterator<Item = std::result::Result<(usize, Value), String>> {
    let documents = serde_yaml::Deserializer::from_str(text).zip(1..);
    documents.filter_map(|(document, number)| match Value::deserialize(document) {
        Ok(Value::Null) => None,
        Ok(value) => Some(Ok((number, value))),
        Err(e) => Some(Err(format!("not YAML: {e}"))),
    })
}

/// Objects of a manifest, and the document that each is in.
#[derive(Default)]
pub(crate) struct Seen(BTreeMap<String, usize>);

impl Seen {
    /// Refuses an object that an earlier document has too: the second would silently replace the first.
    pub(crate) fn once(
        &mut self,
        object: String,
        document: usize,
    ) -> std::result::Result<(), String> {
        match self.0.insert(object.clone(), document) {
            None => Ok(()),
            Some(first) => Err(format!(
                "{object} stands twice, in documents {first} and {document}; give one of them another name or namespace"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_that_ships_is_one_pinned_busybox() {
        let pods = parse("busybox.yaml", BUSYBOX).unwrap();
        assert_eq!(pods.len(), 1);
        assert_eq!(
            pods[0].spec.as_ref().unwrap().containers[0]
                .image
                .as_deref(),
            Some("busybox:1.36")
        );
    }

    #[test]
    fn an_error_says_where_and_what() {
        let error = |text: &str| parse("f.yaml", text).unwrap_err().to_string();
        assert!(
            error("apiVersion: v1\nkind: [Pod\n").contains("line 3"),
            "{}",
            error("apiVersion: v1\nkind: [Pod\n")
        );
        assert!(
            error("apiVersion: apps/v1\nkind: Deployment\n")
                .contains("document 1 is apps/v1/Deployment")
        );
        assert!(
            error("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n")
                .contains("\"a\" has no spec.nodeName")
        );
        assert!(error("apiVersion: v1\nkind: Pod\nmetadata: {}\n").contains("no metadata.name"));
        assert!(error("# nothing\n").contains("no Pod"));
        let pod = |metadata: &str| {
            format!(
                "---\napiVersion: v1\nkind: Pod\nmetadata: {{{metadata}}}\nspec: {{nodeName: node1, containers: []}}\n"
            )
        };
        let twice = ["name: a", "name: b", "name: a, namespace: default"].map(pod);
        assert_eq!(
            error(&twice.concat()),
            "manifest f.yaml: default/a stands twice, in documents 1 and 3; give one of them another name or namespace"
        );
        let once = ["name: a", "name: a, namespace: other"].map(pod).concat();
        assert_eq!(parse("f.yaml", &once).unwrap().len(), 2);
        assert!(
            error("apiVersion: v1\nkind: Pod\nmetadata: {name: 1}\n").contains("not a valid Pod"),
            "{}",
            error("apiVersion: v1\nkind: Pod\nmetadata: {name: 1}\n")
        );
    }
}
