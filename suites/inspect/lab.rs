//! A lab with two nodes and four pods, and what people type in it.
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use flatnet_model::inspection::{Fact, Inspection, Outcome, Problem};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn flatnet(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_flatnet"))
        .args(arguments)
        // The environment of the tests may name another cluster.
        .env_remove("FLATNET_CLUSTER")
        .output()
        .expect("flatnet starts")
}

/// What flatnet said to a person.
pub(crate) fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Ends with the test.
pub(crate) struct TestLab {
    pub(crate) name: String,
}

impl TestLab {
    #[track_caller]
    pub(crate) fn boot(test: &str, options: &[&str]) -> TestLab {
        let name = format!("inspect-{test}-{}", std::process::id());
        let up = [
            &[
                "up",
                "--name",
                &name,
                "--nodes",
                "2",
                "--pods-per-node",
                "2",
            ],
            options,
        ]
        .concat();
        let output = flatnet(&up);
        assert!(output.status.success(), "{}", words(&output));
        TestLab { name }
    }

    /// A subcommand that takes `--cluster`.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        flatnet(&[arguments, &["--cluster", &self.name]].concat())
    }

    #[track_caller]
    pub(crate) fn say(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{}", words(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    pub(crate) fn inspect(&self, arguments: &[&str]) -> Inspection {
        let json = [&["inspect", "--output", "json"], arguments].concat();
        serde_json::from_str(&self.say(&json)).unwrap()
    }

    /// The answer to one question.
    #[track_caller]
    pub(crate) fn ask(&self, question: &str) -> (Vec<Fact>, Vec<Problem>) {
        let mut inspection = self.inspect(&[question]);
        match inspection.answers.remove(0).outcome {
            Outcome::Answered { facts, problems } => (facts, problems),
            other => panic!("{question}: {other:?}"),
        }
    }

    /// Facts of one topic on one node.
    #[track_caller]
    pub(crate) fn facts(&self, question: &str, topic: &str, node: &str) -> Vec<Fact> {
        let (facts, _) = self.ask(question);
        facts
            .into_iter()
            .filter(|fact| fact.topic == topic && fact.node.as_deref() == Some(node))
            .collect()
    }

    /// The output of a shell's line in a pod or on a node.
    #[track_caller]
    pub(crate) fn exec(&self, place: &str, line: &str) -> String {
        let output = flatnet(&[
            "exec",
            "--cluster",
            &self.name,
            place,
            "--",
            "sh",
            "-c",
            line,
        ]);
        assert!(output.status.success(), "{line}: {}", words(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// As [`TestLab::exec`], of a command that prints a JSON list.
    #[track_caller]
    pub(crate) fn list(&self, place: &str, line: &str) -> Vec<Value> {
        let text = self.exec(place, line);
        if text.trim().is_empty() {
            return Vec::new();
        }
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{line}: {error}: {text}"))
    }

    #[track_caller]
    pub(crate) fn await_that(&self, what: &str, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !holds() {
            assert!(Instant::now() < deadline, "not within {LIMIT:?}: {what}");
            std::thread::yield_now();
        }
    }
}

impl Drop for TestLab {
    fn drop(&mut self) {
        flatnet(&["down", &self.name]);
    }
}
