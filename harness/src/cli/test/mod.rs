//! `flatnet test`: one whole run or several, their report, and the comparison with a baseline.
mod runs;

use std::path::{Path, PathBuf, absolute};

use clap::Args;

use super::{Output, ShowArgs, Typed, output};
use crate::compare::baseline::Held;
use crate::compare::marks;
use crate::config::{BaselineArgs, RequireArgs, RunArgs, selected};
use crate::plant::Fault;
use crate::report::annotations::{self, Mark};
use crate::report::terminal::{self, Detail};
use crate::report::{self, Comparison, Report};
use crate::{Error, Result, plant};
use flatnet_analysis::checks::{Check, Required};
use runs::Runs;

/// Options of `flatnet test`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  flatnet test                                    boot a lab, run every check, delete the lab\n  flatnet test --only no-nat,mtu                  run two checks\n  flatnet test --cni my.conflist --cni-bin ./bin  check your own plugins\n  flatnet test --require all                      fail if any check is skipped\n  flatnet test --baseline lab.yaml                compare with what a reviewed file says\n  flatnet test --plant route-missing              plant a fault and see its checks fail\n  flatnet test --cluster demo                     check a running cluster, and keep it\n  flatnet test --report report/ --output json     write reports for programs"
)]
pub(super) struct TestArgs {
    #[command(flatten)]
    run: RunArgs,

    /// Checks to judge, separated by commas (`flatnet checks` lists them) [default: all]
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "CHECK",
        help_heading = "Checks"
    )]
    only: Vec<String>,

    #[command(flatten)]
    require: RequireArgs,

    #[command(flatten)]
    compare: BaselineArgs,

    /// Fault to plant, so that its checks fail (`flatnet checks` lists them)
    #[arg(long, value_name = "FAULT", help_heading = "Checks")]
    plant: Option<String>,

    #[command(flatten)]
    show: ShowArgs,

    /// Print every fact of every check
    #[arg(long, short, help_heading = "Report")]
    verbose: bool,
}

/// Checks, and which of them must not be skipped.
type Judged = (Vec<&'static Check>, Required);

pub(super) fn run(mut args: TestArgs, typed: &Typed) -> Result<u8> {
    args.run.settle(|option| typed.is(option));
    let checks = selected(&args.only)?;
    let required = args.require.among(&checks)?;
    let fault = args.plant.as_deref().map(plant::find).transpose()?;
    args.check_runs()?;
    let baseline = args.compare.held()?;
    output::check_report(args.run.report.as_deref(), &report::FILES)?;
    let Runs {
        report,
        error,
        flaky,
        recorded,
    } = runs::run(&args, fault, &(checks, required))?;
    if let Some(e) = error {
        let kept = keep(&args, &report);
        output::say(format_args!("error: {e}"));
        return Ok(output::delivered(e.exit_code(), [kept]));
    }
    let mut comparison = Comparison {
        baseline: None,
        runs: args.compare.runs.into(),
        flaky,
    };
    let mut left = Ok(());
    if let (Some(held), Some(recorded)) = (&baseline, &recorded) {
        let (against, wrote) = held.against(recorded, &report.run.summary());
        comparison.baseline = Some(against);
        left = wrote;
    }
    let report = report.with_comparison(comparison);
    let written = [show(&args, &report), keep(&args, &report), left];
    annotate(&args, &report, baseline.as_ref());
    let outcome = report.outcome();
    Ok(output::delivered(outcome.exit_code, written))
}

impl TestArgs {
    /// Several runs boot a cluster each.
    fn check_runs(&self) -> Result<()> {
        if self.compare.runs > 1 && self.run.keep && self.run.cluster.is_none() {
            return Err(Error::Input(format!(
                "--runs {}: each run boots a cluster of its own, and --keep would leave all of them; leave --keep out, or name a cluster that runs with --cluster",
                self.compare.runs
            )));
        }
        Ok(())
    }
}

/// What was to be run, and was not observed.
fn planned(args: &RunArgs, fault: Option<&Fault>, kept: Option<String>) -> report::Run {
    report::Run {
        provider: args.provider().name().to_owned(),
        cluster: kept.or_else(|| args.cluster.clone()),
        gone: None,
        cni: args.cni().to_owned(),
        nodes: 0,
        pods: 0,
        underlay: None,
        mtu: None,
        ip_family: args.ip_family().to_string(),
        coverage: "none".to_owned(),
        planted: fault.map(|fault| fault.id.to_owned()),
    }
}

/// On standard output.
fn show(args: &TestArgs, report: &Report) -> Result<()> {
    match args.show.output {
        Output::Json => {
            let text = report::json::render(report).map_err(|e| Error::Failed(e.to_string()))?;
            output::print_line(text)
        }
        Output::Text => {
            let detail = if args.verbose {
                Detail::Full
            } else {
                Detail::Brief
            };
            output::print(terminal::render(report, detail))
        }
    }
}

/// On the CNI's file and the baseline's, where GitHub Actions reads what this prints. On standard error: standard output may be JSON.
fn annotate(args: &TestArgs, report: &Report, baseline: Option<&Held>) {
    let variable = |name: &str| std::env::var_os(name);
    if variable("GITHUB_ACTIONS").is_none_or(|on| on != "true") {
        return;
    }
    let whole = |file: &Path| absolute(file).unwrap_or_else(|_| file.to_owned());
    let conflist = args.run.cni_file().map(whole);
    let mut all = match &conflist {
        Some(file) => annotations::failing(report, file),
        None => Vec::new(),
    };
    let against = report.comparison.baseline.as_ref();
    if let (Some(held), Some(diff)) = (baseline, against.and_then(|made| made.diff.as_ref())) {
        let file = whole(held.path());
        let text = conflist
            .as_deref()
            .and_then(|file| std::fs::read_to_string(file).ok());
        let conflist = conflist.as_deref().zip(text.as_deref());
        let differing = marks::of(diff, (&file, held.text().unwrap_or_default()), conflist);
        // A check that fails is told already.
        let is_told =
            |mark: &Mark| mark.check.is_some() && all.iter().any(|told| told.check == mark.check);
        let more: Vec<Mark> = differing
            .into_iter()
            .filter(|mark| !is_told(mark))
            .collect();
        all.extend(more);
    }
    let workspace = variable("GITHUB_WORKSPACE").map(PathBuf::from);
    for line in annotations::render(all, workspace.as_deref()) {
        output::say(line);
    }
}

/// In the directory of `--report`.
fn keep(args: &TestArgs, report: &Report) -> Result<()> {
    let Some(dir) = &args.run.report else {
        return Ok(());
    };
    for path in report::write_to(dir, report).map_err(|e| Error::Failed(e.to_string()))? {
        output::say(format_args!("wrote {}", path.display()));
    }
    Ok(())
}
