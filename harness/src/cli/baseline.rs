//! `flatnet baseline`: takes what a run found into a baseline.
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::output;
use crate::compare::baseline::{Accepted, accept, beside, replace, today};
use crate::compare::yaml::unknown_fact;
use crate::{Error, Result};
use flatnet_model::fact::Kind;

/// Options of `flatnet baseline`.
#[derive(Args)]
pub(super) struct BaselineCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Take what the last run that differed found into the baseline
    #[command(
        after_help = "Examples:\n  flatnet baseline accept lab.yaml\n  flatnet baseline accept lab.yaml --only device-mtu,path-mtu --reason 'tunnel needs 50 bytes'"
    )]
    Accept(AcceptArgs),
}

#[derive(Args)]
struct AcceptArgs {
    /// Baseline; what a run that differed found is in FILE.new
    #[arg(value_name = "FILE", env = "FLATNET_BASELINE")]
    file: PathBuf,

    /// Facts to take, separated by commas [default: all that differ]
    #[arg(long, value_delimiter = ',', value_name = "FACT")]
    only: Vec<String>,

    /// Why they changed; noted in the baseline, with the day
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(super) fn run(command: &BaselineCommand) -> Result<u8> {
    match &command.what {
        What::Accept(args) => accepted(args),
    }
}

fn accepted(args: &AcceptArgs) -> Result<u8> {
    let only = args.only.iter().map(|id| {
        Kind::find(id).ok_or_else(|| Error::Input(format!("--only {id}: {}", unknown_fact(id))))
    });
    let only: Vec<Kind> = only.collect::<Result<_>>()?;
    let reason = args.reason.as_deref();
    let Accepted { facts, left, text } = accept(&args.file, &only, reason, today())?;
    replace(&args.file, &text)?;
    let ids = |kinds: &[Kind]| {
        let ids: Vec<String> = kinds.iter().map(|kind| kind.id()).collect();
        ids.join(", ")
    };
    let file = args.file.display();
    output::print_line(format_args!("accepted into {file}: {}", ids(&facts)))?;
    let new = beside(&args.file);
    match left.is_empty() {
        true => std::fs::remove_file(&new).map_err(|e| {
            Error::Failed(format!("remove {}: {e}; remove it by hand", new.display()))
        })?,
        false => output::print_line(format_args!("left in {}: {}", new.display(), ids(&left)))?,
    }
    Ok(0)
}
