//! The program: what it waits for, what it says, how it ends.
use std::fs;
use std::path::Path;

use flatnet_agent::desired::Backend;
use flatnet_agent::install::ensure_file;
use nix::sys::signal::Signal;

use crate::process::{Daemon, STANDARD, agent, in_container, once, write};
use crate::wire::{Families, TestNode, Wire, as_root, list, talk};

/// Writes the list of these nodes to `path`.
fn write_list<const N: usize>(path: &Path, nodes: [&TestNode; N]) {
    write(path, &serde_json::to_string(&list(nodes)).unwrap());
}

/// What it says of a node without that plugin.
const NO_PORTMAP: &str = "warning: plugin bin/portmap is missing: pods that ask for a hostPort start without it; \
                          install it (package containernetworking-plugins) and it is chained at the next look";

#[test]
fn it_waits_for_what_is_missing_follows_the_list_and_leaves_the_node_as_it_is() {
    as_root(|| {
        let mut wire = Wire::new();
        let [a, b] = [2, 3].map(|n| wire.on_segment(n, Families::V4));
        let plugin = a.dir.path().join("plugin");
        fs::remove_file(a.dir.path().join("bin/flatnet-cni")).unwrap();
        fs::write(&plugin, "the plugin").unwrap();
        let mut daemon = Daemon::start(&a, &["--install-plugin", "plugin", "--resync", "3600"]);
        daemon.until("waiting: nodes file nodes.json is missing");
        write_list(&daemon.nodes, [&b]);
        daemon.until("waiting: node \"node2\" is not in the node list (node3)");
        assert!(!a.dir.path().join("conf").exists());
        write_list(&daemon.nodes, [&a, &b]);
        let lines = daemon.until("ready for pods");
        let order: Vec<_> = [
            "route 10.244.3.0/24 via 172.18.0.3 dev eth0: added",
            "plugin bin/flatnet-cni: installed",
            "conflist conf/10-flatnet.conflist: written",
            NO_PORTMAP,
            "no longer waiting: node \"node2\" is not in the node list (node3); add it, or correct --node",
            "ready for pods",
        ]
        .map(|line| lines.iter().position(|l| l == line))
        .to_vec();
        assert!(order.is_sorted() && order[0].is_some(), "{lines:#?}");
        assert_eq!(
            order[1].map(|i| i + 5),
            Some(lines.len()),
            "the conflist comes last: {lines:#?}"
        );
        assert_eq!(
            fs::read_to_string(a.dir.path().join("bin/flatnet-cni")).unwrap(),
            "the plugin"
        );
        // Nonsense keeps the last good list.
        write(&daemon.nodes, "{\"podNetwork\": [],\n \"nodes\": 7}");
        daemon.until("error: malformed nodes file nodes.json: invalid type: integer `7`, expected a sequence at line 2 column 11");
        daemon.signal(Signal::SIGHUP);
        write_list(&daemon.nodes, [&a]);
        daemon.until("route 10.244.3.0/24 via 172.18.0.3: removed");
        write_list(&daemon.nodes, [&a, &b]);
        daemon.until("route 10.244.3.0/24 via 172.18.0.3 dev eth0: added");
        let before = a.ns.snapshot();
        assert!(daemon.stop(Signal::SIGTERM).success());
        assert_eq!(a.ns.snapshot(), before);
        assert_eq!(a.conflist()["name"], "flatnet");
    });
}

#[test]
fn sighup_repairs_at_once_and_the_resync_by_itself() {
    as_root(|| {
        let mut wire = Wire::new();
        let [a, b] = [2, 3].map(|n| wire.on_segment(n, Families::V4));
        write_list(&a.dir.path().join("nodes.json"), [&a, &b]);
        let mut daemon = Daemon::start(&a, &["--resync", "3600"]);
        daemon.until("ready for pods");
        a.ns.run("ip route del 10.244.3.0/24");
        daemon.signal(Signal::SIGHUP);
        daemon.until("dev eth0: added");
        assert!(daemon.stop(Signal::SIGINT).success());
        let mut daemon = Daemon::start(&a, &["--resync", "1"]);
        daemon.until("ready for pods");
        a.ns.run("ip route del 10.244.3.0/24");
        daemon.until("dev eth0: added");
    });
}

#[test]
fn traffic_goes_on_while_the_agent_is_killed_and_started_again() {
    as_root(|| {
        let mut wire = Wire::new();
        let [a, b] = [2, 3].map(|n| wire.behind_router(n, Families::V4));
        let all = list([&a, &b]);
        b.pass(&mut b.agent(Backend::Auto), &all);
        write(
            &a.dir.path().join("nodes.json"),
            &serde_json::to_string(&all).unwrap(),
        );
        let mut daemon = Daemon::start(&a, &[]);
        daemon.until("ready for pods");
        let (pod_a, pod_b) = (a.pod(), b.pod());
        daemon.stop(Signal::SIGKILL);
        assert_eq!(talk(&pod_a, &pod_b, "10.244.3.2").to_string(), "10.244.2.2");
        let mut daemon = Daemon::start(&a, &[]);
        let lines = daemon.until("ready for pods");
        assert_eq!(lines, [NO_PORTMAP, "ready for pods"]);
        assert_eq!(talk(&pod_b, &pod_a, "10.244.2.2").to_string(), "10.244.3.2");
    });
}

#[test]
fn once_ends_with_the_code_that_says_what_is_the_matter() {
    as_root(|| {
        let mut wire = Wire::new();
        let (a, far) = (
            wire.on_segment(2, Families::V4),
            wire.behind_router(7, Families::V4),
        );
        let nodes = a.dir.path().join("nodes.json");
        let with = |more: &[&'static str]| -> Vec<&'static str> {
            let own_bin = more.contains(&"--bin-dir");
            let standard = if own_bin {
                &STANDARD[..6]
            } else {
                &STANDARD[..]
            };
            standard
                .iter()
                .chain(&["--once"])
                .chain(more)
                .copied()
                .collect()
        };
        let check = |args: &[&str], code: i32, says: &str| {
            let (got, said) = once(&a, args);
            assert!(
                got == Some(code) && said.contains(says),
                "{args:?}: {got:?} {said}"
            );
        };
        check(
            &with(&["--backend", "gre"]),
            2,
            "invalid value 'gre' for '--backend <BACKEND>'",
        );
        check(&["--node", "node2"], 2, "--nodes-file <FILE>");
        check(&["--help"], 0, "");
        check(&with(&[]), 3, "nodes file nodes.json is missing; write it");
        check(
            &["--once", "--node", "a", "--nodes-file", "no/n.json"],
            3,
            "directory of the nodes file no is missing",
        );
        check(
            &with(&["--install-plugin", "gone"]),
            3,
            "plugin to install gone is missing",
        );
        write(&nodes, "[]");
        check(&with(&[]), 2, "malformed nodes file nodes.json");
        write_list(&nodes, [&far]);
        check(
            &with(&[]),
            3,
            "node \"node2\" is not in the node list (node7)",
        );
        write_list(&nodes, [&a, &far]);
        check(
            &with(&["--backend", "routes"]),
            1,
            "cannot be reached by a plain route",
        );
        check(
            &with(&["--bin-dir", "nowhere"]),
            3,
            "plugin nowhere/flatnet-cni is missing",
        );
        check(&with(&[]), 0, "ready for pods");
        a.ns.run("ip addr del 172.18.0.2/16 dev eth0");
        check(
            &with(&[]),
            3,
            "no interface holds this node's address 172.18.0.2",
        );
    });
}

#[test]
fn portmap_is_chained_when_it_comes_and_left_out_when_it_went() {
    as_root(|| {
        let mut wire = Wire::new();
        let a = wire.on_segment(2, Families::V4);
        write_list(&a.dir.path().join("nodes.json"), [&a]);
        let portmap = a.dir.path().join("bin/portmap");
        let mut daemon = Daemon::start(&a, &["--resync", "3600", "--cni-version", "1.0.0"]);
        daemon.until(NO_PORTMAP);
        daemon.until("ready for pods");
        assert_eq!(a.conflist()["cniVersion"], "1.0.0");
        assert_eq!(a.conflist()["plugins"][1], serde_json::Value::Null);
        ensure_file(&portmap, b"not run here", 0o755).unwrap();
        daemon.signal(Signal::SIGHUP);
        daemon.until("conflist conf/10-flatnet.conflist: written with portmap");
        daemon.until("no longer warning: plugin bin/portmap is missing");
        assert_eq!(a.conflist()["plugins"][1]["type"], "portmap");
        fs::remove_file(&portmap).unwrap();
        daemon.signal(Signal::SIGHUP);
        daemon.until(NO_PORTMAP);
        assert_eq!(a.conflist()["plugins"][1], serde_json::Value::Null);
    });
}

#[test]
fn where_the_kernels_switches_are_read_only_only_what_is_wrong_has_to_be_written_elsewhere() {
    as_root(|| {
        let mut wire = Wire::new();
        let a = wire.on_segment(2, Families::V4);
        write_list(&a.dir.path().join("nodes.json"), [&a]);
        fs::create_dir(a.dir.path().join("net")).unwrap();
        a.ns.set_sysctl("ipv4/ip_forward", "0");
        let contained = |more: &[&str]| {
            let args: Vec<_> = STANDARD
                .iter()
                .chain(&["--once"])
                .chain(more)
                .copied()
                .collect();
            let output =
                a.ns.within(|| in_container(&agent(&a, &args)).output())
                    .unwrap();
            (
                output.status.code(),
                String::from_utf8(output.stderr).unwrap(),
            )
        };
        let (code, said) = contained(&[]);
        let refused = "cannot set /proc/sys/net/ipv4/ip_forward to 1: Read-only file system (os error 30); set it on the node, \
                       or name a writable mount of its /proc/sys/net with --sysctl-dir";
        assert!(code == Some(1) && said.contains(refused), "{code:?} {said}");
        assert!(!a.dir.path().join("conf").exists());
        let (code, said) = contained(&["--sysctl-dir", "net"]);
        assert!(code == Some(0), "{code:?} {said}");
        assert_eq!(a.ns.sysctl("ipv4/ip_forward"), "1");
        assert_eq!(a.ns.sysctl("ipv4/conf/cni0/send_redirects"), "0");
        let (code, said) = contained(&[]);
        assert!(
            code == Some(0),
            "what is right needs no writing: {code:?} {said}"
        );
    });
}
