//! The programs in /opt/cni/bin.
use std::collections::BTreeMap;

use super::cni_config::in_use;
use super::findings::Findings;
use flatnet_model::cni::{BIN_DIR, CONF_DIR};
use flatnet_model::inspection::{Fact, Outcome, Source};
use flatnet_model::view::View;

pub(in crate::inspect) fn answer(view: &View) -> Outcome {
    let mut findings = Findings::default();
    for (node, inside) in findings.insides(view) {
        let name = &node.object.name;
        let mut needed: BTreeMap<String, String> = BTreeMap::new();
        match in_use(inside) {
            Ok(Some((file, config))) => {
                needed.extend(
                    config
                        .programs()
                        .into_iter()
                        .map(|program| (program.to_owned(), file.to_owned())),
                );
            }
            Ok(None) => {}
            Err((file, why)) => findings.problem(Some(name), &format!("{CONF_DIR}/{file}"), why),
        }
        let Some(plugins) = findings.observed(name, BIN_DIR, inside.plugins()) else {
            continue;
        };
        for plugin in plugins {
            // Many are built without a version, and say so in words of their own.
            let version = plugin
                .about
                .as_ref()
                .map(|about| version(about).unwrap_or_else(|| about.clone()));
            let fact = Fact::new(
                "plugin",
                &plugin.name,
                Source::Command(format!(
                    "CNI_COMMAND=VERSION {BIN_DIR}/{} <<< '{{\"cniVersion\":\"1.1.0\"}}'",
                    plugin.name
                )),
            )
            .on(name)
            .with("version", version);
            let fact = match &plugin.versions {
                Ok(versions) => fact.with("cni-versions", versions.supported_versions.clone()),
                Err(why) => {
                    findings.problem(
                        Some(name),
                        &format!("{BIN_DIR}/{}", plugin.name),
                        format!("it does not answer CNI_COMMAND=VERSION: {why}"),
                    );
                    fact.with("cni-versions", Vec::<String>::new())
                }
            };
            findings.fact(fact.with("needed-by", needed.remove(&plugin.name)));
        }
        for (program, file) in needed {
            findings.problem(Some(name), &format!("{BIN_DIR}/{program}"), format!("{CONF_DIR}/{file} needs this plugin and it is not there: no pod can start on the node"));
        }
    }
    findings.outcome(|| format!("{BIN_DIR} holds no program on any node"))
}

/// The version in a line such as `CNI bridge plugin v1.4.0`: its first word that is a version number.
pub(crate) fn version(about: &str) -> Option<String> {
    about.split_whitespace().find_map(|word| {
        let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let number = word.strip_prefix('v').unwrap_or(word);
        let mut parts = number.split('.');
        let numeric = |part: Option<&str>| {
            part.is_some_and(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit()))
        };
        (numeric(parts.next()) && numeric(parts.next())).then(|| number.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn versions_are_found_in_what_plugins_say() {
        for (about, expected) in [
            ("CNI bridge plugin v1.4.0", Some("1.4.0")),
            (
                "CNI Plugin flannel version v1.9.1-flannel1 (linux/amd64) commit x built on 2026-01-01",
                Some("1.9.1-flannel1"),
            ),
            (
                "CNI plugin flatnet-cni 0.1.0; a container runtime executes it",
                Some("0.1.0"),
            ),
            ("CNI loopback plugin", None),
            ("portmap v2", None),
        ] {
            assert_eq!(version(about).as_deref(), expected, "{about}");
        }
    }
}
