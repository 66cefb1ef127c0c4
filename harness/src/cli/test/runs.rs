//! One run or several of the same configuration, and what differs among them.
use jiff::Timestamp;

use super::{Judged, TestArgs, planned};
use crate::cli::{Output, progress};
use crate::compare::Recorded;
use crate::plant::Fault;
use crate::report::{Report, Run};
use crate::session::{self, conduct};
use crate::{Error, Result};
use flatnet_analysis::diff::{Class, diff};

/// What runs came to.
pub(super) struct Runs {
    /// The report of the worst one, the last of those.
    pub(super) report: Report,
    /// Why the last one could not be done, where it left a report of that.
    pub(super) error: Option<Error>,
    /// In words: what differs among them.
    pub(super) flaky: Vec<String>,
    /// The facts of that run, where it is compared; none where it could not be observed.
    pub(super) recorded: Option<Recorded>,
}

/// Runs as often as was asked for; the first that cannot be done ends it.
pub(super) fn run(args: &TestArgs, fault: Option<&'static Fault>, judged: &Judged) -> Result<Runs> {
    let mut first: Option<Recorded> = None;
    let mut kept: Option<Runs> = None;
    let mut flaky: Vec<String> = Vec::new();
    let count = args.compare.runs;
    for number in 1..=count {
        if count > 1 && !args.show.quiet {
            crate::cli::output::say(format_args!("run {number} of {count}"));
        }
        let (report, error) = once(args, fault, judged)?;
        let label = match count {
            1 => "this run".to_owned(),
            _ => format!("run {number}"),
        };
        // Facts are walks of packets, too: they are made only where something is compared or written, and then once for all of that.
        let compared = count > 1 || args.compare.baseline.is_some();
        let written = args.run.report.is_some() || matches!(args.show.output, Output::Json);
        let report = match compared || written {
            true => report.with_facts(),
            false => report,
        };
        let recorded = compared
            .then(|| Recorded::of_report(label, &report))
            .flatten();
        if let (Some(first), Some(now)) = (&first, &recorded) {
            let changes = diff(&first.side(), &now.side()).changes;
            let real = changes.iter().filter(|change| change.class != Class::Noise);
            for text in real.map(|change| &change.text) {
                if !flaky.contains(text) {
                    flaky.push(text.clone());
                }
            }
        }
        if first.is_none() {
            first.clone_from(&recorded);
        }
        let worse = |kept: &Runs| rank(&report) >= rank(&kept.report);
        let ended = error.is_some();
        if kept.as_ref().is_none_or(worse) {
            kept = Some(Runs {
                report,
                error,
                flaky: Vec::new(),
                recorded,
            });
        }
        if ended {
            break;
        }
    }
    let mut runs = kept.ok_or_else(|| Error::Input("--runs 0: nothing to run".to_owned()))?;
    runs.flaky = flaky;
    Ok(runs)
}

/// How bad an outcome is: a failure is more than what could not be measured.
fn rank(report: &Report) -> u8 {
    match report.outcome().exit_code {
        0 => 0,
        1 => 2,
        _ => 1,
    }
}

fn once(
    args: &TestArgs,
    fault: Option<&'static Fault>,
    (checks, required): &Judged,
) -> Result<(Report, Option<Error>)> {
    let started = Timestamp::now();
    let (observer, heard) = progress::observer(args.show.quiet);
    match session::run(conduct(&args.run, fault, observer)) {
        Ok(outcome) => {
            let run = Run::of(&outcome.plan, &outcome.observations, fault);
            let judged = (&checks[..], required);
            let report = Report::of(run, started, heard.phases(), judged, outcome.observations);
            Ok((report.with_diagnosis(outcome.diagnosis), None))
        }
        Err(e) if args.run.report.is_some() && e.leaves_report() => {
            let run = planned(&args.run, fault, heard.kept());
            let judged = (&checks[..], required);
            let report = Report::unmeasured(run, started, heard.phases(), judged, &e.to_string());
            Ok((report, Some(e)))
        }
        Err(e) => Err(e),
    }
}
