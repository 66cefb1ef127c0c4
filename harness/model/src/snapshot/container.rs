//! Containers of pods: what they do, how they ended, whether they last.
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

/// A container: what is to run, and how it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// `name`.
    pub name: String,
    /// Whether it is one of the init containers.
    pub init: bool,
    /// Image as the status has it.
    pub image: String,
    /// `imagePullPolicy` is Always.
    pub always_pulled: bool,
    /// `command` and `args` of the manifest; empty where the image's own is run.
    pub command: Vec<String>,
    /// `ready`.
    pub ready: bool,
    /// `restartCount`.
    pub restart_count: i32,
    /// `state`.
    pub state: ContainerState,
    /// `lastState.terminated`: how its run before ended.
    pub last: Option<Termination>,
}

/// What a container does at the moment; at most one of the three.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ContainerState {
    /// It does not run yet, or not again.
    pub waiting: Option<Waiting>,
    /// Its process has been started.
    pub running: Option<Running>,
    /// Its process has ended.
    pub terminated: Option<Termination>,
}

/// Why a container waits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Waiting {
    /// `ContainerCreating`, `ImagePullBackOff`, …; empty where there is none.
    pub reason: String,
    /// Empty where there is none.
    pub message: String,
}

/// A container that runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Running {
    /// Start of this run; none where the API does not say.
    pub started_at: Option<Timestamp>,
}

/// How a container ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Termination {
    /// 128 and the signal's number where a signal ended it.
    pub exit_code: i32,
    /// `Error`, `OOMKilled`, `StartError`, …; empty where there is none.
    pub reason: String,
    /// Empty where there is none.
    pub message: String,
    /// Start of that run; none where the API does not say.
    pub started_at: Option<Timestamp>,
    /// Its end; none where the API does not say.
    pub finished_at: Option<Timestamp>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RawContainer {
    name: String,
    command: Option<Vec<String>>,
    args: Option<Vec<String>>,
    image_pull_policy: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RawStatus {
    name: String,
    image: String,
    ready: bool,
    restart_count: i32,
    state: Option<ContainerState>,
    last_state: Option<ContainerState>,
}

impl RawStatus {
    /// With what the manifest says of it.
    pub(super) fn container(self, init: bool, specs: &[RawContainer]) -> Container {
        let spec = specs.iter().find(|spec| spec.name == self.name);
        let words = spec
            .into_iter()
            .flat_map(|spec| [&spec.command, &spec.args]);
        Container {
            command: words.flatten().flatten().cloned().collect(),
            always_pulled: spec
                .is_some_and(|spec| spec.image_pull_policy.as_deref() == Some("Always")),
            name: self.name,
            init,
            image: self.image,
            ready: self.ready,
            restart_count: self.restart_count,
            state: self.state.unwrap_or_default(),
            last: self.last_state.and_then(|last| last.terminated),
        }
    }
}

/// A container that runs so long is taken for well again (the kubelet's back-off is reset then, `pkg/kubelet`, `MaxContainerBackOff`).
const LONG_RUN: SignedDuration = SignedDuration::from_mins(10);

/// The API's times are whole seconds: each of two durations may be off by one.
const GRANULARITY: SignedDuration = SignedDuration::from_secs(2);

impl Container {
    /// Whether it runs, was restarted more often than is tolerated, and lately: it will end again.
    pub fn restarts(&self, tolerated: i32) -> bool {
        self.restart_count > tolerated && self.restarted_lately() && !self.outlasted()
    }

    /// Whether it runs, and was restarted less than [`LONG_RUN`] ago.
    pub fn restarted_lately(&self) -> bool {
        let lately = self.present_run().is_some_and(|run| run < LONG_RUN);
        self.restart_count > 0 && lately
    }

    /// Whether its present run has lasted longer than the one before, or the one before was long.
    fn outlasted(&self) -> bool {
        let last = self.last.as_ref().and_then(Termination::lasted);
        let (Some(present), Some(last)) = (self.present_run(), last) else {
            return false;
        };
        last >= LONG_RUN || present >= last + GRANULARITY
    }

    fn present_run(&self) -> Option<SignedDuration> {
        let since = self.state.running.as_ref()?.started_at?;
        Some(Timestamp::now().duration_since(since))
    }

    /// Whether its present or previous run failed.
    pub fn failed(&self) -> bool {
        [&self.state.terminated, &self.last]
            .into_iter()
            .flatten()
            .any(|end| end.exit_code != 0)
    }
}

impl Termination {
    fn lasted(&self) -> Option<SignedDuration> {
        Some(self.finished_at?.duration_since(self.started_at?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs for so many seconds, after a run of that many.
    fn restarted(times: i32, last: i64, present: i64) -> Container {
        let ago = |seconds| Some(Timestamp::now() - SignedDuration::from_secs(seconds));
        Container {
            ready: true,
            restart_count: times,
            state: ContainerState {
                running: Some(Running {
                    started_at: ago(present),
                }),
                ..ContainerState::default()
            },
            last: Some(Termination {
                exit_code: 1,
                started_at: ago(present + last),
                finished_at: ago(present),
                ..Termination::default()
            }),
            ..Container::default()
        }
    }

    #[test]
    fn what_lasts_longer_than_before_is_not_restarting() {
        let cases = [
            ("between two crashes", (3, 60, 5), true),
            ("times are whole seconds", (3, 0, 1), true),
            ("longer than before", (3, 5, 60), false),
            ("after days", (3, 200_000, 5), false),
            ("long", (3, 5_000, 700), false),
            ("tolerated", (1, 60, 5), false),
        ];
        for (case, (times, last, present), restarts) in cases {
            let container = restarted(times, last, present);
            assert_eq!(container.restarts(1), restarts, "{case}");
        }
    }

    #[test]
    fn without_the_times_of_the_last_run_it_is_restarting() {
        let mut container = restarted(3, 5, 60);
        container.last = Some(Termination::default());
        assert!(container.restarts(1));
        assert!(container.restarted_lately());
    }
}
