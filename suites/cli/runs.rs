//! Runs on clusters that run already, and what a cluster was made with.
use std::process::Output;

use serde_json::Value;

use super::real_clusters::with_programs;
use super::stand_in::Api;
use super::started::{alone, install, tells, unchosen, words};
use super::{file, flatnet};

#[test]
fn beside_a_kind_engine_its_node_image_and_archives_are_the_default() {
    let dir = tempfile::tempdir().expect("a folder");
    let calls = dir.path().join("calls");
    let kept = dir.path().join("kept");
    std::fs::create_dir_all(kept.join("images")).expect("a folder");
    let archive = kept.join("images/flannel.tar");
    std::fs::write(&archive, "").expect("an archive");
    let mut programs = Api::of_cluster("other").programs("other");
    programs[0].1 = format!("echo \"$*\" >> {}\n{}", calls.display(), programs[0].1);
    install(dir.path(), &programs);
    let boot = |more: &[&str]| -> (Output, String) {
        let _ = std::fs::remove_file(&calls);
        let output = alone(dir.path())
            .env("FLATNET_KIND_NODE_IMAGE", "flatnet/node:test")
            .env("FLATNET_KIND_DIR", &kept)
            .args([
                "up",
                "--provider",
                "kind",
                "--cni",
                "flannel",
                "--name",
                "booted",
            ])
            .args(more)
            .output()
            .expect("flatnet starts");
        let calls = std::fs::read_to_string(&calls).unwrap_or_default();
        (output, calls)
    };

    // The stand-in refuses to create a namespace: everything before that has been asked for by then.
    let (output, calls) = boot(&[]);
    let (_, named) = boot(&["--image", "mine:1"]);
    let config = dir.path().join("kind.yaml");
    let text = "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnetworking: {disableDefaultCNI: true}\nnodes:\n- role: control-plane\n  image: named/in:config\n";
    std::fs::write(&config, text).expect("a configuration");
    let (_, configured) = boot(&["--kind-config", &config.display().to_string()]);

    let create = |calls: &str| -> String {
        let mut lines = calls.lines();
        let line = lines.find(|line| line.starts_with("create cluster"));
        line.unwrap_or_else(|| panic!("{calls}\n{}", words(&output)))
            .to_owned()
    };
    assert!(
        create(&calls).ends_with("--image flatnet/node:test"),
        "{calls}"
    );
    let load = format!("load image-archive --name booted {}", archive.display());
    assert!(calls.lines().any(|line| line == load), "{calls}");
    assert!(create(&named).ends_with("--image mine:1"), "{named}");
    assert!(!create(&configured).contains("--image"), "{configured}");
}

#[test]
fn the_cni_of_a_kind_cluster_is_not_replaced_unasked() {
    let programs = Api::of_cluster("stand-in").programs("stand-in");
    let programs: Vec<(&str, &str)> = programs
        .iter()
        .map(|(program, script)| (*program, script.as_str()))
        .collect();

    let output = with_programs(
        &programs,
        &["test", "--cluster", "stand-in", "--cni", "flatnet"],
    );

    tells(
        &output,
        2,
        &[
            "--cni flatnet: kind stand-in was created with --cni flannel; leave --cni out to keep that, or add --change-cni to replace it",
        ],
    );
}

/// A lab that ends with the test.
struct Lab {
    name: String,
}

impl Lab {
    #[track_caller]
    fn up(name: &str, options: &[&str]) -> Lab {
        let lab = Lab {
            name: format!("{name}-{}", std::process::id()),
        };
        let up = flatnet(&[&["up", "--name", &lab.name], options].concat());
        assert!(up.status.success(), "{}", words(&up));
        lab
    }

    fn test(&self, more: &[&str]) -> Output {
        flatnet(&[&["test", "--cluster", &self.name, "--quiet"], more].concat())
    }

    #[track_caller]
    fn exec(&self, command: &[&str]) -> String {
        let output = flatnet(&[&["exec", "--cluster", &self.name], command].concat());
        assert!(output.status.success(), "{}", words(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Every pod, as `list` has it.
    fn pods(&self) -> Vec<String> {
        let output = flatnet(&["list", "--output", "json"]);
        let listed: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
        let mine = listed.iter().find(|cluster| cluster["name"] == self.name);
        let pods = mine.and_then(|cluster| cluster["pods"].as_array());
        let pods = pods.expect("the lab with its pods").iter();
        pods.filter_map(|pod| Some(pod.as_str()?.to_owned()))
            .collect()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        flatnet(&["down", &self.name]);
    }
}

/// Checks of a JSON report that failed.
fn failed(report: &Output) -> Vec<String> {
    let report: Value = serde_json::from_slice(&report.stdout).expect("a report");
    let checks = report["checks"].as_array().expect("checks").iter();
    checks
        .filter(|check| check["verdict"] == "fail")
        .filter_map(|check| Some(check["id"].as_str()?.to_owned()))
        .collect()
}

#[test]
fn a_lab_is_tested_again_and_again_while_things_are_changed_by_hand() {
    let lab = Lab::up("by-hand", &["--nodes", "2", "--pods-per-node", "1"]);
    let before = lab.pods();
    let json = ["--output", "json"];

    let green = lab.test(&json);
    let on_node2 = lab.exec(&["node2", "--", "ip", "route"]);
    let to_node1 = on_node2
        .lines()
        .find(|line| line.starts_with("10.244.0.0/24"));
    let to_node1 = to_node1.expect("a route to node1's pods").to_owned();
    // The agent would put it back.
    lab.exec(&[
        "node2",
        "--",
        "sh",
        "-c",
        "pkill -STOP flatnet-agent; ip route del 10.244.0.0/24",
    ]);
    let red = lab.test(&json);
    let named = lab.test(&[]);
    lab.exec(&[
        "node2",
        "--",
        "sh",
        "-c",
        &format!("ip route add {to_node1}; pkill -CONT flatnet-agent"),
    ]);
    let green_again = lab.test(&json);

    assert_eq!(green.status.code(), Some(0), "{}", words(&green));
    assert_eq!(red.status.code(), Some(1), "{}", words(&red));
    let failed = failed(&red);
    assert!(
        failed.contains(&"cross-node".to_owned()) && failed.contains(&"node-routes".to_owned()),
        "{failed:?}"
    );
    let named = String::from_utf8_lossy(&named.stdout).into_owned();
    assert!(named.contains("node2"), "{named}");
    assert_eq!(
        green_again.status.code(),
        Some(0),
        "{}",
        words(&green_again)
    );
    assert_eq!(lab.pods(), before, "pods of the user's, and no others");
}

#[test]
fn what_a_lab_was_made_with_is_kept_and_a_difference_is_refused() {
    let lab = Lab::up(
        "made-with",
        &["--nodes", "2", "--pods-per-node", "1", "--backend", "vxlan"],
    );

    let kept = lab.test(&["--output", "json"]);
    let other = lab.test(&["--cni", "flatnet", "--backend", "auto"]);
    let changed = lab.test(&["--cni", "reference", "--change-cni"]);
    let shape = lab.test(&["--nodes", "3", "--mtu", "1400"]);
    let planted = lab.test(&["--plant", "route-missing"]);

    assert_eq!(kept.status.code(), Some(0), "{}", words(&kept));
    let report: Value = serde_json::from_slice(&kept.stdout).expect("a report");
    assert_eq!(report["run"]["cni"], "flatnet");
    assert_eq!(report["phases"][0]["name"], "attach", "nothing was booted");
    let devices = lab.exec(&["node1", "--", "ip", "-d", "link"]);
    assert!(devices.contains("vxlan id"), "{devices}");
    tells(
        &other,
        2,
        &["--backend auto: lab", "was created with --backend vxlan"],
    );
    tells(&changed, 2, &["keeps the CNI it was booted with"]);
    tells(
        &shape,
        2,
        &["--nodes, --mtu: cannot be combined with --cluster, which already determines this"],
    );
    tells(&planted, 2, &["plant it by hand with flatnet exec"]);
}

#[test]
fn a_run_on_a_lab_that_is_killed_leaves_nothing_there() {
    let lab = Lab::up("killed", &["--nodes", "2", "--pods-per-node", "1"]);
    let before = lab.pods();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_flatnet"));
    unchosen(&mut command);
    let mut run = command
        .args(["test", "--cluster", &lab.name, "--quiet"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("flatnet starts");
    // Until its first pod is there.
    while lab.pods() == before {
        assert!(
            run.try_wait().expect("a child").is_none(),
            "it ended by itself"
        );
    }
    run.kill().expect("a child to kill");
    run.wait().expect("a child");

    let start = std::time::Instant::now();
    while lab.pods() != before {
        assert!(start.elapsed().as_secs() < 20, "{:?}", lab.pods());
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

#[test]
fn up_writes_what_it_brought_up() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().join("report").display().to_string();
    let lab = Lab::up(
        "reported",
        &["--nodes", "2", "--pods-per-node", "1", "--report", &folder],
    );

    let text =
        std::fs::read_to_string(dir.path().join("report/cluster.json")).expect("cluster.json");

    let report: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(report["schema"], "flatnet.cluster/v1");
    assert_eq!(report["name"], lab.name.as_str());
    assert_eq!(report["provider"], "lab");
    assert_eq!(report["cni"], "flatnet");
    let phases: Vec<&str> = report["phases"]
        .as_array()
        .expect("phases")
        .iter()
        .filter_map(|phase| phase["name"].as_str())
        .collect();
    assert_eq!(phases, ["boot", "install", "deploy"]);
    let node = &report["nodes"][1];
    assert_eq!(
        (&node["name"], &node["pod_cidrs"][0]),
        (&"node2".into(), &"10.244.1.0/24".into())
    );
    let pods = report["pods"].as_array().expect("pods");
    assert_eq!(pods.len(), 4);
    let seen = lab.exec(&["busybox-1", "--", "ip", "addr"]);
    let address = pods[0]["addresses"][0].as_str().expect("an address");
    assert!(seen.contains(&format!("inet {address}/")), "{seen}");
}

#[test]
fn what_is_done_is_logged_on_standard_error_alone() {
    let output = flatnet(&[
        "--log", "debug", "test", "--nodes", "2", "--output", "json", "--quiet",
    ]);

    assert!(output.status.success(), "{}", words(&output));
    let _: Value = serde_json::from_slice(&output.stdout).expect("JSON alone on standard output");
    let said = words(&output);
    for told in [
        "done phase=\"boot\" took=",
        "asked the lab call=\"create_pod\" took=",
        "runs pod=\"busybox-1\"",
        "done phase=\"tear-down\" took=",
    ] {
        assert!(said.contains(told), "{told} is not in: {said}");
    }
    let silent = flatnet(&["test", "--nodes", "2", "--quiet"]);
    assert_eq!(words(&silent), "");
    let wrong = flatnet(&["list", "--log", "chatty"]);
    tells(
        &wrong,
        2,
        &["choose off, error, warn, info, debug or trace"],
    );
}

/// A pod of the user's in a namespace.
fn pod_in(namespace: &str, command: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: app, namespace: {namespace}}}\nspec:\n  nodeName: node1\n  containers:\n  - {{name: c, image: busybox, command: {command}}}\n"
    )
}

#[test]
fn pods_of_one_name_are_called_with_their_namespaces() {
    let (_dir, path) = file(
        "pods.yaml",
        &[pod_in("a", "[sleep, infinity]"), pod_in("b", "[nowhere]")].concat(),
    );
    let name = format!("namesakes-{}", std::process::id());

    let up = flatnet(&[
        "up",
        "--name",
        &name,
        "--nodes",
        "1",
        "--manifest",
        &path,
        "--pod-timeout",
        "2",
    ]);
    let lab = Lab { name };

    let said = words(&up);
    assert!(said.contains("pod b/app does not run: "), "{said}");
    let suggested = format!("  flatnet exec --cluster {} a/app -- ip route", lab.name);
    assert!(said.lines().any(|line| line == suggested), "{said}");
    assert!(
        lab.exec(&["a/app", "--", "ip", "route"])
            .contains("default via")
    );
}

#[test]
fn a_lab_that_is_deleted_under_a_run_is_reported_in_one_short_message() {
    let lab = Lab::up("deleted", &["--nodes", "2", "--pods-per-node", "1"]);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_flatnet"));
    unchosen(&mut command);
    let run = command
        .args(["test", "--cluster", &lab.name, "--quiet"])
        .args(["--pods-per-node", "30"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("flatnet starts");
    while lab.pods().len() < 30 {}

    let down = flatnet(&["down", &lab.name]);
    let output = run.wait_with_output().expect("a child");

    assert!(down.status.success(), "{}", words(&down));
    tells(&output, 4, &[&lab.name]);
    assert!(words(&output).len() < 2000, "{}", words(&output));
}
