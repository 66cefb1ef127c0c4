//! CNI network configurations as a container runtime reads them (CNI specification, section 1; libcni).
use crate::probe::{CniFiles, ConfFile};
use serde_json::Value;

/// Has its own IPAM: an `ipam.type` in its configuration names no program.
const OWN_PLUGIN: &str = "flatnet-cni";

/// Files a runtime considers, in its order: libcni's `ConfFiles` takes these three extensions and sorts by name. Files that
/// only set up loopback (CRI-O ships one) configure no pod network unless they sort first.
pub fn configurations(files: &CniFiles) -> Vec<&ConfFile> {
    let extension = |name: &str| {
        [".conflist", ".conf", ".json"]
            .iter()
            .any(|end| name.ends_with(end))
    };
    let mut found: Vec<&ConfFile> = files
        .conf
        .iter()
        .filter(|file| extension(&file.name))
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    let loopback_only = |file: &ConfFile| {
        let parsed = file
            .content
            .as_ref()
            .ok()
            .and_then(|text| NetworkConfig::parse(text).ok());
        parsed.is_some_and(|parsed| parsed.plugins.iter().all(|plugin| plugin == "loopback"))
    };
    let mut at = 0;
    found.retain(|file| {
        at += 1;
        at == 1 || !loopback_only(file)
    });
    found
}

/// A configuration that a runtime could use.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkConfig {
    /// `name`.
    pub name: String,
    /// `cniVersion`, and `cniVersions` (since 1.1.0); none where it has neither.
    pub versions: Vec<String>,
    /// Types of the chain, in order.
    pub plugins: Vec<String>,
    /// Every program the chain calls, IPAM and delegates included, sorted.
    pub programs: Vec<String>,
    /// The whole file.
    pub root: Value,
}

impl NetworkConfig {
    /// Reads a list (`plugins`) or a single plugin's configuration.
    pub fn parse(text: &str) -> Result<NetworkConfig, String> {
        // serde_json names line and column itself.
        let root: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let name = root
            .get("name")
            .and_then(Value::as_str)
            .filter(|name| !name.is_empty())
            .ok_or("it has no \"name\"")?;
        let single = [root.clone()];
        let chain = match root.get("plugins") {
            Some(Value::Array(chain)) => chain.as_slice(),
            Some(_) => return Err("\"plugins\" is no list".to_owned()),
            None => &single,
        };
        if chain.is_empty() {
            return Err("\"plugins\" is empty".to_owned());
        }
        let several = root.get("cniVersions").and_then(Value::as_array);
        let versions = root.get("cniVersion").into_iter();
        let versions = versions.chain(several.into_iter().flatten());
        let mut parsed = NetworkConfig {
            name: name.to_owned(),
            versions: versions
                .filter_map(|version| version.as_str().map(str::to_owned))
                .collect(),
            plugins: Vec::new(),
            programs: Vec::new(),
            root: root.clone(),
        };
        for (index, plugin) in chain.iter().enumerate() {
            let kind = plugin
                .get("type")
                .and_then(Value::as_str)
                .filter(|kind| !kind.is_empty());
            let kind =
                kind.ok_or_else(|| format!("plugin {} of the chain has no \"type\"", index + 1))?;
            parsed.plugins.push(kind.to_owned());
            parsed.programs.extend(programs(kind, plugin));
        }
        parsed.programs.sort();
        parsed.programs.dedup();
        Ok(parsed)
    }
}

/// The programs one plugin needs. flannel hands over to `delegate`, by default `bridge` with `host-local`
/// (flannel-io/cni-plugin, README).
fn programs(kind: &str, plugin: &Value) -> Vec<String> {
    let mut needed = vec![kind.to_owned()];
    let named = |value: Option<&Value>| {
        value
            .and_then(|v| v.get("type"))
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    if kind != OWN_PLUGIN {
        needed.extend(named(plugin.get("ipam")));
    }
    let delegate = plugin.get("delegate");
    if kind == "flannel" {
        needed.push(named(delegate).unwrap_or_else(|| "bridge".to_owned()));
        needed.push(
            named(delegate.and_then(|d| d.get("ipam"))).unwrap_or_else(|| "host-local".to_owned()),
        );
    } else if let Some(delegate) = delegate {
        needed.extend(named(Some(delegate)));
        needed.extend(named(delegate.get("ipam")));
    }
    needed
}
