//! Configuration changes on a kind cluster that runs, with flatnet's CNI: `FLATNET_CLUSTER` names it. Nodes are looked at through their
//! containers and with kubectl, by which flatnet does not work.
#![allow(clippy::unwrap_used, reason = "tests")]
#[path = "../change/bed.rs"]
#[allow(dead_code, reason = "shared with the suite on labs")]
mod bed;
#[path = "../started.rs"]
#[allow(dead_code, reason = "shared with other suites")]
mod started;

use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bed::{has_arrived, left, nothing_is_cut, of};
use flatnet::change::report::{ChangeReport, Compared, Pass};
use flatnet_model::change::{Ages, Arrival, Step};
use started::words;

/// One cluster for all tests: they take turns.
static TURN: Mutex<()> = Mutex::new(());

struct Kind {
    name: String,
    _turn: MutexGuard<'static, ()>,
}

impl Kind {
    fn mine() -> Kind {
        let name = std::env::var("FLATNET_CLUSTER")
            .expect("FLATNET_CLUSTER, the name of a running kind cluster (make test-kind sets it)");
        Kind {
            name,
            _turn: TURN.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    fn run(&self, line: &str) -> Output {
        let mut command = bed::flatnet();
        // Where the images of CNIs are.
        if let Some(dir) = std::env::var_os("FLATNET_KIND_DIR") {
            command.env("FLATNET_KIND_DIR", dir);
        }
        command.args(["change", "--cluster", &self.name, "--pods-per-node", "2"]);
        let arguments = command.args(line.split_whitespace());
        arguments.output().expect("flatnet starts")
    }

    #[track_caller]
    fn change(&self, line: &str) -> ChangeReport {
        let output = self.run(&format!("--quiet --output json {line}"));
        let report: ChangeReport = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{line}: {e}: {}", words(&output)));
        let expected = i32::from(!report.wrong.is_empty());
        assert_eq!(output.status.code(), Some(expected), "{:?}", report.wrong);
        assert_eq!(report.provider, "kind");
        let compared = |pass: &Pass| pass.compared == Compared::NodesBefore;
        assert!(report.passes.iter().all(compared));
        report
    }

    fn nodes(&self) -> [String; 3] {
        ["control-plane", "worker", "worker2"].map(|role| format!("{}-{role}", self.name))
    }

    /// What each node's container prints.
    fn on_nodes(&self, script: &str) -> Vec<String> {
        let on_node = |node: &String| {
            let mut docker = Command::new("docker");
            let done = docker.args(["exec", node, "sh", "-c", script]).output();
            let done = done.expect("docker starts");
            String::from_utf8_lossy(&done.stdout).trim().to_owned()
        };
        self.nodes().iter().map(on_node).collect()
    }

    /// Arguments of flatnet's agents, as the API has them.
    fn agent_args(&self) -> String {
        let context = format!("kind-{}", self.name);
        let kubeconfig = Command::new("kind")
            .args(["get", "kubeconfig", "--name", &self.name])
            .output();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config");
        std::fs::write(&file, kubeconfig.expect("kind starts").stdout).unwrap();
        let done = Command::new("kubectl")
            .args(["--context", &context, "--kubeconfig"])
            .arg(&file)
            .args(["-n", "kube-system", "get", "daemonset", "flatnet", "-o"])
            .arg("jsonpath={.spec.template.spec.containers[0].args}")
            .output();
        String::from_utf8(done.expect("kubectl starts").stdout).unwrap()
    }
}

#[track_caller]
fn new_pods_reach_each_other(pass: &Pass) {
    let reached = &pass.pairs[&Ages::NewNew];
    assert!(reached.dialled > 0);
    assert_eq!(reached.failed, [""; 0]);
    is_whole_in_the_end(pass);
}

/// With new pods alone, every check passes that passed before.
#[track_caller]
fn is_whole_in_the_end(pass: &Pass) {
    assert_eq!(pass.not_running, [""; 0]);
    let worse = pass.worse(&pass.checks_after).map(|check| &check.id);
    assert_eq!(Vec::from_iter(worse), [""; 0]);
}

#[test]
fn a_smaller_mtu_rolls_out_node_by_node_without_a_cut_and_back() {
    let kind = Kind::mine();
    let first = kind.on_nodes("cat /sys/class/net/cni0/mtu");
    let report = kind.change("--to flatnet,mtu=1400");
    let pass = &report.passes[0];
    nothing_is_cut(pass);
    has_arrived(pass);
    new_pods_reach_each_other(pass);
    assert_eq!(left(pass), [""; 0]);
    assert_eq!(kind.on_nodes("cat /sys/class/net/cni0/mtu"), ["1400"; 3]);
    assert!(kind.agent_args().contains("--mtu=1400"));
    for node in kind.nodes() {
        let mtu = of(pass, &node, "MTU of cni0");
        assert_eq!(mtu, Some((first[0].as_str(), "1400", Arrival::InEffect)));
        for step in [
            Step::AgentRestarted { node: node.clone() },
            Step::RolledOut { node },
        ] {
            let times = pass.steps.iter().filter(|begun| begun.step == step);
            assert_eq!(times.count(), 1, "{}", step.words());
        }
    }
    let old = of(pass, "busybox-1", "MTU of eth0").unwrap();
    assert_eq!(old, (first[0].as_str(), first[0].as_str(), Arrival::Old));

    let report = kind.change("--from flatnet,mtu=1400 --to flatnet");
    nothing_is_cut(&report.passes[0]);
    assert_eq!(left(&report.passes[0]), [""; 0]);
    assert_eq!(kind.on_nodes("cat /sys/class/net/cni0/mtu"), first);
    assert!(!kind.agent_args().contains("--mtu"));
}

#[test]
fn a_manifest_that_the_api_refuses_leaves_the_first_configuration() {
    let kind = Kind::mine();
    let (mtus, args) = (
        kind.on_nodes("cat /sys/class/net/cni0/mtu"),
        kind.agent_args(),
    );
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bad.yaml");
    let shipped = include_str!("../../manifests/flatnet.yaml");
    // The ClusterRole before it is taken, the DaemonSet is not.
    let bad = shipped.replace("maxUnavailable: 1", "maxUnavailable: 0");
    assert_ne!(bad, shipped);
    std::fs::write(&file, bad).unwrap();
    let refused = kind.run(&format!("--to {}", file.display()));
    started::tells(&refused, 2, &["refused: ", "maxUnavailable"]);
    assert_eq!(kind.on_nodes("cat /sys/class/net/cni0/mtu"), mtus);
    assert_eq!(kind.agent_args(), args);
}

#[test]
fn another_cni_takes_over_and_what_the_first_one_left_is_told_until_it_is_back() {
    let kind = Kind::mine();
    let report = kind.change("--to flannel --and-back");
    let [flannel, flatnet] = &report.passes[..] else {
        panic!("{}", report.passes.len())
    };
    // host-local gives addresses that pods from before have; flatnet's plugin does not (docs/change.md).
    new_pods_reach_each_other(flatnet);
    for pass in [flannel, flatnet] {
        is_whole_in_the_end(pass);
        has_arrived(pass);
        let has = |step: &Step| pass.steps.iter().any(|begun| begun.step == *step);
        assert!(has(&Step::CniRemoved) && has(&Step::CniApplied));
    }
    // An agent that ends leaves its node as it is.
    assert!(left(flannel).contains(&"inet flatnet".to_owned()));
    assert!(left(flannel).contains(&"flatnet-cni".to_owned()));
    assert!(left(flatnet).contains(&"flannel.1".to_owned()));
    assert_eq!(
        kind.on_nodes("ls /etc/cni/net.d"),
        ["10-flatnet.conflist"; 3]
    );
    assert_eq!(
        kind.on_nodes("test -x /opt/cni/bin/flatnet-cni && echo yes"),
        ["yes"; 3]
    );
}
