//! `flatnet checks`: the catalogue, for people and for programs.
use std::collections::BTreeSet;

use clap::Args;
use serde::Serialize;

use super::{Format, output};
use crate::{Error, Result, plant};
use flatnet_analysis::checks::{catalogue, required::required_on};

/// Options of `flatnet checks`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  flatnet checks\n  flatnet checks --output markdown > docs/checks.md"
)]
pub(super) struct ChecksArgs {
    /// Output format
    #[arg(long, short, value_enum, default_value = "text")]
    output: Format,
}

/// The catalogue as data.
#[derive(Serialize)]
struct Listing {
    checks: Vec<Check>,
    faults: Vec<Fault>,
}

#[derive(Serialize)]
struct Check {
    id: &'static str,
    promise: &'static str,
    observed_by: &'static str,
    source: &'static str,
    required_on: Vec<&'static str>,
    faults: Vec<&'static str>,
}

#[derive(Serialize)]
struct Fault {
    id: &'static str,
    summary: &'static str,
    reddens: BTreeSet<&'static str>,
    may_redden: BTreeSet<&'static str>,
}

pub(super) fn run(args: &ChecksArgs) -> Result<u8> {
    match args.output {
        Format::Markdown => output::print(plant::page::markdown())?,
        Format::Json => {
            let text = serde_json::to_string_pretty(&listing())
                .map_err(|e| Error::failed("write JSON", e))?;
            output::print_line(text)?;
        }
        Format::Text => output::print(text(&listing()))?,
    }
    Ok(0)
}

fn listing() -> Listing {
    let checks = catalogue::all().iter().map(|check| Check {
        id: check.id,
        promise: check.promise,
        observed_by: check.observed_by,
        source: check.source,
        required_on: required_on(check),
        faults: plant::proving(check.id),
    });
    let faults = plant::all().map(|fault| Fault {
        id: fault.id,
        summary: fault.summary,
        reddens: fault.must_fail(),
        may_redden: fault.may_fail_too(),
    });
    Listing {
        checks: checks.collect(),
        faults: faults.collect(),
    }
}

fn text(listing: &Listing) -> String {
    let mut text = "CHECKS (flatnet test --only ID,ID…)\n\n".to_owned();
    for check in &listing.checks {
        let faults = if check.faults.is_empty() {
            "none: it reports facts and cannot fail".to_owned()
        } else {
            check.faults.join(", ")
        };
        let required = match &check.required_on[..] {
            [] => "nowhere by default (--require)".to_owned(),
            providers => format!("by default on {}", providers.join(", ")),
        };
        text.push_str(&format!(
            "{}\n    promise   {}\n    observed  {}\n    required  {required}\n    proven by {faults}\n\n",
            check.id, check.promise, check.observed_by
        ));
    }
    text.push_str("FAULTS (flatnet test --plant NAME)\n\n");
    for fault in &listing.faults {
        text.push_str(&format!(
            "{:<22} {}\n{:<22} makes fail: {}\n",
            fault.id,
            fault.summary,
            "",
            Vec::from_iter(fault.reddens.iter().copied()).join(", ")
        ));
    }
    text
}
