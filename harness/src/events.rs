//! The stream of events of one run. Progress and reports only read it.
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Hears every event, in order, possibly from several threads.
pub type Observer = Arc<dyn Fn(&Event) + Send + Sync>;

/// Parts of a run that take time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The cluster's nodes come up.
    Boot,
    /// A cluster that runs already is looked at.
    Attach,
    /// The CNI is installed and ready on every node.
    Install,
    /// Pods are created and run.
    Deploy,
    /// Probes run and report.
    Observe,
    /// The cluster goes away.
    TearDown,
}

impl Phase {
    /// Stable name, as in reports.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Boot => "boot",
            Phase::Attach => "attach",
            Phase::Install => "install",
            Phase::Deploy => "deploy",
            Phase::Observe => "observe",
            Phase::TearDown => "tear-down",
        }
    }
}

/// An observer that hears what `observer` hears, after the log has it.
pub fn logged(observer: Observer) -> Observer {
    Arc::new(move |event: &Event| {
        match event {
            // The log has phases with their own times.
            Event::PhaseStarted(_) | Event::PhaseEnded(..) | Event::Expect(_) => {}
            Event::Note(words) | Event::Step(words) => tracing::info!("{words}"),
            Event::NodeReady(node) => tracing::info!(node, "ready"),
            Event::PodReady(pod) => tracing::info!(pod, "runs"),
            Event::PodFailed(pod, why) => tracing::warn!(pod, why, "does not run"),
            Event::Planted(fault) => tracing::info!(fault, "planted"),
            Event::Kept { words, .. } => tracing::info!("{words}"),
        }
        observer(event);
    })
}

/// Something happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A phase began.
    PhaseStarted(Phase),
    /// A phase ended well, after this long.
    PhaseEnded(Phase, Duration),
    /// What a reader should know, in one line (for example which programs the pods have).
    Note(String),
    /// A phase that takes long got to here.
    Step(String),
    /// How many nodes or pods the phase waits for.
    Expect(usize),
    /// A node is Ready.
    NodeReady(String),
    /// A pod runs.
    PodReady(String),
    /// A pod did not come up in time, and why.
    PodFailed(String, String),
    /// The fault was planted.
    Planted(String),
    /// The cluster stays, or what the run put into it.
    Kept {
        /// The cluster's name, where it has one.
        cluster: Option<String>,
        /// In one line, with how to delete it.
        words: String,
    },
}
