//! The CNI configuration of a node: whether there is one, whether it is the right one, and whether its plugins are there.

use flatnet_model::probe::{CniFiles, ConfFile};

use super::{About, Cause, Finding, Said, Seen, checks, words};
use crate::checks::listed;
use flatnet_model::cni::{BIN_DIR, CONF_DIR, NetworkList, Unusable, Version, configurations};

pub(super) fn of(about: &About<'_>) -> Vec<Finding> {
    let Ok(files) = about.node.inside.cni() else {
        return unseen(about).into_iter().collect();
    };
    let candidates = configurations(files);
    let Some((first, later)) = candidates.split_first() else {
        return vec![no_conflist(about, Some(files))];
    };
    let mut broken = broken(about, first, files);
    if !broken.iter().any(|finding| finding.id < Cause::NoConflist) {
        broken.extend(not_loaded(about, first));
    }
    if broken.is_empty() && !its_plugin_failed(about, first) {
        return Vec::new();
    }
    let whole = later.iter().find(|file| is_whole(file, files));
    let shadowed = whole.map(|file| two(about, first, file));
    shadowed.into_iter().chain(broken).collect()
}

/// Where the files cannot be seen, the runtime's words have to do.
fn unseen(about: &About<'_>) -> Option<Finding> {
    match about.said() {
        Said::NoConflist => Some(no_conflist(about, None)),
        Said::PluginMissing { plugin } => {
            Some(plugin_missing(about, "the configuration", &[&plugin], None))
        }
        Said::Version => Some(version(about, "the configuration", "another version")),
        _ => None,
    }
}

/// What is wrong with the file in use.
fn broken(about: &About<'_>, file: &ConfFile, files: &CniFiles) -> Vec<Finding> {
    let path = format!("{CONF_DIR}/{}", file.name);
    let parsed = match file.network() {
        Ok(parsed) => parsed,
        // That it cannot be read here does not mean that the runtime cannot: its words decide.
        Err(Unusable::Unreadable(_)) => return unseen(about).into_iter().collect(),
        Err(Unusable::Malformed(why)) => {
            return vec![malformed(about, &path, &why.to_string())];
        }
    };
    let mut findings = Vec::new();
    let unknown = parsed.versions.is_empty() && !parsed.declared.is_empty();
    if unknown || about.said() == Said::Version {
        let versions = parsed.declared.join(", ");
        findings.push(version(about, &path, &format!("cniVersion {versions}")));
    }
    if findings.is_empty() {
        findings.extend(not_spoken(about, &path, &parsed));
    }
    let missing: Vec<&str> = parsed
        .programs()
        .into_iter()
        .filter(|program| !has_program(files, program))
        .collect();
    if !missing.is_empty() {
        findings.push(plugin_missing(about, &path, &missing, Some(files)));
    }
    findings
}

/// A plugin that by its own word speaks none of the configuration's versions.
fn not_spoken(about: &About<'_>, path: &str, parsed: &NetworkList) -> Option<Finding> {
    let spoken = about.node.spoken();
    let (plugin, speaks) = parsed.kinds().find_map(|plugin| {
        let speaks = spoken.get(plugin)?;
        let fits = parsed
            .declared
            .iter()
            .any(|version| speaks.contains(version));
        (!fits && !parsed.declared.is_empty()).then_some((plugin, speaks))
    })?;
    let has = format!(
        "cniVersion {}; {plugin} speaks {}",
        parsed.declared.join(", "),
        speaks.join(", ")
    );
    Some(version(about, path, &has))
}

fn is_whole(file: &ConfFile, files: &CniFiles) -> bool {
    file.network().is_ok_and(|network| {
        let mut programs = network.programs().into_iter();
        programs.all(|program| has_program(files, program))
    })
}

fn has_program(files: &CniFiles, name: &str) -> bool {
    files.programs.iter().any(|program| program == name)
}

/// Whether the runtime names a plugin of this file as the one that failed.
fn its_plugin_failed(about: &About<'_>, file: &ConfFile) -> bool {
    let words = about.network_words();
    let failed = words.and_then(|seen| words::plugin(&seen.text));
    match (failed, file.network()) {
        (Some(failed), Ok(network)) => network.kinds().any(|kind| kind == failed),
        _ => false,
    }
}

/// How an add-on is made to write its files again.
fn restore(about: &About<'_>) -> String {
    let Ok(agents) = &about.evidence.agents else {
        return "kubectl apply -f the network add-on's manifest".to_owned();
    };
    super::agent::mend(about, agents.first(), None)
}

fn no_conflist(about: &About<'_>, files: Option<&CniFiles>) -> Finding {
    let node = &about.node.object.name;
    let others = files.map(|files| {
        files
            .conf
            .iter()
            .map(|f| f.name.clone())
            .collect::<Vec<_>>()
    });
    let others = others.filter(|names| !names.is_empty());
    let evidence = checks::Evidence {
        what: format!("there is no CNI configuration in {CONF_DIR} of {node}"),
        expected: "a file that ends in .conflist, .conf or .json".to_owned(),
        observed: match (files, others) {
            (None, _) => "the runtime says that it has none".to_owned(),
            (_, None) => "the folder is empty, or not there".to_owned(),
            (_, Some(names)) => format!("only {}", listed(&names, 6)),
        },
        culprit: Some(node.clone()),
        cause: Some("no network add-on was installed, or its file was removed".to_owned()),
        look: about.on_node(&format!("ls {CONF_DIR}")),
    };
    about.finding(Cause::NoConflist, evidence, restore(about))
}

/// The node's condition is asked, not the pod's events: those are of the time before the file came.
fn not_loaded(about: &About<'_>, file: &ConfFile) -> Option<Finding> {
    let (status, _, message) = about.node.ready();
    let readable = file.content.is_ok();
    if status != "False" || !readable || words::read(message) != Said::NoConflist {
        return None;
    }
    let node = &about.node.object.name;
    let path = format!("{CONF_DIR}/{}", file.name);
    let evidence = checks::Evidence {
        what: format!("the runtime of {node} has not taken up {path}"),
        expected: "the runtime uses the configuration that is there".to_owned(),
        observed: format!("{path} is there and parses; the node says: {message}"),
        culprit: Some(format!("the container runtime of {node}")),
        cause: Some("the file was moved into the folder: containerd looks again when one is written or taken away, not when one is moved in".to_owned()),
        look: about.on_node(&format!("ls -l {CONF_DIR}")),
    };
    let mut finding = about.finding(
        Cause::ConflistNotLoaded,
        evidence,
        about.on_node("systemctl restart containerd"),
    );
    finding.seen = vec![Seen::new("condition Ready", message)];
    Some(finding)
}

fn malformed(about: &About<'_>, path: &str, why: &str) -> Finding {
    let node = &about.node.object.name;
    let evidence = checks::Evidence {
        what: format!("{path} of {node} is not a CNI configuration"),
        expected: "JSON with a name and at least one plugin (CNI specification, section 1)"
            .to_owned(),
        observed: why.to_owned(),
        culprit: Some(format!("{path} on {node}")),
        cause: Some(
            "it was edited or written incompletely; the runtime passes over none".to_owned(),
        ),
        look: about.on_node(&format!("cat {path}")),
    };
    let mend = format!(
        "{}; {}",
        about.on_node(&format!("rm {path}")),
        restore(about)
    );
    about.finding(Cause::ConflistMalformed, evidence, mend)
}

fn two(about: &About<'_>, first: &ConfFile, whole: &ConfFile) -> Finding {
    let node = &about.node.object.name;
    let path = format!("{CONF_DIR}/{}", first.name);
    let evidence = checks::Evidence {
        what: format!("two CNI configurations on {node}: {} is used and does not work", first.name),
        expected: "exactly one".to_owned(),
        observed: format!(
            "{} sorts before {}, whose plugins are all there",
            first.name, whole.name
        ),
        culprit: Some(format!("{path} on {node}")),
        cause: Some("an add-on that is gone left its file behind: the runtime takes the first in lexical order".to_owned()),
        look: about.on_node(&format!("ls {CONF_DIR}")),
    };
    about.finding(
        Cause::TwoConflists,
        evidence,
        about.on_node(&format!("rm {path}")),
    )
}

fn version(about: &About<'_>, path: &str, has: &str) -> Finding {
    let node = &about.node.object.name;
    let words = about.network_words();
    let core = words.as_ref().map(|seen| words::core(&seen.text));
    let core = core.filter(|text| words::read(text) == Said::Version);
    let evidence = checks::Evidence {
        what: format!("{path} of {node} has a version that is not spoken there"),
        expected: format!(
            "a cniVersion that runtime and plugins speak, at most {}",
            Version::NEWEST
        ),
        observed: core.map_or_else(|| has.to_owned(), |text| format!("{has}: {text}")),
        culprit: Some(format!("{path} on {node}")),
        cause: Some("the file was written for other plugins, or by hand".to_owned()),
        look: about.on_node(&format!("grep cniVersion {path}")),
    };
    let spoken = core.map_or_else(Vec::new, supported);
    let fits = fitting(about, &spoken);
    let edit = format!(r#"sed -i 's/"cniVersion": *"[^"]*"/"cniVersion": "{fits}"/' {path}"#);
    about.finding(Cause::CniVersion, evidence, about.on_node(&edit))
}

/// What follows `plugin supports` in libcni's words.
fn supported(words: &str) -> Vec<String> {
    let list = words.split_once("plugin supports [").map(|(_, list)| list);
    let quoted = list.into_iter().flat_map(|list| list.split('"'));
    quoted.skip(1).step_by(2).map(str::to_owned).collect()
}

/// The latest release that every plugin speaks, as far as they said; what the oldest of today's plugins speak where none did.
fn fitting(about: &About<'_>, spoken: &[String]) -> Version {
    let by_asking = about.node.spoken().into_values();
    let in_words = (!spoken.is_empty()).then_some(spoken);
    let lists: Vec<&[String]> = by_asking.chain(in_words).collect();
    let all_speak = |release: &Version| {
        lists
            .iter()
            .all(|list| list.iter().any(|version| version == release.as_str()))
    };
    let fallback = Version::V0_3_1;
    match lists.is_empty() {
        true => fallback,
        false => Version::ALL
            .into_iter()
            .rev()
            .find(all_speak)
            .unwrap_or(fallback),
    }
}

fn plugin_missing(
    about: &About<'_>,
    path: &str,
    missing: &[&str],
    files: Option<&CniFiles>,
) -> Finding {
    let node = &about.node.object.name;
    let plural = if missing.len() == 1 { "" } else { "s" };
    let has = files.map(|files| match files.programs.is_empty() {
        true => format!("{BIN_DIR} has no program"),
        false => format!("{BIN_DIR} has {}", listed(&files.programs, 12)),
    });
    let evidence = checks::Evidence {
        what: format!(
            "plugin{plural} {} of {path} not in {BIN_DIR} of {node}",
            listed(missing, 6)
        ),
        expected: "every plugin that the configuration names, as an executable file".to_owned(),
        observed: has.unwrap_or_else(|| "the runtime does not find it".to_owned()),
        culprit: Some(node.clone()),
        cause: Some(
            "it was not installed on this node, or was removed: no pod gets a network here"
                .to_owned(),
        ),
        look: about.on_node(&format!("ls -l {BIN_DIR}")),
    };
    about.finding(Cause::PluginMissing, evidence, restore(about))
}
