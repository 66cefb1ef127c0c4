use super::*;

pub(crate) fn node(name: &str, addresses: &[&str], pod_cidrs: &[&str]) -> Node {
    Node {
        name: name.into(),
        addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
        pod_cidrs: pod_cidrs.iter().map(|c| c.parse().unwrap()).collect(),
    }
}

fn judge(nodes: Vec<Node>) -> (Cluster, Vec<String>) {
    let list = NodesFile {
        pod_network: vec!["10.244.0.0/16".parse().unwrap()],
        nodes,
    };
    let (cluster, left_out) = Cluster::new(&list, "a").unwrap();
    (cluster, left_out.iter().map(Error::to_string).collect())
}

fn refusal(nodes: Vec<Node>) -> Error {
    Cluster::new(
        &NodesFile {
            pod_network: vec![],
            nodes,
        },
        "a",
    )
    .unwrap_err()
}

#[test]
fn complete_entries_are_valid_and_this_node_is_not_among_the_others() {
    let (cluster, left_out) = judge(vec![
        node(
            "b",
            &["172.18.0.3", "fd00:18::3"],
            &["10.244.2.0/24", "fd00:10:244:2::/64"],
        ),
        node("a", &["172.18.0.2"], &["10.244.1.0/24"]),
    ]);
    assert_eq!(left_out, Vec::<String>::new());
    assert_eq!(cluster.own.name(), "a");
    let names: Vec<_> = cluster.remotes.iter().map(ValidNode::name).collect();
    assert_eq!(names, ["b"]);
    let gateways: Vec<_> = cluster.remotes[0]
        .gateways()
        .map(|g| g.to_string())
        .collect();
    assert_eq!(gateways, ["10.244.2.1/24", "fd00:10:244:2::1/64"]);
    assert_eq!(
        cluster.remotes[0].vtep_mac().to_string(),
        "0a:58:0a:f4:02:00"
    );
}

#[test]
fn every_fault_of_an_entry_is_reported_at_once() {
    let (cluster, left_out) = judge(vec![
        node("a", &["172.18.0.2"], &["10.244.1.0/24"]),
        node(
            "b",
            &["172.18.0.3", "172.18.0.4", "0.0.0.0"],
            &["10.244.2.7/24", "10.244.3.0/31"],
        ),
    ]);
    assert!(cluster.remotes.is_empty());
    assert_eq!(
        left_out,
        [
            "node \"b\" is left out: address 172.18.0.4 is a second one of its family, address 0.0.0.0 is a second one of its \
          family, address 0.0.0.0 cannot be a node's, podCIDR 10.244.2.7/24 has bits set behind its prefix (meant \
          10.244.2.0/24?), podCIDR 10.244.3.0/31 is a second one of its family, podCIDR 10.244.3.0/31 has no room for pods"
        ]
    );
}

#[test]
fn ranges_that_would_take_packets_of_others_are_refused() {
    for (cidr, words) in [
        (
            "0.0.0.0/0",
            "podCIDR 0.0.0.0/0 overlaps with 0.0.0.0/8, which is this host on this network",
        ),
        (
            "127.0.0.0/8",
            "podCIDR 127.0.0.0/8 overlaps with 127.0.0.0/8, which is loopback",
        ),
        (
            "172.18.0.0/16",
            "podCIDR 172.18.0.0/16 contains address 172.18.0.2 of node \"a\"",
        ),
    ] {
        let own = refusal(vec![node("a", &["172.18.0.2"], &[cidr])]).to_string();
        assert!(own.contains(words), "{own}");
        let (cluster, left_out) = judge(vec![
            node("a", &["172.18.0.2"], &["10.244.1.0/24"]),
            node("b", &["192.0.2.3"], &[cidr]),
            node("c", &["172.18.0.4"], &["10.244.3.0/24"]),
        ]);
        assert!(
            left_out[0].starts_with("node \"b\" is left out: ") && left_out[0].contains(words),
            "{left_out:?}"
        );
        let served: Vec<_> = cluster.remotes.iter().map(ValidNode::name).collect();
        assert_eq!((served, left_out.len()), (vec!["c"], 1));
    }
    let (cluster, left_out) = judge(vec![
        node("a", &["172.18.0.2"], &["10.244.1.0/24"]),
        node("b", &["10.244.1.9"], &["10.244.2.0/24"]),
    ]);
    assert!(cluster.remotes.is_empty());
    assert_eq!(
        left_out,
        [
            "node \"b\" is left out: address 10.244.1.9 is inside podCIDR 10.244.1.0/24 of node \"a\""
        ]
    );
}

#[test]
fn a_new_node_is_waited_for() {
    let list = NodesFile {
        pod_network: vec![],
        nodes: vec![
            node("a", &["172.18.0.2"], &["10.244.1.0/24"]),
            node("b", &["172.18.0.3"], &[]),
        ],
    };
    let (cluster, left_out) = Cluster::new(&list, "a").unwrap();
    assert!(left_out[0].is_waiting());
    assert_eq!(
        left_out[0].to_string(),
        "node \"b\" is left out: it has no podCIDR yet"
    );
    assert_eq!(
        cluster.node_addresses.len(),
        2,
        "pods may talk to it already"
    );
}

#[test]
fn of_two_nodes_with_one_pod_cidr_the_earlier_is_served_and_this_node_comes_before_all() {
    let (cluster, left_out) = judge(vec![
        node("thief", &["172.18.0.9"], &["10.244.1.0/24"]),
        node("b", &["172.18.0.3"], &["10.244.2.0/24"]),
        node("a", &["172.18.0.2"], &["10.244.1.0/24"]),
        node("c", &["172.18.0.4"], &["10.244.2.128/25"]),
    ]);
    assert_eq!(cluster.remotes.len(), 1);
    assert_eq!(cluster.remotes[0].name(), "b");
    assert_eq!(
        left_out,
        [
            "node \"thief\" is left out: podCIDR 10.244.1.0/24 is also that of node \"a\"",
            "node \"c\" is left out: podCIDR 10.244.2.128/25 overlaps with 10.244.2.0/24 of node \"b\"",
        ]
    );
}

#[test]
fn names_and_addresses_that_are_taken_are_reported() {
    let (_, left_out) = judge(vec![
        node("a", &["172.18.0.2"], &["10.244.1.0/24"]),
        node("b", &["172.18.0.2"], &["10.244.2.0/24"]),
        node("a", &["172.18.0.5"], &["10.244.5.0/24"]),
    ]);
    assert_eq!(
        left_out,
        [
            "node \"b\" is left out: address 172.18.0.2 is also that of node \"a\"",
            "node \"a\" is left out: an earlier node has the same name",
        ]
    );
}

#[test]
fn two_podcidrs_whose_vtep_macs_collide_do_not_share_one() {
    // Their base addresses have one FNV-1a hash, 457caaf8.
    let (one, other) = ("fde2:a1bf:766:8f98::/64", "fd92:4c9f:5ca7:6b1f::/64");
    let (cluster, left_out) = judge(vec![
        node("a", &["172.18.0.2"], &["10.244.1.0/24"]),
        node("b", &["172.18.0.3"], &[one]),
        node("c", &["172.18.0.4"], &[other]),
    ]);
    assert_eq!(cluster.remotes.len(), 1);
    assert_eq!(
        left_out,
        ["node \"c\" is left out: its VTEP would have the MAC 0a:5a:45:7c:aa:f8 of node \"b\""]
    );
}

#[test]
fn without_this_node_the_error_lists_the_others_and_waits() {
    let error = refusal(vec![
        node("b", &["172.18.0.3"], &["10.244.2.0/24"]),
        node("c", &[], &[]),
    ]);
    assert_eq!(
        error.to_string(),
        "node \"a\" is not in the node list (b, c); add it, or correct --node"
    );
    assert!(error.is_waiting());
    assert_eq!(error.exit_code(), 3);
    assert_eq!(
        refusal(vec![]).to_string(),
        "node \"a\" is not in the node list (none); add it, or correct --node"
    );
}

#[test]
fn this_nodes_own_faults_keep_it_from_being_set_up() {
    let waiting = refusal(vec![node("a", &[], &[])]);
    assert_eq!(
        waiting.to_string(),
        "node \"a\" cannot be set up: it has no InternalIP yet, it has no podCIDR yet"
    );
    assert!(waiting.is_waiting());
    assert!(!refusal(vec![node("a", &["172.18.0.2"], &["10.244.1.1/24"])]).is_waiting());
}
