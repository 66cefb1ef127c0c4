//! Containers that do not start, or do not last.
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus};

use super::{About, Cause, Finding, PodEvidence, Seen, checks, restarts};

/// What a shell answers for a command that it does not find, and for one that it may not execute (POSIX, 2.8.2).
const NOT_FOUND: i32 = 127;
const NOT_EXECUTABLE: i32 = 126;

pub(super) fn of(about: &About<'_>, pod: &PodEvidence) -> Vec<Finding> {
    let containers = pod.containers();
    containers
        .filter_map(|status| Container { about, pod, status }.judge())
        .collect()
}

/// A container of the pod.
struct Container<'a> {
    about: &'a About<'a>,
    pod: &'a PodEvidence,
    status: &'a ContainerStatus,
}

/// What differs between the causes.
struct Words {
    what: String,
    expected: &'static str,
    observed: String,
    cause: &'static str,
}

impl Container<'_> {
    fn judge(&self) -> Option<Finding> {
        let state = self.status.state.as_ref()?;
        let again = restarts(self.status, self.pod.tolerated);
        if self.status.ready && state.running.is_some() && !again {
            return None;
        }
        let waiting = state.waiting.as_ref();
        let reason = waiting
            .and_then(|w| w.reason.as_deref())
            .unwrap_or_default();
        let words = waiting
            .and_then(|w| w.message.as_deref())
            .unwrap_or_default();
        let last = self.status.last_state.as_ref();
        let end = state
            .terminated
            .as_ref()
            .or_else(|| last.and_then(|last| last.terminated.as_ref()))
            .filter(|end| end.exit_code != 0 || state.terminated.is_none());
        let end_words = end
            .and_then(|end| end.message.as_deref())
            .unwrap_or_default();
        let creating = matches!(reason, "CreateContainerError" | "RunContainerError");
        let starting = end.is_some_and(|end| end.reason.as_deref() == Some("StartError"));
        let runtime = if creating { words } else { end_words };
        let by_code = end.is_some_and(|end| matches!(end.exit_code, NOT_FOUND | NOT_EXECUTABLE));
        if by_code || ((creating || starting) && lacks_command(runtime)) {
            return Some(self.command_not_found(end, runtime));
        }
        if creating || starting {
            return Some(self.not_created(reason, runtime));
        }
        Some(self.crash(end?))
    }

    fn command_not_found(&self, end: Option<&ContainerStateTerminated>, runtime: &str) -> Finding {
        let (observed, cause) = match end.map(|end| end.exit_code) {
            Some(NOT_EXECUTABLE) => (
                self.with_last_words("exit code 126"),
                "the command is there and may not be executed: no permission, or another machine's program",
            ),
            Some(NOT_FOUND) => (
                self.with_last_words("exit code 127"),
                "a shell in the container does not find what it is to run",
            ),
            _ => (
                runtime.to_owned(),
                "the image has no such program, or not in its PATH",
            ),
        };
        let words = Words {
            what: format!("{} cannot run {}", self.title(), self.command()),
            expected: "a command that the image has",
            observed,
            cause,
        };
        self.finding(Cause::CommandNotFound, words, runtime)
    }

    fn not_created(&self, reason: &str, runtime: &str) -> Finding {
        let words = Words {
            what: format!("{} cannot be made by the runtime", self.title()),
            expected: "a container",
            observed: match reason.is_empty() {
                true => runtime.to_owned(),
                false => format!("{reason}: {runtime}"),
            },
            cause: "the runtime refuses what the manifest asks for",
        };
        self.finding(Cause::ContainerCreate, words, runtime)
    }

    fn crash(&self, end: &ContainerStateTerminated) -> Finding {
        let code = end.exit_code;
        let reason = end.reason.as_deref().filter(|reason| *reason != "Error");
        let reason = reason
            .map(|reason| format!(" ({reason})"))
            .unwrap_or_default();
        let times = match usize::try_from(self.status.restart_count) {
            Ok(n @ 1..) => format!(", restarted {}", checks::count(n, "time")),
            _ => String::new(),
        };
        let observed = format!("{} ended with exit code {code}{times}", self.command());
        let words = Words {
            what: format!("{} does not last: exit code {code}{reason}", self.title()),
            expected: "a command that lasts",
            observed: self.with_last_words(&observed),
            cause: match code {
                _ if end.reason.as_deref() == Some("OOMKilled") => {
                    "it used more memory than its limit, and the kernel ended it"
                }
                0 => "its command ends by itself: a pod's command has to last",
                129.. => "a signal ended it (128 and the signal's number)",
                _ => "its own program fails",
            },
        };
        self.finding(Cause::CrashLoop, words, "")
    }

    fn finding(&self, id: Cause, words: Words, runtime: &str) -> Finding {
        let advice = &self.about.evidence.advice;
        let (name, container) = (self.pod.name(), &self.status.name);
        let previous = format!(
            "kubectl -n {} logs {} -c {container} --previous",
            name.namespace, name.name
        );
        let runtime = runtime.trim();
        let said =
            (!runtime.is_empty()).then(|| Seen::new(format!("container {container}"), runtime));
        let mut seen: Vec<Seen> = said.into_iter().chain(self.last_words().cloned()).collect();
        seen.dedup_by(|a, b| a.text == b.text);
        Finding {
            id,
            evidence: checks::Evidence {
                what: words.what,
                expected: words.expected.to_owned(),
                observed: words.observed,
                culprit: Some(format!("container {container} of pod {name}")),
                cause: Some(words.cause.to_owned()),
                look: if advice.is_lab() {
                    advice.describe(&name)
                } else {
                    previous
                },
            },
            mend: match id {
                Cause::CommandNotFound => {
                    format!(
                        "a command that {} has: {}",
                        self.status.image,
                        advice.edit(&name)
                    )
                }
                _ => format!("what its last words ask for: {}", advice.edit(&name)),
            },
            seen,
        }
    }

    fn title(&self) -> String {
        format!("{}: container {}", self.about.who(), self.status.name)
    }

    /// What it runs, as the manifest has it.
    fn command(&self) -> String {
        let spec = self.pod.object.spec.as_ref();
        let all = spec.into_iter().flat_map(|spec| {
            let inits = spec.init_containers.iter().flatten();
            inits.chain(&spec.containers)
        });
        let mut own = all.filter(|c| c.name == self.status.name);
        let words = own.next().map(|c| {
            let words = c.command.iter().flatten().chain(c.args.iter().flatten());
            words.cloned().collect::<Vec<_>>().join(" ")
        });
        match words {
            Some(words) if !words.is_empty() => format!("`{words}`"),
            _ => "the image's own command".to_owned(),
        }
    }

    fn last_words(&self) -> impl Iterator<Item = &Seen> {
        let source = format!("log of container {}", self.status.name);
        let words = self.pod.last_words.iter();
        words.filter(move |seen| seen.source == source)
    }

    fn with_last_words(&self, text: &str) -> String {
        match self.last_words().next() {
            Some(seen) => format!("{text}; its last words: {}", seen.text),
            None => text.to_owned(),
        }
    }
}

/// runc's and crun's words, and those of the lab.
fn lacks_command(words: &str) -> bool {
    let words = words.to_lowercase();
    let parts = [
        "executable file not found",
        "executable file `",
        "no such file or directory",
        "permission denied",
        "exec format error",
        "is a directory",
    ];
    words.contains("exec") && parts.iter().any(|part| words.contains(part))
}
