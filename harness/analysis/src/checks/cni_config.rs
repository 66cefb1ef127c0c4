//! `cni-config`: on every node exactly one CNI configuration is in use, and the plugins it names are there.
use std::collections::BTreeMap;

use flatnet_model::probe::CniFiles;

use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Basis, Command, Finding, Found, Start, State, Subject, Symptom};

use super::findings::{Findings, Seen, listed, without_nodes};
use super::topology::Topology;
use super::{Deviation, Verdict};
use flatnet_model::cni::{CONF_DIR, NetworkList, Unusable, Version, configurations};
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
                findings.unmeasured_for(format!("CNI files of {}", node.object.name), error);
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
    let wrong = |finding: Finding, expected: Start, observed: State, line: &str| {
        let node = Subject::node_of(node);
        let look = Command::on(node.nodes()[0], line);
        Seen::new(expected, observed, look).deviation(vec![node.clone()], vec![node], finding)
    };
    let on = node.to_owned();
    let candidates = configurations(files);
    let Some((first, shadowed)) = candidates.split_first() else {
        let observed = Start::NoConflist {
            files: Vec::new(),
            not_ready: not_ready.map(str::to_owned),
        };
        findings.fail(wrong(
            Finding::cause(Cause::NoConflist { node: on }),
            Start::OneConflist,
            observed.into(),
            &format!("ls {CONF_DIR}"),
        ));
        return None;
    };
    if !shadowed.is_empty() {
        let names: Vec<String> = shadowed.iter().map(|file| file.name.clone()).collect();
        let observed = Start::Used {
            file: first.name.clone(),
            shadowed: names.clone(),
            whole: None,
        };
        let cause = Cause::TwoConflists {
            node: on.clone(),
            used: first.name.clone(),
            shadowed: names,
        };
        findings.fail(wrong(
            Finding::cause(cause),
            Start::OneConflist,
            observed.into(),
            &format!("ls {CONF_DIR}"),
        ));
    }
    let parsed = match first.network() {
        Ok(parsed) => parsed,
        Err(Unusable::Unreadable(error)) => {
            findings.unmeasured_for(format!("{CONF_DIR}/{} of {node}", first.name), error);
            return None;
        }
        Err(Unusable::Malformed(error)) => {
            let cause = Cause::ConflistMalformed {
                node: on,
                file: first.name.clone(),
            };
            let line = format!("cat {CONF_DIR}/{}", first.name);
            let text = error.to_string();
            let observed = State::Said { text };
            findings.fail(wrong(
                Finding::cause(cause),
                Start::Conflist,
                observed,
                &line,
            ));
            return None;
        }
    };
    let refused = refusal(&parsed, not_ready);
    if let Some((observed, basis)) = refused.clone() {
        let cause = Cause::CniVersion {
            node: on.clone(),
            file: Some(first.name.clone()),
        };
        let symptom = Symptom::ConflistRefused {
            node: on.clone(),
            file: first.name.clone(),
        };
        let expected = Start::SpokenVersion {
            newest: Version::NEWEST.to_string(),
        };
        let line = format!("grep cniVersion {CONF_DIR}/{}", first.name);
        let finding = Finding::of(symptom, Found { cause, basis });
        findings.fail(wrong(finding, expected, observed, &line));
    }
    let there = |program: &&str| files.programs.iter().any(|p| p == program);
    let missing: Vec<String> = parsed
        .programs()
        .into_iter()
        .filter(|program| !there(program))
        .map(str::to_owned)
        .collect();
    if !missing.is_empty() {
        let cause = Cause::PluginMissing {
            node: on,
            file: Some(first.name.clone()),
            plugins: missing.clone(),
        };
        let observed = Start::Programs {
            programs: files.programs.clone(),
        };
        findings.fail(wrong(
            Finding::cause(cause),
            Start::EveryPlugin,
            observed.into(),
            "ls -l /opt/cni/bin",
        ));
    }
    // A node with evidence of its own is not compared with the others: that would report the same thing twice.
    let sound = shadowed.is_empty() && refused.is_none() && missing.is_empty();
    sound.then_some(parsed)
}

/// Why the runtime does not take a well-formed file, as it says itself, or because no runtime would. Without a version a file
/// is valid for libcni, and not for every runtime.
fn refusal(network: &NetworkList, not_ready: Option<&str>) -> Option<(State, Basis)> {
    if let Some(why) = not_ready.filter(|why| why.contains("failed to load CNI config")) {
        let text = format!("the node says: {why}");
        return Some((State::Said { text }, Basis::Inferred));
    }
    let unknown = network.versions.is_empty() && !network.declared.is_empty();
    unknown.then(|| {
        let released = Start::Versions {
            versions: network.declared.clone(),
            said: Some("not a release of the specification".to_owned()),
        };
        (released.into(), Basis::Seen)
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
        let of = |file: &str, name: &str, plugins: &[String], other_nodes| Start::Network {
            file: file.to_owned(),
            name: name.to_owned(),
            plugins: plugins.to_vec(),
            other_nodes,
        };
        let subjects: Vec<Subject> = nodes.iter().map(|node| Subject::node_of(*node)).collect();
        let names = |nodes: &[&str]| nodes.iter().map(|&node| node.to_owned()).collect();
        let cause = Cause::ConflistDiffers {
            nodes: names(nodes),
        };
        let symptom = Symptom::ConflistDiffers {
            nodes: names(nodes),
            others: names(most),
        };
        findings.fail(Deviation {
            culprits: match nodes.len() < most.len() {
                true => subjects.clone(),
                false => Vec::new(),
            },
            subjects,
            finding: Finding::of(symptom, Found::inferred(cause)),
            expected: of(file, name, plugins, Some(most.len())).into(),
            observed: vec![of(other_file, other_name, other_plugins, None).into()],
            look: Command::on(nodes[0], &format!("cat {CONF_DIR}/{other_file}")),
        });
    }
}
