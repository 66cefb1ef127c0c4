//! The namespace of a run's pods: made for the run and deleted with it, or an existing one from which only its own pods go.
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Namespace, Pod, Service};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

use super::{FIELD_MANAGER, LABEL_APP, LABEL_KEPT, LABEL_RUN, denied};
use crate::{Error, Result};

/// How long a namespace may take to be gone, its pods' CNI DEL included.
const GONE_WITHIN: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(100);

/// Where a run's pods live.
#[derive(Clone, Debug)]
pub struct SessionNamespace {
    /// Its name.
    pub name: String,
    /// The value of [`LABEL_RUN`] on everything the run makes.
    pub run: String,
    /// Whether the run made it.
    pub own: bool,
}

impl SessionNamespace {
    /// Makes the namespace `flatnet-RUN`; where pods need rights that Pod Security would refuse, it allows them.
    ///
    /// # Errors
    /// [`Error::Denied`] where namespaces may not be made: `--namespace` names an existing one then.
    pub async fn create(client: &Client, run: &str) -> Result<Self> {
        let name = format!("flatnet-{run}");
        let object: Namespace = serde_json::from_value(json!({
            "metadata": { "name": name, "labels": {
                LABEL_APP: FIELD_MANAGER,
                LABEL_RUN: run,
                // Pod Security admission: hostNetwork pods and the ones that look at nodes need it.
                "pod-security.kubernetes.io/enforce": "privileged",
            }}
        }))
        .map_err(|e| Error::failed("write a namespace", e))?;
        let api: Api<Namespace> = Api::all(client.clone());
        match api.create(&PostParams::default(), &object).await {
            Ok(_) => Ok(SessionNamespace {
                name,
                run: run.to_owned(),
                own: true,
            }),
            Err(kube::Error::Api(status)) if status.code == 403 => Err(Error::Denied {
                what: format!("create namespace {name}"),
                rule: format!(
                    "{}; name an existing namespace with --namespace",
                    status.message
                ),
            }),
            Err(e) => Err(denied(&format!("create namespace {name}"), e)),
        }
    }

    /// An existing namespace.
    ///
    /// # Errors
    /// [`Error::Input`] where there is none of that name.
    pub async fn existing(client: &Client, name: &str, run: &str) -> Result<Self> {
        let api: Api<Namespace> = Api::all(client.clone());
        match api.get_opt(name).await {
            Ok(None) => Err(Error::Input(format!(
                "--namespace {name}: there is no such namespace; kubectl get namespaces lists them"
            ))),
            // Whoever may not look may still be allowed to use it.
            Ok(Some(_)) | Err(kube::Error::Api(_)) => Ok(SessionNamespace {
                name: name.to_owned(),
                run: run.to_owned(),
                own: false,
            }),
            Err(e) => Err(denied(&format!("get namespace {name}"), e)),
        }
    }

    /// Marks it as left for somebody to look at: the next change of the cluster's CNI may take it away.
    ///
    /// # Errors
    /// When it may not be changed.
    pub async fn keep(&self, client: &Client) -> Result<()> {
        if !self.own {
            return Ok(());
        }
        let api: Api<Namespace> = Api::all(client.clone());
        let patch = Patch::Merge(json!({ "metadata": { "labels": { LABEL_KEPT: "true" } } }));
        api.patch(&self.name, &PatchParams::default(), &patch)
            .await
            .map_err(|e| denied(&format!("mark namespace {} as kept", self.name), e))?;
        Ok(())
    }

    /// Deletes what the run made and waits until it is gone.
    ///
    /// # Errors
    /// When it does not go.
    pub async fn close(&self, client: &Client) -> Result<()> {
        let start = Instant::now();
        let late = |left: String| {
            Error::Failed(format!(
                "namespace {}: {left} still there after {GONE_WITHIN:?}; look: kubectl -n {0} get pods -o wide",
                self.name
            ))
        };
        if !self.own {
            self.delete_services(client).await?;
            loop {
                match self.delete_pods(client).await? {
                    0 => return Ok(()),
                    left if start.elapsed() > GONE_WITHIN => {
                        return Err(late(format!("{left} pods")));
                    }
                    _ => tokio::time::sleep(PAUSE).await,
                }
            }
        }
        // A namespace is looked into 5 s after it was deleted (kube-controller-manager's namespaceDeletionGracePeriod); pods
        // that are told now are gone by then. Whoever may not delete them has them deleted.
        let _ = self.delete_pods(client).await;
        let api: Api<Namespace> = Api::all(client.clone());
        let doing = format!("delete namespace {}", self.name);
        match api.delete(&self.name, &DeleteParams::default()).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
            Err(e) => return Err(denied(&doing, e)),
        }
        while api
            .get_opt(&self.name)
            .await
            .map_err(|e| denied(&doing, e))?
            .is_some()
        {
            if start.elapsed() > GONE_WITHIN {
                return Err(late("it is".to_owned()));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Tells every pod of the run that is not told yet to go; returns how many are still there.
    async fn delete_pods(&self, client: &Client) -> Result<usize> {
        let pods: Api<Pod> = Api::namespaced(client.clone(), &self.name);
        let ours = ListParams::default().labels(&format!("{LABEL_RUN}={}", self.run));
        let doing = format!("delete the run's pods in namespace {}", self.name);
        let params = DeleteParams::default().grace_period(0);
        let list = pods.list(&ours).await.map_err(|e| denied(&doing, e))?.items;
        // One by one: deletecollection is a right of its own.
        for pod in list
            .iter()
            .filter(|pod| pod.metadata.deletion_timestamp.is_none())
        {
            let name = pod.metadata.name.clone().unwrap_or_default();
            match pods.delete(&name, &params).await {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(e) => return Err(denied(&doing, e)),
            }
        }
        Ok(list.len())
    }

    /// Services go at once, and their EndpointSlices with them.
    async fn delete_services(&self, client: &Client) -> Result<()> {
        let services: Api<Service> = Api::namespaced(client.clone(), &self.name);
        let ours = ListParams::default().labels(&format!("{LABEL_RUN}={}", self.run));
        let doing = format!("delete the run's services in namespace {}", self.name);
        let list = match services.list(&ours).await {
            Ok(list) => list.items,
            // Whoever may not list services will hardly have been allowed to make any.
            Err(kube::Error::Api(status)) if status.code == 403 => return Ok(()),
            Err(e) => return Err(denied(&doing, e)),
        };
        for service in list {
            let name = service.metadata.name.unwrap_or_default();
            match services.delete(&name, &DeleteParams::default()).await {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(e) => return Err(denied(&doing, e)),
            }
        }
        Ok(())
    }
}
