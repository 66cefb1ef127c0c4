//! `flatnet inspect route`: where a packet goes, hop by hop, and with `--live` where it went.
use clap::Args;

use super::answers::{Format, progress};
use super::which::WhichArgs;
use super::{Typed, output};
use crate::config::one_of;
use crate::live;
use crate::report::inspection as print;
use crate::report::live as drawing;
use crate::report::route as table;
use crate::route::{self, Question};
use crate::session::attach::{Attached, Visit, looking};
use crate::{Result, session};
use flatnet_analysis::follow::answer as facts;
use flatnet_analysis::follow::picture::Live;
use flatnet_analysis::trace::answer;
use flatnet_analysis::trace::found::Found;
use flatnet_model::advice::Advice;
use flatnet_model::inspection::{Inspection, SCHEMA};
use flatnet_model::network::Transport;

/// Options of `flatnet inspect route`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  flatnet inspect route --from busybox-1 --to busybox-2\n  flatnet inspect route --from node1 --to 10.244.2.3 --both\n  flatnet inspect route --from busybox-1 --to busybox-2 --live\n  flatnet inspect route --from kube-system/coredns-abc --to 10.96.0.1 --output json"
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
    /// Send packets too, and draw the devices at which they were seen beside those expected, with the rule, route or setting that
    /// ends them; adds an nftables table of flatnet's own to the nodes for about a second. Exit code 1 where packets are lost or
    /// rewritten
    #[arg(long)]
    live: bool,
    /// Transports to send over with --live, separated by commas
    #[arg(long, requires = "live", value_parser = one_of::<Transport>(Transport::WORDS), value_delimiter = ',', default_values = ["udp", "tcp", "icmp"])]
    transports: Vec<Transport>,
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
    let text = session::run(looking(&which, Visit::Look, async |attached| {
        progress.set_message(format!("looking at cluster {}", attached.cluster.name()));
        let looked = route::find(attached, &question).await?;
        let drawn = drawn(&args, attached, &looked.found);
        if !args.live {
            return Ok((drawn.text()?, 0));
        }
        progress.set_message("following packets");
        let lives = live::lives(attached, looked, &args.transports).await?;
        let code = u8::from(!lives.iter().all(Live::is_well));
        Ok((drawn.with(&lives).text()?, code))
    }));
    progress.finish_and_clear();
    let (text, code) = text?;
    output::print(text)?;
    Ok(code)
}

/// The answer in the form that was asked for.
enum Drawn {
    /// Text for people, and how to draw what was followed.
    Text(String, fn(&Live, &Advice) -> String, Advice),
    /// Data for programs.
    Data(Inspection, Format, Advice),
}

fn drawn(args: &RouteArgs, attached: &Attached, found: &Found) -> Drawn {
    let advice = Advice {
        cluster: Some(attached.cluster.name().to_owned()),
        capabilities: attached.cluster.capabilities().clone(),
        booted: None,
    };
    let inspection = || Inspection {
        schema: SCHEMA,
        provider: attached.cluster.provider().to_owned(),
        cluster: attached.cluster.name().to_owned(),
        answers: vec![answer::answer(found, args.explain, &advice)],
    };
    match args.output {
        Format::Table => Drawn::Text(
            table::text(found, args.explain, &advice),
            drawing::text,
            advice,
        ),
        Format::Markdown => Drawn::Text(
            table::markdown(found, args.explain, &advice),
            drawing::markdown,
            advice,
        ),
        format @ (Format::Json | Format::Yaml) => Drawn::Data(inspection(), format, advice),
    }
}

impl Drawn {
    fn with(mut self, lives: &[Live]) -> Drawn {
        match &mut self {
            Drawn::Text(text, draw, advice) => {
                text.extend(lives.iter().map(|live| draw(live, advice)));
            }
            Drawn::Data(inspection, _, advice) => {
                let answers = lives.iter().map(|live| facts::answer(live, advice));
                inspection.answers.extend(answers);
            }
        }
        self
    }

    fn text(self) -> Result<String> {
        match self {
            Drawn::Text(text, ..) => Ok(text),
            Drawn::Data(inspection, Format::Yaml, _) => print::yaml(&inspection),
            Drawn::Data(inspection, ..) => Ok(format!("{}\n", print::json(&inspection)?)),
        }
    }
}
