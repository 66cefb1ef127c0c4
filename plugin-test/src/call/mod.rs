//! One execution of a plugin: what it is given, and what it does.
mod process;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flatnet_model::quoting::quote;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is given to a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The program.
    pub program: PathBuf,
    /// CNI_* variables.
    pub env: BTreeMap<String, String>,
    /// Standard input.
    pub stdin: String,
}

/// How an execution ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// With an exit code.
    Code(i32),
    /// By a signal that was not ours.
    Signal(i32),
    /// It was still running at the end of its time, and was killed.
    TimedOut,
    /// It ended, but what it started keeps its output open, for which a runtime waits.
    OutputHeld,
    /// It wrote more than [`process::MOST`] bytes, and was killed.
    TooMuch,
    /// It could not be started, in the system's words.
    NotStarted(String),
}

/// What an execution said and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// How it ended.
    pub ending: Ending,
    /// Standard output, at most [`process::KEPT`] bytes of it.
    pub stdout: String,
    /// Standard error, likewise.
    pub stderr: String,
}

impl Request {
    /// Executes it; it is killed with its process group after `limit`.
    pub(crate) fn run(&self, limit: Duration) -> Answer {
        process::run(self, limit)
    }

    /// The command of the protocol: CNI_COMMAND, as given.
    pub(crate) fn command(&self) -> &str {
        self.env.get("CNI_COMMAND").map_or("", String::as_str)
    }

    /// The variable is not set.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.env.remove(name);
        self
    }

    /// The variable is set to `value`.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Any text as standard input.
    pub(crate) fn with_stdin(mut self, text: &str) -> Self {
        text.clone_into(&mut self.stdin);
        self
    }

    /// A key of the configuration; `Null` takes it away.
    pub(crate) fn with_key(mut self, key: &str, value: Value) -> Self {
        let mut conf = self.conf();
        if let Some(object) = conf.as_object_mut() {
            match value {
                Value::Null => object.remove(key),
                value => object.insert(key.to_owned(), value),
            };
        }
        self.stdin = conf.to_string();
        self
    }

    /// The configuration, where standard input is one.
    pub(crate) fn conf(&self) -> Value {
        serde_json::from_str(&self.stdin).unwrap_or(Value::Null)
    }

    /// As a person types it.
    pub(crate) fn shell(&self) -> String {
        let env = self.env.iter();
        let env: Vec<String> = env
            .map(|(name, value)| format!("{name}={}", quote(value)))
            .collect();
        format!(
            "printf %s {} | {} {}; echo \"exit code $?\"",
            quote(&self.stdin),
            env.join(" "),
            quote(&self.program.display().to_string())
        )
    }
}

impl Answer {
    /// Whether it ended with exit code 0.
    pub(crate) fn ok(&self) -> bool {
        self.ending == Ending::Code(0)
    }

    /// Whether it ended by itself: with an exit code.
    pub(crate) fn ended(&self) -> bool {
        matches!(self.ending, Ending::Code(_))
    }

    /// Standard output as the one JSON object that it must be.
    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_str(&self.stdout)
            .ok()
            .filter(Value::is_object)
    }

    /// `code` of the error object.
    pub(crate) fn code(&self) -> Option<u64> {
        self.json()?.get("code")?.as_u64()
    }

    /// Everything the error object says.
    pub(crate) fn message(&self) -> String {
        let json = self.json().unwrap_or(Value::Null);
        let part = |key: &str| json[key].as_str().unwrap_or_default().to_owned();
        format!("{} {}", part("msg"), part("details"))
    }

    /// How it ended and the first words of what it said.
    pub(crate) fn summary(&self) -> String {
        let said = match self.json() {
            Some(_) if self.code().is_some() => {
                format!(
                    "code {}: {}",
                    self.code().unwrap_or(0),
                    self.message().trim()
                )
            }
            _ => first_words(if self.stdout.trim().is_empty() {
                &self.stderr
            } else {
                &self.stdout
            }),
        };
        match said.is_empty() {
            true => self.ending.to_string(),
            false => format!("{}, {said}", self.ending),
        }
    }
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ending::Code(code) => write!(f, "exit code {code}"),
            Ending::Signal(number) => write!(f, "ended by signal {number}"),
            Ending::TimedOut => f.write_str("did not end in time and was killed"),
            Ending::OutputHeld => {
                f.write_str("ended, but a process that it started keeps its output open")
            }
            Ending::TooMuch => write!(
                f,
                "wrote more than {} MiB and was killed",
                process::MOST >> 20
            ),
            Ending::NotStarted(why) => write!(f, "could not be started: {why}"),
        }
    }
}

/// At most a line, and not a long one.
pub(crate) fn first_words(text: &str) -> String {
    const MOST: usize = 200;
    let line = text.trim().lines().next().unwrap_or_default();
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// The file's name, which is the plugin's `type`.
pub(crate) fn type_of(program: &Path) -> String {
    let name = program.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
