//! `cni-config`: on every node exactly one CNI configuration is in use, and the plugins it names are there.
use std::collections::BTreeMap;

use flatnet_model::probe::CniFiles;

use super::findings::{Findings, count, listed, look, without_nodes};
use super::topology::Topology;
use super::{Evidence, Verdict};
use flatnet_model::cni::{BIN_DIR, CONF_DIR, NetworkList, Unusable, Version, configurations};
use flatnet_model::observations::Observations;

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
    let mut contents = Vec::new();
    for node in topology.nodes() {
        let files = match node.inside.cni() {
            Ok(files) => files,
            Err(error) => {
                findings.unmeasured(format!("CNI files of {}: {error}", node.object.name));
                continue;
            }
        };
        if let Some(network) = judge_node(
            &node.object.name,
            files,
            node.object.not_ready().as_deref(),
            &mut findings,
        ) {
            let kinds = network.kinds().map(str::to_owned).collect();
            let file = network.source.display().to_string();
            contents.push(network.root);
            in_use
                .entry((file, network.name, kinds))
                .or_default()
                .push(&node.object.name);
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
    if in_use.len() == 1 && contents.windows(2).any(|pair| pair[0] != pair[1]) {
        findings.fact("contents differ between nodes, as they do where each has its own podCIDR");
    }
    findings.verdict()
}

/// The network that a node's runtime uses, where nothing is wrong with it.
fn judge_node(
    node: &str,
    files: &CniFiles,
    not_ready: Option<&str>,
    findings: &mut Findings,
) -> Option<NetworkList> {
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
    let parsed = match first.network() {
        Ok(parsed) => parsed,
        Err(Unusable::Unreadable(error)) => {
            findings.unmeasured(format!("{CONF_DIR}/{} of {node}: {error}", first.name));
            return None;
        }
        Err(Unusable::Malformed(error)) => {
            findings.fail(wrong(
                format!(
                    "{CONF_DIR}/{} of {node} is not a CNI configuration",
                    first.name
                ),
                "JSON with a name and at least one plugin (CNI spec, section 1)",
                error.to_string(),
                "the file was edited or written incompletely",
                format!("cat {CONF_DIR}/{}", first.name),
            ));
            return None;
        }
    };
    let refused = refusal(&parsed, not_ready);
    if let Some(observed) = &refused {
        findings.fail(wrong(
            format!("the runtime of {node} cannot use {CONF_DIR}/{}", first.name),
            "a cniVersion that runtime and plugins speak",
            observed.clone(),
            "the file was written for other programs, or by hand",
            format!("grep cniVersion {CONF_DIR}/{}", first.name),
        ));
    }
    let missing: Vec<&str> = parsed
        .programs()
        .into_iter()
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
    let sound = shadowed.is_empty() && refused.is_none() && missing.is_empty();
    sound.then_some(parsed)
}

/// Why the runtime does not take a well-formed file, as it says itself, or because no runtime would. Without a version a file
/// is valid for libcni, and not for every runtime.
fn refusal(network: &NetworkList, not_ready: Option<&str>) -> Option<String> {
    if let Some(why) = not_ready.filter(|why| why.contains("failed to load CNI config")) {
        return Some(format!("the node says: {why}"));
    }
    (network.versions.is_empty() && !network.declared.is_empty()).then(|| {
        format!(
            "cniVersion {}, which is not a release of the specification; the latest is {}",
            network.declared.join(", "),
            Version::NEWEST
        )
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
