//! What a failed assertion says.
use crate::report::terminal::{self, Detail};
use crate::report::{CheckReport, Report};
use crate::session::Session;
use flatnet_cluster::observe::once::Probes;
use flatnet_model::verdict::Verdict;

/// What a command left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// What looks at a cluster.
#[derive(Clone, Copy)]
pub(super) struct Looked<'a> {
    pub(super) session: &'a Session,
    pub(super) probes: &'a Probes,
}

/// What speaks against a pass of the report's checks; nothing where they pass.
pub(super) fn against(report: &Report) -> Option<String> {
    let passes = |check: &&CheckReport| {
        matches!(check.verdict, Verdict::Pass { .. } | Verdict::Report { .. })
    };
    let words = report.words();
    let others = report.checks.iter().filter(|check| !passes(check));
    let lines: Vec<String> = others
        .map(|check| terminal::render_check(check, &words, Detail::Full))
        .collect();
    if lines.is_empty() {
        return None;
    }
    let text = plain(&lines.concat());
    // What could not be judged names no command.
    let failed = report.outcome().counts.failed > 0;
    let stays = !failed || report.run.cluster.is_some();
    Some(with_how_to_look(&text, stays))
}

/// In what the report's run differs from its baseline; nothing where it does not.
pub(super) fn of_comparison(report: &Report) -> Option<String> {
    let unlike = report.comparison.unlike()?;
    let text = plain(&terminal::render_comparison(&report.comparison));
    Some(format!("{text}\n{unlike}").trim_start().to_owned())
}

/// The commands in evidence are for a cluster that a failing test takes with it, unless it stays.
pub(super) fn with_how_to_look(text: &str, stays: bool) -> String {
    match stays {
        true => text.to_owned(),
        false => format!(
            "{text}\nthe cluster goes with the test; to keep it for these commands, run the test again with FLATNET_KEEP=true"
        ),
    }
}

/// Without colours and empty lines around it: libtest shows a panic's words as they are.
pub(super) fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text.trim()).to_string()
}
