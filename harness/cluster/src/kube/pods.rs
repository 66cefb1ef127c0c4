//! Pods of the run: one watch for all of them, however many are waited for.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use flatnet_model::snapshot::ContainerState;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, LogParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::answer::{self, Deletion, denied};
use crate::limit::until_gone;
use crate::status::{self, pod_ref};
use crate::{Error, Result, already_there};

/// The admission of a pod needs the namespace's `default` service account, which a controller makes a moment later.
const ACCOUNT_WITHIN: Duration = Duration::from_secs(15);
/// Pause between polls.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a deleted pod may take to be gone, its CNI DEL included.
const GONE_WITHIN: Duration = Duration::from_secs(60);

/// Reasons of a waiting container that waiting longer does not change.
const HOPELESS: [&str; 8] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "CrashLoopBackOff",
];

/// What the kubelet writes into the stream where a container's log is gone already
/// (`GetContainerLogs` of its runtime manager, pkg/kubelet/kuberuntime).
const NO_LOG: &str = "unable to retrieve container logs for ";

/// A container's log; empty where there is none any more.
///
/// # Errors
/// What the API server says instead.
pub async fn log(pods: &Api<Pod>, pod: &str, params: &LogParams) -> kube::Result<String> {
    let text = pods.logs(pod, params).await?;
    Ok(if text.starts_with(NO_LOG) {
        String::new()
    } else {
        text
    })
}

/// What the watch knows.
#[derive(Default)]
struct Seen {
    pods: BTreeMap<String, Pod>,
    /// Why the watch does not work at the moment.
    trouble: Option<String>,
}

/// The pods of one namespace as a watch shows them.
pub(super) struct Watched {
    seen: watch::Receiver<Seen>,
    task: JoinHandle<()>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watched {
    pub(super) fn start(pods: Api<Pod>) -> Self {
        let (tell, seen) = watch::channel(Seen::default());
        let task = tokio::spawn(async move {
            let mut events = watcher(pods, watcher::Config::default())
                .default_backoff()
                .boxed();
            while let Some(event) = events.next().await {
                tell.send_modify(|seen| seen.take(event));
            }
        });
        Watched { seen, task }
    }

    /// Waits until the pod runs with an IP, has ended or cannot start, or `limit` has passed; returns it as last seen.
    pub(super) async fn wait(&self, name: &str, limit: Duration) -> Result<Pod> {
        let mut seen = self.seen.clone();
        let settled = seen.wait_for(|seen| seen.pods.get(name).is_some_and(settled));
        // A timeout is not an error: the pod is returned as it is.
        let _ = tokio::time::timeout(limit, settled).await;
        let now = self.seen.borrow();
        match (now.pods.get(name), &now.trouble) {
            (Some(pod), _) => Ok(pod.clone()),
            (None, Some(why)) => Err(Error::Failed(format!("watch pod {name}: {why}"))),
            (None, None) => Err(Error::Failed(format!(
                "pod {name} was deleted by something else while flatnet waited for it; run again"
            ))),
        }
    }
}

impl Seen {
    fn take(&mut self, event: std::result::Result<watcher::Event<Pod>, watcher::Error>) {
        match event {
            Ok(watcher::Event::Init) => self.pods.clear(),
            Ok(watcher::Event::InitApply(pod) | watcher::Event::Apply(pod)) => {
                self.trouble = None;
                self.pods.insert(pod.name_any(), pod);
            }
            Ok(watcher::Event::Delete(pod)) => drop(self.pods.remove(&pod.name_any())),
            Ok(watcher::Event::InitDone) => self.trouble = None,
            Err(e) => self.trouble = Some(super::connect::causes(&e)),
        }
    }
}

/// Whether waiting longer changes nothing.
fn settled(pod: &Pod) -> bool {
    let Ok(pod) = status::pod(pod) else {
        return false;
    };
    let hopeless = |state: &ContainerState| {
        let waiting = state.waiting.as_ref();
        waiting.is_some_and(|waiting| HOPELESS.contains(&waiting.reason.as_str()))
            || state.terminated.is_some()
    };
    matches!(pod.phase.as_str(), "Succeeded" | "Failed")
        || pod.is_running()
        || pod
            .main_containers()
            .any(|container| hopeless(&container.state))
}

/// Creates a pod; waits for what its admission needs.
///
/// # Errors
/// Also where one of that name is there already.
pub(super) async fn create(pods: &Api<Pod>, pod: &Pod) -> Result<()> {
    let doing = format!("create pod {}", pod.name_any());
    let start = Instant::now();
    loop {
        match pods.create(&PostParams::default(), pod).await {
            Ok(_) => return Ok(()),
            Err(kube::Error::Api(status))
                if status.code == 403
                    && status.message.contains("serviceaccount")
                    && status.message.contains("not found")
                    && start.elapsed() < ACCOUNT_WITHIN =>
            {
                tokio::time::sleep(PAUSE).await;
            }
            Err(kube::Error::Api(status)) if status.code == 409 => {
                return Err(already_there(&pod_ref(pod)));
            }
            Err(e) => return Err(denied(&doing, e)),
        }
    }
}

/// Deletes a pod and waits until it is gone.
pub(super) async fn delete(pods: &Api<Pod>, name: &str) -> Result<()> {
    let doing = format!("delete pod {name}");
    let params = DeleteParams::default();
    if answer::delete(pods, name, &params, &doing).await? == Deletion::WasGone {
        return Ok(());
    }
    let look = || async {
        let left = pods.get_opt(name).await.map_err(|e| denied(&doing, e))?;
        Ok(Vec::from_iter(left))
    };
    until_gone(GONE_WITHIN, look, |_| {
        format!(
            "{doing}: still there after {GONE_WITHIN:?}; to see why: kubectl describe pod {name}"
        )
    })
    .await
}
