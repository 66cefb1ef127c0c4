//! Containers that do not start, or do not last.
use flatnet_model::cause::NotRunnable;
use flatnet_model::diagnosis::one_line;
use flatnet_model::evidence::{Command, Rule, Start, Subject, Todo};
use flatnet_model::snapshot::{Container as Status, Termination};

use super::{About, Cause, Finding, Known, PodAt, PodSymptoms, Seen, State, said};

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
        let shell = |code| {
            let last_words = self.quoted();
            Start::ExitCode { code, last_words }.into()
        };
        let (observed, how) = match end.map(|end| end.exit_code) {
            Some(NOT_EXECUTABLE) => (shell(NOT_EXECUTABLE), NotRunnable::NotExecutable),
            Some(NOT_FOUND) => (shell(NOT_FOUND), NotRunnable::NotFoundByShell),
            _ => (said(runtime), NotRunnable::NotInImage),
        };
        let image = self.status.image.clone();
        let cause = Cause::CommandNotFound {
            pod: self.pod_at(),
            container: self.status.name.clone(),
            command: self.status.command.clone(),
            how,
        };
        let todo = Todo::CommandOfImage { image };
        self.finding(cause, Start::RunnableCommand, observed, todo, runtime)
    }

    fn not_created(&self, reason: &str, runtime: &str) -> Finding {
        let observed = Start::Waiting {
            reason: reason.to_owned(),
            said: one_line(runtime),
        };
        let cause = Cause::ContainerCreate {
            pod: self.pod_at(),
            container: self.status.name.clone(),
        };
        let (expected, todo) = (Start::AContainer, Todo::HeedLastWords);
        self.finding(cause, expected, observed.into(), todo, runtime)
    }

    fn crash(&self, end: &Termination) -> Finding {
        let observed = Start::Ended {
            command: self.status.command.clone(),
            code: end.exit_code,
            restarts: usize::try_from(self.status.restart_count).unwrap_or_default(),
            last_words: self.quoted(),
        };
        let cause = Cause::CrashLoop {
            pod: self.pod_at(),
            container: Some(self.status.name.clone()),
            exit_code: Some(end.exit_code),
            reason: end.reason.clone(),
        };
        let (expected, todo) = (Start::Lasts, Todo::HeedLastWords);
        self.finding(cause, expected, observed.into(), todo, "")
    }

    fn finding(
        &self,
        cause: Cause,
        expected: Start,
        observed: State,
        todo: Todo,
        runtime: &str,
    ) -> Finding {
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
        let known = Known {
            subjects: vec![self.about.subject()],
            culprit: Subject::Container {
                pod: self.pod_at(),
                container: container.clone(),
            },
            expected: expected.into(),
            observed: vec![observed],
            look: match advice.capabilities.logs.is_present() {
                true => Command::here(&previous),
                false => advice.describe(name),
            },
            fix: advice.edit(todo, name),
            seen,
        };
        known.finding(Rule::pod_runs(), cause)
    }

    fn pod_at(&self) -> PodAt {
        self.about.pod_at(self.pod)
    }

    fn last_words(&self) -> impl Iterator<Item = &Seen> {
        let source = format!("log of container {}", self.status.name);
        let words = self.pod.last_words.iter();
        words.filter(move |seen| seen.source == source)
    }

    fn quoted(&self) -> Option<String> {
        self.last_words().next().map(|seen| one_line(&seen.text))
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
