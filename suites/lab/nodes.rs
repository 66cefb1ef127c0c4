//! Nodes and what joins them.
use flatnet_lab::{Change, Error, IpFamily, LabSpec, LabTarget, NodeFile, Underlay};

use crate::support::*;

#[test]
fn nodes_reach_each_other_and_the_outside_on_one_segment() {
    let lab = boot(&spec("segment", 3));
    ok(&lab, &node(1), &["ping", "-c1", "-W5", "node3"]);
    ok(&lab, &node(1), &["ping", "-c1", "-W5", "198.51.100.1"]);
    let routes: serde_json::Value =
        serde_json::from_str(&ok(&lab, &node(2), &["ip", "-j", "route"])).unwrap();
    assert_eq!(
        (&routes[0]["dst"], &routes[0]["gateway"]),
        (&"default".into(), &"172.18.0.1".into()),
        "{routes}"
    );
    assert_eq!(ok(&lab, &node(2), &["hostname"]).trim(), "node2");
    let addresses = ok(&lab, &LabTarget::Wire, &["ip", "-br", "addr"]);
    for part in [
        "underlay",
        "172.18.0.1/16",
        "outside",
        "198.51.100.1/32",
        "to-node1",
        "to-node3",
    ] {
        assert!(
            addresses.contains(part),
            "{part} is missing from: {addresses}"
        );
    }
    lab.shutdown().unwrap();
}

#[test]
fn routed_nodes_reach_each_other_through_the_router_in_both_families() {
    let spec = LabSpec {
        underlay: Underlay::Routed,
        family: IpFamily::Dual,
        mtu: 1400,
        ..spec("routed", 3)
    };
    let lab = boot(&spec);
    for target in [
        "172.18.3.2",
        "fd00:18:3::2",
        "198.51.100.1",
        "2001:db8:ffff::1",
    ] {
        let text = ok(&lab, &node(1), &["ping", "-c1", "-W5", target]);
        let hops = if target.contains("3.2") || target.contains("3::2") {
            "ttl=63"
        } else {
            "ttl=64"
        };
        assert!(text.contains(hops), "{target}: {text}");
    }
    let links: serde_json::Value =
        serde_json::from_str(&ok(&lab, &node(1), &["ip", "-j", "link", "show", "eth0"])).unwrap();
    assert_eq!(links[0]["mtu"], 1400);
}

#[test]
fn an_ipv6_lab_has_no_ipv4_at_all() {
    let spec = LabSpec {
        family: IpFamily::Ipv6,
        ..spec("six", 2)
    };
    let lab = boot(&spec);
    ok(&lab, &node(1), &["ping", "-c1", "-W5", "fd00:18::1"]);
    ok(&lab, &node(1), &["ping", "-c1", "-W5", "node2"]);
    ok(&lab, &node(1), &["ping", "-c1", "-W5", "2001:db8:ffff::1"]);
    assert_eq!(ok(&lab, &node(1), &["ip", "-4", "route"]), "");
    let addresses = lab
        .nodes()
        .unwrap()
        .remove(0)
        .status
        .unwrap()
        .addresses
        .unwrap();
    let internal: Vec<_> = addresses
        .iter()
        .filter(|a| a.type_ == "InternalIP")
        .map(|a| a.address.as_str())
        .collect();
    assert_eq!(internal, ["fd00:18::2"]);
}

#[test]
fn nodes_have_the_real_paths_and_their_own_files() {
    let spec = LabSpec {
        programs: vec![("lab".to_owned(), PROGRAM.into())],
        ..spec("files", 2)
    };
    let lab = boot(&spec);
    for dir in ["/etc/cni/net.d", "/opt/cni/bin"] {
        assert_eq!(
            ok(&lab, &node(1), &["ls", dir]),
            "",
            "{dir} is empty at boot"
        );
    }
    assert_eq!(ok(&lab, &node(1), &["ls", "/.flatnet"]), "lab\n");
    let file = NodeFile {
        path: "/var/run/some/dir/file",
        content: b"here",
        mode: 0o600,
    };
    lab.write_file("node1", &file).unwrap();
    assert_eq!(ok(&lab, &node(1), &["cat", "/run/some/dir/file"]), "here");
    assert_ne!(
        run(&lab, &node(2), &["cat", "/run/some/dir/file"]).0,
        0,
        "another node's files are its own"
    );
    lab.remove_file("node1", "/run/some/dir/file").unwrap();
    lab.remove_file("node1", "/run/some/dir/file").unwrap();
    assert_ne!(
        run(&lab, &node(1), &["test", "-e", "/run/some/dir/file"]).0,
        0
    );
    let (code, _) = run(
        &lab,
        &node(1),
        &[
            "sh",
            "-c",
            "touch /usr/x 2>/dev/null || touch /etc/ssl/x 2>/dev/null",
        ],
    );
    assert_ne!(code, 0, "the host's files are read-only");
}

#[test]
fn changes_reach_nodes_pods_and_the_wire() {
    let lab = boot(&spec("change", 1));
    install_reference(&lab, 1, &["10.244.1.0/24"], "1.0.0");
    started(&lab, &pod("a", 1, SLEEPER));
    let net = "192.0.2.1/24".parse().unwrap();
    let add = [
        Change::AddAddress {
            dev: "eth0".into(),
            net,
        },
        Change::SetMtu {
            dev: "eth0".into(),
            mtu: 1300,
        },
    ];
    for place in [node(1), pod_place("a")] {
        lab.change(&place, &add).unwrap();
        let text = ok(&lab, &place, &["ip", "addr", "show", "eth0"]);
        assert!(
            text.contains("192.0.2.1/24") && text.contains("mtu 1300"),
            "{text}"
        );
    }
    lab.change(
        &pod_place("a"),
        &[Change::DelRoute {
            dst: "0.0.0.0/0".parse().unwrap(),
        }],
    )
    .unwrap();
    assert!(!ok(&lab, &pod_place("a"), &["ip", "route"]).contains("default"));
    lab.change(
        &LabTarget::Wire,
        &[Change::SetSysctl {
            key: "ipv4.ip_forward".into(),
            value: "0".into(),
        }],
    )
    .unwrap();
    assert_eq!(
        ok(
            &lab,
            &LabTarget::Wire,
            &["cat", "/proc/sys/net/ipv4/ip_forward"]
        ),
        "0\n"
    );
    assert_eq!(
        ok(&lab, &node(1), &["cat", "/proc/sys/net/ipv4/ip_forward"]),
        "1\n"
    );
    let error = lab
        .change(
            &node(1),
            &[Change::SetUp {
                dev: "nope".into(),
                up: true,
            }],
        )
        .unwrap_err();
    assert!(
        matches!(&error, Error::Invalid { what } if what.contains("nope")),
        "{error:?}"
    );
    let error = lab
        .change(
            &node(1),
            &[Change::SetSysctl {
                key: "../kernel/hostname".into(),
                value: "x".into(),
            }],
        )
        .unwrap_err();
    assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
}

#[test]
fn daemons_run_on_their_node_and_keep_their_last_words() {
    let lab = boot(&spec("daemon", 1));
    let words = |script: &str| vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()];
    lab.start_daemon(
        "node1",
        "d",
        &words("trap 'echo bye; exit 5' TERM; hostname; while :; do sleep 0.05; done"),
    )
    .unwrap();
    eventually(
        || lab.daemon_log("node1", "d").unwrap(),
        |(log, _)| log == "node1\n",
        "its first words",
    );
    lab.stop_daemon("node1", "d").unwrap();
    let log = eventually(
        || lab.daemon_log("node1", "d").unwrap(),
        |(log, _)| log.contains("bye"),
        "its last words",
    );
    assert!(log.0.starts_with("node1\n") && log.1 == Some(5), "{log:?}");
    lab.stop_daemon("node1", "none").unwrap();
    lab.start_daemon("node1", "d", &words("echo again; exit 1"))
        .unwrap();
    eventually(
        || lab.daemon_log("node1", "d").unwrap(),
        |log| *log == ("again\n".to_owned(), Some(1)),
        "its second life",
    );
    assert!(
        lab.start_daemon("node1", "d", &["no-such".into()])
            .unwrap_err()
            .to_string()
            .contains("not found in $PATH")
    );
}

#[test]
fn more_nodes_than_the_kernel_has_neighbours_for_reach_each_other() {
    // 34 × 33 neighbours; gc_thresh3 is 1024 for all namespaces together.
    let lab = boot(&spec("crowd", 34));
    let pings =
        "for n in $(seq 2 35); do ping -c1 -W5 172.18.0.$n >/dev/null || echo 172.18.0.$n; done";
    for i in 1..=34 {
        assert_eq!(ok(&lab, &node(i), &["sh", "-c", pings]), "", "node{i}");
    }
    lab.shutdown().unwrap();
}

#[test]
fn nodes_learn_each_others_mac_from_the_segment() {
    let lab = boot(&LabSpec {
        family: IpFamily::Dual,
        ..spec("learn", 3)
    });
    let mac = "02:00:00:00:00:77";
    ok(
        &lab,
        &node(3),
        &["ip", "link", "set", "eth0", "address", mac],
    );
    let known = |address: &str| {
        let entry = ok(
            &lab,
            &node(1),
            &["ip", "-j", "neigh", "show", address, "dev", "eth0"],
        );
        let entry: serde_json::Value = serde_json::from_str(&entry).unwrap();
        entry[0]["lladdr"].as_str().map(str::to_owned)
    };
    for address in ["172.18.0.4", "fd00:18::4"] {
        assert_eq!(known(address), None, "nothing is known before it is asked");
        ok(&lab, &node(1), &["ping", "-c1", "-W5", address]);
        assert_eq!(known(address).as_deref(), Some(mac));
    }
    // node2 takes node3's address over and announces it.
    let net = "172.18.0.4/16";
    ok(&lab, &node(3), &["ip", "addr", "del", net, "dev", "eth0"]);
    ok(&lab, &node(2), &["ip", "addr", "add", net, "dev", "eth0"]);
    ok(
        &lab,
        &node(2),
        &["arping", "-U", "-c2", "-I", "eth0", "172.18.0.4"],
    );
    ok(&lab, &node(1), &["ping", "-c1", "-W5", "172.18.0.4"]);
    assert_ne!(known("172.18.0.4").as_deref(), Some(mac));
    lab.shutdown().unwrap();
}
