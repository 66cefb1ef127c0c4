//! One plugin of a chain.
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::PluginFault;

/// Has its own IPAM: an `ipam.type` in its configuration names no program.
const OWN_PLUGIN: &str = "flatnet-cni";

/// One plugin of a chain, with its configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Plugin {
    /// `type`: the file name of its program.
    pub kind: String,
    /// `capabilities` that are switched on.
    pub capabilities: Vec<String>,
    /// Its configuration as it was written, `capabilities` included.
    pub conf: Map<String, Value>,
}

impl Plugin {
    pub(super) fn parse(conf: Map<String, Value>) -> Result<Plugin, PluginFault> {
        let kind = match conf.get("type") {
            Some(Value::String(kind)) if kind.contains('/') => {
                return Err(PluginFault::TypeIsPath(kind.clone()));
            }
            Some(Value::String(kind)) if !kind.is_empty() => kind.clone(),
            Some(Value::String(_)) | None => return Err(PluginFault::NoType),
            Some(_) => return Err(PluginFault::TypeNotText),
        };
        let capabilities: BTreeMap<String, bool> = match conf.get("capabilities") {
            None => BTreeMap::new(),
            Some(value) => serde_json::from_value(value.clone())
                .map_err(|e| PluginFault::Capabilities(e.to_string()))?,
        };
        let switched_on = capabilities.into_iter().filter(|(_, on)| *on);
        Ok(Plugin {
            kind,
            capabilities: switched_on.map(|(name, _)| name).collect(),
            conf,
        })
    }

    /// How libcni names it in an error: `type="bridge"`, and the name where its own configuration has one.
    pub fn describe(&self) -> String {
        match self.conf.get("name").and_then(Value::as_str) {
            Some(name) => format!("type={:?} name={name:?}", self.kind),
            None => format!("type={:?}", self.kind),
        }
    }

    /// The programs it needs: its own, its IPAM plugin's, and those it hands over to. flannel hands over to `delegate`, by
    /// default `bridge` with `host-local` (flannel-io/cni-plugin, README).
    pub fn programs(&self) -> Vec<&str> {
        let kind_at = |key: &str| self.conf.get(key)?.get("type")?.as_str();
        let mut needed = vec![self.kind.as_str()];
        if self.kind != OWN_PLUGIN {
            needed.extend(kind_at("ipam"));
        }
        let delegate = kind_at("delegate");
        let delegate_ipam = self.conf.get("delegate").and_then(|delegate| {
            let ipam = delegate.get("ipam")?;
            ipam.get("type")?.as_str()
        });
        if self.kind == "flannel" {
            needed.push(delegate.unwrap_or("bridge"));
            needed.push(delegate_ipam.unwrap_or("host-local"));
        } else {
            needed.extend(delegate.into_iter().chain(delegate_ipam));
        }
        needed
    }
}
