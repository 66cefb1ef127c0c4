//! Compares the dependencies that cargo reports with the table of layers.
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde::Deserialize;

/// The part of `cargo metadata --no-deps` that the checks read.
#[derive(Deserialize)]
pub(crate) struct Workspace {
    packages: Vec<Package>,
    pub(crate) workspace_root: PathBuf,
    pub(crate) metadata: Metadata,
}

#[derive(Deserialize)]
pub(crate) struct Metadata {
    pub(crate) layers: Layers,
}

/// The table: one row per package of the workspace.
pub(crate) type Layers = BTreeMap<String, Layer>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Layer {
    /// Packages of the workspace that its manifest may name, as dev-dependencies too.
    may_use: Vec<String>,
    /// Packages that must not be compiled into it, directly or through others.
    never: Vec<String>,
    pub(crate) because: String,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    targets: Vec<Target>,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
    src_path: PathBuf,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
}

impl Workspace {
    /// The workspace around a folder.
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Self> {
        let metadata = cargo(folder, &["metadata", "--format-version=1", "--no-deps"])?;
        serde_json::from_str(&metadata).context("parsing cargo metadata")
    }

    /// The root files of its libraries and programs.
    pub(crate) fn crate_roots(&self) -> impl Iterator<Item = &Path> {
        let targets = self.packages.iter().flat_map(|package| &package.targets);
        targets
            .filter(|target| {
                target
                    .kind
                    .iter()
                    .any(|kind| kind == "lib" || kind == "bin")
            })
            .map(|target| target.src_path.as_path())
    }
}

/// One line for each dependency that the table forbids, and for each package without a row.
pub(crate) fn forbidden(workspace: &Workspace, layers: &Layers) -> anyhow::Result<Vec<String>> {
    let members: BTreeSet<&String> = workspace.packages.iter().map(|it| &it.name).collect();
    let mut found = Vec::new();
    for package in &workspace.packages {
        let name = &package.name;
        let Some(layer) = layers.get(name) else {
            found.push(format!(
                "{name} is not in the table of layers: add a row to the root Cargo.toml"
            ));
            continue;
        };
        let named: BTreeSet<&String> = package.dependencies.iter().map(|it| &it.name).collect();
        let ours = named
            .intersection(&members)
            .filter(|used| !layer.may_use.contains(used));
        let mut chains: Vec<String> = ours.map(|used| format!("{name} -> {used}")).collect();
        let compiled = compiled_into(name, &workspace.workspace_root)?;
        for never in &layer.never {
            let leading_there = compiled.iter().filter(|chain| chain.last() == Some(never));
            let shortest = leading_there.min_by_key(|chain| chain.len());
            chains.extend(shortest.map(|chain| chain.join(" -> ")));
        }
        let because = &layer.because;
        found.extend(
            chains
                .iter()
                .map(|chain| format!("{chain}: forbidden to {name}, because {because}")),
        );
    }
    Ok(found)
}

/// Chains of names that lead from a package to each one compiled into it.
fn compiled_into(package: &str, folder: &Path) -> anyhow::Result<Vec<Vec<String>>> {
    let tree = [
        "tree",
        "--edges=normal,build",
        "--all-features",
        "--prefix=depth",
        "--package",
        package,
    ];
    let mut chain = Vec::new();
    let mut chains = Vec::new();
    // For example `2tokio v1.54.0`, two below the package itself.
    for line in cargo(folder, &tree)?.lines() {
        let (depth, name) = line.split_at(line.find(|c: char| !c.is_ascii_digit()).unwrap_or(0));
        let depth = depth
            .parse()
            .with_context(|| format!("a line of cargo tree: {line}"))?;
        chain.truncate(depth);
        chain.push(name.split(' ').next().unwrap_or(name).to_owned());
        chains.push(chain.clone());
    }
    Ok(chains)
}

fn cargo(folder: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let mut cargo = Command::new(env!("CARGO"));
    let output = cargo
        .args(arguments)
        .current_dir(folder)
        .output()
        .context("running cargo")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "cargo {}: {stderr}",
        arguments.join(" ")
    );
    String::from_utf8(output.stdout).context("the output of cargo")
}
