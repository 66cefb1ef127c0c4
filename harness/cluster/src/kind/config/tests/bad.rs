//! Bad configurations and what is said about them.
use rstest::rstest;

use super::super::{KindConfig, Shape};
use super::{cluster, shape};
use flatnet_model::IpFamily as Family;

fn problems(text: &str) -> Vec<String> {
    let problems = KindConfig::parse(text, "kind.yaml").unwrap_err();
    problems.list().iter().map(ToString::to_string).collect()
}

#[rstest]
#[case::role(
    "- role: control-plane\n- role: worker\n- role: wroker",
    "nodes[2].role: \"wroker\" is not a role (control-plane, worker)"
)]
#[case::no_control_plane(
    "- role: worker",
    "nodes: no node has the role control-plane; one at least must"
)]
#[case::unknown_key("- rolle: worker", "nodes[0].rolle: unknown key; did you mean role?")]
#[case::far_key(
    "- hostname: a",
    "nodes[0].hostname: unknown key; known are role, image, labels, extraMounts, extraPortMappings, kubeadmConfigPatches, kubeadmConfigPatchesJSON6902"
)]
#[case::not_a_map(
    "- worker",
    "nodes[0]: expected a map of keys and values, found \"worker\""
)]
#[case::image("- image: ''", "nodes[0].image: \"\" is not the name of an image")]
#[case::label_type(
    "- labels: {tier: 1.10}",
    "nodes[0].labels.tier: expected text, found 1.1; put it in quotes"
)]
#[case::label_value(
    "- labels: {tier: 'a b'}",
    "nodes[0].labels.tier: \"a b\" is not the value of a label (up to 63 letters, digits, -, _ and ., the ends letters or digits)"
)]
#[case::label_key(
    "- labels: {-x: a}",
    "nodes[0].labels.-x: \"-x\" is not the key of a label ([domain/]name; the name up to 63 letters, digits, -, _ and ., the ends letters or digits)"
)]
#[case::reserved_label(
    "- labels: {node-role.kubernetes.io/worker: ''}",
    "nodes[0].labels[\"node-role.kubernetes.io/worker\"]: a kubelet may not set node-role.kubernetes.io/worker on its own node, and would not start; label the node with kubectl once it runs, or use another prefix (kubelet.kubernetes.io, node.kubernetes.io)"
)]
#[case::mount_path(
    "- extraMounts: [{hostPath: /a}]",
    "nodes[0].extraMounts[0].containerPath: is missing; a mount needs hostPath and containerPath"
)]
#[case::mount_relative(
    "- extraMounts: [{hostPath: a, containerPath: b}]",
    "nodes[0].extraMounts[0].containerPath: \"b\" must begin with /: it is a path in the node"
)]
#[case::propagation(
    "- extraMounts: [{hostPath: /a, containerPath: /b, propagation: none}]",
    "nodes[0].extraMounts[0].propagation: \"none\" is not a mount propagation (None, HostToContainer, Bidirectional)"
)]
#[case::read_only(
    "- extraMounts: [{hostPath: /a, containerPath: /b, readOnly: maybe}]",
    "nodes[0].extraMounts[0].readOnly: expected true or false, found \"maybe\""
)]
#[case::container_port(
    "- extraPortMappings: [{hostPort: 80}]",
    "nodes[0].extraPortMappings[0].containerPort: is missing; it is the port of the node"
)]
#[case::port_zero(
    "- extraPortMappings: [{containerPort: 0}]",
    "nodes[0].extraPortMappings[0].containerPort: 0 is not in 1 to 65535"
)]
#[case::host_port(
    "- extraPortMappings: [{containerPort: 80, hostPort: 65536}]",
    "nodes[0].extraPortMappings[0].hostPort: 65536 is not in -1 to 65535"
)]
#[case::protocol(
    "- extraPortMappings: [{containerPort: 80, protocol: icmp}]",
    "nodes[0].extraPortMappings[0].protocol: \"icmp\" is not a protocol (TCP, UDP, SCTP)"
)]
#[case::listen(
    "- extraPortMappings: [{containerPort: 80, listenAddress: localhost}]",
    "nodes[0].extraPortMappings[0].listenAddress: \"localhost\" is not an IP address"
)]
#[case::taken(
    "- extraPortMappings: [{containerPort: 80, hostPort: 8080, protocol: tcp}]\n- role: worker\n  extraPortMappings: [{containerPort: 80, hostPort: 8080, listenAddress: 127.0.0.1}]",
    "nodes[1].extraPortMappings[0]: port 8080 (TCP) of this machine is already taken by nodes[0].extraPortMappings[0]"
)]
#[case::patch_type(
    "- kubeadmConfigPatches: [{kind: InitConfiguration}]",
    "nodes[0].kubeadmConfigPatches[0]: expected text, found a map"
)]
#[case::patch_kind(
    "- kubeadmConfigPatches: ['kind: ClusterConfig']",
    "nodes[0].kubeadmConfigPatches[0]: would change nothing: \"ClusterConfig\" is no object of kind's; kind generates ClusterConfiguration, InitConfiguration, JoinConfiguration, KubeletConfiguration, KubeProxyConfiguration"
)]
#[case::patch_typo(
    "- kubeadmConfigPatches: ['kind: InitConfigurations']",
    "nodes[0].kubeadmConfigPatches[0]: would change nothing: \"InitConfigurations\" is no object of kind's; did you mean InitConfiguration?"
)]
#[case::json_patch(
    "- kubeadmConfigPatchesJSON6902: [{kind: ClusterConfiguration, patch: 'op: add'}]",
    "nodes[0].kubeadmConfigPatchesJSON6902[0].patch: is not a list of operations (RFC 6902), each with op and path"
)]
fn a_bad_node_is_told_where_and_why(#[case] nodes: &str, #[case] expected: &str) {
    assert_eq!(
        problems(&cluster("", &format!("nodes:\n{nodes}\n"))),
        [expected]
    );
}

#[rstest]
#[case::not_a_range(
    "podSubnet: 10.244.0.0",
    "networking.podSubnet: \"10.244.0.0\" is not a range such as 10.244.0.0/16"
)]
#[case::spaces(
    "podSubnet: 10.244.0.0/16, fd00::/56\n  ipFamily: dual",
    "networking.podSubnet: \" fd00::/56\" is not a range such as 10.244.0.0/16; leave the spaces out"
)]
#[case::other_family(
    "serviceSubnet: fd00::/112",
    "networking.serviceSubnet: fd00::/112 is IPv6, but ipFamily is ipv4"
)]
#[case::half_of_dual(
    "podSubnet: 10.244.0.0/16\n  ipFamily: dual",
    "networking.podSubnet: has no IPv6 range, which ipFamily dual needs; write one of each, with a comma between them"
)]
#[case::twice(
    "podSubnet: 10.244.0.0/16,10.245.0.0/16",
    "networking.podSubnet: 10.244.0.0/16 and 10.245.0.0/16 are both IPv4; one of each family is the most there can be"
)]
#[case::overlap(
    "podSubnet: 10.0.0.0/8\n  serviceSubnet: 10.96.0.0/12",
    "networking.podSubnet: pods (10.0.0.0/8) and services (10.96.0.0/12) share addresses; a packet could be for either"
)]
#[case::overlap_with_a_default(
    "serviceSubnet: 10.244.16.0/20",
    "networking.serviceSubnet: pods (10.244.0.0/16) and services (10.244.16.0/20) share addresses; a packet could be for either"
)]
#[case::small(
    "podSubnet: 10.244.0.0/25",
    "networking.podSubnet: 10.244.0.0/25 has no room for a node's podCIDR, a /24"
)]
#[case::large(
    "podSubnet: fd00::/47\n  ipFamily: ipv6",
    "networking.podSubnet: fd00::/47 is too large: with a /64 for each node, kubeadm takes at most a /48"
)]
#[case::few(
    "podSubnet: 10.244.0.0/24",
    "networking.podSubnet: 10.244.0.0/24 has room for 1 of 2 nodes, which take a /24 each"
)]
#[case::many_services(
    "serviceSubnet: 172.0.0.0/11",
    "networking.serviceSubnet: 172.0.0.0/11 is too large; kubeadm takes at most a /12"
)]
#[case::few_services(
    "serviceSubnet: 10.96.0.0/29",
    "networking.serviceSubnet: 10.96.0.0/29 is too small; kubeadm wants at least a /28"
)]
#[case::family(
    "ipFamily: IPv4",
    "networking.ipFamily: \"IPv4\" is not an IP family (ipv4, ipv6, dual)"
)]
#[case::api_address(
    "apiServerAddress: localhost",
    "networking.apiServerAddress: \"localhost\" is not an IP address"
)]
#[case::api_port(
    "apiServerPort: 70000",
    "networking.apiServerPort: 70000 is not in -1 to 65535"
)]
#[case::api_port_type(
    "apiServerPort: '6443'",
    "networking.apiServerPort: expected a whole number, -1 to 65535, found \"6443\""
)]
#[case::proxy(
    "kubeProxyMode: nft",
    "networking.kubeProxyMode: \"nft\" is not a mode of kube-proxy (iptables, ipvs, nftables, none)"
)]
#[case::search(
    "dnsSearch: example.com",
    "networking.dnsSearch: expected a list, found \"example.com\""
)]
#[case::key(
    "podSubnets: 10.244.0.0/16",
    "networking.podSubnets: unknown key; did you mean podSubnet?"
)]
fn a_bad_network_is_told_where_and_why(#[case] line: &str, #[case] expected: &str) {
    let nodes = "nodes:\n- role: control-plane\n- role: worker\n";
    assert_eq!(
        problems(&cluster(&format!("  {line}\n"), nodes)),
        [expected]
    );
}

#[rstest]
#[case::gate(
    "featureGates: {Foo: 'true'}",
    "featureGates.Foo: expected true or false, found \"true\""
)]
#[case::runtime(
    "runtimeConfig: {api/alpha: true}",
    "runtimeConfig[\"api/alpha\"]: expected text, found true; put it in quotes"
)]
#[case::name(
    "name: My_Cluster",
    "name: \"My_Cluster\" is no cluster name; lower-case letters, digits, . and - make one"
)]
#[case::nodes("nodes: 3", "nodes: expected a list, found 3")]
#[case::containerd(
    "containerdConfigPatches: text",
    "containerdConfigPatches: expected a list, found \"text\""
)]
#[case::patch_syntax(
    "kubeadmConfigPatches: [\"kind: a: b\"]",
    "kubeadmConfigPatches[0]: not YAML, counted from its own first line: mapping values are not allowed in this context at line 1 column 8"
)]
#[case::patch_without_kind(
    "kubeadmConfigPatches: ['networking: {}']",
    "kubeadmConfigPatches[0]: names no `kind`, so it would change nothing; write one of ClusterConfiguration, InitConfiguration, JoinConfiguration, KubeletConfiguration, KubeProxyConfiguration"
)]
#[case::key("networkin: {}", "networkin: unknown key; did you mean networking?")]
fn a_bad_cluster_is_told_where_and_why(#[case] line: &str, #[case] expected: &str) {
    assert_eq!(problems(&cluster("", &format!("{line}\n"))), [expected]);
}

#[test]
fn kinds_own_cni_may_not_be_beside_the_one_under_test() {
    let why = "networking.disableDefaultCNI: must be true: kind's own CNI would network the pods beside the one under test, and no check could tell whose work it sees";
    let head = "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n";
    for rest in [
        "",
        "networking:\n",
        "networking: {}\n",
        "networking: {disableDefaultCNI: false}\n",
    ] {
        assert_eq!(problems(&format!("{head}{rest}")), [why], "{rest:?}");
    }
}

#[test]
fn everything_is_told_at_once() {
    let text = "kind: Pod\napiVersion: kind.sigs.k8s.io/v1alpha3\nnodes:\n- role: wroker\nnetworking:\n  disabledDefaultCNI: true\n  podSubnet: here\n";
    let shown = KindConfig::parse(text, "my.yaml").unwrap_err().to_string();
    assert_eq!(
        shown,
        "my.yaml: 6 problems\n  \
         kind: \"Pod\" is not known here; write Cluster\n  \
         apiVersion: \"kind.sigs.k8s.io/v1alpha3\" is not known here; write kind.x-k8s.io/v1alpha4\n  \
         nodes[0].role: \"wroker\" is not a role (control-plane, worker)\n  \
         networking.disableDefaultCNI: must be true: kind's own CNI would network the pods beside the one under test, and no check could tell whose work it sees\n  \
         networking.podSubnet: \"here\" is not a range such as 10.244.0.0/16\n  \
         networking.disabledDefaultCNI: unknown key; did you mean disableDefaultCNI?"
    );
}

#[rstest]
#[case::syntax("kind: Cluster\n nodes: []\n", "at line 2 column 7")]
#[case::twice("kind: Cluster\nkind: Cluster\n", "duplicate entry with key \"kind\"")]
#[case::documents("kind: Cluster\n---\nkind: Cluster\n", "more than one document")]
fn what_is_not_yaml_is_told_where(#[case] text: &str, #[case] expected: &str) {
    let shown = KindConfig::parse(text, "my.yaml").unwrap_err().to_string();
    assert!(
        shown.starts_with("my.yaml: not a YAML document: "),
        "{shown}"
    );
    assert!(shown.contains(expected), "{shown}");
}

#[test]
fn an_empty_file_and_a_list_are_no_cluster() {
    assert!(problems("# nothing\n")[0].starts_with("is empty; it needs at least `kind: Cluster`"));
    assert_eq!(
        problems("- a\n"),
        ["expected a map of keys and values, found a list"]
    );
    let missing = problems("networking: {disableDefaultCNI: true}\n");
    assert_eq!(
        missing,
        [
            "kind: is missing; write Cluster",
            "apiVersion: is missing; write kind.x-k8s.io/v1alpha4"
        ]
    );
}

#[test]
fn ranges_that_do_not_fit_the_default_are_told() {
    let wrong = KindConfig::default_for(&Shape {
        pod_network: &["10.96.0.0/14".parse().unwrap()],
        image: Some("two words"),
        ..shape(1, Family::Ipv4)
    });
    assert_eq!(
        wrong.unwrap_err().to_string(),
        "kind-config.yaml: 2 problems\n  \
         nodes[0].image: \"two words\" is not the name of an image\n  \
         networking.podSubnet: pods (10.96.0.0/14) and services (10.96.0.0/16) share addresses; a packet could be for either"
    );
}
