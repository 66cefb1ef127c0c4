//! `flatnet inspect route`: where a packet goes, hop by hop.
use clap::Args;

use super::answers::{Format, progress};
use super::which::WhichArgs;
use super::{Typed, output};
use crate::report::inspection as print;
use crate::report::route as table;
use crate::route::{self, Question};
use crate::session::attach::{Attached, looking};
use crate::{Result, session};
use flatnet_analysis::trace::answer;
use flatnet_analysis::trace::found::Found;
use flatnet_model::inspection::{Inspection, SCHEMA};

/// Options of `flatnet inspect route`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  flatnet inspect route --from busybox-1 --to busybox-2\n  flatnet inspect route --from node1 --to 10.244.2.3 --both\n  flatnet inspect route --from kube-system/coredns-abc --to 10.96.0.1 --output json"
)]
pub(super) struct RouteArgs {
    /// Sender: a pod (busybox-1, NAMESPACE/busybox-1) or a node (its name; node1, node2, … count the nodes of any cluster)
    #[arg(long, value_name = "POD|NODE")]
    from: String,
    /// Destination: an address, a pod or a node
    #[arg(long, value_name = "ADDRESS|POD|NODE")]
    to: String,
    /// Trace the reply too, and say whether it takes the same path in reverse
    #[arg(long)]
    both: bool,
    /// Output format
    #[arg(long, short, value_enum, default_value = "table")]
    output: Format,
    /// Explain the trace, and name the command that shows each hop
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    which: WhichArgs,
}

pub(super) fn run(mut args: RouteArgs, typed: &Typed) -> Result<u8> {
    args.which.settle(typed)?;
    let which = args.which.find()?;
    let question = Question {
        from: &args.from,
        to: &args.to,
        both: args.both,
    };
    let progress = progress();
    let text = session::run(looking(&which, async |attached| {
        progress.set_message(format!("looking at cluster {}", attached.cluster.name()));
        let found = route::find(attached, &question).await?;
        text(&args, attached, &found)
    }));
    progress.finish_and_clear();
    output::print(text?)?;
    Ok(0)
}

fn text(args: &RouteArgs, attached: &Attached, found: &Found) -> Result<String> {
    let inspection = || Inspection {
        schema: SCHEMA,
        provider: attached.cluster.provider().to_owned(),
        cluster: attached.cluster.name().to_owned(),
        answers: vec![answer::answer(found, args.explain)],
    };
    match args.output {
        Format::Table => Ok(table::text(found, args.explain)),
        Format::Markdown => Ok(table::markdown(found, args.explain)),
        Format::Json => Ok(format!("{}\n", print::json(&inspection())?)),
        Format::Yaml => print::yaml(&inspection()),
    }
}
