//! `flatnet diagnose`: why a pod does not run or is not reached, in plain words.
use std::time::{Duration, Instant};

use clap::Args;

use super::which::WhichArgs;
use super::{Output, Typed, duration, output};
use crate::consent::Consent;
use crate::diagnose::diagnose;
use crate::report::{self, diagnosis as text};
use crate::session::attach::{Attached, Visit, Which, looking};
use crate::{Error, Result, session};
use flatnet_cluster::diagnose::{Wanted, look};
use flatnet_model::diagnosis::Diagnosis;

/// Between two looks at a pod or node that is unhealthy for no known reason.
const PAUSE: Duration = Duration::from_millis(500);

/// Options of `flatnet diagnose`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  flatnet diagnose                  explain every unhealthy pod and every node that is not Ready\n  flatnet diagnose busybox-1        explain one pod; if it runs, try its network with pods of every node\n  flatnet diagnose node2 --wait 1m  give a node one minute to become Ready or to show why it does not\n  flatnet diagnose kube-system/coredns-0 --current-context\n\nExit codes:\n  0  nothing is wrong\n  1  a cause was found\n  2  wrong usage or input\n  3  something the run needs is missing\n  4  a pod or node is unhealthy and no cause was seen within --wait, something could not be measured, or the cluster could not be asked"
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
    // Only a running pod that is named is tried, and may need peers of flatnet's own.
    let visit = match !args.names.is_empty() && session::run(some_run(&which, &args.names))? {
        true => Visit::Stay,
        false => Visit::Look,
    };
    let consent = Consent::of(!matches!(which, Which::Kubeconfig(_)), args.trace);
    let looking = looking(&which, visit, async |attached| {
        until_known(attached, &args.names, args.wait, &consent).await
    });
    let diagnosis = session::run(looking)?;
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

/// Whether a pod of these runs.
async fn some_run(which: &Which, names: &[String]) -> Result<bool> {
    looking(which, Visit::Look, async |attached| {
        let look = look(&attached.cluster, Wanted::Named(names)).await?;
        Ok(look.pods.iter().any(|pod| pod.object.is_running()))
    })
    .await
}

/// Looks until everything is healthy, a cause is known, or the time is up.
async fn until_known(
    attached: &Attached,
    names: &[String],
    wait: Duration,
    consent: &Consent,
) -> Result<Diagnosis> {
    let start = Instant::now();
    loop {
        let wanted = if names.is_empty() {
            Wanted::Unhealthy
        } else {
            Wanted::Named(names)
        };
        let diagnosis = diagnose(&attached.cluster, wanted, consent).await?;
        if !diagnosis.is_open() || start.elapsed() + PAUSE > wait {
            return Ok(diagnosis);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
