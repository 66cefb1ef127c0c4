//! Two runs beside each other, and a run beside its baseline: on labs, through the command line.
mod annotations;
mod caught;
mod changes;
mod equal;
mod input;
mod netfilter;
mod sources;
#[path = "../started.rs"]
#[expect(dead_code, reason = "other suites use more of it")]
mod started;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tempfile::TempDir;

fn flatnet() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flatnet"));
    started::unchosen(&mut command);
    command
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Everything that was said.
fn all(output: &Output) -> String {
    format!("{}{}", stdout(output), started::words(output))
}

/// A folder with reports in it.
struct Reports(TempDir);

impl Reports {
    fn new() -> Self {
        Reports(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs `flatnet test` with these options; its report is in the folder of that name.
    #[track_caller]
    fn run(&self, name: &str, options: &[&str]) -> Output {
        let mut command = flatnet();
        command
            .args(["test", "--quiet", "--report"])
            .arg(self.path(name));
        let output = command.args(options).output().expect("flatnet starts");
        let written = self.path(name).join("report.json").is_file();
        assert!(written, "{options:?}: {}", all(&output));
        output
    }

    /// The difference of two of them, with its exit code.
    #[track_caller]
    fn diff(&self, before: &str, after: &str) -> (Option<i32>, Difference) {
        let mut command = flatnet();
        command
            .arg("diff")
            .arg(self.path(before))
            .arg(self.path(after));
        let output = command
            .args(["--output", "json"])
            .output()
            .expect("flatnet starts");
        let json = serde_json::from_str(&stdout(&output));
        let json = json.unwrap_or_else(|e| panic!("{e}: {}", all(&output)));
        (output.status.code(), Difference(json))
    }
}

/// What `flatnet diff --output json` prints.
struct Difference(Value);

impl Difference {
    fn changes(&self) -> impl Iterator<Item = &Value> {
        self.0["changes"].as_array().into_iter().flatten()
    }

    /// Classes and ids of what differs.
    fn kinds(&self) -> BTreeSet<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        self.changes()
            .map(|change| (text(&change["class"]), text(&change["id"])))
            .collect()
    }

    fn texts(&self) -> Vec<String> {
        let texts = self.changes().filter_map(|change| change["text"].as_str());
        texts.map(str::to_owned).collect()
    }

    fn summary(&self) -> &str {
        self.0["summary"].as_str().unwrap_or_default()
    }

    /// Fails unless that and nothing else differs: these classes and ids, one of the texts being this.
    #[track_caller]
    fn is(&self, kinds: &[(&str, &str)], text: &str) {
        let owned = |(class, id): &(&str, &str)| ((*class).to_owned(), (*id).to_owned());
        let expected: BTreeSet<(String, String)> = kinds.iter().map(owned).collect();
        let texts = self.texts();
        assert_eq!(self.kinds(), expected, "{texts:#?}");
        assert!(
            texts.iter().any(|one| one == text),
            "{text:?} is not in {texts:#?}"
        );
    }
}

/// A lab that runs until it is dropped.
struct Lab(String);

impl Lab {
    #[track_caller]
    fn up(word: &str, options: &[&str]) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("baseline-{word}-{}-{number}", std::process::id());
        let mut command = flatnet();
        command.args(["up", "--name", &name]).args(options);
        let output = command.output().expect("flatnet starts");
        assert!(output.status.success(), "{}", all(&output));
        Lab(name)
    }

    /// Runs a line of shell on a node or in a pod.
    #[track_caller]
    fn exec(&self, at: &str, line: &str) -> String {
        let mut command = flatnet();
        command.args(["exec", "--cluster", &self.0, at, "--", "sh", "-c", line]);
        let output = command.output().expect("flatnet starts");
        assert!(output.status.success(), "{line}: {}", all(&output));
        stdout(&output)
    }

    /// Compares it with the baseline in `file`.
    fn test(&self, file: &Path, options: &[&str]) -> Output {
        let mut command = flatnet();
        command
            .args(["test", "--quiet", "--cluster", &self.0, "--baseline"])
            .arg(file);
        command.args(options).output().expect("flatnet starts")
    }

    /// A baseline of it as it is now.
    #[track_caller]
    fn baseline(&self, file: &Path) {
        let first = self.test(file, &[]);
        assert_eq!(first.status.code(), Some(1), "{}", all(&first));
        let mut command = flatnet();
        let accepted = command.args(["baseline", "accept"]).arg(file).output();
        let accepted = accepted.expect("flatnet starts");
        assert!(accepted.status.success(), "{}", all(&accepted));
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = flatnet().args(["down", &self.0]).output();
    }
}
