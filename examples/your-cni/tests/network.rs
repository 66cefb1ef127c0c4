//! What your CNI promises, on a lab: namespaces of this machine, no root, no container engine.
use flatnet::testing::Cluster;
use rstest::{fixture, rstest};

#[fixture]
fn lab() -> Cluster {
    let lab = Cluster::lab().nodes(2).pods_per_node(1);
    lab.cni("your-cni.conflist").cni_bin("/usr/lib/cni").boot()
}

#[rstest]
fn the_network_is_flat(#[by_ref] lab: &Cluster) {
    let (one, two) = (lab.node("node1"), lab.node("node2"));
    let (a, b) = (one.pod(1), two.pod(1));
    assert_eq!(a.reaches(&b).without_nat().seen_as(), a.ips());
    one.has_route(two.pod_cidrs()[0], two.ips()[0]);
    lab.check("pod-ip-unique");
}

#[rstest]
fn a_new_mtu_cuts_no_stream(#[by_ref] lab: &Cluster) {
    let streams = lab.pod("busybox-1").streams_to(&lab.pod("busybox-2"));
    lab.change("your-cni.conflist,mtu=1400").keeps(&streams);
}

#[rstest]
fn a_changed_config_changes_nothing_else(#[by_ref] lab: &Cluster) {
    lab.matches_baseline("tests/baseline.yaml");
}
