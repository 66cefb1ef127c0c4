//! `flatnet up`: a cluster with its CNI and pods, left running.
use std::path::Path;

use clap::Args;
use jiff::Timestamp;

use super::{Typed, output, progress};
use crate::config::{Provider, RunArgs};
use crate::report::cluster::{FILE, NodeEntry, PodEntry};
use crate::report::{self, ClusterReport};
use crate::session::{self, Session};
use crate::{Error, Result, torn_down};
use flatnet_cluster::status;

/// Options of `flatnet up`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  flatnet up --nodes 2                    boot a two-node lab called flatnet\n  flatnet exec busybox-1 -- ip route      run a command in one of its pods\n  flatnet test --cluster flatnet          check it, as often as you like\n  flatnet down                            delete it\n  flatnet up --name demo --provider kind  boot a kind cluster called demo\n  flatnet up --report DIR                 also write DIR/cluster.json (nodes, pods, addresses, times)"
)]
pub(super) struct UpArgs {
    #[command(flatten)]
    run: RunArgs,
}

pub(super) fn run(args: UpArgs, typed: &Typed) -> Result<u8> {
    let mut run = args.run;
    run.settle(|option| typed.is(option));
    run.stays_up = true;
    if run.cluster.is_none() && run.provider() != Provider::Kubeconfig {
        run.name.get_or_insert_with(|| "flatnet".to_owned());
    }
    output::check_report(run.report.as_deref(), &[FILE])?;
    let started = Timestamp::now();
    let (observer, heard) = progress::observer(false);
    let described = session::run(async {
        let session = Session::start(&run, None, observer).await?;
        let report = session.guard(describe(&session, started)).await;
        if let Some(diagnosis) = session.diagnosis() {
            output::say(report::diagnosis::render(diagnosis).trim_end());
        }
        torn_down(report, session.close().await)
    });
    let mut report = match (described, run.report.as_deref()) {
        (Err(e), Some(dir)) if e.leaves_report() => {
            let provider = run.provider().name();
            let mut report = ClusterReport::new(provider, run.cni(), "", started);
            report.name = heard.kept();
            report.phases = heard.phases();
            report.error = Some(e.to_string());
            output::say(format_args!("error: {e}"));
            return Ok(output::delivered(e.exit_code(), [write(&report, dir)]));
        }
        (described, _) => described?,
    };
    report.phases = heard.phases();
    let written = run.report.as_deref().map(|dir| write(&report, dir));
    show_around(&report);
    Ok(output::delivered(0, written))
}

/// The booted cluster, as it is now.
async fn describe(session: &Session, started: Timestamp) -> Result<ClusterReport> {
    let cluster = session.cluster();
    let nodes = cluster.nodes().await?;
    let cni = &session.plan().cni_name;
    let mut report = ClusterReport::new(cluster.provider(), cni, cluster.namespace(), started);
    report.name = session.plan().source.name().map(str::to_owned);
    let nodes = nodes
        .iter()
        .map(|node| status::node(node).map(NodeEntry::from));
    report.nodes = nodes.collect::<Result<_>>()?;
    report.pods = session.pods().iter().cloned().map(PodEntry::from).collect();
    report.diagnosis = session.diagnosis().cloned();
    Ok(report)
}

fn write(report: &ClusterReport, dir: &Path) -> Result<()> {
    let written = report
        .write_to(dir)
        .map_err(|e| Error::Failed(e.to_string()))?;
    for path in written {
        output::say(format_args!("wrote {}", path.display()));
    }
    Ok(())
}

/// The first thing to try.
fn show_around(report: &ClusterReport) {
    let Some(pod) = report.pods.first().map(|pod| &pod.reference) else {
        return;
    };
    output::say("look around:");
    match &report.name {
        Some(cluster) => {
            let pod = pod.called_among(report.pods.iter().map(|pod| &pod.reference));
            output::say(format_args!(
                "  flatnet exec --cluster {cluster} {pod} -- ip route\n  flatnet test --cluster {cluster}"
            ));
        }
        None => output::say(format_args!(
            "  kubectl -n {} exec {} -- ip route",
            pod.namespace, pod.name
        )),
    }
}
