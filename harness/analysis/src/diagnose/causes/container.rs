//! Containers that do not start, or do not last.
use flatnet_model::snapshot::{Container as Status, Termination};

use super::{About, Cause, Finding, PodSymptoms, Seen, checks};

/// What a shell answers for a command that it does not find, and for one that it may not execute (POSIX, 2.8.2).
const NOT_FOUND: i32 = 127;
const NOT_EXECUTABLE: i32 = 126;

pub(super) fn of(about: &About<'_>, pod: &PodSymptoms) -> Vec<Finding> {
    let containers = pod.object.containers.iter();
    containers
        .filter_map(|status| Container { about, pod, status }.judge())
        .collect()
}

/// A container of the pod.
struct Container<'a> {
    about: &'a About<'a>,
    pod: &'a PodSymptoms,
    status: &'a Status,
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
        let state = &self.status.state;
        let again = self.status.restarts(self.pod.tolerated);
        if self.status.ready && state.running.is_some() && !again {
            return None;
        }
        let waiting = state.waiting.as_ref();
        let reason = waiting.map_or("", |waiting| waiting.reason.as_str());
        let words = waiting.map_or("", |waiting| waiting.message.as_str());
        let end = state.terminated.as_ref().or(self.status.last.as_ref());
        let end = end.filter(|end| end.exit_code != 0 || state.terminated.is_none());
        let end_words = end.map_or("", |end| end.message.as_str());
        let creating = matches!(reason, "CreateContainerError" | "RunContainerError");
        let starting = end.is_some_and(|end| end.reason == "StartError");
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

    fn command_not_found(&self, end: Option<&Termination>, runtime: &str) -> Finding {
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

    fn crash(&self, end: &Termination) -> Finding {
        let code = end.exit_code;
        let reason = match end.reason.as_str() {
            "" | "Error" => String::new(),
            reason => format!(" ({reason})"),
        };
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
                _ if end.reason == "OOMKilled" => {
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
        let (name, container) = (&self.pod.object.reference, &self.status.name);
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
                look: if !advice.capabilities.logs.is_present() {
                    advice.describe(name)
                } else {
                    previous
                },
            },
            mend: match id {
                Cause::CommandNotFound => {
                    format!(
                        "a command that {} has: {}",
                        self.status.image,
                        advice.edit(name)
                    )
                }
                _ => format!("what its last words ask for: {}", advice.edit(name)),
            },
            seen,
        }
    }

    fn title(&self) -> String {
        format!("{}: container {}", self.about.who(), self.status.name)
    }

    /// What it runs, as the manifest has it.
    fn command(&self) -> String {
        match self.status.command.join(" ") {
            words if !words.is_empty() => format!("`{words}`"),
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
