//! `manifests/flatnet.yaml` and the program it starts: what one says, the other understands. (What holds for every manifest is
//! tested in `suites/manifests`.)
#![cfg(test)]
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Parser as _;
use flatnet_agent::args::Args;
use flatnet_agent::conflist::CniVersion;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Container, PodSpec};
use k8s_openapi::api::rbac::v1::ClusterRole;
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

const MANIFEST: &str = include_str!("../../manifests/flatnet.yaml");

/// The one object of that kind.
fn object<T: DeserializeOwned>(kind: &str) -> T {
    let documents = serde_yaml::Deserializer::from_str(MANIFEST);
    let mut objects = documents
        .map(|d| Value::deserialize(d).unwrap())
        .filter(|o| o["kind"] == kind);
    let one = objects.next().unwrap();
    assert!(objects.next().is_none(), "one {kind}");
    serde_json::from_value(one).unwrap()
}

fn pod() -> PodSpec {
    let set: DaemonSet = object("DaemonSet");
    set.spec.unwrap().template.spec.unwrap()
}

fn agent() -> Container {
    let mut containers = pod().containers;
    assert_eq!(containers.len(), 1);
    containers.remove(0)
}

fn args() -> Args {
    let given = agent().args.unwrap();
    // As the downward API gives it.
    let node = ["flatnet-agent", "--node", "a"].map(str::to_owned);
    Args::try_parse_from(node.into_iter().chain(given)).unwrap()
}

/// Where in the container something of the node is, and whether it can be written.
fn mounted(path: &Path) -> Option<bool> {
    let mounts = agent().volume_mounts.unwrap();
    let mount = mounts.iter().find(|m| path.starts_with(&m.mount_path))?;
    Some(!mount.read_only.unwrap_or_default())
}

#[test]
fn the_program_understands_its_arguments_and_may_write_where_they_point() {
    let args = args();
    assert!(args.kubernetes && args.kubeconfig.is_none());
    assert_eq!(args.cni_version, CniVersion::V1_0_0);
    let socket = args.ready_socket.unwrap();
    for path in [&args.conf_dir, &args.bin_dir, &args.sysctl_dir, &socket] {
        assert_eq!(mounted(path), Some(true), "{}", path.display());
    }
    let plugin = args.install_plugin.unwrap();
    assert_eq!(mounted(&plugin), None, "it comes with the image");
    let dockerfile = include_str!("../../images/flatnet/Dockerfile");
    assert!(dockerfile.contains("COPY flatnet-agent flatnet-cni /\n"));
    assert_eq!(plugin, PathBuf::from("/flatnet-cni"));
}

#[test]
fn the_probe_asks_at_the_socket_at_which_the_agent_answers_and_waits_for_its_patience() {
    let probe = agent().readiness_probe.unwrap();
    let socket = args().ready_socket.unwrap();
    assert_eq!(
        probe.exec.unwrap().command.unwrap(),
        ["/flatnet-agent", "ready", socket.to_str().unwrap()]
    );
    // The program itself gives up after four seconds, and then says why.
    assert!(probe.timeout_seconds.unwrap() > 4);
}

#[test]
fn the_rights_are_those_that_are_needed() {
    let security = agent().security_context.unwrap();
    let capabilities = security.capabilities.unwrap();
    assert_eq!(capabilities.add.unwrap(), ["NET_ADMIN"]);
    assert_eq!(capabilities.drop.unwrap(), ["ALL"]);
    assert_eq!(security.read_only_root_filesystem, Some(true));
    assert_eq!(security.allow_privilege_escalation, Some(false));
    assert_eq!(security.seccomp_profile.unwrap().type_, "RuntimeDefault");
    let pod = pod();
    assert_eq!(pod.host_network, Some(true));
    assert_eq!((pod.host_pid, pod.host_ipc), (None, None));
    let role: ClusterRole = object("ClusterRole");
    let [rule] = &role.rules.unwrap()[..] else {
        panic!("one rule")
    };
    assert_eq!(rule.resources.as_deref().unwrap(), ["nodes"]);
    let verbs: BTreeSet<_> = rule.verbs.iter().map(String::as_str).collect();
    assert_eq!(verbs, BTreeSet::from(["get", "list", "watch"]));
}

#[test]
fn the_image_is_of_this_version() {
    let image = agent().image.unwrap();
    let (_, tag) = image.split_once(':').unwrap();
    assert_eq!(tag, env!("CARGO_PKG_VERSION"));
    let built = format!("docker build -t {image} ");
    assert!(include_str!("../../images/flatnet/Dockerfile").contains(&built));
}
