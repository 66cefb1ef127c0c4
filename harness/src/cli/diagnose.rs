//! `flatnet diagnose`: why a pod does not run or is not reached, in plain words.
use clap::Args;

use super::Output;
use super::which::WhichArgs;
use crate::diagnose::diagnose;
use crate::report::diagnosis as text;
use crate::session::attach::{Attached, Which};
use crate::{Error, Result, session};
use flatnet_cluster::diagnose::Wanted;
use flatnet_model::diagnosis::Diagnosis;

/// Options of `flatnet diagnose`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  flatnet diagnose                      every pod that is not healthy, every node that is not Ready\n  flatnet diagnose busybox-1            also looks into a pod that runs\n  flatnet diagnose kube-system/coredns-0 --current-context\n\nExit codes:\n  0  nothing is wrong\n  1  a cause was found\n  2  wrong usage or input\n  3  something the run needs is missing\n  4  somebody is not well and no cause is known, or the cluster could not be asked"
)]
pub(super) struct DiagnoseArgs {
    /// Pods (NAME, pod/NAME, NAMESPACE/NAME); a bare name is looked for in every namespace [default: all that are not healthy]
    #[arg(value_name = "POD")]
    pods: Vec<String>,

    #[command(flatten)]
    which: WhichArgs,

    /// How to print
    #[arg(long, short, value_enum, default_value = "text")]
    output: Output,
}

pub(super) fn run(args: &DiagnoseArgs) -> Result<u8> {
    let which = args.which.find()?;
    let diagnosis = session::runtime()?.block_on(look(&which, &args.pods))?;
    match args.output {
        Output::Json => {
            let text = serde_json::to_string_pretty(&diagnosis)
                .map_err(|e| Error::failed("write JSON", e))?;
            anstream::println!("{text}");
        }
        Output::Text => anstream::print!("{}", text::render(&diagnosis)),
    }
    Ok(diagnosis.exit_code())
}

async fn look(which: &Which, pods: &[String]) -> Result<Diagnosis> {
    let attached = Attached::to(which).await?;
    let wanted = if pods.is_empty() {
        Wanted::Unhealthy
    } else {
        Wanted::Named(pods)
    };
    let diagnosis = diagnose(attached.place(), wanted).await;
    attached.close().await?;
    diagnosis
}
