//! `flatnet up`: a cluster with its CNI and pods, left running.
use clap::Args;

use super::progress;
use crate::session::Session;
use crate::session::config::RunArgs;
use crate::{Result, session};

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
    let name = run.name.get_or_insert_with(|| "flatnet".to_owned()).clone();
    let (observer, _) = progress::observer(false);
    let session = session::runtime()?.block_on(Session::start(&run, None, observer))?;
    let pod = session
        .plan()
        .pods
        .first()
        .and_then(|pod| pod.metadata.name.clone())
        .unwrap_or_default();
    anstream::eprintln!(
        "cluster {name} is up; look around:\n  flatnet exec {pod} -- ip route\n  flatnet down {name}"
    );
    Ok(0)
}
