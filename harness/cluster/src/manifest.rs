//! Pod manifests: the file a person would `kubectl apply`.
use std::path::Path;

use k8s_openapi::api::core::v1::Pod;
use serde::Deserialize;

use crate::{Error, Result};

/// The manifest that ships with flatnet.
pub const BUSYBOX: &str = include_str!("../../../manifests/busybox.yaml");

/// Reads every Pod of a YAML file.
///
/// # Errors
/// [`Error::Input`] names the file, the line, and what is wrong: not readable, not YAML, not a Pod, no name, no node.
pub fn read(path: &Path) -> Result<Vec<Pod>> {
    let text = std::fs::read_to_string(path).map_err(|e| {
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
    for (index, document) in serde_yaml::Deserializer::from_str(text).enumerate() {
        let value =
            serde_yaml::Value::deserialize(document).map_err(|e| bad(format!("not YAML: {e}")))?;
        if value.is_null() {
            continue;
        }
        let number = index + 1;
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
        pods.push(pod);
    }
    if pods.is_empty() {
        return Err(bad("it contains no Pod".to_owned()));
    }
    Ok(pods)
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
        assert!(
            error("apiVersion: v1\nkind: Pod\nmetadata: {name: 1}\n").contains("not a valid Pod"),
            "{}",
            error("apiVersion: v1\nkind: Pod\nmetadata: {name: 1}\n")
        );
    }
}
