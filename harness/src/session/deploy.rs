//! Creates the pods and waits for them; plants the fault between, where it says so.
use std::sync::Arc;

use flatnet_cluster::status::{self, image_missing, pod_ref, warnings};
use flatnet_model::snapshot::PodSnapshot;
use ipnet::IpNet;
use k8s_openapi::api::core::v1::Pod;
use tokio::task::JoinSet;

use super::exposure;
use super::lifetime::Lifetime;
use super::plan::Plan;
use crate::consent::Consent;
use crate::diagnose;
use crate::events::{Event, Observer};
use crate::plant::{Fault, Made, Moment, Plantable, Planted};
use crate::{Error, Result};
use flatnet_cluster::diagnose::Wanted;
use flatnet_cluster::exposed::Exposed;
use flatnet_cluster::kube::KubeCluster;
use flatnet_cluster::{Cluster, PodRef};
use flatnet_model::diagnosis::Diagnosis;
use flatnet_model::observations::{Denied, Forbidden};

/// The pods of a run.
pub struct Deployed {
    /// Each as last seen: running, ended, or stuck when its time was up.
    pub pods: Vec<PodSnapshot>,
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
pub struct Deployment<'a> {
    /// Its handle.
    pub cluster: &'a Arc<dyn Cluster>,
    /// The same, for faults of its provider.
    pub faults: &'a dyn Plantable,
    /// The same, for services and pods with a port, where there is a control plane.
    pub exposable: Option<&'a KubeCluster>,
    /// What is wanted.
    pub plan: &'a Plan,
    /// Pod network ranges of the whole cluster, where known.
    pub pod_network: &'a [IpNet],
    /// Deletes what is created outside the cluster.
    pub lifetime: &'a Lifetime,
    /// Hears of every pod.
    pub observer: &'a Observer,
}

impl Deployment<'_> {
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
        let stuck = deployed.pods.iter().filter(|pod| !pod.is_running());
        let stuck: Vec<PodRef> = stuck.map(|pod| pod.reference.clone()).collect();
        deployed.diagnosis = why(self.cluster, &stuck, self.observer).await;
        deployed.exposed = match self.exposable.filter(|_| !self.plan.pods_only) {
            None => None,
            Some(cluster) => {
                let target = exposure::Exposure {
                    cluster,
                    plan: self.plan,
                    lifetime: self.lifetime,
                    observer: self.observer,
                };
                Some(target.expose(&deployed.pods).await?)
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
        self.plan.workload.place(&names, self.cluster.namespace())
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
        let made = Made {
            pods,
            pod_network: self.pod_network,
            exposed,
        };
        let planted = self.faults.plant(fault, made).await?;
        (self.observer)(&Event::Planted(format!("{}: {}", fault.id, fault.summary)));
        Ok(planted)
    }

    async fn create(&self, pods: &[Pod], deployed: &mut Deployed) -> Result<()> {
        let mut created = Vec::new();
        for pod in pods {
            match self.cluster.create_pod(pod).await {
                Ok(()) => created.push(pod),
                // Many clusters forbid hostNetwork pods; the other promises can still be checked.
                Err(Error::Denied { what, rule, .. }) if host_network(pod) => {
                    deployed.denied.push(Denied {
                        who: Forbidden::HostNetworkPods,
                        what,
                        rule,
                    });
                }
                Err(e) => return Err(e),
            }
        }
        let mut waits = JoinSet::new();
        let created: Vec<PodRef> = created.into_iter().map(pod_ref).collect();
        for (index, pod) in created.iter().enumerate() {
            let called = pod.called_among(&created);
            let (cluster, pod, limit, observer) = (
                Arc::clone(self.cluster),
                pod.clone(),
                self.plan.pod_timeout,
                Arc::clone(self.observer),
            );
            waits.spawn(async move {
                let seen = status::pod(&cluster.wait_pod(&pod, limit).await?)?;
                if seen.is_running() {
                    observer(&Event::PodReady(called));
                } else if let Some(missing) = image_missing(&seen) {
                    return Err(missing);
                } else {
                    let why = warnings(&cluster, &seen)
                        .await
                        .pop()
                        .unwrap_or_else(|| "no event says why".to_owned());
                    observer(&Event::PodFailed(called, why));
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

/// Why these pods do not run. A cluster that cannot be asked does not end the run: the checks judge the pods.
pub(super) async fn why(
    cluster: &Arc<dyn Cluster>,
    stuck: &[PodRef],
    observer: &Observer,
) -> Option<Diagnosis> {
    if stuck.is_empty() {
        return None;
    }
    match diagnose::diagnose(cluster, Wanted::Pods(stuck), &Consent::Given).await {
        Ok(diagnosis) => Some(diagnosis),
        Err(e) => {
            let words = format!("cannot determine why pods do not run: {e}");
            observer(&Event::Note(words));
            None
        }
    }
}

/// Whether it asks for its node's network.
fn host_network(wanted: &Pod) -> bool {
    let spec = wanted.spec.as_ref();
    spec.and_then(|spec| spec.host_network).unwrap_or(false)
}
