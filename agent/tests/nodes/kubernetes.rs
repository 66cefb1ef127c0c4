//! The node list from the Kubernetes API: following changes, and surviving an API that is unavailable.
use std::fs;
use std::path::Path;

use flatnet_agent::node::Node;
use nix::sys::signal::Signal;

use crate::api::Api;
use crate::process::{Daemon, once};
use crate::wire::{Families, TestNode, Wire, as_root};

/// An agent that follows an API.
fn args<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let standard = [
        "--node",
        "node2",
        "--kubernetes",
        "--kubeconfig",
        "kubeconfig",
        "--conf-dir",
        "conf",
        "--bin-dir",
        "bin",
    ];
    standard.into_iter().chain(more.iter().copied()).collect()
}

fn start(node: &TestNode, api: &Api) -> Daemon {
    api.kubeconfig(node);
    let more = ["--resync", "3600", "--ready-socket", "run/agent.sock"];
    Daemon::start_with(node, &args(&more))
}

/// The exit code of the readiness probe.
fn ask(node: &TestNode) -> Option<i32> {
    once(node, &["ready", "run/agent.sock"]).0
}

/// Three nodes on one segment, the first with an agent that follows an API.
struct Scene {
    a: TestNode,
    b: TestNode,
    c: TestNode,
    api: Api,
    _wire: Wire,
}

impl Scene {
    fn new() -> Self {
        let mut wire = Wire::new();
        let [a, b, c] = [2, 3, 4].map(|n| wire.on_segment(n, Families::Dual));
        let api = Api::new(&a);
        Scene {
            a,
            b,
            c,
            api,
            _wire: wire,
        }
    }

    /// API and agent run, and the first two nodes are known.
    fn running() -> (Self, Daemon) {
        let mut scene = Scene::new();
        scene.api.apply(&scene.a.entry);
        scene.api.apply(&scene.b.entry);
        scene.start_api();
        let mut daemon = start(&scene.a, &scene.api);
        daemon.until("ready for pods");
        (scene, daemon)
    }

    fn start_api(&mut self) {
        self.api.start(&self.a);
    }

    fn stop_api(&mut self) {
        self.api.stop(&self.a);
    }
}

#[test]
fn nodes_that_come_go_and_change_are_followed() {
    as_root(|| {
        let mut s = Scene::new();
        let mut daemon = start(&s.a, &s.api);
        daemon.until("waiting: the Kubernetes API at http://127.0.0.1:");
        assert_eq!(ask(&s.a), Some(1), "there is no list yet");
        s.api.apply(&s.b.entry);
        s.start_api();
        daemon.until("no longer waiting: the Kubernetes API at http://127.0.0.1:");
        daemon.until("waiting: node \"node2\" is not in the node list (node3)");
        let unassigned = Node {
            pod_cidrs: vec![],
            ..s.a.entry.clone()
        };
        s.api.apply(&unassigned);
        daemon.until("waiting: node \"node2\" cannot be set up: it has no podCIDR yet");
        assert!(!s.a.dir.path().join("conf").exists());
        s.api.apply(&s.a.entry);
        daemon.until("ready for pods");
        assert_eq!(ask(&s.a), Some(0));
        let to = |node: &TestNode, n: u8| {
            [
                format!("10.244.{n}.0/24 via {} dev eth0", node.entry.addresses[0]),
                format!(
                    "fd00:10:244:{n}::/64 via {} dev eth0",
                    node.entry.addresses[1]
                ),
            ]
        };
        assert_eq!(s.a.ns.our_routes(), to(&s.b, 3));
        // It comes,
        s.api.apply(&Node {
            pod_cidrs: vec![],
            ..s.c.entry.clone()
        });
        daemon.until("waiting: node \"node4\" is left out: it has no podCIDR yet");
        s.api.apply(&s.c.entry);
        daemon.until("no longer waiting: node \"node4\"");
        let [c4, c6] = to(&s.c, 4);
        let [b4, b6] = to(&s.b, 3);
        assert_eq!(s.a.ns.our_routes(), [&b4, &c4, &b6, &c6].map(String::clone));
        // changes its address,
        s.c.entry.addresses[0] = "172.18.0.44".parse().unwrap();
        s.api.apply(&s.c.entry);
        daemon.until("route 10.244.4.0/24 via 172.18.0.44 dev eth0: replaced");
        // its podCIDR,
        s.c.entry.pod_cidrs = vec!["10.244.40.0/24".parse().unwrap()];
        s.api.apply(&s.c.entry);
        daemon.until("route fd00:10:244:4::/64 via fd00:18::4: removed");
        let moved = "10.244.40.0/24 via 172.18.0.44 dev eth0".to_owned();
        assert_eq!(s.a.ns.our_routes(), [&b4, &moved, &b6].map(String::clone));
        let table = s.a.ns.run("nft list table inet flatnet");
        assert!(
            table.contains("10.244.40.0/24") && !table.contains("10.244.4.0/24"),
            "pods of every node are exempt, and nothing else: {table}"
        );
        // and goes.
        s.api.delete("node4");
        daemon.until("route 10.244.40.0/24 via 172.18.0.44: removed");
        assert_eq!(s.a.ns.our_routes(), to(&s.b, 3));
        assert!(daemon.stop(Signal::SIGTERM).success());
        assert_eq!(s.a.ns.our_routes(), to(&s.b, 3));
        assert_eq!(ask(&s.a), Some(3), "no agent answers");
    });
}

#[test]
fn an_api_that_is_away_takes_nothing_with_it_and_what_happened_meanwhile_is_caught_up() {
    as_root(|| {
        for compacted in [false, true] {
            let (mut s, mut daemon) = Scene::running();
            let before = s.a.ns.snapshot();
            s.stop_api();
            daemon.until("waiting: the Kubernetes API at http://127.0.0.1:");
            s.a.ns.run("ip route del 10.244.3.0/24");
            daemon.signal(Signal::SIGHUP);
            daemon.until("route 10.244.3.0/24 via 172.18.0.3 dev eth0: added");
            assert_eq!(
                s.a.ns.snapshot(),
                before,
                "kept and corrected by the last list"
            );
            assert_eq!(ask(&s.a), Some(0), "the node networks pods all the same");
            s.api.apply(&s.c.entry);
            s.api.delete("node3");
            if compacted {
                s.api.compact();
            }
            s.start_api();
            daemon.until("no longer waiting: the Kubernetes API at http://127.0.0.1:");
            // By one pass: after a list at once, by events it may be two.
            while s.a.ns.our_routes()
                != [
                    "10.244.4.0/24 via 172.18.0.4 dev eth0",
                    "fd00:10:244:4::/64 via fd00:18::4 dev eth0",
                ]
            {
                daemon.until("route ");
            }
            let lists = if compacted { 2 } else { 1 };
            assert_eq!(s.api.listed(), lists, "listed again only if need be");
        }
    });
}

#[test]
fn a_connection_that_breaks_is_resumed_and_a_watch_that_fell_behind_starts_over_without_a_word() {
    as_root(|| {
        let (s, mut daemon) = Scene::running();
        s.api.cut();
        s.api.apply(&s.c.entry);
        let lines = daemon.until("route fd00:10:244:4::/64 via fd00:18::4 dev eth0: added");
        assert!(!lines.iter().any(|l| l.starts_with("error")), "{lines:#?}");
        assert_eq!(s.api.listed(), 1, "resumed where it was");
        // The established watch does not see this.
        s.api.mute();
        s.api.delete("node4");
        s.api.compact();
        s.api.cut();
        let lines = daemon.until("route fd00:10:244:4::/64 via fd00:18::4: removed");
        assert!(!lines.iter().any(|l| l.contains("API")), "{lines:#?}");
        assert_eq!(s.api.listed(), 2);
        assert_eq!(
            s.a.ns.our_routes(),
            [
                "10.244.3.0/24 via 172.18.0.3 dev eth0",
                "fd00:10:244:3::/64 via fd00:18::3 dev eth0"
            ]
        );
    });
}

#[test]
fn a_list_without_this_node_removes_nothing() {
    as_root(|| {
        let (s, mut daemon) = Scene::running();
        let before = s.a.ns.snapshot();
        s.api.delete("node2");
        daemon.until("waiting: node \"node2\" is not in the node list (node3)");
        s.api.delete("node3");
        daemon.until("waiting: node \"node2\" is not in the node list (none)");
        assert_eq!(s.a.ns.snapshot(), before);
        assert_eq!(ask(&s.a), Some(1));
        s.api.apply(&s.b.entry);
        s.api.apply(&s.a.entry);
        daemon.until("ready for pods");
        assert_eq!(s.a.ns.snapshot(), before);
    });
}

#[test]
fn a_right_that_is_missing_is_named_and_what_is_there_stays() {
    as_root(|| {
        let (s, mut daemon) = Scene::running();
        let before = s.a.ns.snapshot();
        s.api.refuse(
            "watch",
            Some((403, "nodes is forbidden: cannot watch resource \"nodes\"")),
        );
        daemon.until(
            "does not let this agent watch nodes: nodes is forbidden: cannot watch resource \"nodes\"; grant its service account \
             get, list and watch on nodes, as the ClusterRole in manifests/flatnet.yaml does",
        );
        s.api.refuse("list", Some((401, "Unauthorized")));
        daemon.until("does not let this agent list nodes: Unauthorized; its token is not (or no longer) one of this cluster");
        assert_eq!(s.a.ns.snapshot(), before);
        s.api.refuse("watch", None);
        s.api.refuse("list", None);
        daemon.until("no longer error: the Kubernetes API");
        assert_eq!(s.a.ns.snapshot(), before);
    });
}

#[test]
fn a_node_is_ready_only_while_everything_that_pods_need_is_there() {
    as_root(|| {
        let (s, mut daemon) = Scene::running();
        let says = || {
            let output = s.a.ns.within(|| {
                crate::process::agent(&s.a, &["ready", "run/agent.sock"])
                    .stdout(std::process::Stdio::piped())
                    .output()
            });
            let output = output.unwrap();
            (
                output.status.code(),
                String::from_utf8_lossy(&output.stdout).into_owned(),
            )
        };
        let not_ready = |why: &str| {
            let (code, said) = says();
            assert!(
                code == Some(1) && said.contains("not ready: ") && said.contains(why),
                "{why}: {code:?} {said}"
            );
        };
        let conflist = s.a.dir.path().join("conf/10-flatnet.conflist");
        fs::remove_file(&conflist).unwrap();
        not_ready("conflist conf/10-flatnet.conflist is missing");
        daemon.until("conflist conf/10-flatnet.conflist: written");
        assert_eq!(
            ask(&s.a),
            Some(0),
            "being asked was enough to have it put back"
        );
        fs::remove_file(s.a.dir.path().join("bin/flatnet-cni")).unwrap();
        not_ready("plugin bin/flatnet-cni is missing");
        daemon.until("not ready for pods");
        not_ready("plugin bin/flatnet-cni is missing");
        put_plugin(s.a.dir.path());
        daemon.signal(Signal::SIGHUP);
        daemon.until("ready for pods");
        // A pass that fails in something of this node's own.
        s.a.ns.run("ip link set eth0 down");
        daemon.signal(Signal::SIGHUP);
        daemon.until("not ready for pods");
        not_ready("error: node \"node3\": ");
        s.a.ns.run("ip link set eth0 up");
        daemon.signal(Signal::SIGHUP);
        daemon.until("ready for pods");
        assert_eq!(ask(&s.a), Some(0));
        daemon.signal(Signal::SIGSTOP);
        assert_eq!(ask(&s.a), Some(3), "an agent that hangs is not ready");
        daemon.signal(Signal::SIGCONT);
        assert_eq!(ask(&s.a), Some(0));
    });
}

fn put_plugin(dir: &Path) {
    flatnet_agent::install::ensure_file(&dir.join("bin/flatnet-cni"), b"not run here", 0o755)
        .unwrap();
}

#[test]
fn once_and_what_cannot_begin_end_with_the_code_that_says_what_is_the_matter() {
    as_root(|| {
        let mut s = Scene::new();
        let check = |args: &[&str], code: i32, says: &str| {
            let (got, said) = once(&s.a, args);
            assert!(
                got == Some(code) && said.contains(says),
                "{args:?}: {got:?} {said}"
            );
        };
        check(&args(&["--once"]), 3, "kubeconfig kubeconfig is missing");
        fs::write(s.a.dir.path().join("kubeconfig"), "contexts: 7").unwrap();
        check(&args(&["--once"]), 2, "unusable kubeconfig kubeconfig: ");
        s.api.kubeconfig(&s.a);
        check(&args(&["--once"]), 3, "cannot be asked (list nodes: ");
        check(
            &["--node", "a", "--kubernetes"],
            3,
            "cannot find the Kubernetes API as a pod does: ",
        );
        check(
            &["ready", "nowhere.sock"],
            3,
            "no agent answers at nowhere.sock: ",
        );
        check(&["ready"], 2, "<SOCKET>");
        s.api.apply(&s.a.entry);
        s.api.apply(&s.b.entry);
        s.api.start(&s.a);
        check(&args(&["--once"]), 0, "ready for pods");
        s.stop_api();
    });
}
