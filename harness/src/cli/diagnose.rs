//! `flatnet diagnose`: why a pod does not run or is not reached, in plain words.
use std::time::{Duration, Instant};

use clap::Args;

use super::which::WhichArgs;
use super::{Output, Typed, duration};
use crate::diagnose::diagnose;
use crate::report::{self, diagnosis as text};
use crate::session::attach::{Attached, looking};
use crate::{Error, Result, session};
use flatnet_cluster::diagnose::Wanted;
use flatnet_model::diagnosis::Diagnosis;

/// Between two looks at somebody who is not healthy for no known reason.
const PAUSE: Duration = Duration::from_millis(500);

/// Options of `flatnet diagnose`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  flatnet diagnose                      every pod that is not healthy, every node that is not Ready\n  flatnet diagnose busybox-1            also looks into a pod that runs\n  flatnet diagnose node2 --wait 1m      a node; gives it a minute to become Ready or to show why it does not\n  flatnet diagnose kube-system/coredns-0 --current-context\n\nExit codes:\n  0  nothing is wrong\n  1  a cause was found\n  2  wrong usage or input\n  3  something the run needs is missing\n  4  a pod or node is unhealthy and no cause was seen within --wait, or the cluster could not be asked"
)]
pub(super) struct DiagnoseArgs {
    /// Pods (NAME, pod/NAME, NAMESPACE/NAME; a bare name is looked for in every namespace) and nodes (NAME, or node1, node2, …
    /// which count them) [default: all that are not healthy]
    #[arg(value_name = "POD|NODE")]
    names: Vec<String>,

    /// How long a pod that is not healthy may take to become so or to show why not: 500ms, 10s, 2m, or seconds. It has just been
    /// made, perhaps
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    wait: Duration,

    #[command(flatten)]
    which: WhichArgs,

    /// How to print
    #[arg(long, short, value_enum, default_value = "text")]
    output: Output,
}

pub(super) fn run(mut args: DiagnoseArgs, typed: &Typed<'_>) -> Result<u8> {
    args.which.settle(typed)?;
    let which = args.which.find()?;
    let looking = looking(&which, async |attached| {
        until_known(attached, &args.names, args.wait).await
    });
    let diagnosis = session::run(looking)?;
    let code = diagnosis.exit_code();
    match args.output {
        Output::Json => {
            let text = report::json::render_diagnosis(diagnosis)
                .map_err(|e| Error::failed("write JSON", e))?;
            anstream::println!("{text}");
        }
        Output::Text => anstream::print!("{}", text::render(&diagnosis)),
    }
    Ok(code)
}

/// Looks until everybody is well, a cause is known, or the time is up.
async fn until_known(attached: &Attached, names: &[String], wait: Duration) -> Result<Diagnosis> {
    let start = Instant::now();
    loop {
        let wanted = if names.is_empty() {
            Wanted::Unhealthy
        } else {
            Wanted::Named(names)
        };
        let diagnosis = diagnose(&attached.cluster, wanted).await?;
        if !diagnosis.is_open() || start.elapsed() + PAUSE > wait {
            return Ok(diagnosis);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
