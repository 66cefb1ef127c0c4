//! `flatnet diff`: what is different between two runs.
use clap::Args;

use super::{Format, output};
use crate::compare::source;
use crate::report::diff as print;
use crate::{Error, Result};
use flatnet_analysis::diff::diff;

/// Options of `flatnet diff`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  flatnet test --report before/; flatnet test --mtu 1400 --report after/; flatnet diff before/ after/\n  flatnet diff git:HEAD~1:baselines/lab.yaml report/report.json\n  flatnet diff before/ after/ --output markdown >> $GITHUB_STEP_SUMMARY\n\nExit codes:\n  0  nothing differs\n  1  something differs\n  2  wrong usage or input\n  4  nothing differs, but some facts could not be observed"
)]
pub(super) struct DiffArgs {
    /// What is compared with: a report.json or report.html, the directory of --report, a baseline, what `flatnet inspect
    /// --output json` printed, or git:REVISION:PATH
    #[arg(value_name = "BEFORE")]
    before: String,

    /// What is compared
    #[arg(value_name = "AFTER")]
    after: String,

    /// Show noise too: names, addresses and versions of the machine, which differ between any two runs
    #[arg(long)]
    all: bool,

    /// Output format
    #[arg(long, short, value_enum, default_value = "text")]
    output: Format,
}

pub(super) fn run(args: &DiffArgs) -> Result<u8> {
    let (before, after) = source::read(&args.before, &args.after)?;
    let diff = diff(&before.side(), &after.side());
    match args.output {
        Format::Text => output::print(print::text(&diff, args.all))?,
        Format::Markdown => output::print(print::markdown(&diff, args.all))?,
        Format::Json => {
            let shown = print::shown(&diff, args.all);
            let text =
                serde_json::to_string_pretty(&shown).map_err(|e| Error::failed("write JSON", e))?;
            output::print_line(text)?;
        }
    }
    Ok(match (diff.differs(), diff.is_partial()) {
        (true, _) => 1,
        (false, true) => 4,
        (false, false) => 0,
    })
}
