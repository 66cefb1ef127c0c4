//! The CNI configuration of a node: whether there is one, whether it is the right one, and whether its plugins are there.

use flatnet_model::cause::CauseId;
use flatnet_model::cni::{
    BIN_DIR, CONF_DIR, ListError, NetworkList, Unusable, Version, configurations,
};
use flatnet_model::diagnosis::one_line;
use flatnet_model::evidence::{Command, Remediation, Start, State, Subject};
use flatnet_model::probe::{CniFiles, ConfFile};

use super::{About, Cause, Finding, Known, Said, Seen, said, words};

pub(super) fn of(about: &About<'_>) -> Vec<Finding> {
    let Ok(files) = about.node.inside.cni() else {
        return unseen(about).into_iter().collect();
    };
    let candidates = configurations(files);
    let Some((first, later)) = candidates.split_first() else {
        // A runtime that works has one elsewhere.
        let works = about.node.ready().0 == "True"
            && !matches!(about.said(), Said::NoConflist { .. } | Said::Other);
        return match works {
            true => Vec::new(),
            false => vec![no_conflist(about, Some(files))],
        };
    };
    let mut broken = broken(about, first, files);
    if !broken
        .iter()
        .any(|finding| finding.id < CauseId::NoConflist)
    {
        broken.extend(not_loaded(about, first));
    }
    if broken.is_empty() && !its_plugin_failed(about, first) {
        return Vec::new();
    }
    let whole = later.iter().find(|file| is_whole(file, files));
    let shadowed = whole.map(|file| two(about, first, later, file));
    shadowed.into_iter().chain(broken).collect()
}

/// Where the files cannot be seen, the runtime's words have to do.
fn unseen(about: &About<'_>) -> Option<Finding> {
    match about.said() {
        Said::NoConflist { .. } => Some(no_conflist(about, None)),
        Said::PluginMissing { plugin, .. } => Some(plugin_missing(about, None, vec![plugin], None)),
        Said::Version => Some(version(about, None, Vec::new(), None)),
        _ => None,
    }
}

/// What is wrong with the file in use.
fn broken(about: &About<'_>, file: &ConfFile, files: &CniFiles) -> Vec<Finding> {
    let name = file.name.as_str();
    let parsed = match file.network() {
        Ok(parsed) => parsed,
        // That it cannot be read here does not mean that the runtime cannot: its words decide.
        Err(Unusable::Unreadable(why)) if about.said() == Said::Malformed => {
            // Reading something that is not a file may never end.
            return vec![malformed(about, name, &why, "ls -lL")];
        }
        Err(Unusable::Unreadable(_)) => return unseen(about).into_iter().collect(),
        Err(Unusable::Malformed(why)) => {
            let mut found = malformed(about, name, &why.to_string(), "cat");
            if let Some(whole) = renamed(file).filter(|_| why == ListError::ListInConf) {
                let argv = ["mv", &path_of(name), &path_of(&whole)]
                    .map(str::to_owned)
                    .to_vec();
                let rename = Command {
                    argv,
                    ..about.on_node("mv")
                };
                found.evidence.remediation = Some(Remediation::run(rename));
            }
            return vec![found];
        }
    };
    let heard = about.said();
    // The runtime is stricter than what reads it here, or newer.
    if heard == Said::Malformed {
        let words = about.network_words();
        let why = words.as_ref().map_or("", |seen| words::core(&seen.text));
        return vec![malformed(about, name, why, "cat")];
    }
    let mut findings = Vec::new();
    let unknown = parsed.versions.is_empty() && !parsed.declared.is_empty();
    if unknown || heard == Said::Version {
        findings.push(version(about, Some(name), parsed.declared.clone(), None));
    }
    if findings.is_empty() {
        findings.extend(not_spoken(about, name, &parsed));
    }
    let mut missing: Vec<String> = parsed
        .programs()
        .into_iter()
        .filter(|program| !has_program(files, program))
        .map(str::to_owned)
        .collect();
    match heard {
        // It is there.
        Said::NotRunnable { plugin, .. } => missing.retain(|missing| *missing != plugin),
        // Of no configuration, such as `loopback`.
        Said::PluginMissing { plugin, .. } if !has_program(files, &plugin) => {
            missing.extend((!missing.contains(&plugin)).then_some(plugin));
        }
        _ => {}
    }
    if !missing.is_empty() {
        findings.push(plugin_missing(about, Some(name), missing, Some(files)));
    }
    findings
}

/// A plugin that by its own word speaks none of the configuration's versions.
fn not_spoken(about: &About<'_>, file: &str, parsed: &NetworkList) -> Option<Finding> {
    let spoken = about.node.spoken();
    let (plugin, speaks) = parsed.kinds().find_map(|plugin| {
        let speaks = spoken.get(plugin)?;
        let fits = parsed
            .declared
            .iter()
            .any(|version| speaks.contains(version));
        (!fits && !parsed.declared.is_empty()).then_some((plugin, speaks))
    })?;
    let speaks = Start::PluginSpeaks {
        plugin: plugin.to_owned(),
        versions: speaks.to_vec(),
    };
    let versions = parsed.declared.clone();
    Some(version(about, Some(file), versions, Some(speaks)))
}

fn is_whole(file: &ConfFile, files: &CniFiles) -> bool {
    file.network().is_ok_and(|network| {
        let mut programs = network.programs().into_iter();
        programs.all(|program| has_program(files, program))
    })
}

/// The name under which a list in a `.conf` or `.json` is read, where it is one.
fn renamed(file: &ConfFile) -> Option<String> {
    let (stem, _) = file.name.rsplit_once('.')?;
    let name = format!("{stem}.conflist");
    let list = ConfFile {
        name: name.clone(),
        content: file.content.clone(),
    };
    list.network().is_ok().then_some(name)
}

fn path_of(name: &str) -> String {
    format!("{CONF_DIR}/{name}")
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
fn restore(about: &About<'_>) -> Remediation {
    match &about.evidence.agents {
        Ok(agents) => super::agent::fix(about, agents.first(), None),
        Err(_) => super::agent::apply_add_on(),
    }
}

impl About<'_> {
    fn file(&self, name: &str) -> Subject {
        Subject::File {
            node: self.node.object.name.clone(),
            path: format!("{CONF_DIR}/{name}"),
        }
    }

    /// A cause in the node's configuration.
    fn configured(
        &self,
        culprit: Subject,
        expected: Start,
        observed: Vec<Start>,
        look: Command,
        fix: Remediation,
    ) -> Known {
        Known {
            subjects: vec![self.subject(), self.node()],
            culprit,
            expected: expected.into(),
            observed: observed.into_iter().map(State::from).collect(),
            look,
            fix,
            seen: Vec::new(),
        }
    }
}

fn no_conflist(about: &About<'_>, files: Option<&CniFiles>) -> Finding {
    let observed = match files {
        None => Start::NotSaid,
        Some(files) => Start::NoConflist {
            files: files.conf.iter().map(|f| f.name.clone()).collect(),
            not_ready: None,
        },
    };
    let known = about.configured(
        about.node(),
        Start::OneConflist,
        vec![observed],
        about.on_node(&format!("ls {CONF_DIR}")),
        restore(about),
    );
    let node = about.node.object.name.clone();
    about.finding(Cause::NoConflist { node }, known)
}

/// The node's condition is asked, not the pod's events: those are of the time before the file came.
fn not_loaded(about: &About<'_>, file: &ConfFile) -> Option<Finding> {
    let (status, _, message) = about.node.ready();
    let readable = file.content.is_ok();
    if status != "False" || !readable || !matches!(words::read(message), Said::NoConflist { .. }) {
        return None;
    }
    let node = about.node.object.name.clone();
    let observed = Start::NotTakenUp {
        path: format!("{CONF_DIR}/{}", file.name),
        said: one_line(message),
    };
    let known = about.configured(
        Subject::Runtime { node: node.clone() },
        Start::TakenUp,
        vec![observed],
        about.on_node(&format!("ls -l {CONF_DIR}")),
        Remediation::run(about.on_node("systemctl restart containerd")),
    );
    let file = file.name.clone();
    let mut finding = about.finding(Cause::ConflistNotLoaded { node, file }, known);
    finding.seen = vec![Seen::new("condition Ready", message)];
    Some(finding)
}

/// `look`: the command that shows it.
fn malformed(about: &About<'_>, file: &str, why: &str, look: &str) -> Finding {
    let path = format!("{CONF_DIR}/{file}");
    let mut known = about.configured(
        about.file(file),
        Start::Conflist,
        Vec::new(),
        about.on_node(&format!("{look} {path}")),
        Remediation::run(about.on_node(&format!("rm {path}"))).then(restore(about)),
    );
    known.observed = vec![said(why)];
    let cause = Cause::ConflistMalformed {
        node: about.node.object.name.clone(),
        file: file.to_owned(),
    };
    about.finding(cause, known)
}

/// The file in use does not work; of those after it, one would.
fn two(about: &About<'_>, first: &ConfFile, later: &[&ConfFile], whole: &ConfFile) -> Finding {
    let shadowed: Vec<String> = later.iter().map(|file| file.name.clone()).collect();
    let observed = Start::Used {
        file: first.name.clone(),
        shadowed: shadowed.clone(),
        whole: Some(whole.name.clone()),
    };
    let known = about.configured(
        about.file(&first.name),
        Start::OneConflist,
        vec![observed],
        about.on_node(&format!("ls {CONF_DIR}")),
        Remediation::run(about.on_node(&format!("rm {CONF_DIR}/{}", first.name))),
    );
    let cause = Cause::TwoConflists {
        node: about.node.object.name.clone(),
        used: first.name.clone(),
        shadowed,
    };
    about.finding(cause, known)
}

fn version(
    about: &About<'_>,
    file: Option<&str>,
    versions: Vec<String>,
    speaks: Option<Start>,
) -> Finding {
    let words = about.network_words();
    let core = words.as_ref().map(|seen| words::core(&seen.text));
    let core = core.filter(|text| words::read(text) == Said::Version);
    let spoken = core.map_or_else(Vec::new, supported);
    let fits = fitting(about, &spoken);
    let path = file.map_or_else(
        || format!("{CONF_DIR}/FILE"),
        |file| format!("{CONF_DIR}/{file}"),
    );
    let edit = format!(r#"s/"cniVersion": *"[^"]*"/"cniVersion": "{fits}"/"#);
    let argv = ["sed", "-i", &edit, &path].map(str::to_owned).to_vec();
    let edit = Command {
        argv,
        ..about.on_node("sed")
    };
    let observed = Start::Versions {
        versions,
        said: core.map(one_line),
    };
    let known = about.configured(
        file.map_or_else(|| about.node(), |file| about.file(file)),
        Start::SpokenVersion {
            newest: Version::NEWEST.to_string(),
        },
        std::iter::once(observed).chain(speaks).collect(),
        about.on_node(&format!("grep cniVersion {path}")),
        Remediation::run(edit),
    );
    let cause = Cause::CniVersion {
        node: about.node.object.name.clone(),
        file: file.map(str::to_owned),
    };
    about.finding(cause, known)
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
    file: Option<&str>,
    plugins: Vec<String>,
    files: Option<&CniFiles>,
) -> Finding {
    let observed = match files {
        Some(files) => Start::Programs {
            programs: files.programs.clone(),
        },
        None => Start::NotFound,
    };
    let mut known = about.configured(
        about.node(),
        Start::EveryPlugin,
        vec![observed],
        about.on_node(&format!("ls -l {BIN_DIR}")),
        restore(about),
    );
    known.subjects.extend(file.map(|file| about.file(file)));
    let cause = Cause::PluginMissing {
        node: about.node.object.name.clone(),
        file: file.map(str::to_owned),
        plugins,
    };
    about.finding(cause, known)
}
