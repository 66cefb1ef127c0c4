//! Creates the pods and waits for them; plants the fault between, where it says so.
use std::sync::Arc;

use ipnet::IpNet;
use k8s_openapi::api::core::v1::Pod;
use tokio::task::JoinSet;

use super::boot::Ground;
use super::events::{Event, Observer};
use super::exposure::{self, Exposed};
use super::lifetime::Lifetime;
use super::plan::Plan;
use super::workload;
use crate::cluster::{Cluster, PodRef};
use crate::diagnose::{self, Diagnosis, Place, Wanted};
use crate::observe::gather::host_network;
use crate::observe::{Barred, Denied};
use crate::plant::{Fault, Moment, Planted};
use crate::{Error, Result};

/// The pods of a run.
pub struct Deployed {
    /// Each as last seen: running, ended, or stuck when its time was up.
    pub pods: Vec<Pod>,
    /// What the cluster did not allow: which pods are missing, and the right that was lacking.
    pub denied: Vec<Denied>,
    /// What was made for those who use the cluster, where it has a control plane.
    pub exposed: Option<Exposed>,
    /// Why pods do not run, where some do not.
    pub diagnosis: Option<Diagnosis>,
    /// The fault, where one was planted that is to be taken back.
    pub planted: Option<Planted>,
}

/// Where pods are deployed.
pub struct Bed<'a> {
    /// The seam.
    pub cluster: &'a Arc<dyn Cluster>,
    /// What is behind it.
    pub ground: &'a Ground,
    /// What is wanted.
    pub plan: &'a Plan,
    /// Pod network ranges of the whole cluster, where known.
    pub pod_network: &'a [IpNet],
    /// Who takes away what is made outside the cluster.
    pub lifetime: &'a Lifetime,
    /// Hears of every pod.
    pub observer: &'a Observer,
}

impl Bed<'_> {
    /// Creates every pod of the plan and waits for it; plants the `fault` on the way.
    ///
    /// # Errors
    /// A pod that the cluster refuses (unknown node, bad spec), an image that is nowhere, or a fault that cannot be planted.
    pub async fn deploy(&self, fault: Option<&Fault>) -> Result<Deployed> {
        let mut wanted = self.pods().await?;
        (self.observer)(&Event::Expect(wanted.len()));
        self.plant(fault, Moment::BeforePods, &wanted, None).await?;
        let mut deployed = Deployed {
            pods: Vec::new(),
            denied: Vec::new(),
            exposed: None,
            diagnosis: None,
            planted: None,
        };
        if fault.is_some_and(|f| f.moment == Moment::AfterFirstPod) {
            let rest = wanted.split_off(1);
            self.create(&wanted, &mut deployed).await?;
            self.plant(fault, Moment::AfterFirstPod, &wanted, None)
                .await?;
            self.create(&rest, &mut deployed).await?;
            wanted.extend(rest);
        } else {
            self.create(&wanted, &mut deployed).await?;
        }
        // Before anything else is changed: the evidence is at its freshest.
        let stuck = deployed.pods.iter().filter(|pod| !is_running(pod));
        let stuck: Vec<PodRef> = stuck.map(PodRef::of).collect();
        deployed.diagnosis = why(self.cluster, self.ground, self.plan, &stuck, self.observer).await;
        deployed.exposed = match self.ground {
            Ground::Lab(_) => None,
            Ground::Kubernetes(cluster) => {
                let ground = exposure::Ground {
                    cluster,
                    plan: self.plan,
                    lifetime: self.lifetime,
                    observer: self.observer,
                };
                Some(ground.expose(&deployed.pods).await?)
            }
        };
        let scenery = deployed.exposed.as_ref();
        deployed.planted = self
            .plant(fault, Moment::AfterPods, &wanted, scenery)
            .await?;
        Ok(deployed)
    }

    async fn pods(&self) -> Result<Vec<Pod>> {
        let nodes = self.cluster.nodes().await?;
        let names: Vec<String> = nodes.into_iter().filter_map(|n| n.metadata.name).collect();
        let mut pods = self.plan.workload.place(&names, self.cluster.namespace())?;
        if let Ground::Kubernetes(cluster) = self.ground {
            for pod in &mut pods {
                workload::adapt_to_kubernetes(pod, &cluster.labels());
            }
        }
        Ok(pods)
    }

    async fn plant(
        &self,
        fault: Option<&Fault>,
        moment: Moment,
        pods: &[Pod],
        exposed: Option<&Exposed>,
    ) -> Result<Option<Planted>> {
        let Some(fault) = fault.filter(|f| f.moment == moment) else {
            return Ok(None);
        };
        let planted = match (self.ground, exposed) {
            (Ground::Lab(lab), _) => {
                fault.plant_in_lab(lab, pods, self.pod_network).await?;
                None
            }
            (Ground::Kubernetes(cluster), Some(exposed)) => {
                fault.plant_on_cluster(cluster, exposed).await?
            }
            (Ground::Kubernetes(_), None) => None,
        };
        (self.observer)(&Event::Planted(format!("{}: {}", fault.id, fault.summary)));
        Ok(planted)
    }

    async fn create(&self, pods: &[Pod], deployed: &mut Deployed) -> Result<()> {
        let mut created = Vec::new();
        for pod in pods {
            match self.cluster.apply_pod(pod).await {
                Ok(()) => created.push(pod),
                // Many clusters let nobody into the nodes' network; the rest of the promises can be checked all the same.
                Err(Error::Denied { what, rule }) if host_network(pod) => {
                    deployed.denied.push(Denied {
                        who: Barred::HostNetworkPods,
                        what,
                        rule,
                    });
                }
                Err(e) => return Err(e),
            }
        }
        let mut waits = JoinSet::new();
        for (index, pod) in created.into_iter().enumerate() {
            let (cluster, pod, limit, observer) = (
                Arc::clone(self.cluster),
                PodRef::of(pod),
                self.plan.pod_timeout,
                Arc::clone(self.observer),
            );
            waits.spawn(async move {
                let seen = cluster.wait_pod(&pod, limit).await?;
                if is_running(&seen) {
                    observer(&Event::PodReady(pod.name));
                } else if let Some(missing) = image_missing(&seen) {
                    return Err(missing);
                } else {
                    let why = warnings(&cluster, &seen)
                        .await
                        .pop()
                        .unwrap_or_else(|| "no event says why".to_owned());
                    observer(&Event::PodFailed(pod.name, why));
                }
                Ok::<_, Error>((index, seen))
            });
        }
        let mut seen = Vec::new();
        while let Some(done) = waits.join_next().await {
            seen.push(done.map_err(|e| Error::failed("wait for pods", e))??);
        }
        seen.sort_by_key(|(index, _)| *index);
        deployed.pods.extend(seen.into_iter().map(|(_, pod)| pod));
        Ok(())
    }
}

/// Why these pods do not run. That nobody could be asked is no reason to end the run: the checks judge the pods.
pub(super) async fn why(
    cluster: &Arc<dyn Cluster>,
    ground: &Ground,
    plan: &Plan,
    stuck: &[PodRef],
    observer: &Observer,
) -> Option<Diagnosis> {
    if stuck.is_empty() {
        return None;
    }
    let name = match (plan.site.name(), ground) {
        (Some(name), _) => name,
        (None, Ground::Kubernetes(cluster)) => &cluster.connection().context,
        (None, Ground::Lab(_)) => "",
    };
    let place = Place {
        name,
        cluster,
        ground,
    };
    match diagnose::diagnose(place, Wanted::Pods(stuck)).await {
        Ok(diagnosis) => Some(diagnosis),
        Err(e) => {
            let words = format!("why pods do not run cannot be told: {e}");
            observer(&Event::Note(words));
            None
        }
    }
}

/// The image a pod cannot have: nothing about its network can be told then, which is no verdict on the network.
pub fn image_missing(pod: &Pod) -> Option<Error> {
    let name = PodRef::of(pod);
    let status = pod.status.as_ref()?;
    let node = pod.spec.as_ref()?.node_name.clone().unwrap_or_default();
    let inits = status.init_container_statuses.iter().flatten();
    let mut containers = inits.chain(status.container_statuses.iter().flatten());
    containers.find_map(|container| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.as_deref()?;
        let pull = ["ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"];
        pull.contains(&reason).then(|| Error::Missing {
            what: format!(
                "pod {name}: node {node} does not have the image {} and cannot pull it ({reason}{})",
                container.image,
                waiting
                    .message
                    .as_deref()
                    .map(|m| format!(": {}", m.chars().take(300).collect::<String>()))
                    .unwrap_or_default()
            ),
            remedy: "mend the registry's reach or the image's name; where there is no registry, bring the image with --image-archive FILE".to_owned(),
        })
    })
}

/// Running with at least one IP, every container up.
pub fn is_running(pod: &Pod) -> bool {
    pod.status.as_ref().is_some_and(|status| {
        status.phase.as_deref() == Some("Running")
            && status.pod_ip.is_some()
            && status
                .container_statuses
                .iter()
                .flatten()
                .all(|c| c.state.as_ref().is_some_and(|s| s.running.is_some()))
    })
}

/// The STATUS column of `kubectl get pods`: a pod's phase stays Running while its containers crash and restart, so a
/// container's own reason goes before it.
pub fn status_word(pod: &Pod) -> String {
    let status = pod.status.as_ref();
    let phase = status.and_then(|s| s.phase.clone());
    let phase = phase.unwrap_or_else(|| "Unknown".to_owned());
    if phase != "Running" {
        return phase;
    }
    let states = status
        .iter()
        .flat_map(|s| s.container_statuses.iter().flatten());
    let reason = states.filter_map(|c| c.state.as_ref()).find_map(|state| {
        let waiting = state.waiting.as_ref().and_then(|w| w.reason.clone());
        waiting.or_else(|| {
            state
                .terminated
                .as_ref()
                .map(|end| end.reason.clone().unwrap_or_else(|| "Error".to_owned()))
        })
    });
    let restarted = || {
        status
            .iter()
            .flat_map(|s| s.container_statuses.iter().flatten())
            .any(|c| c.restart_count > 0)
    };
    // Between two crashes a container runs for a moment.
    reason.unwrap_or_else(|| {
        if restarted() {
            "CrashLoopBackOff"
        } else {
            &phase
        }
        .to_owned()
    })
}

/// Why a pod does not run: what its containers wait for, then its warning events, oldest first.
pub async fn warnings(cluster: &Arc<dyn Cluster>, pod: &Pod) -> Vec<String> {
    let mut found = Vec::new();
    for container in pod
        .status
        .iter()
        .flat_map(|s| s.container_statuses.iter().flatten())
    {
        if let Some(waiting) = container.state.as_ref().and_then(|s| s.waiting.as_ref()) {
            found.push(format!(
                "container {} waits: {}{}",
                container.name,
                waiting.reason.as_deref().unwrap_or("no reason"),
                waiting
                    .message
                    .as_deref()
                    .map(|m| format!(": {m}"))
                    .unwrap_or_default()
            ));
        }
        let ended = |s: &Option<k8s_openapi::api::core::v1::ContainerState>| {
            s.as_ref().and_then(|s| s.terminated.clone())
        };
        if let Some(end) = ended(&container.state).or_else(|| ended(&container.last_state)) {
            found.push(format!(
                "container {} ended with exit code {}",
                container.name, end.exit_code
            ));
        }
    }
    match cluster.events(&PodRef::of(pod)).await {
        Ok(events) => found.extend(
            events
                .into_iter()
                .filter(|e| e.type_.as_deref() == Some("Warning"))
                .map(|e| {
                    let times = e
                        .count
                        .filter(|n| *n > 1)
                        .map(|n| format!(" (x{n})"))
                        .unwrap_or_default();
                    format!(
                        "{}{times}: {}",
                        e.reason.unwrap_or_default(),
                        e.message.unwrap_or_default()
                    )
                }),
        ),
        Err(e) => found.push(format!("events cannot be read: {e}")),
    }
    found
}
