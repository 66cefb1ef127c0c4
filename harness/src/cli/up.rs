//! `flatnet up`: a cluster with its CNI and pods, left running.
use std::path::Path;
use std::time::SystemTime;

use clap::Args;
use k8s_openapi::api::core::v1::Node;

use super::{Typed, progress};
use crate::config::{Provider, RunArgs};
use crate::report::cluster::{NodeEntry, PodEntry};
use crate::report::{self, ClusterReport};
use crate::session::{self, Session};
use crate::{Error, Result};
use flatnet_cluster::status;
use flatnet_model::snapshot::PodSnapshot;

/// Options of `flatnet up`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  flatnet up --nodes 2                    boot a two-node lab called flatnet\n  flatnet exec busybox-1 -- ip route      run a command in one of its pods\n  flatnet test --cluster flatnet          check it, as often as you like\n  flatnet down                            delete it\n  flatnet up --name demo --provider kind  boot a kind cluster called demo\n  flatnet up --report DIR                 also write DIR/cluster.json (nodes, pods, addresses, times)"
)]
pub(super) struct UpArgs {
    #[command(flatten)]
    run: RunArgs,
}

pub(super) fn run(args: UpArgs, typed: &Typed<'_>) -> Result<u8> {
    let mut run = args.run;
    run.settle(|option| typed.is(option));
    run.keep = true;
    if run.cluster.is_none() && run.provider() != Provider::Kubeconfig {
        run.name.get_or_insert_with(|| "flatnet".to_owned());
    }
    let started = SystemTime::now();
    let (observer, phases) = progress::observer(false);
    let mut report = session::run(async {
        let session = Session::start(&run, None, observer).await?;
        let report = describe(&session, started).await;
        if let Some(diagnosis) = session.diagnosis() {
            anstream::eprint!("{}", report::diagnosis::render(diagnosis));
        }
        session.close().await?;
        report
    })?;
    report.phases = progress::timed(&phases);
    if let Some(dir) = &run.report {
        write(&report, dir)?;
    }
    show_around(&report);
    Ok(0)
}

/// What was brought up, as it is now.
async fn describe(session: &Session, started: SystemTime) -> Result<ClusterReport> {
    let cluster = session.cluster();
    let nodes = cluster.nodes().await?;
    let cni = &session.plan().cni_name;
    let mut report = ClusterReport::new(cluster.provider(), cni, cluster.namespace(), started);
    report.name = session.plan().site.name().map(str::to_owned);
    report.nodes = nodes.iter().map(node_entry).collect::<Result<_>>()?;
    report.pods = session.pods().iter().map(pod_entry).collect();
    report.diagnosis = session.diagnosis().cloned();
    Ok(report)
}

fn node_entry(object: &Node) -> Result<NodeEntry> {
    let node = status::node(object)?;
    Ok(NodeEntry {
        addresses: node.internal_ips.iter().map(ToString::to_string).collect(),
        pod_cidrs: node.pod_cidrs.iter().map(ToString::to_string).collect(),
        not_ready: node.not_ready(),
        name: node.name,
    })
}

fn pod_entry(pod: &PodSnapshot) -> PodEntry {
    PodEntry {
        namespace: pod.reference.namespace.clone(),
        name: pod.reference.name.clone(),
        node: pod.node.clone(),
        phase: pod.phase.clone(),
        host_network: pod.host_network,
        addresses: pod.ips.iter().map(ToString::to_string).collect(),
    }
}

fn write(report: &ClusterReport, dir: &Path) -> Result<()> {
    let written = report
        .write_to(dir)
        .map_err(|e| Error::Input(e.to_string()))?;
    for path in written {
        anstream::eprintln!("wrote {}", path.display());
    }
    Ok(())
}

/// The first thing to try.
fn show_around(report: &ClusterReport) {
    let Some(pod) = report.pods.first() else {
        return;
    };
    let target = match report.namespace.as_str() {
        "default" => pod.name.clone(),
        namespace => format!("{namespace}/{}", pod.name),
    };
    anstream::eprintln!("look around:");
    match &report.name {
        Some(name) => anstream::eprintln!(
            "  flatnet exec --cluster {name} {target} -- ip route\n  flatnet test --cluster {name}"
        ),
        None => anstream::eprintln!(
            "  kubectl -n {} exec {} -- ip route",
            report.namespace,
            pod.name
        ),
    }
}
