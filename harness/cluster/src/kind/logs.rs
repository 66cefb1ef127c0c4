//! What a kind cluster that does not come up leaves behind: its containers' and services' logs, kept, and read for the cause.
use std::path::{Path, PathBuf};

use super::engine::Engine;
use super::program::run;
use crate::{Error, Result};

/// Services of a node whose journal shows why it does not come up.
const UNITS: [&str; 2] = ["kubelet", "containerd"];

/// Saves, for each node container, its console and its services' journals into `dir`; returns the folder.
///
/// # Errors
/// When the folder cannot be written. A log that cannot be had is left out.
pub async fn save(engine: &Engine, cluster: &str, dir: &Path) -> Result<PathBuf> {
    let dir = dir.join(cluster);
    let unwritable =
        |e: std::io::Error| Error::Input(format!("write logs into {}: {e}", dir.display()));
    std::fs::create_dir_all(&dir).map_err(unwritable)?;
    for node in containers(engine, cluster).await? {
        let mut logs = vec![(
            "console".to_owned(),
            run(engine.engine().args(["logs", &node]), "logs").await?,
        )];
        for unit in UNITS {
            let mut journal = engine.engine();
            journal.args(["exec", &node, "journalctl", "--no-pager", "-u", unit]);
            logs.push((unit.to_owned(), run(&mut journal, "journalctl").await?));
        }
        for (name, log) in logs {
            let path = dir.join(format!("{node}-{name}.log"));
            std::fs::write(path, log.stdout + &log.stderr).map_err(unwritable)?;
        }
    }
    Ok(dir)
}

/// Names of the cluster's node containers, stopped ones included (kind labels them).
///
/// # Errors
/// When the engine cannot be asked.
pub async fn containers(engine: &Engine, cluster: &str) -> Result<Vec<String>> {
    let mut list = engine.engine();
    list.args(["ps", "-a", "--format", "{{.Names}}", "--filter"])
        .arg(format!("label=io.x-k8s.kind.cluster={cluster}"));
    let said = run(&mut list, "list the nodes' containers").await?;
    Ok(said.stdout.split_whitespace().map(str::to_owned).collect())
}

/// Why `kind create cluster` failed, from its own words.
pub(super) fn cause(words: &str, image: Option<&str>, cluster: &str) -> Error {
    let line = words
        .lines()
        .map(str::trim)
        .find_map(|line| line.strip_prefix("ERROR: "))
        .or_else(|| words.lines().rev().find(|line| !line.trim().is_empty()))
        .unwrap_or("kind said nothing")
        .chars()
        .take(600)
        .collect::<String>();
    let has = |signs: &[&str]| signs.iter().any(|sign| words.contains(sign));
    if has(&[
        "failed to pull image",
        "pull access denied",
        "manifest unknown",
        "manifest for",
    ]) || (has(&["No such image", "no such image"])
        && has(&["docker pull", "podman pull", "docker run", "pull"]))
    {
        return Error::Missing {
            what: format!(
                "the node image {} is not on this machine and cannot be pulled: {line}",
                image.unwrap_or("that kind asks for")
            ),
            remedy:
                "name a local image with --image, or build one without a registry: make kind-image"
                    .to_owned(),
        };
    }
    if has(&["already exist for a cluster with the name"]) {
        return Error::Input(format!(
            "a kind cluster {cluster:?} already exists; use it with --cluster {cluster}, or choose another --name"
        ));
    }
    // kind says this once it has accepted what it was asked for; a rootless engine is judged before that.
    let refused = !has(&["Creating cluster "]) && !has(&["rootless"]);
    match words.split_once("ERROR: ") {
        Some((_, why)) if refused => Error::Input(format!("kind refuses it: {}", why.trim())),
        _ => Error::Failed(format!("kind create cluster: {line}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_image_is_missing_and_a_taken_name_is_input() {
        let error = cause(
            "Creating cluster \"a\" ...\nERROR: failed to create cluster: failed to pull image \"kindest/node:v9\": command \"docker pull kindest/node:v9\" failed with error: exit status 1",
            Some("kindest/node:v9"),
            "a",
        );
        assert_eq!(error.exit_code(), 3);
        assert!(error.to_string().contains("make kind-image"), "{error}");
        let error = cause(
            "ERROR: failed to create cluster: node(s) already exist for a cluster with the name \"a\"",
            None,
            "a",
        );
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("--cluster a"), "{error}");
        assert_eq!(cause("boom", None, "a").exit_code(), 4);
    }

    #[test]
    fn what_kind_refuses_before_it_makes_anything_is_input_in_kinds_words() {
        let invalid = "ERROR: failed to create cluster: [invalid ipFamily: ipv5, invalid configuration for node 0: \"boss\" is not a valid node role]";
        let unknown = "ERROR: failed to create cluster: unable to decode config: yaml: unmarshal errors:\n  line 9: field imagee not found in type v1alpha4.Node";
        for (words, part) in [
            (invalid, "\"boss\" is not a valid node role"),
            (unknown, "line 9: field imagee"),
        ] {
            let error = cause(words, None, "a");
            assert_eq!(error.exit_code(), 2, "{error}");
            assert!(error.to_string().contains(part), "{error}");
        }
        let late =
            "Creating cluster \"a\" ...\nERROR: failed to create cluster: failed to init node";
        assert_eq!(cause(late, None, "a").exit_code(), 4);
        let rootless = "ERROR: failed to create cluster: running kind with rootless provider requires cgroup v2";
        assert_eq!(cause(rootless, None, "a").exit_code(), 4);
    }
}
