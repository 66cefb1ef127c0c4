//! `flatnet up`: a cluster with its CNI and pods, left running.
use clap::Args;

use super::progress;
use crate::config::{Provider, RunArgs};
use crate::session::Session;
use crate::{Error, Result, report, session};

/// Options of `flatnet up`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  flatnet up --nodes 2\n  flatnet exec busybox-1 -- ip route\n  flatnet down"
)]
pub(super) struct UpArgs {
    #[command(flatten)]
    run: RunArgs,
}

pub(super) fn run(args: UpArgs) -> Result<u8> {
    let mut run = args.run;
    run.keep = true;
    if run.kind.cluster.is_none() && run.provider != Provider::Kubeconfig {
        run.name.get_or_insert_with(|| "flatnet".to_owned());
    }
    let (observer, _) = progress::observer(false);
    let (pod, namespace) = session::run(async {
        let session = Session::start(&run, None, observer).await?;
        let pod = session.pods().first();
        let pod = pod.and_then(|pod| pod.metadata.name.clone());
        let namespace = session.cluster().namespace().to_owned();
        if let Some(diagnosis) = session.diagnosis() {
            anstream::eprint!("{}", report::diagnosis::render(diagnosis));
        }
        session.close().await?;
        Ok::<_, Error>((pod.unwrap_or_default(), namespace))
    })?;
    anstream::eprintln!("look around:");
    match run.provider {
        Provider::Kubeconfig => {
            anstream::eprintln!("  kubectl -n {namespace} exec {pod} -- ip route");
        }
        Provider::Lab | Provider::Kind => anstream::eprintln!("  flatnet exec {pod} -- ip route"),
    }
    Ok(0)
}
