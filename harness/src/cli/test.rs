//! `flatnet test`: one whole run and its report.
use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::SystemTime;

use clap::Args;

use super::{Output, progress};
use crate::checks::{Check, catalogue};
use crate::plant::Fault;
use crate::report::terminal::{self, Detail};
use crate::report::{self, Phase, Report};
use crate::session::config::RunArgs;
use crate::session::{self, Outcome, conduct};
use crate::{Error, Result, plant};

/// Options of `flatnet test`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  flatnet test\n  flatnet test --only no-nat,mtu --underlay routed\n  flatnet test --cni my.conflist --cni-bin ./bin --report report/\n  flatnet test --plant route-missing"
)]
pub(super) struct TestArgs {
    #[command(flatten)]
    run: RunArgs,

    /// Judge these checks only (`flatnet checks` lists them)
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "CHECK",
        help_heading = "Checks"
    )]
    only: Vec<String>,

    /// Plant a fault, to see checks fail (`flatnet checks` lists them)
    #[arg(long, value_name = "FAULT", help_heading = "Checks")]
    plant: Option<String>,

    /// Write report.json and junit.xml into this folder
    #[arg(
        long,
        env = "FLATNET_REPORT",
        value_name = "DIR",
        help_heading = "Report"
    )]
    report: Option<PathBuf>,

    /// How to print the report
    #[arg(
        long,
        short,
        value_enum,
        default_value = "text",
        help_heading = "Report"
    )]
    output: Output,

    /// Every fact of every check
    #[arg(long, short, help_heading = "Report")]
    verbose: bool,

    /// No progress, only the report
    #[arg(long, short, help_heading = "Report")]
    quiet: bool,
}

pub(super) fn run(args: TestArgs) -> Result<u8> {
    let checks = selected(&args.only)?;
    let fault = args.plant.as_deref().map(plant::find).transpose()?;
    let started = SystemTime::now();
    let (observer, phases) = progress::observer(args.quiet);
    let outcome = session::runtime()?.block_on(conduct(&args.run, fault, observer))?;
    let phases = phases.lock().unwrap_or_else(PoisonError::into_inner);
    let phases = phases
        .iter()
        .map(|(phase, took)| Phase::new(phase.name(), *took));
    let run = described(&args.run, fault, &outcome);
    let report = Report::of(
        run,
        started,
        phases.collect(),
        &checks,
        outcome.observations,
    );
    show(&args, &report)?;
    Ok(report.exit_code())
}

/// The checks named, in the catalogue's order; all where none is.
fn selected(only: &[String]) -> Result<Vec<&'static Check>> {
    let mut wanted = Vec::new();
    for id in only {
        wanted.push(
            catalogue::find(id)
                .map_err(|e| Error::Input(e.to_string()))?
                .id,
        );
    }
    let all = catalogue::all().iter();
    Ok(all
        .filter(|check| wanted.is_empty() || wanted.contains(&check.id))
        .collect())
}

fn described(args: &RunArgs, fault: Option<&Fault>, outcome: &Outcome) -> report::Run {
    report::Run {
        provider: outcome.observations.provider.clone(),
        cni: args.cni.clone(),
        nodes: outcome.observations.nodes.len(),
        pods: outcome.observations.pods.len(),
        underlay: Some(word(args.underlay)),
        mtu: Some(args.mtu),
        ip_family: word(args.ip_family),
        planted: fault.map(|fault| fault.id.to_owned()),
    }
}

/// The value as the user writes it.
fn word(value: impl clap::ValueEnum) -> String {
    value
        .to_possible_value()
        .map(|v| v.get_name().to_owned())
        .unwrap_or_default()
}

fn show(args: &TestArgs, report: &Report) -> Result<()> {
    match args.output {
        Output::Json => {
            let text = report::json::render(report).map_err(|e| Error::Failed(e.to_string()))?;
            anstream::println!("{text}");
        }
        Output::Text => {
            let detail = if args.verbose {
                Detail::Full
            } else {
                Detail::Brief
            };
            terminal::print(report, detail).map_err(|e| Error::failed("print the report", e))?;
        }
    }
    if let Some(dir) = &args.report {
        for path in report::write_to(dir, report).map_err(|e| Error::Input(e.to_string()))? {
            anstream::eprintln!("wrote {}", path.display());
        }
    }
    Ok(())
}
