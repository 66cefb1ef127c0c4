//! `cni-config`: on every node exactly one CNI configuration is in use, and the plugins it names are there.
use std::collections::BTreeMap;

use flatnet_probe::{CniFiles, ConfFile};
use serde_json::Value;

use super::findings::{Findings, count, listed, look, without_nodes};
use super::topology::Topology;
use super::{Evidence, Verdict};
use crate::observe::Observations;

const CONF_DIR: &str = "/etc/cni/net.d";
const BIN_DIR: &str = "/opt/cni/bin";
/// Has its own IPAM: an `ipam.type` in its configuration names no program.
const OWN_PLUGIN: &str = "flatnet-cni";

pub(super) fn judge(observations: &Observations) -> Verdict {
    let topology = Topology::of(observations);
    if let Some(skip) = without_nodes(&topology) {
        return skip;
    }
    let mut findings = Findings::default();
    if observations.nodes.is_empty() {
        findings.unmeasured("there is no node to look at");
    }
    let mut in_use: BTreeMap<(String, String, Vec<String>), Vec<&str>> = BTreeMap::new();
    let mut texts: Vec<&str> = Vec::new();
    for node in topology.nodes() {
        let files = match &node.cni {
            Ok(files) => files,
            Err(error) => {
                findings.unmeasured(format!("CNI files of {}: {error}", node.name));
                continue;
            }
        };
        if let Some(network) =
            judge_node(&node.name, files, node.not_ready.as_deref(), &mut findings)
        {
            texts.push(network.text);
            in_use
                .entry((network.file.to_owned(), network.name, network.plugins))
                .or_default()
                .push(&node.name);
        }
    }
    differences(&in_use, &mut findings);
    for ((file, name, plugins), nodes) in &in_use {
        findings.fact(format!(
            "{file} (network {name}: {}) on {}",
            plugins.join(", "),
            listed(nodes, 6)
        ));
    }
    if in_use.len() == 1 && texts.windows(2).any(|pair| pair[0] != pair[1]) {
        findings.fact("contents differ between nodes, as they do where each has its own podCIDR");
    }
    findings.verdict()
}

/// The configuration a node's runtime uses.
struct Network<'a> {
    file: &'a str,
    text: &'a str,
    name: String,
    plugins: Vec<String>,
}

fn judge_node<'a>(
    node: &str,
    files: &'a CniFiles,
    not_ready: Option<&str>,
    findings: &mut Findings,
) -> Option<Network<'a>> {
    let wrong =
        |what: String, expected: &str, observed: String, cause: &str, command: String| Evidence {
            what,
            expected: expected.to_owned(),
            observed,
            culprit: Some(node.to_owned()),
            cause: Some(cause.to_owned()),
            look: look(node, command),
        };
    let candidates = configurations(files);
    let Some((first, shadowed)) = candidates.split_first() else {
        findings.fail(wrong(
            format!("no CNI configuration in {CONF_DIR} of {node}"),
            "one conflist",
            format!(
                "no file that ends in .conflist, .conf or .json{}",
                not_ready
                    .map(|why| format!("; the node says: {why}"))
                    .unwrap_or_default()
            ),
            "the CNI was not installed on this node, or its agent did not finish",
            format!("ls {CONF_DIR}"),
        ));
        return None;
    };
    if !shadowed.is_empty() {
        let names: Vec<&str> = shadowed.iter().map(|file| file.name.as_str()).collect();
        findings.fail(wrong(
            format!("{} CNI configurations on {node}: {} wins, {} shadowed", candidates.len(), first.name, listed(&names, 4)),
            "exactly one",
            format!("{} sorts first and is used; {} is never read", first.name, listed(&names, 4)),
            "a second CNI was installed, or the first was not removed (the runtime takes the first in lexical order)",
            format!("ls {CONF_DIR}"),
        ));
    }
    let text = match &first.content {
        Ok(text) => text,
        Err(error) => {
            findings.unmeasured(format!("{CONF_DIR}/{} of {node}: {error}", first.name));
            return None;
        }
    };
    let parsed = match parse(text) {
        Ok(parsed) => parsed,
        Err(error) => {
            findings.fail(wrong(
                format!(
                    "{CONF_DIR}/{} of {node} is no CNI configuration",
                    first.name
                ),
                "JSON with a name and at least one plugin (CNI spec, section 1)",
                error,
                "the file was edited or written incompletely",
                format!("cat {CONF_DIR}/{}", first.name),
            ));
            return None;
        }
    };
    let missing: Vec<&str> = parsed
        .programs
        .iter()
        .map(String::as_str)
        .filter(|program| !files.programs.iter().any(|p| p == program))
        .collect();
    if !missing.is_empty() {
        let noun = if missing.len() == 1 {
            "plugin"
        } else {
            "plugins"
        };
        findings.fail(wrong(
            format!(
                "{noun} {} of {} not in {BIN_DIR} of {node}",
                listed(&missing, 6),
                first.name
            ),
            "every plugin the configuration names, as an executable file",
            format!(
                "{BIN_DIR} has {}",
                if files.programs.is_empty() {
                    "no program".to_owned()
                } else {
                    listed(&files.programs, 12)
                }
            ),
            "the plugin was not installed on this node, or was removed: no pod can start here",
            format!("ls -l {BIN_DIR}"),
        ));
    }
    // A node with evidence of its own is not compared with the others: that would report the same thing twice.
    (shadowed.is_empty() && missing.is_empty()).then_some(Network {
        file: &first.name,
        text,
        name: parsed.name,
        plugins: parsed.plugins,
    })
}

/// Files a runtime considers, in its order: libcni's `ConfFiles` takes these three extensions and sorts by name. Files that
/// only set up loopback (CRI-O ships one) configure no pod network unless they sort first.
pub(crate) fn configurations(files: &CniFiles) -> Vec<&ConfFile> {
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
        let parsed = file.content.as_ref().ok().and_then(|text| parse(text).ok());
        parsed.is_some_and(|parsed| parsed.plugins.iter().all(|plugin| plugin == "loopback"))
    };
    let mut at = 0;
    found.retain(|file| {
        at += 1;
        at == 1 || !loopback_only(file)
    });
    found
}

/// A configuration, as far as one can tell without its plugins.
pub(crate) struct Parsed {
    /// Of the network.
    pub(crate) name: String,
    /// `cniVersion`, and `cniVersions` (since 1.1.0); none where it has neither.
    pub(crate) versions: Vec<String>,
    /// Types of the chain, in order.
    pub(crate) plugins: Vec<String>,
    /// Every program the chain calls, IPAM and delegates included.
    pub(crate) programs: Vec<String>,
}

/// Reads a list (`plugins`) or a single plugin's configuration.
pub(crate) fn parse(text: &str) -> Result<Parsed, String> {
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
    let mut parsed = Parsed {
        name: name.to_owned(),
        versions: versions
            .filter_map(|version| version.as_str().map(str::to_owned))
            .collect(),
        plugins: Vec::new(),
        programs: Vec::new(),
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

/// All nodes should use the same file, network and chain; the minority is the odd one out.
fn differences(
    in_use: &BTreeMap<(String, String, Vec<String>), Vec<&str>>,
    findings: &mut Findings,
) {
    let Some(((file, name, plugins), most)) = in_use.iter().max_by_key(|(_, nodes)| nodes.len())
    else {
        return;
    };
    for ((other_file, other_name, other_plugins), nodes) in in_use {
        if nodes == most {
            continue;
        }
        findings.fail(Evidence {
            what: format!(
                "{} {} another CNI configuration than {}",
                listed(nodes, 6),
                if nodes.len() == 1 { "uses" } else { "use" },
                listed(most, 6)
            ),
            expected: format!(
                "{file} (network {name}: {}), as on {}",
                plugins.join(", "),
                count(most.len(), "other node")
            ),
            observed: format!(
                "{other_file} (network {other_name}: {})",
                other_plugins.join(", ")
            ),
            culprit: (nodes.len() < most.len()).then(|| listed(nodes, 6)),
            cause: Some("the CNI was changed on some nodes only".to_owned()),
            look: look(nodes[0], format!("cat {CONF_DIR}/{other_file}")),
        });
    }
}
