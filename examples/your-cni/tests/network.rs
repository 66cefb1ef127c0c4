//! What your CNI promises, on a lab: namespaces of this machine, no root, no container engine.
use flatnet::testing::Cluster;
use rstest::{fixture, rstest};

#[fixture]
fn lab() -> Cluster {
    let lab = Cluster::lab().nodes(2).pods_per_node(1);
    lab.cni("your-cni.conflist").cni_bin("/usr/lib/cni").boot()
}

#[rstest]
fn pods_keep_their_ip(#[by_ref] lab: &Cluster) {
    let (a, b) = (lab.node("node1").pod(1), lab.node("node2").pod(1));
    assert_eq!(a.reaches(&b).without_nat().seen_as(), a.ips());
    lab.check("pod-ip-unique");
}

#[rstest]
fn nodes_route_each_others_pods(#[by_ref] lab: &Cluster) {
    let (one, two) = (lab.node("node1"), lab.node("node2"));
    one.has_route(two.pod_cidrs()[0], two.ips()[0]);
}

#[rstest]
fn a_changed_config_changes_nothing_else(#[by_ref] lab: &Cluster) {
    lab.matches_baseline("tests/baseline.yaml");
}
