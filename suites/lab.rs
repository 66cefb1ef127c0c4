//! The embedded lab, end to end: nodes, pods through Debian's reference plugins, and that nothing is left of it.
//!
//! Every test boots a lab of its own, named after the test and this process, so that all run side by side.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio as Pipe};
use std::time::{Duration, Instant};

use flatnet_lab::{
    Change, Error, IpFamily, Lab, LabSpec, NodeFile, NodeSpec, Place, Stdio, Underlay,
};
use k8s_openapi::api::core::v1::{Event, Pod};

const PROGRAM: &str = env!("CARGO_BIN_EXE_flatnet-lab");
/// Debian's containernetworking-plugins.
const PLUGINS: &str = "/usr/lib/cni";
const LIMIT: Duration = Duration::from_secs(20);

fn spec(test: &str, nodes: usize) -> LabSpec {
    let node = |i| NodeSpec {
        name: format!("node{i}"),
        pod_cidrs: vec![format!("10.244.{i}.0/24").parse().unwrap()],
    };
    LabSpec {
        name: format!("{test}-{}", std::process::id()),
        nodes: (1..=nodes).map(node).collect(),
        underlay: Underlay::L2,
        mtu: 1500,
        family: IpFamily::Ipv4,
        busybox: Some(std::fs::canonicalize("/bin/busybox").expect("apt install busybox-static")),
        programs: Vec::new(),
        labels: BTreeMap::from([("test".to_owned(), test.to_owned())]),
    }
}

fn boot(spec: &LabSpec) -> Lab {
    Lab::boot(Path::new(PROGRAM), spec, false).unwrap()
}

/// What a command printed, both streams, and its exit code.
fn run(lab: &Lab, place: &Place, argv: &[&str]) -> (i32, String) {
    try_run(lab, place, argv).unwrap()
}

fn try_run(lab: &Lab, place: &Place, argv: &[&str]) -> flatnet_lab::Result<(i32, String)> {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let stdio = Stdio {
        stdin: std::fs::File::open("/dev/null").unwrap().into(),
        stdout: writer.try_clone().unwrap().into(),
        stderr: writer.into(),
    };
    let argv: Vec<String> = argv.iter().map(|&word| word.to_owned()).collect();
    std::thread::scope(|scope| {
        let output = scope.spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        let code = lab.exec(place, &argv, &[], stdio);
        let text = output.join().unwrap();
        code.map(|code| (code, text))
    })
}

fn ok(lab: &Lab, place: &Place, argv: &[&str]) -> String {
    let (code, text) = run(lab, place, argv);
    assert_eq!(code, 0, "{argv:?} in {place:?}: {text}");
    text
}

fn node(i: usize) -> Place {
    Place::Node(format!("node{i}"))
}

fn pod_place(name: &str) -> Place {
    Place::Pod("default".to_owned(), name.to_owned())
}

fn pod(name: &str, node: usize, spec: &str) -> Pod {
    let manifest = format!(
        "{{metadata: {{name: {name}}}, spec: {{nodeName: node{node}, terminationGracePeriodSeconds: 0, {spec}}}}}"
    );
    serde_yaml::from_str(&manifest).unwrap()
}

const SLEEPER: &str =
    "containers: [{name: busybox, image: 'busybox:1.36', command: [sleep, infinity]}]";

/// Debian's bridge and host-local on a node, over this subnet.
fn install_reference(lab: &Lab, i: usize, ranges: &[&str], version: &str) {
    for plugin in ["bridge", "host-local"] {
        let content = std::fs::read(Path::new(PLUGINS).join(plugin))
            .expect("apt install containernetworking-plugins");
        let path = format!("/opt/cni/bin/{plugin}");
        lab.write_file(
            &format!("node{i}"),
            &NodeFile {
                path: &path,
                content: &content,
                mode: 0o755,
            },
        )
        .unwrap();
    }
    let ranges: Vec<_> = ranges
        .iter()
        .map(|subnet| serde_json::json!([{ "subnet": subnet }]))
        .collect();
    let conflist = serde_json::json!({
        "cniVersion": version, "name": "ref",
        "plugins": [{"type": "bridge", "bridge": "cni0", "isDefaultGateway": true,
                     "ipam": {"type": "host-local", "ranges": ranges}}]
    });
    write_conflist(lab, i, &conflist.to_string());
}

fn write_conflist(lab: &Lab, i: usize, text: &str) {
    let file = NodeFile {
        path: "/etc/cni/net.d/10-ref.conflist",
        content: text.as_bytes(),
        mode: 0o644,
    };
    lab.write_file(&format!("node{i}"), &file).unwrap();
}

fn started(lab: &Lab, pod: &Pod) -> Pod {
    lab.apply_pod(pod).unwrap();
    let pod = lab
        .wait_pod("default", pod.metadata.name.as_deref().unwrap(), LIMIT)
        .unwrap();
    let status = pod.status.as_ref().unwrap();
    assert_eq!(status.phase.as_deref(), Some("Running"), "{status:#?}");
    pod
}

fn ip(pod: &Pod) -> String {
    pod.status.as_ref().unwrap().pod_ip.clone().unwrap()
}

/// Looks again until it is so; what is waited for is in the last word of a failure.
fn eventually<T: std::fmt::Debug>(
    mut look: impl FnMut() -> T,
    is_so: impl Fn(&T) -> bool,
    what: &str,
) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        let seen = look();
        if is_so(&seen) {
            return seen;
        }
        assert!(
            Instant::now() < deadline,
            "waited for {what}; last seen: {seen:#?}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn event(lab: &Lab, name: &str, reason: &str) -> Event {
    let find = || {
        lab.events("default", name)
            .unwrap()
            .into_iter()
            .find(|e| e.reason.as_deref() == Some(reason))
    };
    eventually(find, Option::is_some, reason).unwrap()
}

/// Process ids below `pid`, itself included.
fn family(pid: u32) -> Vec<u32> {
    let mut family = vec![pid];
    let mut at = 0;
    while at < family.len() {
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", family[at]))
            .unwrap_or_default();
        family.extend(
            children
                .split_whitespace()
                .map(|pid| pid.parse::<u32>().unwrap()),
        );
        at += 1;
    }
    family
}

/// The net and mount namespaces that these processes are in.
fn namespaces(pids: &[u32]) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = pids
        .iter()
        .flat_map(|pid| {
            ["net", "mnt"].map(|kind| std::fs::read_link(format!("/proc/{pid}/ns/{kind}")))
        })
        .flatten()
        .collect();
    all.sort();
    all.dedup();
    all
}

fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

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
    let addresses = ok(&lab, &Place::Wire, &["ip", "-br", "addr"]);
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
fn exec_tells_exit_codes_and_missing_programs_apart() {
    let lab = boot(&spec("exec", 1));
    assert_eq!(
        run(
            &lab,
            &node(1),
            &["sh", "-c", "echo out; echo err >&2; exit 7"]
        ),
        (7, "out\nerr\n".to_owned())
    );
    assert_eq!(run(&lab, &node(1), &["sh", "-c", "kill -9 $$"]).0, 137);
    let error = try_run(&lab, &node(1), &["no-such-program"]).unwrap_err();
    assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "exec: \"no-such-program\": executable file not found in $PATH"
    );
    let error = try_run(&lab, &Place::Node("node9".into()), &["true"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no node \"node9\"; the nodes are node1"
    );
}

#[test]
fn a_command_dies_with_the_client_that_asked_for_it() {
    let lab = boot(&spec("orphan", 1));
    let info = lab.info().unwrap();
    // The client is another process: this test itself, asked to do one thing.
    let mut client = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "client_for_a_command_that_is_abandoned",
            "--ignored",
        ])
        .env("LAB_TEST_NAME", &info.spec.name)
        .stdout(Pipe::null())
        .spawn()
        .unwrap();
    let script = "for f in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$f 2>/dev/null | grep -x 'sleep 98765 '; done";
    let sleepers = || run(&lab, &node(1), &["sh", "-c", script]).1;
    eventually(sleepers, |text| !text.is_empty(), "the command to run");
    client.kill().unwrap();
    client.wait().unwrap();
    eventually(sleepers, String::is_empty, "the command to be gone");
}

#[test]
#[ignore = "run by a_command_dies_with_the_client_that_asked_for_it, in a process of its own"]
fn client_for_a_command_that_is_abandoned() {
    let Ok(name) = std::env::var("LAB_TEST_NAME") else {
        return;
    };
    let _ = try_run(&Lab::connect(&name).unwrap(), &node(1), &["sleep", "98765"]);
}

#[test]
fn a_name_is_taken_until_its_lab_is_gone() {
    let spec = spec("taken", 1);
    let lab = boot(&spec);
    let error = Lab::boot(Path::new(PROGRAM), &spec, false).unwrap_err();
    assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .contains(&format!("flatnet down {}", spec.name)),
        "{error}"
    );
    let listed = Lab::list().unwrap();
    let info = listed
        .iter()
        .find(|info| info.spec.name == spec.name)
        .expect("it is listed");
    assert_eq!((&info.spec, info.pid), (&spec, lab.info().unwrap().pid));
    let pid = info.pid;
    Lab::connect(&spec.name).unwrap().shutdown().unwrap();
    assert!(!is_alive(pid));
    assert!(
        Lab::connect(&spec.name)
            .unwrap_err()
            .to_string()
            .contains("no lab named")
    );
    drop(lab);
    boot(&spec);
}

#[test]
fn a_detached_lab_outlives_its_handle() {
    let spec = spec("detached", 1);
    let lab = Lab::boot(Path::new(PROGRAM), &spec, true).unwrap();
    drop(lab);
    let lab = Lab::connect(&spec.name).unwrap();
    assert_eq!(ok(&lab, &node(1), &["hostname"]), "node1\n");
    lab.shutdown().unwrap();
}

/// Kills the process that `victim` picks from the family of `flatnet-lab`; then nothing of it may be left.
fn killed_leaves_nothing(test: &str, victim: impl Fn(&[u32]) -> u32) {
    let lab = boot(&spec(test, 2));
    install_reference(&lab, 1, &["10.244.1.0/24"], "1.0.0");
    started(&lab, &pod("sleeper", 1, SLEEPER));
    lab.start_daemon("node2", "agent", &["sleep".into(), "infinity".into()])
        .unwrap();
    let pid = lab.info().unwrap().pid;
    let everyone = family(pid);
    assert!(
        everyone.len() >= 5,
        "lab, init, server, container, daemon: {everyone:?}"
    );
    let theirs = namespaces(&everyone);
    let killed = Command::new("kill")
        .args(["-9", &victim(&everyone).to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    eventually(
        || {
            everyone
                .iter()
                .copied()
                .filter(|pid| is_alive(*pid))
                .collect::<Vec<_>>()
        },
        Vec::is_empty,
        "every process to be gone",
    );
    drop(lab);
    let all: Vec<u32> = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    let ours = namespaces(&[std::process::id()]);
    let left: Vec<_> = namespaces(&all)
        .into_iter()
        .filter(|ns| theirs.contains(ns) && !ours.contains(ns))
        .collect();
    assert!(left.is_empty(), "namespaces are left: {left:?}");
}

#[test]
fn killing_the_lab_leaves_nothing() {
    killed_leaves_nothing("kill-lab", |family| family[0]);
}

#[test]
fn killing_init_leaves_nothing() {
    killed_leaves_nothing("kill-init", |family| family[1]);
}

#[test]
fn killing_the_server_leaves_nothing() {
    killed_leaves_nothing("kill-server", |family| family[2]);
}

#[test]
fn killing_whoever_booted_it_ends_the_lab() {
    let name = format!("booter-{}", std::process::id());
    let mut booter = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "booter_of_a_lab", "--ignored"])
        .env("LAB_TEST_NAME", &name)
        .stdout(Pipe::null())
        .spawn()
        .unwrap();
    let lab = eventually(|| Lab::connect(&name), Result::is_ok, "the lab to be up").unwrap();
    let everyone = family(lab.info().unwrap().pid);
    booter.kill().unwrap();
    booter.wait().unwrap();
    eventually(
        || {
            everyone
                .iter()
                .copied()
                .filter(|pid| is_alive(*pid))
                .collect::<Vec<_>>()
        },
        Vec::is_empty,
        "every process to be gone",
    );
}

#[test]
#[ignore = "run by killing_whoever_booted_it_ends_the_lab, in a process of its own"]
fn booter_of_a_lab() {
    let Ok(name) = std::env::var("LAB_TEST_NAME") else {
        return;
    };
    let _lab = boot(&LabSpec {
        name,
        ..spec("booter", 2)
    });
    loop {
        std::thread::park();
    }
}

#[test]
fn pods_get_addresses_from_real_plugins_and_reach_each_other() {
    let lab = boot(&spec("pods", 1));
    install_reference(&lab, 1, &["10.244.1.0/24"], "1.0.0");
    let (a, b) = (
        started(&lab, &pod("a", 1, SLEEPER)),
        started(&lab, &pod("b", 1, SLEEPER)),
    );
    assert_ne!(ip(&a), ip(&b));
    ok(&lab, &pod_place("a"), &["ping", "-c1", "-W5", &ip(&b)]);
    // What a person sees in the study notes.
    let routes = ok(&lab, &pod_place("a"), &["ip", "route"]);
    assert!(
        routes.contains("default via 10.244.1.1 dev eth0"),
        "{routes}"
    );
    assert_eq!(ok(&lab, &pod_place("a"), &["hostname"]), "a\n");
    assert!(
        ok(&lab, &pod_place("a"), &["cat", "/proc/1/cmdline"]).starts_with("sleep"),
        "its own pid namespace"
    );
    assert!(
        ok(&lab, &pod_place("a"), &["ls", "/sys/class/net"]).contains("eth0"),
        "its own devices"
    );
    let reasons: Vec<_> = lab
        .events("default", "a")
        .unwrap()
        .into_iter()
        .filter_map(|e| e.reason)
        .collect();
    assert_eq!(reasons, ["Scheduled", "Pulled", "Created", "Started"]);
    lab.check_pod("default", "a").unwrap();
    lab.apply_pod(&pod("a", 1, SLEEPER)).unwrap();
    let other = pod("a", 1, "containers: [{name: busybox, image: busybox}]");
    assert!(
        lab.apply_pod(&other)
            .unwrap_err()
            .to_string()
            .contains("another spec")
    );
}

#[test]
fn deleting_a_pod_runs_del_and_frees_its_address() {
    let lab = boot(&spec("delete", 1));
    install_reference(&lab, 1, &["10.244.1.0/24"], "1.0.0");
    let a = started(&lab, &pod("a", 1, SLEEPER));
    let reservations = || ok(&lab, &node(1), &["ls", "/var/lib/cni/networks/ref"]);
    assert!(reservations().contains(&ip(&a)), "{}", reservations());
    assert_eq!(ok(&lab, &node(1), &["ls", "/run/netns"]).lines().count(), 1);
    lab.delete_pod("default", "a").unwrap();
    lab.delete_pod("default", "a").unwrap();
    assert!(!reservations().contains(&ip(&a)), "{}", reservations());
    assert_eq!(ok(&lab, &node(1), &["ls", "/run/netns"]), "");
    assert_eq!(ok(&lab, &node(1), &["ls", "/var/lib/cni/results"]), "");
    assert!(!ok(&lab, &node(1), &["ip", "-br", "link"]).contains("veth"));
    assert!(lab.pod("default", "a").unwrap().is_none());
}

#[test]
fn a_node_without_a_conflist_is_not_ready_and_its_pods_wait_for_one() {
    let lab = boot(&spec("late", 1));
    let ready = |lab: &Lab| {
        let node = lab.nodes().unwrap().remove(0);
        let condition = node
            .status
            .unwrap()
            .conditions
            .unwrap()
            .into_iter()
            .find(|c| c.type_ == "Ready")
            .unwrap();
        (condition.status, condition.message.unwrap())
    };
    let (status, message) = ready(&lab);
    assert_eq!(status, "False");
    assert_eq!(
        message,
        "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady \
         message:Network plugin returns error: cni plugin not initialized"
    );
    lab.apply_pod(&pod("early", 1, SLEEPER)).unwrap();
    assert!(
        event(&lab, "early", "NetworkNotReady")
            .message
            .unwrap()
            .contains("cni plugin not initialized")
    );
    write_conflist(&lab, 1, "{\n oops");
    let (_, message) = ready(&lab);
    assert!(
        message.contains("10-ref.conflist") && message.contains("line 2"),
        "{message}"
    );
    install_reference(&lab, 1, &["10.244.1.0/24"], "1.0.0");
    let running = lab.wait_pod("default", "early", LIMIT).unwrap();
    assert_eq!(ip(&running), "10.244.1.2");
    assert_eq!(ready(&lab).0, "True");
}

#[test]
fn a_missing_plugin_is_said_in_the_kubelets_words_and_tried_again() {
    let lab = boot(&spec("nobin", 1));
    write_conflist(
        &lab,
        1,
        r#"{"cniVersion": "0.3.1", "name": "weave", "plugins": [{"name": "weave", "type": "weave-net"}]}"#,
    );
    lab.apply_pod(&pod("app", 1, SLEEPER)).unwrap();
    let message = event(&lab, "app", "FailedCreatePodSandBox")
        .message
        .unwrap();
    assert!(message.starts_with("Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox \""), "{message}");
    let cause = r#"plugin type="weave-net" name="weave" failed (add): failed to find plugin "weave-net" in path [/opt/cni/bin]"#;
    assert!(message.ends_with(cause), "{message}");
    event(&lab, "app", "SandboxChanged");
    assert_eq!(
        lab.pod("default", "app")
            .unwrap()
            .unwrap()
            .status
            .unwrap()
            .phase
            .as_deref(),
        Some("Pending")
    );
    lab.delete_pod("default", "app").unwrap();
    assert_eq!(ok(&lab, &node(1), &["ls", "/run/netns"]), "");
}

#[test]
fn a_container_that_exits_is_restarted_with_back_off() {
    let lab = boot(&spec("crash", 1));
    install_reference(&lab, 1, &["10.244.1.0/24"], "1.0.0");
    lab.apply_pod(&pod(
        "crasher",
        1,
        "containers: [{name: c, image: busybox, command: [sh, -c, 'echo told you; exit 3']}]",
    ))
    .unwrap();
    let looping = eventually(
        || {
            lab.wait_pod("default", "crasher", LIMIT)
                .unwrap()
                .status
                .unwrap()
                .container_statuses
                .unwrap()
                .remove(0)
        },
        |status| status.restart_count >= 2 && status.state.as_ref().unwrap().waiting.is_some(),
        "a crash loop",
    );
    let waiting = looping.state.unwrap().waiting.unwrap();
    assert_eq!(waiting.reason.as_deref(), Some("CrashLoopBackOff"));
    let last = looping.last_state.unwrap().terminated.unwrap();
    assert_eq!(
        (last.exit_code, last.message.as_deref()),
        (3, Some("told you\n"))
    );
    event(&lab, "crasher", "BackOff");
    let error = try_run(&lab, &pod_place("crasher"), &["true"])
        .map(|_| ())
        .err()
        .map(|e| e.to_string());
    assert!(error.is_none_or(|text| text.contains("exit code was 3")));
}

#[test]
fn pods_that_end_or_cannot_start_say_so() {
    let lab = boot(&spec("ends", 1));
    install_reference(&lab, 1, &["10.244.1.0/24"], "1.0.0");
    let phase = |pod: &Pod| pod.status.as_ref().unwrap().phase.clone().unwrap();
    let waiting = |pod: &Pod| {
        pod.status
            .as_ref()
            .unwrap()
            .container_statuses
            .as_ref()
            .unwrap()[0]
            .state
            .clone()
            .unwrap()
            .waiting
            .unwrap()
    };
    for (name, spec) in [
        (
            "good",
            "restartPolicy: Never, containers: [{name: c, image: busybox, command: ['true']}]",
        ),
        (
            "bad",
            "restartPolicy: Never, containers: [{name: c, image: busybox, command: ['false']}]",
        ),
        (
            "lost",
            "containers: [{name: c, image: busybox, command: [no-such]}]",
        ),
        ("alien", "containers: [{name: c, image: nginx}]"),
    ] {
        lab.apply_pod(&pod(name, 1, spec)).unwrap();
    }
    let settled = |name: &str, wanted: &str| {
        eventually(
            || lab.wait_pod("default", name, LIMIT).unwrap(),
            |pod| phase(pod) == wanted,
            wanted,
        )
    };
    settled("good", "Succeeded");
    settled("bad", "Failed");
    let lost = waiting(&settled("lost", "Pending"));
    assert_eq!(lost.reason.as_deref(), Some("RunContainerError"));
    assert_eq!(
        lost.message.as_deref(),
        Some("exec: \"no-such\": executable file not found in $PATH")
    );
    let alien = waiting(&settled("alien", "Pending"));
    assert_eq!(alien.reason.as_deref(), Some("ErrImagePull"));
    assert!(alien.message.unwrap().contains("busybox"));
    let error = lab
        .apply_pod(&pod("nowhere", 9, SLEEPER))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no node \"node9\"; the nodes are node1"),
        "{error}"
    );
}

#[test]
fn a_host_network_pod_is_its_nodes() {
    let lab = boot(&spec("hostnet", 2));
    let pod = started(
        &lab,
        &pod("host", 2, &format!("hostNetwork: true, {SLEEPER}")),
    );
    let status = pod.status.as_ref().unwrap();
    assert_eq!(
        (status.pod_ip.as_deref(), status.host_ip.as_deref()),
        (Some("172.18.0.3"), Some("172.18.0.3"))
    );
    assert!(ok(&lab, &pod_place("host"), &["ip", "addr"]).contains("172.18.0.3/16"));
    assert_eq!(ok(&lab, &pod_place("host"), &["hostname"]), "node2\n");
    lab.delete_pod("default", "host").unwrap();
    ok(&lab, &node(2), &["ping", "-c1", "-W5", "node1"]);
}

#[test]
fn dual_stack_pods_have_an_address_of_each_family() {
    let lab = boot(&LabSpec {
        family: IpFamily::Dual,
        ..spec("dual", 1)
    });
    install_reference(&lab, 1, &["10.244.1.0/24", "fd00:244:1::/64"], "1.0.0");
    let (a, b) = (
        started(&lab, &pod("a", 1, SLEEPER)),
        started(&lab, &pod("b", 1, SLEEPER)),
    );
    let ips = |pod: &Pod| {
        pod.status
            .as_ref()
            .unwrap()
            .pod_ips
            .iter()
            .flatten()
            .map(|ip| ip.ip.clone())
            .collect::<Vec<_>>()
    };
    assert!(
        ips(&a)[0].starts_with("10.244.1.") && ips(&a)[1].starts_with("fd00:244:1:"),
        "{:?}",
        ips(&a)
    );
    for ip in ips(&b) {
        ok(&lab, &pod_place("a"), &["ping", "-c1", "-W5", &ip]);
    }
}

#[test]
fn gc_removes_what_no_pod_has_and_leaves_the_rest() {
    let lab = boot(&spec("gc", 1));
    install_reference(&lab, 1, &["10.244.1.0/24"], "1.0.0");
    let a = started(&lab, &pod("a", 1, SLEEPER));
    // An attachment whose pod is gone, as a crash of the runtime leaves it.
    let results = "/var/lib/cni/results";
    let mine = ok(&lab, &node(1), &["ls", results]);
    let kept = ok(
        &lab,
        &node(1),
        &["cat", &format!("{results}/{}", mine.trim())],
    );
    let mut stale: serde_json::Value = serde_json::from_str(&kept).unwrap();
    let id = "0".repeat(64);
    stale["containerId"] = id.as_str().into();
    let path = format!("{results}/ref-{id}-eth0");
    lab.write_file(
        "node1",
        &NodeFile {
            path: &path,
            content: stale.to_string().as_bytes(),
            mode: 0o600,
        },
    )
    .unwrap();
    lab.write_file(
        "node1",
        &NodeFile {
            path: "/var/lib/cni/networks/ref/10.244.1.77",
            content: format!("{id}\r\neth0").as_bytes(),
            mode: 0o644,
        },
    )
    .unwrap();
    lab.gc("node1").unwrap();
    let reservations = ok(&lab, &node(1), &["ls", "/var/lib/cni/networks/ref"]);
    assert!(
        reservations.contains(&ip(&a)) && !reservations.contains("10.244.1.77"),
        "{reservations}"
    );
    assert_eq!(ok(&lab, &node(1), &["ls", results]), mine);
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
        &Place::Wire,
        &[Change::SetSysctl {
            key: "ipv4.ip_forward".into(),
            value: "0".into(),
        }],
    )
    .unwrap();
    assert_eq!(
        ok(
            &lab,
            &Place::Wire,
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
fn without_busybox_the_hosts_programs_are_the_pods_root() {
    let lab = boot(&LabSpec {
        busybox: None,
        ..spec("nobox", 1)
    });
    install_reference(&lab, 1, &["10.244.1.0/24"], "1.0.0");
    started(&lab, &pod("a", 1, SLEEPER));
    let routes = ok(&lab, &pod_place("a"), &["ip", "route"]);
    assert!(routes.contains("default via 10.244.1.1"), "{routes}");
    assert_ne!(run(&lab, &pod_place("a"), &["touch", "/usr/x"]).0, 0);
    ok(&lab, &pod_place("a"), &["touch", "/tmp/x"]);
}

/// Runs a test of this suite in a process of its own, by way of `wrapper`.
fn rerun(wrapper: &[&str], test: &str) -> Output {
    // The test program and flatnet-lab may lie where another user may not go: their descriptors get there nevertheless.
    let dir = tempfile::tempdir().unwrap();
    let copy = |from: &Path| {
        let to = dir.path().join(from.file_name().unwrap());
        std::fs::copy(from, &to).unwrap();
        to
    };
    std::fs::set_permissions(
        dir.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let (suite, program) = (
        copy(&std::env::current_exe().unwrap()),
        copy(Path::new(PROGRAM)),
    );
    let mut command = Command::new(wrapper[0]);
    command
        .args(&wrapper[1..])
        .arg(suite)
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env("LAB_TEST_PROGRAM", program);
    command
        .current_dir("/")
        .env("TMPDIR", "/nonexistent")
        .env("HOME", "/nonexistent");
    // Spoken to by nobody else: a group of its own.
    command.process_group(0).output().unwrap()
}

#[test]
fn an_ordinary_user_has_a_whole_lab() {
    let wrapper: &[&str] = if nix::unistd::geteuid().is_root() {
        &[
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
        ]
    } else {
        &["env"]
    };
    let output = rerun(wrapper, "lab_of_an_ordinary_user");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("ordinary user done"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
#[ignore = "run by an_ordinary_user_has_a_whole_lab, as another user"]
fn lab_of_an_ordinary_user() {
    let Ok(program) = std::env::var("LAB_TEST_PROGRAM") else {
        return;
    };
    let lab = Lab::boot(Path::new(&program), &spec("user", 2), false).unwrap();
    install_reference(&lab, 1, &["10.244.1.0/24"], "1.0.0");
    let (a, b) = (
        started(&lab, &pod("a", 1, SLEEPER)),
        started(&lab, &pod("b", 1, SLEEPER)),
    );
    ok(&lab, &pod_place("a"), &["ping", "-c1", "-W5", &ip(&b)]);
    ok(&lab, &pod_place("b"), &["ping", "-c1", "-W5", &ip(&a)]);
    ok(&lab, &node(1), &["ping", "-c1", "-W5", "node2"]);
    ok(
        &lab,
        &node(1),
        &["mkdir", "-p", "/etc/x", "/var/x", "/run/x"],
    );
    lab.delete_pod("default", "a").unwrap();
    lab.shutdown().unwrap();
    writeln!(std::io::stdout(), "ordinary user done").unwrap();
}

#[test]
fn where_namespaces_are_forbidden_the_setting_is_named() {
    // A user namespace whose own limit is zero, and a root in it that has no capability: like a user under that sysctl.
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all --inh-caps=-all \"$@\"";
    let output = rerun(
        &[
            "unshare",
            "--user",
            "--map-root-user",
            "sh",
            "-c",
            script,
            "sh",
        ],
        "lab_where_namespaces_are_forbidden",
    );
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("named it"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
#[ignore = "run by where_namespaces_are_forbidden_the_setting_is_named, where they are"]
fn lab_where_namespaces_are_forbidden() {
    let Ok(program) = std::env::var("LAB_TEST_PROGRAM") else {
        return;
    };
    let error = Lab::boot(Path::new(&program), &spec("forbidden", 1), false).unwrap_err();
    assert!(matches!(error, Error::Missing { .. }), "{error:?}");
    assert!(
        error.to_string().contains("user.max_user_namespaces"),
        "{error}"
    );
    writeln!(std::io::stdout(), "named it").unwrap();
}

#[test]
fn bad_specs_are_refused_before_anything_starts() {
    let good = spec("refused", 1);
    for (bad, part) in [
        (
            LabSpec {
                nodes: Vec::new(),
                ..good.clone()
            },
            "at least one node",
        ),
        (
            LabSpec {
                busybox: Some("/no/busybox".into()),
                ..good.clone()
            },
            "/no/busybox",
        ),
        (
            LabSpec {
                busybox: Some("/etc/passwd".into()),
                ..good.clone()
            },
            "busybox",
        ),
        (
            LabSpec {
                mtu: 100,
                ..good.clone()
            },
            "1280",
        ),
    ] {
        let error = Lab::boot(Path::new(PROGRAM), &bad, false).unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
        assert!(
            error.to_string().contains(part),
            "{part} is missing from: {error}"
        );
    }
    let error = Lab::boot(Path::new("/no/flatnet-lab"), &good, false).unwrap_err();
    assert!(matches!(error, Error::Missing { .. }), "{error:?}");
    assert!(
        Lab::list()
            .unwrap()
            .iter()
            .all(|info| info.spec.name != good.name)
    );
}

#[test]
fn many_pods_and_many_callers_at_once() {
    let lab = boot(&spec("many", 2));
    for i in 1..=2 {
        install_reference(&lab, i, &[&format!("10.244.{i}.0/24")], "1.0.0");
    }
    let names: Vec<String> = (0..40).map(|i| format!("p{i}")).collect();
    let mut ips: Vec<String> = std::thread::scope(|scope| {
        let pods: Vec<_> = names
            .iter()
            .enumerate()
            .map(|(i, name)| (i, name, &lab))
            .collect();
        let threads: Vec<_> = pods
            .into_iter()
            .map(|(i, name, lab)| {
                scope.spawn(move || ip(&started(lab, &pod(name, i % 2 + 1, SLEEPER))))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    ips.sort();
    ips.dedup();
    assert_eq!(
        ips.len(),
        names.len(),
        "every pod has an address of its own"
    );
    std::thread::scope(|scope| {
        let threads: Vec<_> = names
            .iter()
            .map(|name| {
                (
                    name,
                    scope.spawn(|| ok(&lab, &pod_place(name), &["hostname"])),
                )
            })
            .collect();
        for (name, thread) in threads {
            assert_eq!(thread.join().unwrap().trim(), name);
        }
    });
    assert_eq!(lab.pods().unwrap().len(), names.len());
}
