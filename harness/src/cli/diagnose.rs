//! `flatnet diagnose`: why a pod does not run or is not reached, in plain words.
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use clap::Args;

use super::which::WhichArgs;
use super::{Output, Typed, duration, output};
use crate::consent::Consent;
use crate::diagnose::{explain, tried};
use crate::report::{self, diagnosis as text};
use crate::session::attach::{Attached, Visit, Which, looking};
use crate::{Error, Result, session};
use flatnet_cluster::diagnose::{Look, Wanted, look};
use flatnet_model::diagnosis::Diagnosis;

/// Between two looks at a pod or node that is unhealthy for no known reason.
const PAUSE: Duration = Duration::from_millis(500);

/// Options of `flatnet diagnose`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  flatnet diagnose                  explain every unhealthy pod, and every node that is not Ready or has an agent that does not work\n  flatnet diagnose busybox-1        explain one pod; if it runs, try its network with pods of every node\n  flatnet diagnose node2 --wait 1m  give a node one minute to become Ready or to show why it does not\n  flatnet diagnose kube-system/coredns-0 --current-context\n\nExit codes:\n  0  nothing is wrong\n  1  a cause was found\n  2  wrong usage or input\n  3  something the run needs is missing\n  4  a pod or node is unhealthy and no cause was seen within --wait, something could not be measured, or the cluster could not be asked"
)]
pub(super) struct DiagnoseArgs {
    /// Pods (NAME, pod/NAME, NAMESPACE/NAME; a bare name is looked up in every namespace) and nodes (NAME; node1, node2, … count
    /// the nodes of any cluster) [default: all that are unhealthy]
    #[arg(value_name = "POD|NODE")]
    names: Vec<String>,

    /// Time limit for an unhealthy pod or node to recover or to show a cause: 500ms, 10s, 2m, or seconds
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    wait: Duration,

    /// Follow packets that are lost on a cluster that flatnet did not boot, too: adds an nftables table of flatnet's own to its nodes
    /// for less than a second each; on labs and kind clusters this is always done
    #[arg(long)]
    trace: bool,

    /// Output format
    #[arg(long, short, value_enum, default_value = "text")]
    output: Output,

    #[command(flatten)]
    which: WhichArgs,
}

pub(super) fn run(mut args: DiagnoseArgs, typed: &Typed) -> Result<u8> {
    args.which.settle(typed)?;
    let which = args.which.find()?;
    let question = Question {
        wanted: match &args.names[..] {
            [] => Wanted::Unhealthy,
            names => Wanted::Named(names),
        },
        until: Instant::now() + args.wait,
        consent: Consent::of(!matches!(which, Which::Kubeconfig(_)), args.trace),
    };
    let diagnosis = session::run(question.answer(&which))?;
    let code = diagnosis.exit_code();
    let printed = match args.output {
        Output::Json => {
            let text = report::json::render_diagnosis(diagnosis)
                .map_err(|e| Error::failed("write JSON", e))?;
            output::print_line(text)
        }
        Output::Text => output::print(text::render(&diagnosis)),
    };
    Ok(output::delivered(code, [printed]))
}

/// What is asked.
struct Question<'a> {
    wanted: Wanted<'a>,
    /// When an unhealthy pod or node need not be waited for any longer.
    until: Instant,
    consent: Consent,
}

/// How far a visit that makes nothing came.
enum Step {
    /// There was none.
    Unseen,
    Known(Diagnosis),
    /// A pod that was named runs: trying it may take peers of flatnet's own, which need a namespace.
    Running(Look),
}

impl Question<'_> {
    async fn answer(&self, which: &Which) -> Result<Diagnosis> {
        let step = match which {
            Which::Lab(_) | Which::Kind { .. } => {
                looking(which, Visit::Look, async |attached| {
                    let mut seen = look(&attached.cluster, self.wanted).await?;
                    loop {
                        if !tried(self.wanted, &seen).is_empty() {
                            return Ok(Step::Running(seen));
                        }
                        match self.explained(attached, seen).await? {
                            ControlFlow::Break(diagnosis) => return Ok(Step::Known(diagnosis)),
                            ControlFlow::Continue(again) => seen = again,
                        }
                    }
                })
                .await?
            }
            // Its nodes are reached through pods of flatnet's own in any case.
            Which::Kubeconfig(_) => Step::Unseen,
        };
        let seen = match step {
            Step::Known(diagnosis) => return Ok(diagnosis),
            Step::Running(seen) => Some(seen),
            Step::Unseen => None,
        };
        looking(which, Visit::Stay, async |attached| {
            let mut seen = match seen {
                Some(seen) => seen,
                None => look(&attached.cluster, self.wanted).await?,
            };
            loop {
                match self.explained(attached, seen).await? {
                    ControlFlow::Break(diagnosis) => return Ok(diagnosis),
                    ControlFlow::Continue(again) => seen = again,
                }
            }
        })
        .await
    }

    /// The diagnosis, where everything is healthy, a cause is known, or the time is up; else another look, after a pause.
    async fn explained(
        &self,
        attached: &Attached,
        seen: Look,
    ) -> Result<ControlFlow<Diagnosis, Look>> {
        let cluster = &attached.cluster;
        let diagnosis = explain(cluster, self.wanted, seen, &self.consent).await;
        if !diagnosis.is_open() || Instant::now() + PAUSE > self.until {
            return Ok(ControlFlow::Break(diagnosis));
        }
        tokio::time::sleep(PAUSE).await;
        look(cluster, self.wanted).await.map(ControlFlow::Continue)
    }
}
