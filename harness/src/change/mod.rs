//! A configuration change on a cluster that runs, under traffic: pods from before stay, others join, streams run through it, and
//! afterwards it is compared with a cluster that was made with the new configuration.
mod flow;
mod fresh;
mod kind;
mod lab;
mod others;
mod pods;
pub mod report;
mod rollout;
pub mod text;
mod traffic;
mod wanted;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::cni::lab_change::{self, Pending};
use crate::cni::{Choice, Wanted};
use crate::config::{Provider, RunArgs};
use crate::events::{Event, Observer};
use crate::session::Session;
use crate::session::new_lab::ranges;
use crate::{Error, Result, torn_down};
use flatnet_cluster::lab::LabCluster;
use flatnet_cluster::running::{self, ClusterName, Maker, Running};
use report::{ChangeReport, Pass, SCHEMA};

/// How long a pod that a change makes may take to run.
const POD_LIMIT: Duration = Duration::from_secs(30);

/// What is to be changed.
pub struct Order {
    /// The cluster, and how to boot one where none is named.
    pub run: RunArgs,
    /// `--to`.
    pub to: String,
    /// `--from`.
    pub from: Option<String>,
    /// Plugins of a conflist that `--to` names.
    pub to_cni_bin: Option<std::path::PathBuf>,
    /// Change back afterwards.
    pub and_back: bool,
    /// The owner of a cluster that flatnet did not boot says that it may be changed.
    pub disruptive: bool,
}

/// Makes the change.
///
/// # Errors
/// [`Error::Input`] for a configuration that is refused: the cluster has the first one then. What keeps the cluster from being changed
/// or looked at.
pub async fn conduct(order: Order, observer: Observer) -> Result<ChangeReport> {
    let started = Timestamp::now();
    let to = Wanted::parse("--to", &order.to)?;
    let from = order
        .from
        .as_deref()
        .map(|text| Wanted::parse("--from", text));
    let from = from.transpose()?;
    let mut run = order.run.clone();
    // Services and a peer outside have no part in a change.
    run.pods_only = true;
    let mut records = BTreeSet::new();
    if let Some(name) = run.cluster.clone() {
        match running(&run, &name).await? {
            Running::Lab(name) => {
                run.provider = Some(Provider::Lab);
                check(&run, &order, &to)?;
                let lab = LabCluster::connect(&name).await?;
                finish_what_was_begun(&lab, &observer).await?;
                records = others::records(&lab).await?;
            }
            Running::Kind { .. } => {
                run.provider = Some(Provider::Kind);
                check(&run, &order, &to)?;
            }
        }
    } else {
        if run.provider() == Provider::Kubeconfig && !order.disruptive {
            return Err(Error::Input(
                "--provider kubeconfig: flatnet did not boot this cluster, and a change of its CNI may cut the network of every pod on it; add --disruptive to make it".to_owned(),
            ));
        }
        // Said before anything is booted.
        check(&run, &order, &to)?;
        match &from {
            Some(_) if run.provider() == Provider::Kubeconfig => {
                return Err(Error::Input(
                    "--from: what the cluster has is read from it; leave it out".to_owned(),
                ));
            }
            Some(from) => boot_with(&mut run, from)?,
            None => {}
        }
    }
    let session = Session::start(&run, None, observer.clone()).await?;
    let asked = wanted::Asked {
        order: &order,
        to: &to,
        from: from.as_ref(),
    };
    let provider = session.cluster().provider().to_owned();
    let passes = passes(&session, asked, records, &observer).await;
    let cluster = session.plan().outlives_run().map(str::to_owned);
    let passes = torn_down(passes, session.close().await)?;
    Ok(ChangeReport {
        schema: SCHEMA.to_owned(),
        flatnet_version: env!("CARGO_PKG_VERSION").to_owned(),
        started: format!("{started:.0}"),
        provider,
        cluster,
        wrong: passes.iter().flat_map(Pass::wrong).collect(),
        passes,
    })
}

async fn passes(
    session: &Session,
    asked: wanted::Asked<'_>,
    records: BTreeSet<String>,
    observer: &Observer,
) -> Result<Vec<Pass>> {
    let rollout: Box<dyn rollout::Rollout> = match session.plan().source.lab() {
        Some(spec) => Box::new(lab::rollout(session, spec, asked, records, observer).await?),
        None => Box::new(kind::rollout(session, asked, observer).await?),
    };
    flow::conduct(session, &*rollout, asked.order.and_back, observer).await
}

/// Whether the configuration is one for the cluster, as far as the command line says.
fn check(run: &RunArgs, order: &Order, to: &Wanted) -> Result<()> {
    match run.provider() {
        Provider::Lab => Choice::parse(&args_for(run, to, order.to_cni_bin.as_deref())).map(drop),
        Provider::Kind | Provider::Kubeconfig => {
            if order.to_cni_bin.is_some() {
                return Err(Error::Input(
                    "--to-cni-bin: it is for conflists on labs; leave it out".to_owned(),
                ));
            }
            wanted::of_cluster(order, to).map(drop)
        }
    }
}

/// The cluster that `--cluster` names.
async fn running(run: &RunArgs, name: &str) -> Result<Running> {
    let name = ClusterName::new(name);
    let name = match run.provider {
        Some(Provider::Lab) => name.of(Maker::Lab),
        Some(Provider::Kind) => name.of(Maker::Kind),
        Some(Provider::Kubeconfig) | None => name,
    };
    running::find().await?.named(&name)
}

/// A new lab has the first configuration from the beginning.
fn boot_with(run: &mut RunArgs, from: &Wanted) -> Result<()> {
    if run.cni.is_some() || run.backend.is_some() {
        return Err(Error::Input(
            "--from: it names the CNI to boot with; leave --cni and --backend out".to_owned(),
        ));
    }
    if run.provider() == Provider::Kind {
        from.check_for_api("--from")?;
    }
    if ["pod-cidr", "node-cidr-mask"]
        .iter()
        .any(|key| from.options.contains_key(*key))
    {
        return Err(Error::Input(
            "--from: ranges of the first configuration are given with --pod-cidr and --node-cidr-mask".to_owned(),
        ));
    }
    let given = from.as_given();
    run.cni = Some(given.name);
    run.backend = given.backend;
    run.cni_options = given.options;
    Ok(())
}

/// A change of that lab whose process was killed, and that nothing has undone since, is undone.
async fn finish_what_was_begun(lab: &LabCluster, observer: &Observer) -> Result<()> {
    let spec = lab.info().await?.spec;
    if Pending::of_lab(&spec).is_none() {
        return Ok(());
    }
    let words = lab_change::unfinished(&spec).unwrap_or_default();
    observer(&Event::Note(format!("{words}; undoing it first")));
    lab_change::undo(lab).await?;
    lab_change::told(lab, &lab.info().await?.spec).await
}

/// The arguments by which `wanted` is validated for a cluster of `run`.
fn args_for(run: &RunArgs, wanted: &Wanted, cni_bin: Option<&std::path::Path>) -> RunArgs {
    let mut args = run.clone();
    let given = wanted.as_given();
    args.cluster = None;
    args.provider = args.provider.or(Some(Provider::Lab));
    args.cni = Some(given.name);
    args.backend = given.backend;
    args.cni_options = given.options;
    if let Some(dir) = cni_bin {
        args.lab.cni_bin = Some(dir.to_owned());
    }
    args
}
