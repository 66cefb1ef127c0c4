//! What a person can do: commands with the place where they run.
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::PodRef;

/// A command to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Program and arguments; `sh -c LINE` where only a shell will do.
    pub argv: Vec<String>,
    /// The machine, node or pod in which to run it.
    pub at: At,
}

/// Where a command runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum At {
    /// On the machine where flatnet runs.
    Here,
    /// On a node, with its network and its files in view.
    Node(String),
    /// In a pod's first container.
    Pod(PodRef),
}

impl Command {
    /// The words of a line, none of which needs quoting.
    fn words(at: At, line: &str) -> Self {
        let argv = line.split_whitespace().map(str::to_owned).collect();
        Command { argv, at }
    }

    /// On this machine, words separated by blanks.
    pub fn here(line: &str) -> Self {
        Command::words(At::Here, line)
    }

    /// On a node, words separated by blanks.
    pub fn on(node: &str, line: &str) -> Self {
        Command::words(At::Node(node.to_owned()), line)
    }

    /// In a pod, words separated by blanks; the program is one that busybox has.
    pub fn in_pod(pod: &PodRef, line: &str) -> Self {
        Command::words(At::Pod(pod.clone()), line)
    }

    /// A line for a shell: patterns, pipes, substitutions.
    pub fn shell(at: At, line: impl Into<String>) -> Self {
        let argv = vec!["sh".to_owned(), "-c".to_owned(), line.into()];
        Command { argv, at }
    }
}

/// What puts something right: steps of which the first that fits will do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remediation {
    /// Steps in the order in which to take them; never empty.
    pub steps: Vec<Step>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What is to be done, where the commands do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub todo: Option<Todo>,
    /// One after the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<Command>,
}

/// What a person has to do or to decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "id", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "`words` says each")]
pub enum Todo {
    CommandOfImage {
        image: String,
    },
    HeedLastWords,
    HeedWords,
    ReadMoreWords,
    ReadLogs,
    SmallerRequests,
    BindClaim,
    Tolerate,
    EditDaemonSet,
    DeletePodsOf {
        node: String,
    },
    AssignRanges,
    RangesOnUp,
    RoomOnUp,
    MoreRoom {
        node: String,
    },
    CarryOutOnce,
    BootAgain,
    EarlierCause,
    NamedCause,
    FindRule,
    RuleOwner,
    PathCarriesMore,
    ForgetPathMtu,
    LostWithDevice {
        device: String,
        addresses: Vec<IpAddr>,
    },
    CreateClaim {
        name: String,
    },
    LoadImage,
    ApplyAddOn,
    CorrectManifest,
    InstallProgram {
        program: String,
    },
    GiveRange,
    SameDirectory,
    GiveBackReservations,
}

impl Remediation {
    /// A single step of one command.
    pub fn run(command: Command) -> Self {
        Remediation::step(None, vec![command])
    }

    /// Something to do, and the commands for it.
    pub fn to(todo: Todo, commands: Vec<Command>) -> Self {
        Remediation::step(Some(todo), commands)
    }

    fn step(todo: Option<Todo>, commands: Vec<Command>) -> Self {
        Remediation {
            steps: vec![Step { todo, commands }],
        }
    }

    /// Appends the steps of another one.
    pub fn then(mut self, next: Remediation) -> Self {
        self.steps.extend(next.steps);
        self
    }
}
