//! A change of the CNI cuts off the pods of every run: the others' have to be gone first.
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, Client, ResourceExt};

use crate::{Error, Result};
use flatnet_cluster::kube::{LABEL_KEPT, LABEL_RUN, delete, denied};
use flatnet_cluster::limit::until_gone;

/// How long a namespace may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(120);
/// How long after a run has ended its reaper may need until the deletion of its namespace begins.
const DELETION_BEGINS_WITHIN: Duration = Duration::from_secs(10);

/// Waits until no other run has pods on the cluster. Those that a finished run kept are deleted, and a namespace that is being deleted is
/// waited for. `own` is the namespace of this run.
///
/// # Errors
/// When another run is at work, whose pods a change of the CNI would cut off, or its namespace stays.
pub(super) async fn wait_for_other_runs(client: &Client, cluster: &str, own: &str) -> Result<()> {
    let limits = Limits {
        deletion_begins: DELETION_BEGINS_WITHIN,
        gone: GONE_WITHIN,
    };
    wait_within(limits, client, cluster, own).await
}

/// What this waits for, and how long.
struct Limits {
    deletion_begins: Duration,
    gone: Duration,
}

async fn wait_within(limits: Limits, client: &Client, cluster: &str, own: &str) -> Result<()> {
    let api: &Api<Namespace> = &Api::all(client.clone());
    let start = Instant::now();
    let look = || async {
        let runs = ListParams::default().labels(LABEL_RUN);
        let list = api.list(&runs).await;
        let mut others = list.map_err(|e| denied("list namespaces", e))?.items;
        others.retain(|namespace| namespace.name_any() != own);
        let staying = |namespace: &&Namespace| namespace.metadata.deletion_timestamp.is_none();
        let (kept, busy): (Vec<&Namespace>, Vec<&Namespace>) = others
            .iter()
            .filter(staying)
            .partition(|namespace| namespace.labels().contains_key(LABEL_KEPT));
        if !busy.is_empty() && start.elapsed() > limits.deletion_begins {
            return Err(Error::Input(format!(
                "cluster {cluster} is in use: namespace {} belongs to another run, whose pods would lose their network; wait for that run, or delete the namespace",
                names(busy).join(", ")
            )));
        }
        for namespace in kept {
            let name = namespace.name_any();
            let doing = format!("delete namespace {name}");
            delete(api, &name, &DeleteParams::default(), &doing).await?;
        }
        Ok(names(&others))
    };
    until_gone(limits.gone, look, |left| {
        format!(
            "namespace {} of an earlier run is still being deleted; to see why: kubectl get namespace -o yaml {}",
            left.join(", "),
            left.join(" ")
        )
    })
    .await
}

fn names<'a>(namespaces: impl IntoIterator<Item = &'a Namespace>) -> Vec<String> {
    namespaces.into_iter().map(ResourceExt::name_any).collect()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http::{Method, Request, Response};
    use kube::client::Body;
    use serde_json::{Value, json};

    use super::*;

    /// What an API was asked for.
    #[derive(Default)]
    struct Asked {
        lists: AtomicUsize,
        deletions: AtomicUsize,
    }

    /// An API whose list of namespaces is these, one after the other, the last forever.
    fn api(lists: Vec<Vec<Value>>) -> (Client, Arc<Asked>) {
        let asked = Arc::new(Asked::default());
        let count = Arc::clone(&asked);
        let answer = move |request: Request<Body>| {
            let body = if request.method() == Method::DELETE {
                count.deletions.fetch_add(1, Ordering::Relaxed);
                json!({ "kind": "Status", "status": "Success" })
            } else {
                let asked = count.lists.fetch_add(1, Ordering::Relaxed);
                let items = &lists[asked.min(lists.len() - 1)];
                json!({ "metadata": {}, "items": items })
            };
            async move { Ok::<_, Infallible>(Response::new(Body::from(body.to_string().into_bytes()))) }
        };
        (Client::new(tower::service_fn(answer), "default"), asked)
    }

    fn namespace(metadata: Value) -> Value {
        let mut namespace =
            json!({ "metadata": { "name": "flatnet-a", "labels": { LABEL_RUN: "a" } } });
        if let (Some(known), Some(more)) =
            (namespace["metadata"].as_object_mut(), metadata.as_object())
        {
            known.extend(more.clone());
        }
        namespace
    }

    fn going() -> Value {
        namespace(json!({ "deletionTimestamp": "2026-11-26T18:00:00Z" }))
    }

    async fn wait(client: &Client) -> Result<()> {
        let limits = Limits {
            deletion_begins: Duration::from_millis(400),
            gone: Duration::from_millis(800),
        };
        wait_within(limits, client, "walk", "flatnet-own").await
    }

    #[tokio::test]
    async fn a_namespace_that_is_being_deleted_is_waited_for() {
        let (client, asked) = api(vec![vec![going()], vec![going()], vec![]]);
        wait(&client).await.unwrap();
        assert_eq!(asked.lists.load(Ordering::Relaxed), 3);
        assert_eq!(asked.deletions.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_run_that_has_just_ended_has_time_to_begin_the_deletion() {
        let (client, _) = api(vec![vec![namespace(json!({}))], vec![going()], vec![]]);
        wait(&client).await.unwrap();
    }

    #[tokio::test]
    async fn a_kept_namespace_is_deleted() {
        let kept = namespace(json!({ "labels": { LABEL_RUN: "a", LABEL_KEPT: "true" } }));
        let (client, asked) = api(vec![vec![kept], vec![going()], vec![]]);
        wait(&client).await.unwrap();
        assert_eq!(asked.deletions.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_run_at_work_is_not_cut_off() {
        let (client, asked) = api(vec![vec![namespace(json!({}))]]);
        let refused = wait(&client).await.unwrap_err();
        assert!(
            matches!(&refused, Error::Input(text) if text.contains("namespace flatnet-a belongs to another run")),
            "{refused}"
        );
        assert_eq!(asked.deletions.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_namespace_that_does_not_go_is_named() {
        let (client, _) = api(vec![vec![going()]]);
        let stuck = wait(&client).await.unwrap_err();
        assert!(matches!(&stuck, Error::Failed(_)), "{stuck}");
        assert!(
            stuck
                .to_string()
                .ends_with("kubectl get namespace -o yaml flatnet-a"),
            "{stuck}"
        );
    }

    #[tokio::test]
    async fn the_namespace_of_this_run_is_no_hindrance() {
        let own = json!({ "metadata": { "name": "flatnet-own", "labels": { LABEL_RUN: "own" } } });
        let (client, asked) = api(vec![vec![own]]);
        wait(&client).await.unwrap();
        assert_eq!(asked.lists.load(Ordering::Relaxed), 1);
    }
}
