//! Configuration changes on a lab that runs: what each does to pods from before, to those that are made after it, and to nodes.
#![allow(clippy::unwrap_used, reason = "tests")]
mod bed;
mod interrupted;
mod refused;
#[path = "../started.rs"]
#[allow(dead_code, reason = "shared with other suites")]
mod started;
mod unfinished;

use bed::{all_reached, change, cut_streams, has_arrived, left, nothing_is_cut, of};
use flatnet::change::report::Pass;
use flatnet_model::change::{Arrival, Step, step_at};

/// Ids of checks that passed before and do not while pods of both kinds live.
fn worse_with_all(pass: &Pass) -> Vec<&str> {
    pass.worse(&pass.checks_with_all)
        .map(|check| check.id.as_str())
        .collect()
}

fn worse_after(pass: &Pass) -> Vec<&str> {
    pass.worse(&pass.checks_after)
        .map(|check| check.id.as_str())
        .collect()
}

/// It cuts nothing, arrives, and leaves nothing.
#[track_caller]
fn is_clean(pass: &Pass) {
    nothing_is_cut(pass);
    has_arrived(pass);
    assert_eq!(worse_with_all(pass), [""; 0]);
    assert_eq!(worse_after(pass), [""; 0]);
    assert_eq!(left(pass), [""; 0]);
}

#[test]
fn a_smaller_mtu_reaches_new_pods_and_nodes_while_pods_from_before_keep_theirs() {
    let report = change("--to flatnet,mtu=1400");
    let pass = &report.passes[0];
    nothing_is_cut(pass);
    has_arrived(pass);
    assert_eq!(left(pass), [""; 0]);
    for node in ["node1", "node2", "node3"] {
        assert_eq!(
            of(pass, node, "MTU of cni0"),
            Some(("1500", "1400", Arrival::InEffect))
        );
    }
    assert_eq!(
        of(pass, "new-1", "MTU of eth0"),
        Some(("1500", "1400", Arrival::InEffect))
    );
    assert_eq!(
        of(pass, "busybox-1", "MTU of eth0"),
        Some(("1500", "1500", Arrival::Old))
    );
    // Their interfaces promise more than nodes pass on now (docs/change.md).
    assert_eq!(worse_with_all(pass), ["mtu"]);
    assert_eq!(worse_after(pass), [""; 0]);
    let steps: Vec<&Step> = pass.steps.iter().map(|begun| &begun.step).collect();
    let node = |n: &str| Step::AgentRestarted { node: n.to_owned() };
    let restarts = [node("node1"), node("node2"), node("node3")];
    let expected = [
        &Step::Before,
        &restarts[0],
        &Step::NewPods,
        &restarts[1],
        &restarts[2],
        &Step::NewPods,
        &Step::After,
        &Step::OldPodsDeleted,
    ];
    assert_eq!(steps, expected);
}

#[test]
fn masquerade_and_hairpin_change_without_a_cut_and_back() {
    let report = change("--to flatnet,masquerade=off,hairpin=off --and-back");
    let [off, on] = &report.passes[..] else {
        panic!("{:?}", report.passes.len())
    };
    is_clean(off);
    is_clean(on);
    assert_eq!(
        of(off, "node1", "nftables tables"),
        Some(("inet flatnet", "none", Arrival::InEffect))
    );
    assert_eq!(
        of(on, "node1", "nftables tables"),
        Some(("none", "inet flatnet", Arrival::InEffect))
    );
    assert_eq!(
        of(off, "new-1", "hairpin of its port"),
        Some(("on", "off", Arrival::InEffect))
    );
    assert_eq!(
        of(off, "busybox-1", "hairpin of its port"),
        Some(("on", "on", Arrival::Old))
    );
    assert_eq!(
        of(on, "back-1", "hairpin of its port"),
        Some(("off", "on", Arrival::InEffect))
    );
    assert_eq!(report.wrong, [""; 0]);
}

#[test]
fn between_vxlan_and_routes_only_streams_between_nodes_are_cut_and_only_while_nodes_differ() {
    let report = change("--from flatnet,backend=vxlan --to flatnet,backend=routes --and-back");
    for pass in &report.passes {
        all_reached(pass);
        has_arrived(pass);
        assert_eq!(left(pass), [""; 0]);
        assert_eq!(worse_after(pass), [""; 0]);
        for stream in &pass.streams {
            let report = stream.report.as_ref().unwrap();
            // No connection ends, and what is lost is lost while one node has the one and its peer the other.
            assert_eq!(report.ended, None);
            for cut in report.cuts.iter().filter(|cut| cut.lost > 0) {
                let step = step_at(&pass.steps, cut.from_us).unwrap();
                assert!(
                    matches!(step, Step::AgentRestarted { .. } | Step::NewPods),
                    "{step:?}"
                );
            }
        }
    }
    let way = of(&report.passes[0], "node1", "route to 10.244.1.0/24").unwrap();
    assert_eq!(
        way,
        (
            "via 10.244.1.0 dev flatnet.1 onlink",
            "via 172.18.0.3 dev eth0",
            Arrival::InEffect
        )
    );
    let device = of(&report.passes[1], "node1", "MTU of flatnet.1").unwrap();
    assert_eq!(device, ("absent", "1450", Arrival::InEffect));
}

#[test]
fn a_renamed_network_gives_no_address_twice_and_frees_those_of_pods_from_before() {
    let report = change("--to flatnet,network=other");
    let pass = &report.passes[0];
    nothing_is_cut(pass);
    has_arrived(pass);
    assert_eq!(
        of(pass, "new-1", "network of its reservation"),
        Some(("flatnet", "other", Arrival::InEffect))
    );
    // The folder of a network outlives its last pod, as host-local's does.
    assert_eq!(
        left(pass),
        [
            "/var/lib/cni/networks/flatnet",
            "/var/lib/cni/networks/flatnet/last@0"
        ]
    );
}

#[test]
fn a_range_that_moves_cuts_pods_from_before_between_nodes_and_leaves_nothing() {
    let report = change("--to flatnet,pod-cidr=10.245.0.0/16");
    let pass = &report.passes[0];
    assert!(pass.to.ends_with(",pod-cidr=10.245.0.0/16"), "{}", pass.to);
    has_arrived(pass);
    assert_eq!(left(pass), [""; 0]);
    assert_eq!(worse_after(pass), [""; 0]);
    // Nodes have no route to ranges that no Node object names (docs/change.md); within a node nothing is cut.
    assert!(cut_streams(pass) > 0);
    for (ages, reached) in &pass.pairs {
        let cut = *ages != flatnet_model::change::Ages::NewNew;
        assert_eq!(!reached.failed.is_empty(), cut, "{}", ages.words());
    }
    assert_eq!(
        of(pass, "node1", "podCIDRs of the node"),
        Some(("10.244.0.0/24", "10.245.0.0/24", Arrival::InEffect))
    );
}

#[test]
fn a_range_that_widens_into_another_nodes_is_told_with_what_it_cuts() {
    let report = change("--to flatnet,node-cidr-mask=23");
    let pass = &report.passes[0];
    has_arrived(pass);
    assert_eq!(left(pass), [""; 0]);
    assert_eq!(worse_after(pass), [""; 0]);
    assert!(
        !report.wrong.is_empty(),
        "10.244.2.0/23 of node2 holds pods of node3"
    );
}

#[test]
fn portmap_joins_the_chain_and_leaves_it_without_a_cut() {
    let report = change("--to flatnet,portmap=on --and-back");
    let [on, off] = &report.passes[..] else {
        panic!("{:?}", report.passes.len())
    };
    nothing_is_cut(on);
    nothing_is_cut(off);
    has_arrived(on);
    has_arrived(off);
    let chained = of(on, "node1", "conflist plugins[portmap].type");
    assert_eq!(chained, Some(("absent", "portmap", Arrival::InEffect)));
    assert_eq!(left(on), [""; 0]);
    let unchained = of(off, "node1", "conflist plugins[portmap].type");
    assert_eq!(unchained, Some(("portmap", "absent", Arrival::InEffect)));
    // The program stays: it takes rules of pods away that were made with it.
    assert_eq!(left(off), ["/opt/cni/bin/portmap"]);
}

#[test]
fn another_plugin_program_takes_over_without_a_cut() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("flatnet-cni");
    let mut program = std::fs::read(env!("CARGO_BIN_EXE_flatnet-cni")).unwrap();
    program.extend_from_slice(b"another build");
    std::fs::write(&path, program).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let report = change(&format!("--to flatnet,plugin={}", path.display()));
    let pass = &report.passes[0];
    is_clean(pass);
    let (before, now, arrival) = of(pass, "node2", "program flatnet-cni").unwrap();
    assert_ne!(before, now);
    assert_eq!(arrival, Arrival::InEffect);
}

#[test]
fn replacing_the_cni_cuts_nothing_and_tells_everything_that_stays() {
    let report = change("--from reference --to flatnet --and-back");
    let [ours, theirs] = &report.passes[..] else {
        panic!("{:?}", report.passes.len())
    };
    nothing_is_cut(ours);
    has_arrived(ours);
    assert_eq!(worse_after(ours), [""; 0]);
    assert_eq!(
        of(ours, "node1", "conflist in use"),
        Some((
            "50-conflist.conflist",
            "10-flatnet.conflist",
            Arrival::InEffect
        ))
    );
    nothing_is_cut(theirs);
    let conflist = of(theirs, "node1", "conflist in use");
    let back = (
        "10-flatnet.conflist",
        "50-conflist.conflist",
        Arrival::InEffect,
    );
    assert_eq!(conflist, Some(back));
    // An agent that is stopped leaves the node as it is.
    assert!(
        left(theirs).contains(&"inet flatnet".to_owned()),
        "{:?}",
        left(theirs)
    );
}

#[test]
fn pods_of_others_on_a_lab_that_runs_stay_and_are_not_called_left() {
    let lab = bed::Kept::boot("suite-change-others", "--pods-per-node 2");
    let report = change("--cluster suite-change-others --to flatnet,mtu=1400");
    let pass = &report.passes[0];
    nothing_is_cut(pass);
    assert_eq!(left(pass), [""; 0]);
    // They run with what they had.
    let mtu = lab.on("busybox-1", "cat /sys/class/net/eth0/mtu");
    assert_eq!(mtu.trim(), "1500");
    assert!(
        lab.mtus()
            .iter()
            .all(|mtus| *mtus == ("1400".to_owned(), "1400".to_owned()))
    );
    let named = report.cluster.as_deref();
    assert_eq!(named, Some("suite-change-others"));
}
