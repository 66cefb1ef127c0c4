//! Good configurations and what is read from them; `bad` has the others.
mod bad;

use std::num::NonZeroUsize;

use rstest::rstest;
use serde_yaml::Value;

use super::{KindConfig, Shape};
use flatnet_model::IpFamily as Family;

/// A valid configuration with `nodes` and `networking` lines of the test's own.
fn cluster(networking: &str, rest: &str) -> String {
    format!(
        "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnetworking:\n  disableDefaultCNI: true\n{networking}{rest}"
    )
}

fn accepted(text: &str) -> KindConfig {
    KindConfig::parse(text, "kind.yaml").unwrap_or_else(|problems| panic!("{problems}"))
}

fn shape(nodes: usize, family: Family) -> Shape<'static> {
    Shape {
        nodes: NonZeroUsize::new(nodes).unwrap(),
        family,
        pod_network: &[],
        service_network: &[],
        image: None,
    }
}

fn words(nets: &[ipnet::IpNet]) -> Vec<String> {
    nets.iter().map(ToString::to_string).collect()
}

#[test]
fn what_kind_documents_is_accepted_and_left_as_written() {
    let text = cluster(
        "  apiServerAddress: 127.0.0.1\n  apiServerPort: -1\n  kubeProxyMode: none\n  dnsSearch: []\n",
        r#"name: app-1
featureGates: {CSIMigration: yes, Other: false}
runtimeConfig: {"api/alpha": "false"}
# A comment, and patches in a block.
kubeadmConfigPatches:
- |
  kind: ClusterConfiguration
  apiServer:
    extraArgs: {v: "4"}
containerdConfigPatches:
- |-
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"
nodes:
- role: control-plane
  image: kindest/node:v1.34.0@sha256:0123
  labels: {tier: front, example.com/rack: "7", node.kubernetes.io/class: a, topology.kubernetes.io/zone: z1}
  extraMounts:
  - {hostPath: ./here, containerPath: /there, readOnly: true, propagation: HostToContainer}
  extraPortMappings:
  - {containerPort: 30950, hostPort: 80, protocol: tcp}
  - {containerPort: 30950, hostPort: 80, protocol: UDP}
  - {containerPort: 1, hostPort: 0}
  - {containerPort: 2, hostPort: 0}
  kubeadmConfigPatchesJSON6902:
  - {group: kubeadm.k8s.io, version: v1beta3, kind: InitConfiguration, patch: '[{"op": "remove", "path": "/x"}]'}
- role: worker
- {role: control-plane}
"#,
    );
    let config = accepted(&text);
    assert_eq!(config.yaml(), text);
    assert_eq!((config.nodes(), config.control_planes()), (3, 2));
}

#[test]
fn what_is_not_written_is_as_kind_has_it() {
    let config = accepted(&cluster("", ""));
    assert_eq!((config.nodes(), config.control_planes()), (1, 1));
    assert_eq!(config.family(), Family::Ipv4);
    assert_eq!(words(config.pod_subnets()), ["10.244.0.0/16"]);
    assert_eq!(words(config.service_subnets()), ["10.96.0.0/16"]);

    let config = accepted(&cluster("  ipFamily: dual\n", "nodes: []\n"));
    assert_eq!(
        words(config.pod_subnets()),
        ["10.244.0.0/16", "fd00:10:244::/56"]
    );
    assert_eq!(
        words(config.service_subnets()),
        ["10.96.0.0/16", "fd00:10:96::/112"]
    );
}

#[test]
fn anchors_and_merge_keys_are_read_as_kind_reads_them() {
    let config = accepted(&cluster(
        "",
        "nodes:\n- &first {role: control-plane}\n- <<: *first\n  role: worker\n",
    ));
    assert_eq!((config.nodes(), config.control_planes()), (2, 1));
}

#[test]
fn a_patched_mask_leaves_the_size_to_kubeadm() {
    let patch = "kubeadmConfigPatches:\n- |\n  kind: ClusterConfiguration\n  controllerManager: {extraArgs: {node-cidr-mask-size-ipv4: \"26\"}}\n";
    let config = accepted(&cluster("  podSubnet: 10.244.0.0/25\n", patch));
    assert_eq!(words(config.pod_subnets()), ["10.244.0.0/25"]);
}

#[test]
fn the_default_is_the_repositorys_file() {
    let config = KindConfig::default_for(&shape(3, Family::Ipv4)).unwrap();
    let mut file: Value = serde_yaml::from_str(super::DEFAULT).unwrap();
    file["networking"]["ipFamily"] = "ipv4".into();
    assert_eq!(serde_yaml::from_str::<Value>(config.yaml()).unwrap(), file);
    assert_eq!((config.nodes(), config.control_planes()), (3, 1));
    assert_eq!(words(config.pod_subnets()), ["10.244.0.0/16"]);
}

#[rstest]
#[case(1, Family::Ipv4, &["10.244.0.0/16"], &["10.96.0.0/16"])]
#[case(4, Family::Ipv6, &["fd00:10:244::/56"], &["fd00:10:96::/112"])]
#[case(5, Family::Dual, &["10.244.0.0/16", "fd00:10:244::/56"], &["10.96.0.0/16", "fd00:10:96::/112"])]
fn the_default_takes_any_size_and_family(
    #[case] nodes: usize,
    #[case] family: Family,
    #[case] pods: &[&str],
    #[case] services: &[&str],
) {
    let config = KindConfig::default_for(&shape(nodes, family)).unwrap();
    assert_eq!((config.nodes(), config.control_planes()), (nodes, 1));
    assert_eq!(config.family(), family);
    assert_eq!(words(config.pod_subnets()), pods);
    assert_eq!(words(config.service_subnets()), services);
}

#[test]
fn the_default_takes_an_image_and_ranges() {
    let config = KindConfig::default_for(&Shape {
        pod_network: &["10.10.0.0/16".parse().unwrap()],
        service_network: &["10.11.0.0/20".parse().unwrap()],
        image: Some("kindest/node:v1.33.0"),
        ..shape(2, Family::Ipv4)
    })
    .unwrap();
    let yaml: Value = serde_yaml::from_str(config.yaml()).unwrap();
    for node in yaml["nodes"].as_sequence().unwrap() {
        assert_eq!(node["image"], "kindest/node:v1.33.0");
    }
    assert_eq!(words(config.pod_subnets()), ["10.10.0.0/16"]);
    assert_eq!(words(config.service_subnets()), ["10.11.0.0/20"]);
}
