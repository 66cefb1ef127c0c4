//! The namespace of a run's pods: made for the run and deleted with it, or an existing one from which only its own pods go.
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Namespace, Pod, Service};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::Expression;
use kube::{Api, Client, ResourceExt};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::answer::{Deletion, delete, denied};
use super::{FIELD_MANAGER, LABEL_APP, LABEL_KEPT, LABEL_RUN};
use crate::limit::until_gone;
use crate::{Error, Result};

/// How long a namespace may take to be gone, its pods' CNI DEL included.
const GONE_WITHIN: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(100);
/// How long a request of a run that was killed may still be on its way to the API server.
const ARRIVES_WITHIN: Duration = Duration::from_secs(1);
/// The annotation that distinguishes this run's namespace from another of the same name.
const OWNER: &str = "flatnet/owner";
/// What helps where a namespace cannot be made.
const USE_EXISTING: &str = "name an existing namespace with --namespace";

/// Where a run's pods are going to live: decided before the first API request, so that the reaper can be told
/// first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespacePlan {
    /// Its name.
    pub name: String,
    /// The value of [`LABEL_RUN`] on everything the run makes.
    pub run: String,
    /// For a namespace that the run makes: what its annotation will say, which no other run's does.
    owner: Option<String>,
}

impl NamespacePlan {
    /// The namespace `flatnet-RUN`, to be made.
    pub fn own(run: &str) -> Self {
        let random = || RandomState::new().hash_one(std::process::id());
        NamespacePlan {
            name: format!("flatnet-{run}"),
            run: run.to_owned(),
            owner: Some(format!("{:016x}{:016x}", random(), random())),
        }
    }

    /// A namespace that is there already.
    pub fn existing(name: &str, run: &str) -> Self {
        NamespacePlan {
            name: name.to_owned(),
            run: run.to_owned(),
            owner: None,
        }
    }

    /// Makes the namespace, or sees that it is there.
    ///
    /// # Errors
    /// [`Error::Denied`] where namespaces may not be made; [`Error::Input`] where there is none of that name, or the cluster
    /// refuses it as it is; otherwise the API server's words.
    pub async fn establish(&self, client: &Client) -> Result<RunNamespace> {
        match &self.owner {
            Some(owner) => self.create(client, owner).await?,
            None => self.look(client).await?,
        }
        Ok(RunNamespace { plan: self.clone() })
    }

    async fn create(&self, client: &Client, owner: &str) -> Result<()> {
        let name = &self.name;
        let object: Namespace = serde_json::from_value(json!({
            "metadata": { "name": name, "annotations": { OWNER: owner }, "labels": {
                LABEL_APP: FIELD_MANAGER,
                LABEL_RUN: self.run,
                // Pod Security admission: hostNetwork pods and the ones that look at nodes need it.
                "pod-security.kubernetes.io/enforce": "privileged",
            }}
        }))
        .map_err(|e| Error::failed("write a namespace", e))?;
        let api: Api<Namespace> = Api::all(client.clone());
        let doing = format!("create namespace {name}");
        match api.create(&PostParams::default(), &object).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                Err(Error::Input(format!(
                    "{doing}: {}; it belongs to another run; run again, which uses a new name, or {USE_EXISTING}",
                    status.message
                )))
            }
            Err(e) => Err(match denied(&doing, e) {
                Error::Denied { what, rule, .. } => Error::Denied {
                    what,
                    rule,
                    remedy: USE_EXISTING.to_owned(),
                },
                Error::Input(what) => Error::Input(format!("{what}; {USE_EXISTING}")),
                other => other,
            }),
        }
    }

    async fn look(&self, client: &Client) -> Result<()> {
        let name = &self.name;
        let api: Api<Namespace> = Api::all(client.clone());
        let there = match api.get_opt(name).await {
            Ok(found) => found.is_some(),
            // Whoever may not look at namespaces may still be allowed to use one.
            Err(kube::Error::Api(status)) if status.is_forbidden() => {
                self.takes_pods(client).await?
            }
            Err(e) => return Err(denied(&format!("get namespace {name}"), e)),
        };
        if there {
            return Ok(());
        }
        Err(Error::Input(format!(
            "--namespace {name}: there is no such namespace; kubectl get namespaces lists them"
        )))
    }

    /// Whether a pod could be made there, by a dry run: the API server looks for the namespace of whatever is created.
    async fn takes_pods(&self, client: &Client) -> Result<bool> {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": { "generateName": "flatnet-" },
            "spec": { "containers": [{ "name": "c", "image": "busybox" }] },
        }))
        .map_err(|e| Error::failed("write a pod", e))?;
        let dry_run = PostParams {
            dry_run: true,
            field_manager: None,
        };
        let api: Api<Pod> = Api::namespaced(client.clone(), &self.name);
        match api.create(&dry_run, &pod).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(false),
            Err(e) => Err(denied(
                &format!("try to create a pod in namespace {}", self.name),
                e,
            )),
        }
    }

    /// Deletes what the run made and waits until it is gone. It may never have been made; a namespace of that name which is
    /// another run's stays.
    ///
    /// # Errors
    /// When it does not go.
    pub async fn release(&self, client: &Client) -> Result<()> {
        let start = Instant::now();
        let late = |left: String| {
            format!(
                "namespace {}: {left} still there after {GONE_WITHIN:?}; to see why: kubectl -n {0} get pods -o wide",
                self.name
            )
        };
        let Some(owner) = &self.owner else {
            self.delete_services(client).await?;
            let look = || async { self.delete_pods(client).await };
            let late = |left: Vec<Pod>| late(format!("{} pods", left.len()));
            return until_gone(GONE_WITHIN, look, late).await;
        };
        let api: Api<Namespace> = Api::all(client.clone());
        let doing = format!("delete namespace {}", self.name);
        let get = || async {
            let found = api.get_opt(&self.name).await;
            found.map_err(|e| denied(&doing, e))
        };
        let mut found = get().await?;
        while found.is_none() && start.elapsed() < ARRIVES_WITHIN {
            tokio::time::sleep(PAUSE).await;
            found = get().await?;
        }
        let Some(namespace) = found.filter(|found| found.annotations().get(OWNER) == Some(owner))
        else {
            return Ok(());
        };
        // A namespace is looked into 5 s after it was deleted (kube-controller-manager's namespaceDeletionGracePeriod); pods
        // that are told now are gone by then. Whoever may not delete them has them deleted.
        let _ = self.delete_pods(client).await;
        let this_one = DeleteParams::default().preconditions(Preconditions {
            uid: namespace.uid(),
            ..Preconditions::default()
        });
        if delete(&api, &self.name, &this_one, &doing).await? == Deletion::WasGone {
            return Ok(());
        }
        let look = || async { Ok(Vec::from_iter(get().await?)) };
        until_gone(GONE_WITHIN, look, |_| late("it is".to_owned())).await
    }

    /// What the run made, by label.
    fn ours(&self) -> ListParams {
        let made = Expression::Equal(LABEL_RUN.to_owned(), self.run.clone());
        ListParams::default().labels_from(&made.into())
    }

    /// Deletes every pod of the run that is not being deleted yet; returns those that are still there.
    async fn delete_pods(&self, client: &Client) -> Result<Vec<Pod>> {
        let pods: Api<Pod> = Api::namespaced(client.clone(), &self.name);
        let doing = format!("delete the run's pods in namespace {}", self.name);
        let params = DeleteParams::default().grace_period(0);
        let list = pods
            .list(&self.ours())
            .await
            .map_err(|e| denied(&doing, e))?
            .items;
        // One by one: deletecollection is a right of its own.
        for pod in list
            .iter()
            .filter(|pod| pod.metadata.deletion_timestamp.is_none())
        {
            delete(&pods, &pod.name_any(), &params, &doing).await?;
        }
        Ok(list)
    }

    /// Services go at once, and their EndpointSlices with them.
    async fn delete_services(&self, client: &Client) -> Result<()> {
        let services: Api<Service> = Api::namespaced(client.clone(), &self.name);
        let doing = format!("delete the run's services in namespace {}", self.name);
        let list = match services.list(&self.ours()).await {
            Ok(list) => list.items,
            // Whoever may not list services will hardly have been allowed to make any.
            Err(kube::Error::Api(status)) if status.is_forbidden() => return Ok(()),
            Err(e) => return Err(denied(&doing, e)),
        };
        for service in list {
            delete(
                &services,
                &service.name_any(),
                &DeleteParams::default(),
                &doing,
            )
            .await?;
        }
        Ok(())
    }
}

/// A run's namespace, which is there. Only [`NamespacePlan::establish`] gives one.
#[derive(Clone, Debug)]
pub struct RunNamespace {
    plan: NamespacePlan,
}

impl RunNamespace {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// The value of [`LABEL_RUN`] on everything the run makes.
    pub fn run(&self) -> &str {
        &self.plan.run
    }

    /// Marks it as kept for inspection: the next change of the cluster's CNI may take it away.
    ///
    /// # Errors
    /// When it may not be changed.
    pub async fn keep(&self, client: &Client) -> Result<()> {
        if self.plan.owner.is_none() {
            return Ok(());
        }
        let api: Api<Namespace> = Api::all(client.clone());
        let patch = Patch::Merge(json!({ "metadata": { "labels": { LABEL_KEPT: "true" } } }));
        api.patch(self.name(), &PatchParams::default(), &patch)
            .await
            .map_err(|e| denied(&format!("mark namespace {} as kept", self.name()), e))?;
        Ok(())
    }

    /// Deletes what the run made, as [`NamespacePlan::release`].
    ///
    /// # Errors
    /// As there.
    pub async fn release(&self, client: &Client) -> Result<()> {
        self.plan.release(client).await
    }
}
