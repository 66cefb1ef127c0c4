//! What a pod shall be, read from its manifest. What the lab cannot do is refused, never dropped in silence.
use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Pod as PodObject, PodSpec};
use serde_json::{Value, json};

use super::unsupported;
use super::variables::{Facts, Source, expand};
use crate::protocol::PodName;
use crate::spec::{is_dns_label, is_dns_subdomain};
use crate::{Error, Result};

/// When containers that have ended are started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RestartPolicy {
    Always,
    OnFailure,
    Never,
}

impl RestartPolicy {
    pub(super) fn restarts_after(self, exit_code: i32) -> bool {
        match self {
            RestartPolicy::Always => true,
            RestartPolicy::OnFailure => exit_code != 0,
            RestartPolicy::Never => false,
        }
    }
}

/// A pod to be run.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) name: PodName,
    pub(super) node: String,
    pub(super) uid: String,
    pub(super) hostname: String,
    pub(super) host_network: bool,
    pub(super) restart: RestartPolicy,
    pub(super) grace: Duration,
    /// At least one.
    pub(super) containers: Vec<ContainerPlan>,
    /// For the capability `portMappings`.
    pub(super) port_mappings: Vec<Value>,
    /// The manifest, with namespace, uid and time of creation filled in.
    pub(super) object: PodObject,
}

/// A container to be run.
#[derive(Clone, Debug)]
pub(super) struct ContainerPlan {
    pub(super) name: String,
    pub(super) image: String,
    /// `command` and `args`, variables not yet expanded; busybox's `sh` where there are none.
    argv: Vec<String>,
    env: Vec<(String, Source)>,
    pub(super) directory: Option<String>,
}

impl Plan {
    /// # Errors
    /// [`Error::Invalid`] that lists every problem, with the pod's name.
    pub(super) fn read(mut object: PodObject) -> Result<Plan> {
        let mut problems = Vec::new();
        let name = object.metadata.name.clone().unwrap_or_default();
        let namespace = object
            .metadata
            .namespace
            .get_or_insert_with(|| "default".to_owned())
            .clone();
        let pod_name = PodName::new(&namespace, &name);
        if !is_dns_subdomain(&name) {
            problems.push(format!("metadata.name {name:?} is not a DNS name"));
        }
        if !is_dns_label(&namespace) {
            problems.push(format!(
                "metadata.namespace {namespace:?} is not a DNS label"
            ));
        }
        let spec = object.spec.clone().unwrap_or_default();
        let node = spec.node_name.clone().unwrap_or_default();
        if node.is_empty() {
            problems.push("spec.nodeName is missing: the lab has no scheduler".to_owned());
        }
        problems.extend(unsupported::in_pod(&spec));
        if let Some(hostname) = spec.hostname.as_deref().filter(|name| !is_dns_label(name)) {
            problems.push(format!("spec.hostname {hostname:?} is not a DNS label"));
        }
        if spec.containers.is_empty() {
            problems.push("spec.containers is empty".to_owned());
        }
        let restart = match spec.restart_policy.as_deref() {
            None | Some("Always") => RestartPolicy::Always,
            Some("OnFailure") => RestartPolicy::OnFailure,
            Some("Never") => RestartPolicy::Never,
            Some(other) => {
                problems.push(format!(
                    "spec.restartPolicy {other:?} is none of Always, OnFailure, Never"
                ));
                RestartPolicy::Never
            }
        };
        let mut containers: Vec<ContainerPlan> = Vec::new();
        for container in &spec.containers {
            match ContainerPlan::read(container) {
                Ok(plan) if containers.iter().any(|other| other.name == plan.name) => {
                    problems.push(format!("two containers are named {}", plan.name));
                }
                Ok(plan) => containers.push(plan),
                Err(more) => problems.extend(more),
            }
        }
        if !problems.is_empty() {
            return Err(Error::invalid(format!(
                "pod {pod_name}: {}",
                problems.join("; ")
            )));
        }
        let uid = match &object.metadata.uid {
            Some(uid) => uid.clone(),
            None => crate::identifier::uuid().map_err(|e| Error::failed("make a uid", e))?,
        };
        object.metadata.uid = Some(uid.clone());
        object.metadata.creation_timestamp = Some(crate::node::now());
        Ok(Plan {
            name: pod_name,
            node,
            uid,
            hostname: host_name(spec.hostname.as_deref().unwrap_or(&name)),
            host_network: spec.host_network.unwrap_or(false),
            restart,
            grace: Duration::from_secs(
                u64::try_from(spec.termination_grace_period_seconds.unwrap_or(30)).unwrap_or(0),
            ),
            containers,
            port_mappings: port_mappings(&spec),
            object,
        })
    }

    /// Whether both were read from the same spec.
    pub(super) fn is_same(&self, other: &Plan) -> bool {
        self.object.spec == other.object.spec
    }
}

impl ContainerPlan {
    fn read(container: &Container) -> Result<ContainerPlan, Vec<String>> {
        let name = &container.name;
        let mut problems = unsupported::in_container(container);
        if !is_dns_label(name) {
            problems.push(format!("container name {name:?} is not a DNS label"));
        }
        let mut argv = container.command.clone().unwrap_or_default();
        argv.extend(container.args.clone().unwrap_or_default());
        if argv.is_empty() {
            argv.push("sh".to_owned());
        }
        let mut env = Vec::new();
        for variable in container.env.iter().flatten() {
            match Source::read(variable) {
                Ok(source) => env.push((variable.name.clone(), source)),
                Err(why) => {
                    problems.push(format!("container {name}: env {}: {why}", variable.name))
                }
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let image = container.image.clone().unwrap_or_default();
        Ok(ContainerPlan {
            name: name.clone(),
            image,
            argv,
            env,
            directory: container.working_dir.clone(),
        })
    }

    /// Whether the lab has that image: busybox, whatever its registry, tag or digest.
    pub(super) fn has_image(&self) -> bool {
        let last = self.image.rsplit('/').next().unwrap_or_default();
        last.split([':', '@']).next() == Some("busybox")
    }

    /// Environment and command, on top of `base`.
    pub(super) fn resolve(
        &self,
        facts: &Facts,
        base: BTreeMap<String, String>,
    ) -> (BTreeMap<String, String>, Vec<String>) {
        let mut env = base;
        for (name, source) in &self.env {
            let value = source.value(&env, facts);
            env.insert(name.clone(), value);
        }
        let argv = self.argv.iter().map(|word| expand(word, &env)).collect();
        (env, argv)
    }
}

/// The kernel takes 64 bytes at most; longer names are cut as the kubelet cuts them.
fn host_name(name: &str) -> String {
    let cut = &name[..name.len().min(63)];
    cut.trim_end_matches(['-', '.']).to_owned()
}

/// `hostPort`s, as the capability `portMappings` has them (CNI CONVENTIONS.md).
fn port_mappings(spec: &PodSpec) -> Vec<Value> {
    let ports = spec
        .containers
        .iter()
        .flat_map(|container| container.ports.iter().flatten());
    let mapped = ports.filter_map(|port| {
        let protocol = port.protocol.as_deref().unwrap_or("TCP").to_lowercase();
        let mut mapping = json!({"hostPort": port.host_port?, "containerPort": port.container_port, "protocol": protocol});
        if let Some(host_ip) = &port.host_ip {
            mapping["hostIP"] = Value::from(host_ip.as_str());
        }
        Some(mapping)
    });
    mapped.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<Plan> {
        Plan::read(serde_yaml::from_str(yaml).unwrap())
    }

    const BUSYBOX: &str = include_str!("../../../manifests/busybox.yaml");

    #[test]
    fn the_projects_own_manifest_is_understood() {
        let plan = read(BUSYBOX).unwrap();
        assert_eq!(
            (plan.name.to_string().as_str(), plan.node.as_str()),
            ("default/busybox", "node1")
        );
        assert_eq!(
            (plan.grace, plan.restart, plan.host_network),
            (Duration::ZERO, RestartPolicy::Always, false)
        );
        assert!(plan.containers[0].has_image());
        assert_eq!(plan.containers[0].argv, ["sleep", "infinity"]);
    }

    #[test]
    fn what_cannot_be_done_is_refused_all_at_once() {
        let text = read(
            "{metadata: {name: Bad_}, spec: {volumes: [{name: v}], hostPID: true, containers: [
               {name: a, image: busybox, livenessProbe: {}, env: [{name: X, valueFrom: {secretKeyRef: {name: s, key: k}}}]}, {name: a}]}}",
        )
        .unwrap_err()
        .to_string();
        for part in [
            "Bad_",
            "spec.volumes",
            "spec.hostPID",
            "spec.nodeName is missing",
            "livenessProbe",
            "env X",
        ] {
            assert!(text.contains(part), "{part} is missing from: {text}");
        }
    }

    #[test]
    fn only_busybox_images_are_there() {
        for (image, has) in [
            ("busybox", true),
            ("busybox:1.36", true),
            ("docker.io/library/busybox@sha256:00", true),
            ("nginx", false),
            ("busybox-extras:1", false),
            ("localhost:5000/nginx:busybox", false),
        ] {
            let plan = read(&format!(
                "{{metadata: {{name: x}}, spec: {{nodeName: n, containers: [{{name: c, image: {image:?}}}]}}}}"
            ));
            assert_eq!(plan.unwrap().containers[0].has_image(), has, "{image}");
        }
    }

    #[test]
    fn variables_are_expanded_and_fields_filled_in() {
        let plan = read(
            "{metadata: {name: x}, spec: {nodeName: node2, containers: [{name: c, image: busybox,
               command: [echo, $(IP), $$(IP), $(NONE), 5$], env: [{name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}},
               {name: WHERE, value: $(IP)@$(N)}]}]}}",
        )
        .unwrap();
        let facts = Facts {
            name: plan.name.clone(),
            uid: plan.uid.clone(),
            node: plan.node.clone(),
            pod_ips: vec!["10.0.0.5".into()],
            host_ips: vec![],
        };
        let (env, argv) =
            plan.containers[0].resolve(&facts, BTreeMap::from([("N".into(), "n".into())]));
        assert_eq!(argv, ["echo", "10.0.0.5", "$(IP)", "$(NONE)", "5$"]);
        assert_eq!(env["WHERE"], "10.0.0.5@n");
    }

    #[test]
    fn a_long_host_name_is_cut_where_it_may_end() {
        assert_eq!(host_name("web-1.example"), "web-1.example");
        let long = format!("{}-.{}", "a".repeat(61), "b".repeat(20));
        assert_eq!(host_name(&long), "a".repeat(61));
    }

    #[test]
    fn host_ports_become_port_mappings() {
        let plan = read(
            "{metadata: {name: x}, spec: {nodeName: n, containers: [{name: c, image: busybox, ports: [
               {containerPort: 80}, {containerPort: 53, hostPort: 5353, protocol: UDP, hostIP: 127.0.0.1}]}]}}",
        );
        let expected = json!([{"hostPort": 5353, "containerPort": 53, "protocol": "udp", "hostIP": "127.0.0.1"}]);
        assert_eq!(Value::Array(plan.unwrap().port_mappings), expected);
    }
}
