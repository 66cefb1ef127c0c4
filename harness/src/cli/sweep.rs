//! `flatnet sweep`: a table of configurations on labs, beside what is expected of each.
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use super::output;
use crate::report::sweep::{self as print, FILES, RowReport, RowResult};
use crate::sweep::{OnRow, Planned};
use crate::{Error, Result};

/// Options of `flatnet sweep`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  flatnet sweep suites/sweep.yaml                          run every row, as many side by side as fit\n  flatnet sweep suites/sweep.yaml --list                   list the rows\n  flatnet sweep suites/sweep.yaml --row small-range        run one of them\n  flatnet sweep my.yaml --jobs 2 --report report/          two at a time; sweep.json, junit.xml, summary.md\n\nThe format of FILE: docs/sweep.md\n\nExit codes:\n  0    every row is as expected\n  1    a row is not\n  2    wrong usage or input\n  4    no row is otherwise, but some could not be measured\n  130  interrupted (129 by SIGHUP, 143 by SIGTERM)"
)]
pub(super) struct SweepArgs {
    /// Table of configurations, YAML
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Row to run; may be repeated [default: all]
    #[arg(long, value_name = "NAME")]
    row: Vec<String>,

    /// Number of rows that run side by side, each in a lab of its own [default: as the processors and the free memory allow]
    #[arg(long, short, env = "FLATNET_JOBS", value_parser = clap::value_parser!(u16).range(1..=250), value_name = "N")]
    jobs: Option<u16>,

    /// List the rows with their options, and run nothing
    #[arg(long)]
    list: bool,

    /// Directory to write sweep.json, junit.xml and summary.md to
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,

    /// Output format
    #[arg(long, short, value_enum, default_value = "text")]
    output: Format,

    /// Give every row a line in the table, also those that are as expected
    #[arg(long, short)]
    verbose: bool,

    /// Print only the report, no progress
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Markdown,
    Junit,
}

pub(super) fn run(args: &SweepArgs) -> Result<u8> {
    let planned = Planned::read(&args.file, &args.row)?;
    if args.list {
        let rows = planned.rows();
        let lines = rows.map(|(name, options)| format!("{name}  {options}\n"));
        return output::print(lines.collect::<String>()).map(|()| 0);
    }
    output::check_report(args.report.as_deref(), &FILES)?;
    let jobs = args
        .jobs
        .map_or_else(|| planned.fitting_jobs(), usize::from);
    let progress = Progress::new(planned.rows().count(), jobs, args.quiet);
    let sweep = planned.run(jobs, progress.on_row());
    progress.end();
    let sweep = sweep?;
    let failed = |e: crate::report::ReportError| Error::Failed(e.to_string());
    let text = match args.output {
        Format::Text => Ok(print::text(&sweep, args.verbose, output::width())),
        Format::Json => print::json(&sweep).map_err(failed),
        Format::Markdown => Ok(print::markdown(&sweep)),
        Format::Junit => print::junit(&sweep).map_err(failed),
    };
    let kept = args.report.as_deref().map_or(Ok(()), |dir| {
        for path in print::write_to(dir, &sweep).map_err(failed)? {
            output::say(format_args!("wrote {}", path.display()));
        }
        Ok(())
    });
    let written = [text.and_then(output::print), kept];
    Ok(output::delivered(sweep.exit_code(), written))
}

/// How far it is, on standard error.
struct Progress {
    bar: ProgressBar,
    quiet: bool,
}

impl Progress {
    fn new(rows: usize, jobs: usize, quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = match quiet || !terminal {
            true => ProgressBar::hidden(),
            false => ProgressBar::new(rows as u64),
        };
        let style = ProgressStyle::with_template("{spinner} {msg} {wide_bar} {pos}/{len}");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.set_message(format!("{jobs} labs side by side"));
        if !quiet && !terminal {
            output::say(format_args!("{rows} rows, {jobs} side by side"));
        }
        Progress { bar, quiet }
    }

    /// Each row moves the bar; one that is not as expected is told at once.
    fn on_row(&self) -> OnRow {
        let (bar, quiet) = (self.bar.clone(), self.quiet);
        Arc::new(move |row: &RowReport| {
            bar.inc(1);
            let first = row.misses.first().filter(|_| !quiet);
            if let (Some(miss), false) = (first, row.result == RowResult::AsExpected) {
                bar.suspend(|| {
                    output::say(format_args!("{}: expected {}", row.name, miss.expected));
                });
            }
        })
    }

    fn end(self) {
        self.bar.finish_and_clear();
    }
}
