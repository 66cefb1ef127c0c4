//! Which cluster is meant: by every command the same way, printed if none was named, and never guessed.
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use rstest::rstest;
use serde_json::Value;

use super::real_clusters::with_programs;
use super::stand_in::Api;
use super::started::{smallest_lab, tells, unchosen, words};
use super::{file, flatnet};

/// Runs a script where no other lab of this machine is seen: in a network namespace of its own. `$FLATNET` is the program.
pub(super) fn alone(script: &str) -> Output {
    let own: &[&str] = if nix::unistd::geteuid().is_root() {
        &["--net"]
    } else {
        &["--user", "--map-root-user", "--net"]
    };
    let mut command = Command::new("unshare");
    unchosen(&mut command);
    command
        .args(own)
        .args(["sh", "-c", script])
        .env("FLATNET", env!("CARGO_BIN_EXE_flatnet"))
        // No kind cluster either.
        .env("KIND_EXPERIMENTAL_PROVIDER", "nobody")
        .output()
        .expect("unshare starts")
}

pub(super) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_only_cluster_is_printed_and_several_are_refused() {
    let output = alone(
        "up() { $FLATNET up --name $1 --nodes 1 --pods-per-node 1 2>/dev/null; }
        $FLATNET exec busybox-1 -- true; echo none $?
        up one; $FLATNET exec busybox-1 -- echo in one; echo exec $?
        $FLATNET exec busybox-7 -- true; echo nobody $?
        $FLATNET diagnose >/dev/null; echo diagnose $?
        up two
        $FLATNET exec busybox-1 -- true; echo several $?
        $FLATNET inspect bridges; echo inspect $?
        $FLATNET down; echo down $?
        FLATNET_CLUSTER=two $FLATNET exec busybox-1 -- echo in two; echo chosen $?
        FLATNET_CLUSTER=one $FLATNET down two; echo down $?
        FLATNET_CLUSTER=one $FLATNET down; echo down $?
        FLATNET_CLUSTER=one $FLATNET down --all; echo down $?",
    );

    let (said, codes) = (words(&output), stdout(&output));
    assert_eq!(
        codes,
        "none 2\nin one\nexec 0\nnobody 2\ndiagnose 0\nseveral 2\ninspect 2\ndown 2\nin two\nchosen 0\ndown 0\ndown 0\ndown 0\n",
        "{said}"
    );
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines[..],
        [
            "error: no cluster is running; to boot one: flatnet up",
            "using lab one, the only running cluster",
            "using lab one, the only running cluster",
            "error: \"busybox-7\" on lab one: no pod or node of that name; nodes: node1; pods: default/busybox-1, default/busybox-host-1",
            "using lab one, the only running cluster",
            "error: several clusters are running: lab one, lab two; choose one with --cluster NAME",
            "error: several clusters are running: lab one, lab two; choose one with --cluster NAME",
            "error: several clusters are running: lab one, lab two; choose one with --cluster NAME",
            "deleted cluster two",
            "deleted cluster one",
            "no cluster is running",
        ]
    );
}

/// A stand-in of that name, for `flatnet` with these arguments.
fn on_stand_in(name: &str, arguments: &[&str]) -> Output {
    let programs = Api::of_cluster(name).programs(name);
    let programs: Vec<(&str, &str)> = programs
        .iter()
        .map(|(program, script)| (*program, script.as_str()))
        .collect();
    with_programs(&programs, arguments)
}

#[rstest]
#[case::counted("node2", "stand-in-worker")]
#[case::counted_first("node/node1", "stand-in-control-plane")]
#[case::by_name("stand-in-worker", "stand-in-worker")]
fn a_node_of_kind_is_called_by_its_name_or_counted(#[case] target: &str, #[case] node: &str) {
    let output = on_stand_in(
        "stand-in",
        &["exec", "--cluster", "stand-in", target, "--", "ip", "route"],
    );

    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    assert_eq!(stdout(&output), format!("ran: exec -i {node} ip route\n"));
}

#[test]
fn an_unknown_node_is_reported_with_the_known_ones() {
    let output = on_stand_in(
        "stand-in",
        &["exec", "--cluster", "kind/stand-in", "node3", "--", "true"],
    );

    tells(
        &output,
        2,
        &[
            "\"node3\" on kind cluster stand-in: no pod or node of that name; nodes: stand-in-control-plane, stand-in-worker; pods: kube-system/coredns-0, default/app",
        ],
    );
}

#[test]
fn kinds_clusters_are_listed_with_cni_pods_and_age() {
    let output = on_stand_in("stand-in", &["list", "--output", "json"]);

    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    let listed: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    let kind = listed
        .iter()
        .find(|cluster| cluster["name"] == "stand-in")
        .expect("the stand-in");
    assert_eq!(kind["provider"], "kind");
    assert_eq!(kind["cni"], "flannel");
    assert_eq!(
        kind["pods"],
        serde_json::json!(["kube-system/coredns-0", "default/app"])
    );
    assert_eq!(kind["started"], 1_767_225_600);
    let table = stdout(&on_stand_in("stand-in", &["list"]));
    let row = table.lines().find(|line| line.contains("stand-in"));
    let cells: Vec<&str> = row.expect("a row").split_whitespace().collect();
    assert_eq!(cells[..5], ["stand-in", "kind", "flannel", "2", "2"]);
    assert!(cells[5].ends_with('d') && cells[6] == "-", "{cells:?}");
}

#[test]
fn a_cluster_that_is_dead_does_not_hold_the_list_up() {
    // It accepts, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let programs = Api::at(silent.local_addr().expect("an address").port()).programs("dead");
    let programs: Vec<(&str, &str)> = programs
        .iter()
        .map(|(program, script)| (*program, script.as_str()))
        .collect();
    let start = Instant::now();

    let output = with_programs(&programs, &["list"]);

    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    assert!(
        start.elapsed() < Duration::from_secs(9),
        "{:?}",
        start.elapsed()
    );
    let table = stdout(&output);
    let row = table.lines().find(|line| line.contains("dead"));
    let cells: Vec<&str> = row.expect("a row").split_whitespace().collect();
    assert_eq!(cells[..5], ["dead", "kind", "?", "2", "?"], "{table}");
}

#[test]
fn a_name_that_a_lab_and_a_kind_cluster_have_is_refused_with_both() {
    let name = format!("twins-{}", std::process::id());
    let up = flatnet(&smallest_lab(&name));
    assert!(up.status.success(), "{}", words(&up));
    let both = format!("choose --cluster lab/{name} or --cluster kind/{name}");

    let exec = on_stand_in(&name, &["exec", "--cluster", &name, "node1", "--", "true"]);
    let down = on_stand_in(&name, &["down", &name]);
    let kind = format!("kind/{name}");
    let on_kind = on_stand_in(&name, &["exec", "--cluster", &kind, "node2", "--", "true"]);
    let lab = format!("lab/{name}");
    let ended = on_stand_in(&name, &["down", &lab]);

    tells(&exec, 2, &[&both]);
    tells(&down, 2, &[&both]);
    assert_eq!(
        stdout(&on_kind),
        format!("ran: exec -i {name}-worker true\n"),
        "{}",
        words(&on_kind)
    );
    assert!(ended.status.success(), "{}", words(&ended));
}

#[test]
fn pods_that_were_there_before_a_run_are_not_taken_for_its_own() {
    let manifest = ["a", "b"].map(|namespace| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: app, namespace: {namespace}}}\nspec:\n  nodeName: node1\n  terminationGracePeriodSeconds: 1\n  containers:\n  - {{name: c, image: busybox, command: [sleep, infinity]}}\n"
        )
    });
    let (_dir, path) = file("two.yaml", &manifest.join("---\n"));
    let output = alone(&format!(
        "$FLATNET up --name two --nodes 1 --manifest {path} 2>/dev/null
        $FLATNET test --cluster two --manifest {path} >/dev/null; echo test $?
        for pod in a/app b/app; do $FLATNET exec --cluster two $pod -- true; echo $pod $?; done
        $FLATNET down two 2>/dev/null",
    ));

    assert_eq!(stdout(&output), "test 2\na/app 0\nb/app 0\n");
    let said = words(&output);
    assert!(
        said.contains("pod a/app is on the cluster already"),
        "{said}"
    );
}

#[test]
fn a_bridge_that_the_run_would_repair_is_found_broken() {
    let output = alone(
        "$FLATNET up --name mended --nodes 2 2>/dev/null
        check() { $FLATNET test --cluster mended --only bridge; echo exit $?; }
        $FLATNET exec --cluster mended node2 -- ip link set cni0 down; check
        $FLATNET exec --cluster mended node2 -- ip addr flush dev cni0; check
        check
        $FLATNET down mended",
    );

    let (said, table) = (words(&output), stdout(&output));
    let codes: Vec<&str> = table
        .lines()
        .filter(|line| line.starts_with("exit"))
        .collect();
    assert_eq!(codes, ["exit 1", "exit 1", "exit 0"], "{table}{said}");
    let verdict = "bridge cni0 of node2 was unfit for the pods on it until this run added its own";
    assert_eq!(table.matches(verdict).count(), 2, "{table}");
    assert!(table.contains("state DOWN, set down"), "{table}");
}

#[test]
fn a_pod_that_runs_is_looked_at_once() {
    let output = alone(
        "$FLATNET up --name once --nodes 2 --pods-per-node 1 2>/dev/null
        $FLATNET --log debug diagnose busybox-1; echo exit $?
        $FLATNET down once 2>/dev/null",
    );

    let (said, answer) = (words(&output), stdout(&output));
    assert!(answer.contains("exit 0"), "{answer}{said}");
    // What is read to find causes, whether the pod runs or not.
    let calls = |name: &str| said.matches(&format!("call=\"{name}\"")).count();
    assert_eq!((calls("events"), calls("daemon_log")), (1, 2), "{said}");
}
