//! A row of `flatnet list`.
use std::time::Duration;

use flatnet_lab::LabSpec;
use futures::future::join_all;
use jiff::Timestamp;
use serde::Serialize;

use crate::cni::lab_change;
use crate::{Error, Result, cni};
use flatnet_cluster::kind::engine::Engine;
use flatnet_cluster::kind::program::run;
use flatnet_cluster::kind::{self, logs};
use flatnet_cluster::kube;
use flatnet_cluster::lab::LabCluster;
use flatnet_cluster::running::Running;

/// How long a cluster may take to answer: one that is broken must not delay the others.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// What is known of a cluster. Fields that only a lab has are left out of a kind cluster's JSON.
#[derive(Debug, Serialize)]
pub(super) struct Listed {
    name: String,
    /// `lab` or `kind`.
    provider: &'static str,
    /// As given to --cni; none where flatnet did not install it.
    cni: Option<String>,
    /// Names of nodes (lab), of their containers (kind); none where they cannot be listed.
    nodes: Option<Vec<String>>,
    /// `NAMESPACE/NAME` of every pod; none where they cannot be listed.
    pods: Option<Vec<String>>,
    /// When it was booted, seconds since the epoch.
    started: Option<u64>,
    /// Of `flatnet-lab`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) spec: Option<LabSpec>,
    /// Of a lab whose change is not finished: how far it came, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    unfinished_change: Option<String>,
    /// What could not be read, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unread: Vec<String>,
}

/// Every cluster, asked at the same time; one that has ended meanwhile is left out.
pub(super) async fn all(clusters: &[Running]) -> Vec<Listed> {
    let all = join_all(clusters.iter().map(of)).await;
    all.into_iter().flatten().collect()
}

async fn of(cluster: &Running) -> Option<Listed> {
    match cluster {
        Running::Lab(name) => of_lab(name).await,
        Running::Kind { name, engine } => Some(of_kind(name, engine).await),
    }
}

async fn of_lab(name: &str) -> Option<Listed> {
    let info = in_time(async { LabCluster::connect(name).await?.info().await });
    let (info, unread) = match info.await {
        Ok(info) => (Some(info), Vec::new()),
        Err(Error::Input(_)) => return None,
        Err(e) => (None, vec![format!("all but its name: {e}")]),
    };
    let (pods, started, pid) = match &info {
        Some(info) => (Some(info.pods.clone()), Some(info.started), Some(info.pid)),
        None => (None, None, None),
    };
    let spec = info.map(|info| info.spec);
    let nodes = spec.as_ref().map(|spec| &spec.nodes);
    Some(Listed {
        name: name.to_owned(),
        provider: "lab",
        cni: spec
            .as_ref()
            .and_then(|spec| spec.labels.get("cni").cloned()),
        nodes: nodes.map(|nodes| nodes.iter().map(|node| node.name.clone()).collect()),
        pods,
        started,
        pid,
        unfinished_change: spec.as_ref().and_then(lab_change::pending),
        spec,
        unread,
    })
}

async fn of_kind(name: &str, engine: &Engine) -> Listed {
    let (containers, inside) = tokio::join!(
        in_time(containers(engine, name)),
        in_time(inside(engine, name))
    );
    let mut unread = Vec::new();
    let mut kept = |what: &str, e: &Error| unread.push(format!("{what}: {e}"));
    let (nodes, started) = match containers {
        Ok((nodes, started)) => (Some(nodes), started),
        Err(e) => {
            kept("its nodes' containers", &e);
            (None, None)
        }
    };
    let (cni, pods) = match inside {
        Ok((cni, pods)) => (cni, Some(pods)),
        Err(e) => {
            kept("CNI and pods", &e);
            (None, None)
        }
    };
    Listed {
        name: name.to_owned(),
        provider: "kind",
        cni,
        nodes,
        pods,
        started,
        pid: None,
        spec: None,
        unfinished_change: None,
        unread,
    }
}

async fn in_time<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(ANSWER_LIMIT, work)
        .await
        .unwrap_or_else(|_| {
            Err(Error::Failed(format!(
                "no answer within {} s",
                ANSWER_LIMIT.as_secs()
            )))
        })
}

/// The nodes' containers, and when the first of them was made.
async fn containers(engine: &Engine, name: &str) -> Result<(Vec<String>, Option<u64>)> {
    let nodes = logs::containers(engine, name).await?;
    if nodes.is_empty() {
        return Ok((nodes, None));
    }
    let mut inspect = engine.engine();
    inspect
        .args(["inspect", "--format", "{{.Created}}"])
        .args(&nodes);
    let said = run(&mut inspect, "read the age of the nodes' containers").await?;
    let made = said.stdout.lines().filter_map(seconds).min();
    Ok((nodes, made))
}

/// Seconds since the epoch of docker's `2026-11-26T16:02:26.1Z` and podman's `2026-11-26 16:02:26.1 +0000 UTC`.
fn seconds(created: &str) -> Option<u64> {
    let created = created.trim().trim_end_matches(" UTC");
    let parsed = created
        .parse::<Timestamp>()
        .or_else(|_| Timestamp::strptime("%Y-%m-%d %H:%M:%S%.f %z", created))
        .ok()?;
    u64::try_from(parsed.as_second()).ok()
}

/// The CNI that flatnet put there, and every pod.
async fn inside(engine: &Engine, name: &str) -> Result<(Option<String>, Vec<String>)> {
    let connection = kind::connection(engine, name).await?;
    let (cni, pods) = tokio::try_join!(
        cni::recorded(&connection.client),
        kube::pod_refs(&connection.client)
    )?;
    let pods = pods.iter().map(ToString::to_string).collect();
    Ok((cni.map(|given| given.name), pods))
}

impl Listed {
    /// Cells of the table: `-` for what does not exist, `?` for what could not be read.
    pub(super) fn row(&self) -> [String; 7] {
        let none = || if self.unread.is_empty() { "-" } else { "?" }.to_owned();
        let count = |names: &Option<Vec<String>>| {
            names
                .as_ref()
                .map_or_else(none, |names| names.len().to_string())
        };
        [
            self.name.clone(),
            self.provider.to_owned(),
            self.cni.clone().unwrap_or_else(none),
            count(&self.nodes),
            count(&self.pods),
            self.started.map_or_else(none, age),
            match (self.pid, self.provider) {
                (Some(pid), _) => pid.to_string(),
                (None, "lab") => none(),
                (None, _) => "-".to_owned(),
            },
        ]
    }
}

fn age(started: u64) -> String {
    let now = Timestamp::now().as_second().unsigned_abs();
    match now.saturating_sub(started) {
        age @ 0..120 => format!("{age}s"),
        age @ 120..7200 => format!("{}m", age / 60),
        age @ 7200..172_800 => format!("{}h", age / 3600),
        age => format!("{}d", age / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_ways_to_write_a_time_are_read() {
        assert_eq!(
            seconds("2026-11-26T16:02:26.123456789Z\n"),
            Some(1_795_708_946)
        );
        assert_eq!(
            seconds("2026-11-26 17:02:26.123456789 +0100 UTC"),
            Some(1_795_708_946)
        );
        assert_eq!(seconds("yesterday"), None);
    }

    #[test]
    fn what_could_not_be_read_is_not_shown_as_nothing() {
        let mut listed = Listed {
            name: "demo".to_owned(),
            provider: "kind",
            cni: None,
            nodes: Some(vec!["demo-control-plane".to_owned()]),
            pods: Some(Vec::new()),
            started: None,
            pid: None,
            spec: None,
            unfinished_change: None,
            unread: Vec::new(),
        };
        assert_eq!(listed.row(), ["demo", "kind", "-", "1", "0", "-", "-"]);
        listed.pods = None;
        listed.unread = vec!["CNI and pods: no answer within 5 s".to_owned()];
        assert_eq!(listed.row(), ["demo", "kind", "?", "1", "?", "?", "-"]);
    }
}
