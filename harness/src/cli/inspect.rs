//! `flatnet inspect`: questions about a running cluster's network.
use clap::{Args, Subcommand};

use super::Typed;
use super::answers::{Format, progress};
use super::which::WhichArgs;
use super::{inspect_route, output};
use crate::report::inspection as print;
use crate::session::attach::{Visit, looking};
use crate::{Result, session};
use flatnet_analysis::inspect::answer;
use flatnet_analysis::inspect::catalogue::{self, Question};
use flatnet_analysis::trace::answer as route;
use flatnet_cluster::inspect as gather;
use flatnet_model::inspection::{Inspection, Outcome};

/// Options of `flatnet inspect`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  flatnet inspect                      answer every question\n  flatnet inspect bridges node-routes  answer two questions\n  flatnet inspect cni-config --node node1 --explain\n  flatnet inspect route --from busybox-1 --to busybox-2\n  flatnet inspect --output json | jq '.answers[] | select(.id == \"ranges\")'\n\nExit codes:\n  0  every question was answered, or skipped for a stated reason\n  2  wrong usage or input\n  3  something is missing or not allowed\n  4  a question could not be answered"
)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct InspectArgs {
    #[command(subcommand)]
    traced: Option<Traced>,

    /// Questions to answer (--list shows them) [default: all]
    #[arg(value_name = "QUESTION")]
    questions: Vec<String>,

    /// Node to look at: its name, or node1, node2, … which count the nodes [default: all]
    #[arg(long, value_name = "NODE")]
    node: Option<String>,

    /// Output format
    #[arg(long, short, value_enum, default_value = "table")]
    output: Format,

    /// Explain what the answers mean
    #[arg(long)]
    explain: bool,

    /// List the questions
    #[arg(long, conflicts_with_all = ["node", "explain"])]
    list: bool,

    #[command(flatten)]
    which: WhichArgs,
}

#[derive(Subcommand)]
enum Traced {
    /// Trace a packet hop by hop
    Route(Box<inspect_route::RouteArgs>),
}

pub(super) fn run(mut args: InspectArgs, typed: &Typed) -> Result<u8> {
    if let Some(Traced::Route(route)) = args.traced {
        return inspect_route::run(*route, typed);
    }
    let questions = catalogue::find(&args.questions)?;
    if args.list {
        return output::print(list(&questions)).map(|()| 0);
    }
    args.which.settle(typed)?;
    let which = args.which.find()?;
    let progress = progress();
    let view = session::run(looking(&which, Visit::Look, async |attached| {
        progress.set_message(format!("looking at cluster {}", attached.cluster.name()));
        gather::look(&attached.cluster, args.node.as_deref()).await
    }));
    progress.finish_and_clear();
    let view = view?;
    let inspection = answer(&view, &questions, args.explain);
    let nodes = view.nodes.len();
    show(&inspection, nodes, args.output)?;
    let unanswered = |outcome: &Outcome| matches!(outcome, Outcome::Unanswered { .. });
    Ok(
        if inspection
            .answers
            .iter()
            .any(|answer| unanswered(&answer.outcome))
        {
            4
        } else {
            0
        },
    )
}

fn list(questions: &[&Question]) -> String {
    let questions = questions
        .iter()
        .map(|question| (question.id, question.words));
    questions
        .chain([(route::ID, route::WORDS)])
        .map(|(id, words)| format!("{id:<12} {words}\n"))
        .collect()
}

fn show(inspection: &Inspection, nodes: usize, format: Format) -> Result<()> {
    match format {
        Format::Table => output::print(print::table(inspection, nodes, output::width())),
        Format::Json => output::print_line(print::json(inspection)?),
        Format::Yaml => output::print(print::yaml(inspection)?),
        Format::Markdown => output::print(print::markdown(inspection, nodes)),
    }
}
