//! Pods.
use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::container::{Container, RawContainer, RawStatus};
use super::{Condition, Malformed, Meta, addresses, parts};
use crate::PodRef;

/// A pod as the API describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodSnapshot {
    /// `metadata.namespace` (`default` where it is absent) and `metadata.name`.
    #[serde(flatten)]
    pub reference: PodRef,
    /// `metadata.uid`: another one for a later pod of that name.
    #[serde(skip)]
    pub uid: Option<String>,
    /// `spec.nodeName`; empty while it has none.
    pub node: String,
    /// `spec.hostNetwork`.
    pub host_network: bool,
    /// `spec.nodeSelector`.
    #[serde(skip)]
    pub node_selector: BTreeMap<String, String>,
    /// `status.phase`, `Unknown` where there is none; [`PodSnapshot::status`] says more.
    pub phase: String,
    /// `status.reason`; empty where there is none.
    #[serde(skip)]
    pub reason: String,
    /// `status.message`; empty where there is none.
    #[serde(skip)]
    pub message: String,
    /// `status.podIPs`.
    pub ips: Vec<IpAddr>,
    /// `status.conditions`.
    #[serde(skip)]
    pub conditions: Vec<Condition>,
    /// Init containers, then the others.
    #[serde(skip)]
    pub containers: Vec<Container>,
    /// It is being deleted.
    #[serde(skip)]
    pub terminating: bool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    node_name: Option<String>,
    host_network: Option<bool>,
    node_selector: Option<BTreeMap<String, String>>,
    init_containers: Option<Vec<RawContainer>>,
    containers: Option<Vec<RawContainer>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    phase: Option<String>,
    reason: Option<String>,
    message: Option<String>,
    #[serde(rename = "podIP")]
    pod_ip: Option<String>,
    #[serde(rename = "podIPs")]
    pod_ips: Option<Vec<PodIp>>,
    conditions: Option<Vec<Condition>>,
    init_container_statuses: Option<Vec<RawStatus>>,
    container_statuses: Option<Vec<RawStatus>>,
}

#[derive(Deserialize)]
struct PodIp {
    ip: String,
}

impl PodSnapshot {
    /// Reads a Pod object (core/v1).
    ///
    /// # Errors
    /// An address that does not parse; what is not a Pod object.
    pub fn read(object: &Value) -> Result<PodSnapshot, Malformed> {
        let bad = |why: String| Malformed::new("pod", object, why);
        let (metadata, spec, status): (Meta, Spec, Status) = parts("pod", object)?;
        let inits = spec.init_containers.unwrap_or_default();
        let others = spec.containers.unwrap_or_default();
        let listed = status
            .pod_ips
            .map(|ips| ips.into_iter().map(|ip| ip.ip).collect());
        let ips: Vec<String> = listed.unwrap_or_else(|| status.pod_ip.into_iter().collect());
        let states = status.init_container_statuses.unwrap_or_default();
        let mut containers: Vec<Container> = states
            .into_iter()
            .map(|state| state.container(true, &inits))
            .collect();
        let states = status.container_statuses.unwrap_or_default();
        containers.extend(
            states
                .into_iter()
                .map(|state| state.container(false, &others)),
        );
        Ok(PodSnapshot {
            reference: PodRef {
                namespace: metadata.namespace.unwrap_or_else(|| "default".to_owned()),
                name: metadata.name,
            },
            uid: metadata.uid,
            node: spec.node_name.unwrap_or_default(),
            host_network: spec.host_network.unwrap_or(false),
            node_selector: spec.node_selector.unwrap_or_default(),
            phase: status.phase.unwrap_or_else(|| "Unknown".to_owned()),
            reason: status.reason.unwrap_or_default(),
            message: status.message.unwrap_or_default(),
            ips: addresses(ips).map_err(bad)?,
            conditions: status.conditions.unwrap_or_default(),
            containers,
            terminating: metadata.deletion_timestamp.is_some(),
        })
    }

    /// The containers that run beside each other: without those of the beginning.
    pub fn main_containers(&self) -> impl Iterator<Item = &Container> {
        self.containers.iter().filter(|container| !container.init)
    }

    /// Running with at least one IP, every container up.
    pub fn is_running(&self) -> bool {
        self.phase == "Running"
            && !self.ips.is_empty()
            && self
                .main_containers()
                .all(|container| container.state.running.is_some())
    }

    /// Whether it stopped running after that earlier look, or a container of it was restarted meanwhile, or it is another pod of
    /// that name.
    pub fn has_ended_since(&self, earlier: &PodSnapshot) -> bool {
        let restarts = |pod: &PodSnapshot| -> i32 {
            let counts = pod.main_containers().map(|c| c.restart_count);
            counts.sum()
        };
        !self.is_running() || self.uid != earlier.uid || restarts(self) > restarts(earlier)
    }

    /// Its Ready condition is True, and it is not being deleted: a pod on its way out still runs for a moment.
    pub fn is_ready(&self) -> bool {
        !self.terminating
            && self
                .conditions
                .iter()
                .any(|condition| condition.kind == "Ready" && condition.status == "True")
    }

    /// The STATUS column of `kubectl get pods`: a pod's phase stays Running while its containers crash and restart, so a
    /// container's own reason goes before it.
    pub fn status(&self) -> String {
        match self.is_running() {
            true => self.phase.clone(),
            false => self.failure_status(),
        }
    }

    /// The same of a pod in which nothing can be run although its containers seem to: between two crashes a container runs
    /// for a moment.
    pub fn failure_status(&self) -> String {
        if self.phase != "Running" {
            return self.phase.clone();
        }
        let reason = self.main_containers().find_map(|container| {
            let state = &container.state;
            let waiting = state.waiting.as_ref().map(|waiting| waiting.reason.clone());
            let waiting = waiting.filter(|reason| !reason.is_empty());
            waiting.or_else(|| {
                state
                    .terminated
                    .as_ref()
                    .map(|end| match end.reason.as_str() {
                        "" => "Error".to_owned(),
                        reason => reason.to_owned(),
                    })
            })
        });
        let restarted = || {
            self.main_containers()
                .any(|container| container.restart_count > 0)
        };
        reason.unwrap_or_else(|| match restarted() {
            true => "CrashLoopBackOff".to_owned(),
            false => self.phase.clone(),
        })
    }
}

impl PodSnapshot {
    /// Running and ready, not restarted more often lately than is tolerated; or done.
    pub fn is_healthy(&self, tolerated: i32) -> bool {
        let unready =
            |condition: &Condition| condition.kind == "Ready" && condition.status != "True";
        self.phase == "Succeeded"
            || (self.is_running()
                && !self.conditions.iter().any(unready)
                && !self.terminating
                && !self
                    .main_containers()
                    .any(|container| container.restarts(tolerated)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_that_ended_or_was_restarted_is_told_from_one_that_runs_on() {
        let pod = |uid: &str, restarts: i32, state: &str| {
            let container = json!({ "name": "c", "image": "i", "ready": true, "restartCount": restarts, "state": { state: {} } });
            let object = json!({
                "metadata": { "name": "a", "uid": uid }, "spec": { "containers": [{ "name": "c" }] },
                "status": { "phase": "Running", "podIP": "10.1.0.2", "containerStatuses": [container] },
            });
            PodSnapshot::read(&object).unwrap()
        };
        let before = pod("1", 2, "running");
        assert!(!pod("1", 2, "running").has_ended_since(&before));
        assert!(pod("1", 3, "running").has_ended_since(&before));
        assert!(pod("1", 2, "terminated").has_ended_since(&before));
        assert!(pod("2", 0, "running").has_ended_since(&before));
    }
}
