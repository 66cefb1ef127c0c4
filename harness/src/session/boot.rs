//! Boots the cluster, or connects to one, and installs the CNI on it.
use flatnet_cluster::status;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use flatnet_lab::LabSpec;
use ipnet::IpNet;

use super::lifetime::{ClusterDeletion, Lifetime};
use super::plan::{Keep, Plan};
use super::reaper::{ClusterRef, Reap, Reaper};
use super::run_id;
use super::source::{Archives, ClusterSource};
use crate::cni::{self, Cni, Trouble, kind_change, lab_change};
use crate::config::KubeArgs;
use crate::events::{Event, Observer};
use crate::plant::Plantable;
use crate::programs::Programs;
use crate::{Error, Result};
use flatnet_cluster::kind::{self, Boot, engine::Engine};
use flatnet_cluster::kube::{Identity, KubeCluster, NamespacePlan, NodePods, connect};
use flatnet_cluster::lab::LabCluster;
use flatnet_cluster::{Cluster, kube};

/// The image that runs commands on nodes: the same that pods have.
const NODE_POD_IMAGE: &str = "busybox:1.36";

/// A cluster without a network of its own making yet.
pub struct Booted {
    /// Its handle.
    pub cluster: Arc<dyn Cluster>,
    /// The same, for faults of its provider.
    pub faults: Box<dyn Plantable>,
    /// The same, for services and pods with a port; nothing where there is no control plane.
    pub exposable: Option<KubeCluster>,
    /// What will network its pods; nothing where that is not this run's work.
    pub cni: Option<Box<dyn Cni>>,
    /// Pod network ranges of the whole cluster, where known.
    pub pod_network: Vec<IpNet>,
    /// What ends with the run.
    pub lifetime: Lifetime,
}

impl Booted {
    fn behind_api(
        cluster: KubeCluster,
        cni: Option<Box<dyn Cni>>,
        pod_network: Vec<IpNet>,
        lifetime: Lifetime,
    ) -> Self {
        Booted {
            cluster: Arc::new(cluster.clone()),
            faults: Box::new(cluster.clone()),
            exposable: Some(cluster),
            cni,
            pod_network,
            lifetime,
        }
    }
}

/// Boots or connects.
///
/// # Errors
/// What keeps the cluster from coming up. What was started is gone again.
pub async fn cluster(plan: &Plan, observer: &Observer) -> Result<Booted> {
    if let Some(note) = &plan.note {
        observer(&Event::Note(note.clone()));
    }
    match &plan.source {
        ClusterSource::NewLab { spec, pod_network } => {
            let program = plan.programs.lab.clone();
            let (lab, deletion) =
                LabCluster::boot(program, spec.clone(), plan.keep != Keep::Never).await?;
            let lifetime = Lifetime::Booted(ClusterDeletion::of_lab(deletion));
            on_lab(plan, lab, spec, pod_network, lifetime).await
        }
        ClusterSource::RunningLab { spec, pod_network } => {
            observer(&Event::Step(format!("lab {} runs", spec.name)));
            let (lab, lifetime) = visit_lab(&spec.name, &plan.programs).await?;
            if let Some(words) = lab_change::unfinished(spec) {
                observer(&Event::Note(words));
                lab_change::told(&lab, spec).await?;
            }
            on_lab(plan, lab, spec, pod_network, lifetime).await
        }
        ClusterSource::NewKind(boot, archives) => new_kind(plan, boot, archives, observer).await,
        ClusterSource::RunningKind {
            name,
            engine,
            archives,
        } => {
            observer(&Event::Step(format!("kind: cluster {name} runs")));
            kind_cluster(plan, engine.clone(), name, archives, None, observer).await
        }
        ClusterSource::Kubeconfig(args) => existing(plan, args).await,
    }
}

/// A running lab, with a namespace for what is deployed there.
///
/// # Errors
/// A lab that does not answer; when the reaper does not start.
pub(super) async fn visit_lab(name: &str, programs: &Programs) -> Result<(LabCluster, Lifetime)> {
    let namespace = format!("flatnet-{}", run_id());
    let pods = Reap::LabPods {
        lab: name.to_owned(),
        namespace: namespace.clone(),
    };
    let lifetime = Lifetime::guest(&programs.flatnet, pods)?;
    let lab = LabCluster::connect(name).await?;
    Ok((lab.in_namespace(&namespace).await?, lifetime))
}

/// Deletes that namespace of a running kind cluster, also when this process is killed.
///
/// # Errors
/// When the reaper does not start.
pub(super) fn guest_of_kind(
    name: &str,
    namespace: &NamespacePlan,
    programs: &Programs,
) -> Result<Lifetime> {
    let of = ClusterRef::Kind {
        name: name.to_owned(),
    };
    let namespace = namespace.clone();
    Lifetime::guest(&programs.flatnet, Reap::Namespace { of, namespace })
}

async fn on_lab(
    plan: &Plan,
    lab: LabCluster,
    spec: &LabSpec,
    pod_network: &[IpNet],
    lifetime: Lifetime,
) -> Result<Booted> {
    let cni = cni::on_lab(&plan.cni, lab.clone(), spec, pod_network).await?;
    Ok(Booted {
        cluster: Arc::new(lab.clone()),
        faults: Box::new(lab),
        exposable: None,
        cni,
        pod_network: pod_network.to_vec(),
        lifetime,
    })
}

async fn new_kind(
    plan: &Plan,
    boot: &Boot,
    archives: &Archives,
    observer: &Observer,
) -> Result<Booted> {
    let engine = Engine::find().await?;
    if kind::clusters(&engine).await?.contains(&boot.name) {
        return Err(Error::Input(format!(
            "a kind cluster {:?} already exists; use it with --cluster {0}, or choose another --name",
            boot.name
        )));
    }
    let deletion = Reap::KindCluster {
        kind: engine.kind_path().to_owned(),
        engine: engine.name.clone(),
        name: boot.name.clone(),
    };
    // Before the cluster: a run killed while it boots leaves nothing either.
    let mut reaper = Reaper::start(&plan.programs.flatnet, std::slice::from_ref(&deletion))?;
    let progress = |step| observer(&Event::Step(format!("kind: {step}")));
    let started = |group| reaper.order(&[Reap::ProcessGroup { group }, deletion.clone()]);
    kind::create(&engine, boot, started, progress).await?;
    // The group's id may be reused from now on.
    reaper.order(std::slice::from_ref(&deletion))?;
    let lifetime = Lifetime::Booted(ClusterDeletion::by(reaper));
    kind_cluster(plan, engine, &boot.name, archives, Some(lifetime), observer).await
}

/// The rest is the same for a new cluster and a reused one.
async fn kind_cluster(
    plan: &Plan,
    engine: Engine,
    name: &str,
    archives: &Archives,
    lifetime: Option<Lifetime>,
    observer: &Observer,
) -> Result<Booted> {
    let connection = kind::connection(&engine, name).await?;
    if let Some(words) = kind_change::unfinished(&connection.client, name).await? {
        observer(&Event::Note(words));
        kind_change::told(&connection.client).await?;
    }
    for archive in &archives.0 {
        kind::images::load_archive(&engine, name, archive).await?;
    }
    let planned = NamespacePlan::own(&run_id());
    let lifetime = match lifetime {
        Some(lifetime) => lifetime,
        None => guest_of_kind(name, &planned, &plan.programs)?,
    };
    let namespace = planned.establish(&connection.client).await?;
    let ranges = kube::ranges::read(&connection.client).await?;
    let pod_network = ranges.pods.clone();
    let cluster = kind::cluster(&engine, name, connection, namespace, &plan.programs.probe);
    let cni = cni::on_kind(
        &plan.cni,
        cni::KindCluster {
            cluster: cluster.clone(),
            engine: Some(engine),
            name: name.to_owned(),
            ranges,
            programs: plan.programs.clone(),
        },
    )?;
    Ok(Booted::behind_api(cluster, cni, pod_network, lifetime))
}

async fn existing(plan: &Plan, args: &KubeArgs) -> Result<Booted> {
    let (cluster, lifetime) = connect(args, &plan.programs).await?;
    // Not every cluster publishes its ranges, and not every user may read them.
    let ranges = kube::ranges::read(cluster.client())
        .await
        .unwrap_or_default();
    Ok(Booted::behind_api(cluster, None, ranges.pods, lifetime))
}

/// A running cluster, with a namespace for what is deployed there, and what to delete afterwards.
///
/// # Errors
/// As [`connect::connect`]; [`Error::Denied`] where no namespace may be made.
pub(super) async fn connect(
    args: &KubeArgs,
    programs: &Programs,
) -> Result<(KubeCluster, Lifetime)> {
    let connection = connect::connect(args.kubeconfig.as_deref(), args.context.as_deref()).await?;
    let planned = match &args.namespace {
        Some(name) => NamespacePlan::existing(name, &run_id()),
        None => NamespacePlan::own(&run_id()),
    };
    let of = ClusterRef::Kubeconfig {
        file: args.kubeconfig.clone(),
        context: args.context.clone(),
    };
    let namespace = planned.clone();
    let lifetime = Lifetime::guest(&programs.flatnet, Reap::Namespace { of, namespace })?;
    let namespace = planned.establish(&connection.client).await?;
    let probe = programs.probe.clone();
    let nodes = NodePods::new(
        connection.client.clone(),
        namespace.clone(),
        NODE_POD_IMAGE.to_owned(),
        probe.clone(),
    );
    let identity = Identity::kubeconfig(&connection.context);
    let cluster = KubeCluster::new(identity, connection, namespace, Arc::new(nodes), probe);
    Ok((cluster, lifetime))
}

/// Installs the CNI and waits until every node is Ready for pods.
///
/// # Errors
/// When a node is not Ready in time: which, what its Ready condition says, and what the CNI says.
pub async fn install(cluster: &Arc<dyn Cluster>, cni: &dyn Cni, observer: &Observer) -> Result<()> {
    become_ready(cluster, cni, observer).await?;
    cni.settled().await
}

async fn become_ready(
    cluster: &Arc<dyn Cluster>,
    cni: &dyn Cni,
    observer: &Observer,
) -> Result<()> {
    cni.install(observer).await?;
    let start = Instant::now();
    let mut told = BTreeSet::new();
    let mut pause = Duration::from_millis(2);
    loop {
        let nodes = cluster.nodes().await?;
        if told.is_empty() {
            observer(&Event::Expect(nodes.len()));
        }
        let mut waiting = Waiting::new();
        for node in &nodes {
            let name = node.metadata.name.clone().unwrap_or_default();
            match status::node(node)?.not_ready() {
                Some(why) => waiting.entry(why).or_default().push(name),
                None => {
                    if told.insert(name.clone()) {
                        observer(&Event::NodeReady(name));
                    }
                }
            }
        }
        let trouble = cni.trouble().await?;
        if waiting.is_empty() && trouble.as_ref().is_none_or(|t| !t.holds_back) {
            return Ok(());
        }
        let late = start.elapsed() > cni.ready_within();
        if late || trouble.as_ref().is_some_and(|t| t.fatal) {
            return Err(unready(cni, &waiting, trouble));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

/// Nodes that are not Ready, by what their Ready condition says: most often all say the same.
type Waiting = BTreeMap<String, Vec<String>>;

fn unready(cni: &dyn Cni, waiting: &Waiting, trouble: Option<Trouble>) -> Error {
    let nodes = if waiting.is_empty() {
        "all nodes are Ready".to_owned()
    } else {
        let reasons = waiting
            .iter()
            .map(|(why, nodes)| format!("{}: {why}", nodes.join(", ")));
        let reasons: Vec<String> = reasons.collect();
        format!("nodes not Ready: {}", reasons.join("; "))
    };
    let what = format!("CNI {} does not come up: {nodes}", cni.name());
    match trouble {
        Some(Trouble {
            what: words,
            remedy: Some(remedy),
            ..
        }) => Error::Missing {
            what: format!("{what}; {words}"),
            remedy,
        },
        Some(trouble) => Error::Failed(format!("{what}; {}", trouble.what)),
        None => Error::Failed(what),
    }
}
