//! One run: boot, install, deploy, start probes, observe, tear down.
pub mod attach;
pub mod boot;
pub mod deploy;
mod described;
pub mod exposure;
pub mod interrupts;
pub mod lifetime;
mod limits;
pub mod locate;
mod new_kind;
pub(crate) mod new_lab;
mod phases;
pub mod plan;
mod pod_ranges;
pub mod reaper;
mod runtime;
pub mod source;
pub mod workload;

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::cni::Given;
use crate::config::RunArgs;
use crate::events::{self, Event, Observer, Phase};
use crate::plant::Fault;
pub use crate::run_id::run_id;
use crate::{Result, torn_down};
use boot::Booted;
use deploy::Deployed;
use flatnet_cluster::exposed::Exposed;
use flatnet_cluster::kube::KubeCluster;
use flatnet_cluster::lab::LabCluster;
use flatnet_cluster::observe::before::{self, NodesBefore};
use flatnet_cluster::observe::fleet::Fleet;
use flatnet_cluster::observe::scope::Scope;
use flatnet_cluster::observe::{changes, gather};
use flatnet_cluster::{Cluster, PodRef, status};
use flatnet_model::coverage::Coverage;
use flatnet_model::diagnosis::Diagnosis;
use flatnet_model::observations::Observations;
use flatnet_model::snapshot::PodSnapshot;
use interrupts::Interrupts;
use lifetime::Lifetime;
use phases::Phases;
use plan::{Keep, Plan};
use reaper::Reap;
pub use runtime::{run, run_until_interrupted, runtime};

/// What to do where a cluster went before anybody could look at it.
const GONE: &str = "the cluster is deleted; to keep it for a look, run it again with --keep";

/// A cluster with its CNI and its pods, ready to be observed.
pub struct Session {
    cluster: Arc<dyn Cluster>,
    plan: Plan,
    pod_network: Vec<IpNet>,
    kube: Option<KubeCluster>,
    before: Option<NodesBefore>,
    deployed: Deployed,
    lifetime: Lifetime,
    interrupts: Interrupts,
    observer: Observer,
}

impl Session {
    /// Boots, installs and deploys as `args` say. With a `fault`, the fault is planted on the way.
    ///
    /// # Errors
    /// Wrong input, something missing, or a cluster that does not come up. A pod that does not come up is not an error: checks
    /// judge it. Whatever was started is gone again when this fails.
    pub async fn start(
        args: &RunArgs,
        fault: Option<&'static Fault>,
        observer: Observer,
    ) -> Result<Session> {
        let observer = events::logged(observer);
        let mut args = args.clone();
        let interrupts = Interrupts::listen()?;
        let existing = interrupts.guard(locate::locate(&mut args)).await?;
        if let Some(fault) = fault {
            fault.fit(&mut args)?;
        }
        let plan = Plan::new(&args, existing, fault)?;
        let phases = Phases {
            interrupts: &interrupts,
            observer: &observer,
        };
        let first = match plan.source.is_running() {
            true => Phase::Attach,
            false => Phase::Boot,
        };
        let Booted {
            cluster,
            faults,
            exposable,
            cni,
            pod_network,
            lifetime,
        } = phases.run(first, boot::cluster(&plan, &observer)).await?;
        let rest = async {
            if let Some(cni) = &cni {
                let install = boot::install(&cluster, cni.as_ref(), &observer);
                phases.run(Phase::Install, install).await?;
            }
            let deployment = deploy::Deployment {
                cluster: &cluster,
                faults: &*faults,
                exposable: exposable.as_ref(),
                plan: &plan,
                pod_network: &pod_network,
                lifetime: &lifetime,
                observer: &observer,
            };
            let deploying = async {
                let before = match plan.source.is_running() {
                    true => Some(before::nodes(&cluster).await?),
                    false => None,
                };
                Ok((before, deployment.deploy(fault).await?))
            };
            phases.run(Phase::Deploy, deploying).await
        };
        match rest.await {
            Ok((before, deployed)) => Ok(Session {
                cluster,
                plan,
                pod_network,
                kube: exposable,
                before,
                deployed,
                lifetime,
                interrupts,
                observer,
            }),
            Err(e) if plan.keep == Keep::Always && !interrupts.heard() => {
                observer(&plan.kept(cluster.namespace()));
                observer(&Event::Note(plan.how_to_look()));
                torn_down(Err(e), lifetime.keep(&cluster).await)
            }
            Err(e) => {
                let booted = lifetime.is_booted() && !interrupts.heard();
                let end = lifetime.end(&cluster, interrupts.heard());
                let ended = phases.run(Phase::TearDown, end).await;
                if booted && ended.is_ok() {
                    observer(&Event::Note(GONE.to_owned()));
                }
                torn_down(Err(e), ended)
            }
        }
    }

    /// What the run is made of.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The pods of the run, as last seen while waiting for them.
    pub fn pods(&self) -> &[PodSnapshot] {
        &self.deployed.pods
    }

    /// Why pods do not run, where some do not.
    pub fn diagnosis(&self) -> Option<&Diagnosis> {
        self.deployed.diagnosis.as_ref()
    }

    /// The same after the pods were observed: some may have ended since they were deployed.
    async fn diagnosis_now(&self, observations: &Observations) -> Option<Diagnosis> {
        let idle = observations.pods.iter().filter(|pod| !pod.runs());
        let idle: Vec<PodRef> = idle.map(|pod| pod.reference().clone()).collect();
        let known = |pod: &PodRef| {
            let mut subjects = self.diagnosis().into_iter().flat_map(|d| &d.subjects);
            subjects.any(|subject| subject.name == pod.to_string())
        };
        if idle.iter().all(known) {
            return self.diagnosis().cloned();
        }
        deploy::why(&self.cluster, &idle, &self.observer).await
    }

    /// The same cluster, where it is behind an API.
    pub(crate) fn kube(&self) -> Option<&KubeCluster> {
        self.kube.as_ref()
    }

    /// The cluster, for what checks do not cover.
    pub fn cluster(&self) -> &Arc<dyn Cluster> {
        &self.cluster
    }

    /// Starts the probes, sends the traffic, reads both ends and every node.
    ///
    /// # Errors
    /// Only where nothing at all can be observed (the cluster is gone); what a single pod or node refuses to tell is part
    /// of the observations.
    pub async fn observe(&self) -> Result<Observations> {
        let (consent, name) = (&self.plan.consent, run_id());
        let scope = Scope {
            translate: consent.is_given().then_some(name.as_str()),
            ..self.scope()
        };
        self.observe_in(&scope, &name).await
    }

    /// The same of these pods only, as they are now, and without what was made for those who use the cluster.
    ///
    /// # Errors
    /// As [`Session::observe`]; also where one of them is not there any more.
    pub async fn observe_only(&self, pods: &[&PodRef]) -> Result<Observations> {
        let mut now = Vec::new();
        for pod in pods {
            let seen = self.cluster.wait_pod(pod, Duration::ZERO);
            now.push(status::pod(&self.guard(seen).await?)?);
        }
        let scope = Scope {
            pods: &now,
            exposed: None,
            coverage: Coverage::Full,
            ..self.scope()
        };
        self.observe_in(&scope, &run_id()).await
    }

    /// What `scope` says; `name` tells apart what observing needs on nodes.
    async fn observe_in(&self, scope: &Scope<'_>, name: &str) -> Result<Observations> {
        let observing = async {
            let running = scope.pods.iter().filter(|pod| pod.is_running());
            let with_port = scope.exposed.into_iter().flat_map(Exposed::running_pods);
            let running: Vec<&PodSnapshot> = running.chain(with_port).collect();
            let outside = scope.exposed.and_then(|one| one.outside.found().cloned());
            let nodes = self.cluster.nodes().await?;
            let cluster = Arc::clone(&self.cluster);
            let fleet = Arc::new(Fleet::start(cluster, &nodes, &running, outside).await?);
            let consent = &self.plan.consent;
            let mut observations = gather::everything(&fleet, nodes, scope).await?;
            crate::follow::follow(&self.cluster, &fleet, consent, name, &mut observations).await;
            changes::look_again(&fleet, &mut observations).await;
            Ok(observations)
        };
        self.phases().run(Phase::Observe, observing).await
    }

    /// Runs `work` on the cluster to its end or until a signal; then [`Session::close`] keeps nothing.
    ///
    /// # Errors
    /// [`Error::Interrupted`], or the work's own.
    pub async fn guard<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.interrupts.guard(work).await
    }

    /// Something that is to be undone in a cluster that outlives the run, however the run ends.
    ///
    /// # Errors
    /// When the reaper is gone.
    pub(crate) fn also_undone(&self, thing: Reap) -> Result<()> {
        match self.lifetime.is_booted() {
            true => Ok(()),
            false => self.lifetime.add(thing),
        }
    }

    /// The CNI of a lab and the ranges of its pods, as they are after changes of its configuration; nothing where the cluster is not a lab.
    ///
    /// # Errors
    /// A lab that does not answer.
    pub(crate) async fn network_now(&self) -> Result<Option<(String, Vec<IpNet>)>> {
        let Some(spec) = self.plan.source.lab() else {
            return Ok(None);
        };
        let spec = LabCluster::connect(&spec.name).await?.info().await?.spec;
        let ranges = locate::pod_network(&spec);
        Ok(Given::of_lab(&spec).map(|given| (given.name, ranges)))
    }

    /// What there is to observe.
    pub fn scope(&self) -> Scope<'_> {
        Scope {
            cluster: &self.cluster,
            pods: &self.deployed.pods,
            denied: &self.deployed.denied,
            before: self.before.as_ref(),
            translate: None,
            exposed: self.deployed.exposed.as_ref(),
            transports: &self.plan.transports,
            coverage: self.plan.coverage,
            seed: self.plan.seed,
            pod_network: &self.pod_network,
            cni: &self.plan.cni_name,
        }
    }

    fn phases(&self) -> Phases<'_> {
        Phases {
            interrupts: &self.interrupts,
            observer: &self.observer,
        }
    }

    /// Ends the cluster, or what the run put into it, unless the plan keeps it. Whoever interrupts that leaves the rest to the
    /// reaper, or to the lab's own end with this process.
    ///
    /// # Errors
    /// When something does not go: everything that does not.
    pub async fn close(self) -> Result<()> {
        let Session {
            cluster,
            plan,
            deployed,
            lifetime,
            interrupts,
            observer,
            ..
        } = self;
        let phases = Phases {
            interrupts: &interrupts,
            observer: &observer,
        };
        // What is kept stays whole: only a signal that came before now takes it away again.
        let interrupted = match plan.keep {
            Keep::OnceUp | Keep::Always => {
                phases.interrupts.guard(std::future::ready(Ok(()))).await
            }
            Keep::Never => Ok(()),
        };
        let hurried = interrupts.heard();
        let keep = plan.keep != Keep::Never && !hurried;
        let end = async {
            // The peer outside is not part of the cluster: it is removed even where the cluster stays.
            let outside = match &deployed.exposed {
                Some(exposed) => exposed.close().await,
                None => Ok(()),
            };
            let planted = match &deployed.planted {
                Some(planted) if keep => {
                    observer(&Event::Note(planted.stays()));
                    Ok(())
                }
                // It goes with its cluster.
                Some(_) if hurried && lifetime.is_booted() => Ok(()),
                Some(planted) => planted.undo().await,
                None => Ok(()),
            };
            let cluster = if keep {
                observer(&plan.kept(cluster.namespace()));
                lifetime.keep(&cluster).await
            } else {
                lifetime.end(&cluster, hurried).await
            };
            torn_down(torn_down(outside, planted), cluster)
        };
        if keep {
            end.await
        } else {
            torn_down(interrupted, phases.run(Phase::TearDown, end).await)
        }
    }
}

/// A whole run: starts a session, observes, and tears down whatever happens.
///
/// # Errors
/// As [`Session::start`] and [`Session::observe`].
pub async fn conduct(
    args: &RunArgs,
    fault: Option<&'static Fault>,
    observer: Observer,
) -> Result<Outcome> {
    let session = Session::start(args, fault, observer).await?;
    let observations = session.observe().await;
    let plan = session.plan.clone();
    let diagnosed = async |observations: Observations| {
        let diagnosis = session.diagnosis_now(&observations).await;
        Ok((observations, diagnosis))
    };
    let seen = match observations {
        Ok(observations) => session.guard(diagnosed(observations)).await,
        Err(e) => Err(e),
    };
    let (observations, diagnosis) = torn_down(seen, session.close().await)?;
    Ok(Outcome {
        plan,
        observations,
        diagnosis,
    })
}

/// What a whole run yields.
pub struct Outcome {
    /// What was run.
    pub plan: Plan,
    /// What was seen.
    pub observations: Observations,
    /// Why pods do not run, where some do not.
    pub diagnosis: Option<Diagnosis>,
}
