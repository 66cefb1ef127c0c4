//! Changes of a cluster's configuration under streams: what holds, and what each assertion says where it does not.
use std::time::Duration;

use flatnet::testing::{Cluster, Streams};
use rstest::rstest;

use super::{has, lab, said};
use crate::started::install;

/// Two nodes with one pod each, on flatnet's own CNI with this backend.
fn flatnets(backend: &str) -> Cluster {
    let options = Cluster::lab().nodes(2).pods_per_node(1).cni("flatnet");
    options.option("--backend", backend).boot()
}

fn between_nodes(lab: &Cluster) -> Streams<'_> {
    lab.pod("busybox-1").streams_to(&lab.pod("busybox-2"))
}

#[test]
fn a_smaller_mtu_keeps_streams_arrives_and_leaves_nothing() {
    let lab = flatnets("routes");
    let streams = between_nodes(&lab);
    let changed = lab.change("flatnet,mtu=1400").keeps(&streams);
    changed
        .cuts_at_most(&streams, Duration::from_mins(1))
        .arrives()
        .leaves_nothing();
    for node in lab.nodes() {
        // Seen by the kernel, which took no part in the report.
        let mtu = node.exec("cat /sys/class/net/cni0/mtu");
        assert_eq!(mtu.trim(), "1400", "{node}");
    }
    // The test's own pods are still there, and those of the change are not.
    let (a, b) = (lab.pod("busybox-1"), lab.pod("busybox-2"));
    a.reaches(&b).without_nat();
    for node in lab.nodes() {
        let ports = node.exec("ip -o link show type veth master cni0 | wc -l");
        assert_eq!(ports.trim(), "1", "{node}");
    }

    // The streams ended with the first assertion.
    let same = lab.change("flatnet,mtu=1400").apply();
    has(
        &said(|| {
            same.keeps(&streams);
        }),
        &[
            "streams from busybox-1 (node1) to busybox-2 (node2) tell nothing of the change from ",
            "an assertion ended them before it",
        ],
    );
    let late = between_nodes(&lab);
    has(
        &said(|| {
            same.keeps(&late);
        }),
        &["they were opened after it began"],
    );
}

#[test]
fn from_vxlan_to_routes_datagrams_between_nodes_are_lost() {
    let lab = flatnets("vxlan");
    let streams = between_nodes(&lab);
    let changed = lab.change("flatnet,backend=routes").apply();
    let words = said(|| {
        changed.keeps(&streams);
    });
    has(
        &words,
        &[
            "the change from flatnet,backend=vxlan to flatnet,backend=routes cuts streams from busybox-1 (node1) to busybox-2 (node2)",
            "steps      before the change ",
            "1 of 2 kept, ",
            "busybox-1 to busybox-2 (udp): ",
            " numbers lost in ",
            ", at \"",
            "repeat     flatnet change --nodes 2 --pods-per-node 1 --cni flatnet --backend vxlan --to 'flatnet,backend=routes'",
        ],
    );
    has(
        &said(|| {
            changed.cuts_at_most(&streams, Duration::ZERO);
        }),
        &[
            "cuts, for longer than 0ns or for good, streams from ",
            " numbers lost in ",
        ],
    );
    changed.cuts_at_most(&streams, Duration::from_mins(1));
}

#[rstest]
fn what_does_not_arrive_is_named_with_where(#[by_ref] lab: &Cluster) {
    let same = lab.change("reference").apply();
    has(
        &said(|| {
            same.arrives();
        }),
        &["the change from reference to reference changes nothing"],
    );
    // A bridge whose MTU somebody has set does not take that of its ports any more.
    lab.node("node2").exec("ip link set cni0 mtu 1300");
    let changed = lab.change("reference,mtu=1400").apply();
    has(
        &said(|| {
            changed.arrives();
        }),
        &[
            "the change from reference to reference,mtu=1400 does not arrive everywhere",
            "old        MTU of cni0 still 1300, wanted 1400: node2",
            "repeat     flatnet change --nodes 2 --pods-per-node 1 --cni reference --to 'reference,mtu=1400'",
        ],
    );
}

#[test]
fn what_stays_of_the_first_configuration_is_named() {
    let lab = flatnets("routes");
    let changed = lab.change("flatnet,network=other").apply();
    has(
        &said(|| {
            changed.leaves_nothing();
        }),
        &[
            "leaves nodes other than it would make them",
            "/var/lib/cni/networks/flatnet",
            "was there before and stays (node1, node2)",
            "repeat     flatnet change ",
        ],
    );
}

#[test]
fn ranges_that_move_are_what_the_cluster_has_then() {
    let lab = flatnets("routes");
    let changed = lab.change("flatnet,pod-cidr=10.245.0.0/16").apply();
    // Pods of the test still have addresses of the first one.
    has(
        &said(|| {
            changed.arrives();
        }),
        &["route to 10.244.0.0/24 still dev cni0, wanted absent: node1"],
    );
    let two = lab.node("node2");
    assert_eq!(two.pod_cidrs()[0].to_string(), "10.245.1.0/24");
    lab.node("node1")
        .has_route(two.pod_cidrs()[0], two.ips()[0]);
    let ranges = lab.facts();
    let mut ranges = ranges.iter().filter(|fact| fact.id == "pod-network");
    assert!(ranges.any(|fact| fact.to_string().contains("10.245.0.0/16")));
}

#[rstest]
fn a_configuration_that_is_refused_is_undone(#[by_ref] lab: &Cluster) {
    let dir = tempfile::tempdir().expect("a directory");
    let conflist = dir.path().join("new.conflist");
    std::fs::write(
        &conflist,
        r#"{"cniVersion": "1.0.0", "name": "new", "plugins": [{"type": "new-cni"}]}"#,
    )
    .expect("a conflist");
    let to = conflist.display().to_string();
    let change = lab.change(&to).cni_bin(dir.path());
    let error = |change: &flatnet::testing::Change<'_>| {
        let refused = change.try_apply().expect_err("it is refused");
        refused.to_string()
    };
    has(
        &error(&change),
        &[
            "the plugin \"new-cni\" is not in ",
            &dir.path().display().to_string(),
        ],
    );
    has(
        &error(&lab.change("flatnet,colour=red")),
        &["flatnet takes no option \"colour\"; choose backend, "],
    );
    has(
        &error(&lab.change("no/such.conflist")),
        &["no/such.conflist"],
    );

    let streams = between_nodes(lab);
    let script = r#"echo '{"cniVersion": "1.0.0", "code": 11, "msg": "the moon is full"}'; exit 1"#;
    install(dir.path(), &[("new-cni", script)]);
    has(
        &said(|| drop(change.apply())),
        &[
            "the change to ",
            "is not made: ",
            "refused: the first new pod on node1 does not run",
            "the moon is full",
            "the lab has reference on every node again",
            "repeat     flatnet change --nodes 2 --pods-per-node 1 --cni reference --to ",
            "--to-cni-bin ",
        ],
    );
    streams.are_kept();
    let conflists = lab.node("node1").exec("cat /etc/cni/net.d/*");
    assert!(!conflists.contains("new-cni"), "{conflists}");
}

#[rstest]
fn streams_tell_what_a_test_does_by_itself(#[by_ref] lab: &Cluster) {
    let (a, b) = (lab.pod("busybox-1"), lab.pod("busybox-2"));
    let (kept, cut) = (b.streams_to(&a), a.streams_to(&b));
    // Observations run beside them.
    a.reaches(&b).without_nat();
    kept.are_kept();
    // Datagrams to this pod alone, for longer than a number takes to be sent again.
    lab.node("node2").exec(&format!(
        "nft add table ip oops; nft 'add chain ip oops f {{ type filter hook forward priority 0; }}'; nft add rule ip oops f ip daddr {} meta l4proto udp drop; sleep 0.1; nft delete table ip oops",
        b.ips()[0]
    ));
    has(
        &said(|| cut.are_kept()),
        &[
            "streams from busybox-1 (node1) to busybox-2 (node2) were cut",
            "1 of 2 kept, ",
            "busybox-1 to busybox-2 (udp): ",
            " numbers lost in ",
        ],
    );
    has(
        &said(|| drop(a.streams_to(&a))),
        &["a pod has streams to another one only"],
    );
    b.exec("ip link set eth0 down");
    has(
        &said(|| drop(a.streams_to(&b))),
        &["streams from busybox-1 (node1) to busybox-2 (node2): "],
    );
}
