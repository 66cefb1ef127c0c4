//! Environment variables of a container.
use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::EnvVar;

use crate::protocol::PodName;

/// What the downward API provides in the lab.
const FIELDS: [&str; 8] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "status.podIP",
    "status.podIPs",
    "status.hostIP",
    "status.hostIPs",
];

/// Where the value of a variable comes from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Text(String),
    Field(String),
}

/// What variables can tell of the pod they are in.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) name: PodName,
    pub(super) uid: String,
    pub(super) node: String,
    pub(super) pod_ips: Vec<String>,
    pub(super) host_ips: Vec<String>,
}

impl Source {
    /// # Errors
    /// Says what the lab does not support.
    pub(super) fn read(variable: &EnvVar) -> Result<Source, String> {
        let Some(from) = &variable.value_from else {
            return Ok(Source::Text(variable.value.clone().unwrap_or_default()));
        };
        match &from.field_ref {
            Some(field) if FIELDS.contains(&field.field_path.as_str()) => {
                Ok(Source::Field(field.field_path.clone()))
            }
            Some(field) => Err(format!(
                "fieldRef {} is not supported in the lab (only {})",
                field.field_path,
                FIELDS.join(", ")
            )),
            None => Err("valueFrom other than fieldRef is not supported in the lab".to_owned()),
        }
    }

    /// What it is in that pod; `env` are the variables before it.
    pub(super) fn value(&self, env: &BTreeMap<String, String>, facts: &Facts) -> String {
        match self {
            Source::Text(text) => expand(text, env),
            Source::Field(path) => field(path, facts).unwrap_or_default(),
        }
    }
}

fn field(path: &str, facts: &Facts) -> Option<String> {
    match path {
        "metadata.name" => Some(facts.name.name.clone()),
        "metadata.namespace" => Some(facts.name.namespace.clone()),
        "metadata.uid" => Some(facts.uid.clone()),
        "spec.nodeName" => Some(facts.node.clone()),
        "status.podIP" => facts.pod_ips.first().cloned(),
        "status.podIPs" => Some(facts.pod_ips.join(",")),
        "status.hostIP" => facts.host_ips.first().cloned(),
        "status.hostIPs" => Some(facts.host_ips.join(",")),
        _ => None,
    }
}

/// Kubernetes' `$(NAME)`: replaced where the variable is known, else left as it is; `$$` is a dollar sign.
pub(super) fn expand(text: &str, env: &BTreeMap<String, String>) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some((name, after)) = rest
            .strip_prefix('(')
            .and_then(|inner| inner.split_once(')'))
        {
            match env.get(name) {
                Some(value) => expanded.push_str(value),
                None => expanded.push_str(&format!("$({name})")),
            }
            rest = after;
        } else {
            expanded.push('$');
        }
    }
    expanded.push_str(rest);
    expanded
}
