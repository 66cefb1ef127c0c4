//! `flatnet plugin-test`, started as a person starts it.
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// flatnet's own plugin.
pub(crate) const PLUGIN: &str = env!("CARGO_BIN_EXE_flatnet-cni");

/// flatnet with these arguments, without what the environment would choose.
pub(crate) fn flatnet(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flatnet"));
    crate::started::unchosen(&mut command);
    command.arg("plugin-test").args(args);
    command
}

/// What a run said: clauses by id, and the exit code.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) rows: BTreeMap<String, Value>,
}

impl Said {
    /// From a run with `--output json`.
    #[track_caller]
    pub(crate) fn of(output: &Output) -> Self {
        let words = String::from_utf8_lossy(&output.stderr);
        let report: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {words}"));
        let mut rows = BTreeMap::new();
        for plugin in report["plugins"].as_array().unwrap() {
            for list in ["rows", "damage"] {
                for row in plugin[list].as_array().unwrap() {
                    rows.insert(row["id"].as_str().unwrap().to_owned(), row.clone());
                }
            }
        }
        Said {
            code: output.status.code().unwrap_or(-1),
            rows,
        }
    }

    /// Ids of the rows with one of these verdicts.
    pub(crate) fn with(&self, verdicts: &[&str]) -> Vec<&str> {
        let rows = self.rows.iter();
        rows.filter(|(_, row)| {
            verdicts
                .iter()
                .any(|verdict| row["verdict"]["verdict"] == *verdict)
        })
        .map(|(id, _)| id.as_str())
        .collect()
    }

    /// What was found, for a message.
    pub(crate) fn findings(&self) -> String {
        let mut text = String::new();
        for (id, row) in &self.rows {
            for finding in row["verdict"]["findings"].as_array().into_iter().flatten() {
                text.push_str(&format!(
                    "{id}: {}\n",
                    finding["observed"].as_str().unwrap_or_default()
                ));
            }
            if let Some(error) = row["verdict"]["error"].as_str() {
                text.push_str(&format!("{id}: broken: {error}\n"));
            }
        }
        text
    }
}

/// Runs it with `--output json`.
#[track_caller]
pub(crate) fn run(args: &[&str]) -> Said {
    let mut all = args.to_vec();
    all.extend(["--output", "json"]);
    Said::of(&flatnet(&all).output().unwrap())
}

/// An executable script in a folder of its own.
pub(crate) fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}
