//! `cni-config`: on every node exactly one CNI configuration is in use, and the plugins it names are there.
use std::collections::BTreeMap;

use flatnet_model::probe::CniFiles;

use super::findings::{Findings, count, listed, look, without_nodes};
use super::topology::Topology;
use super::{Evidence, Verdict};
use flatnet_model::cni::network_config::{NetworkConfig, configurations};
use flatnet_model::observations::Observations;

const CONF_DIR: &str = "/etc/cni/net.d";
const BIN_DIR: &str = "/opt/cni/bin";

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
    let parsed = match NetworkConfig::parse(text) {
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
