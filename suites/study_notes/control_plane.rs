//! Rows about the control plane: on the lab each is skipped with its reason, on kind it is what the person saw.
use std::collections::BTreeSet;

use flatnet_model::inspection::Outcome;
use rstest::rstest;
use serde_json::Value;

use crate::cluster::{KUBECTL, Scene, Seen, scene, text};

/// The control plane's node; none on the lab, where the questions are skipped and say why.
fn control_plane(scene: &Scene, questions: &[&str]) -> Option<String> {
    if let Some(node) = scene.control_plane() {
        return Some(node);
    }
    for answer in &scene.inspection.answers {
        if questions.contains(&answer.id.as_str()) {
            match &answer.outcome {
                Outcome::Skipped { reason } => {
                    assert!(reason.contains("the lab has no"), "{reason}")
                }
                // What listens on the lab's nodes is told, where anything does.
                Outcome::Answered { .. } if answer.id == "listeners" => {}
                other => panic!("{}: {other:?}", answer.id),
            }
        }
    }
    None
}

/// TCP sockets that `ss` shows as listening on a node: bound address, port, program (cut off by the kernel at 15 letters).
fn listening(scene: &Scene, node: &str) -> BTreeSet<(String, String)> {
    let lines = scene.on(node, "ss -Htlnp");
    let socket = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let port = words[3].rsplit(':').next().unwrap().to_owned();
        let program = line
            .split("((\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        Some((port, program?.to_owned()))
    };
    lines.lines().filter_map(socket).collect()
}

/// `kubectl get nodes -o wide`.
#[rstest]
fn nodes_as_kubectl_shows_them(scene: Seen) {
    let Some(node) = control_plane(&scene, &[]) else {
        return assert!(!scene.on_kind());
    };
    let said = scene.on(&node, &format!("{KUBECTL} get nodes -o json"));
    let list: Value = serde_json::from_str(&said).unwrap();
    for object in list["items"].as_array().unwrap() {
        let told = scene.node(text(&object["metadata"]["name"]));
        let info = &object["status"]["nodeInfo"];
        assert_eq!(told.values["version"], info["kubeletVersion"]);
        assert_eq!(told.values["os"], info["osImage"]);
        assert_eq!(told.values["kernel"], info["kernelVersion"]);
        assert_eq!(told.values["runtime"], info["containerRuntimeVersion"]);
        let addresses = object["status"]["addresses"].as_array().unwrap();
        let internal = addresses
            .iter()
            .find(|a| a["type"] == "InternalIP")
            .unwrap();
        assert!(
            told.values["internal-ip"]
                .to_string()
                .contains(text(&internal["address"]))
        );
    }
}

/// `netstat -npl`: who listens where on the control plane, and what for.
#[rstest]
fn listeners_of_the_control_plane(scene: Seen) {
    let Some(node) = control_plane(&scene, &["listeners"]) else {
        return;
    };
    let told = scene.facts("listeners", "listener", &node);
    let program = |port: u64| {
        let found = told
            .iter()
            .find(|fact| fact.values["port"] == port && fact.values["protocol"] == "tcp");
        let found = found.unwrap_or_else(|| panic!("nothing at {port}: {told:?}"));
        assert!(!found.values["purpose"].is_null(), "{found:?}");
        text(&found.values["program"]).to_owned()
    };
    for (port, name) in [
        (10259, "kube-scheduler"),
        (10257, "kube-controller-manager"),
        (10248, "kubelet"),
        (10250, "kubelet"),
        (10249, "kube-proxy"),
        (10256, "kube-proxy"),
        (6443, "kube-apiserver"),
        (2379, "etcd"),
        (2380, "etcd"),
        (2381, "etcd"),
    ] {
        assert_eq!(program(port), name);
    }
    for (port, name) in listening(&scene, &node) {
        let cut: String = program(port.parse().unwrap()).chars().take(15).collect();
        assert!(
            cut == name || name.is_empty(),
            "port {port}: {cut}, ss says {name}"
        );
    }
}

/// `netstat -npa | grep etcd`: clients at 2379, and only etcd members at 2380, of which this cluster has one.
#[rstest]
fn who_is_connected_to_etcd(scene: Seen) {
    let Some(node) = control_plane(&scene, &["etcd"]) else {
        return;
    };
    let ports: Vec<String> = scene
        .all("etcd", "etcd-port")
        .iter()
        .map(|fact| fact.about.clone())
        .collect();
    assert_eq!(ports, ["2379", "2380", "2381"]);
    let clients = scene.all("etcd", "etcd-client");
    let told: BTreeSet<&str> = clients
        .iter()
        .filter(|fact| fact.values["port"] == 2379)
        .map(|fact| fact.about.as_str())
        .collect();
    let established = scene.on(&node, "ss -Htnp state established '( dport = :2379 )'");
    let seen: BTreeSet<&str> = established
        .lines()
        .filter_map(|line| line.split("((\"").nth(1)?.split('"').next())
        .collect();
    // etcd's own gateway is its client now and then; the others stay connected.
    let lasting = |clients: &BTreeSet<&str>| -> Vec<String> {
        let others = clients.iter().filter(|client| **client != "etcd");
        others.map(|client| (*client).to_owned()).collect()
    };
    assert_eq!(lasting(&told), ["kube-apiserver"], "{clients:?}");
    assert_eq!(lasting(&told), lasting(&seen), "{established}");
}

/// `ps aux | grep kubelet | grep container-runtime`.
#[rstest]
fn the_container_runtime_endpoint(scene: Seen) {
    if control_plane(&scene, &["runtime"]).is_none() {
        return;
    }
    for node in scene.nodes() {
        let told = scene.one("runtime", "runtime-endpoint", &node);
        let endpoint = text(&told.values["endpoint"]).to_owned();
        let said = scene.on(
            &node,
            "tr '\\0' '\\n' </proc/$(pidof kubelet)/cmdline; cat /var/lib/kubelet/config.yaml",
        );
        assert!(
            !endpoint.is_empty() && said.contains(&endpoint),
            "{endpoint}: {said}"
        );
        let images = scene.on(&node, "ctr --namespace k8s.io images list -q");
        let pause = scene.facts("runtime", "pause-image", &node);
        assert!(!pause.is_empty());
        for image in pause.iter().map(|fact| fact.about.as_str()) {
            assert!(
                images.lines().any(|line| line == image),
                "{image}: {images}"
            );
        }
    }
}

/// `cat kube-apiserver.yaml`: `--service-cluster-ip-range`; and the range that pods come from.
#[rstest]
fn service_and_pod_ranges(scene: Seen) {
    let Some(node) = control_plane(&scene, &[]) else {
        return assert!(!scene.on_kind());
    };
    let manifests = "/etc/kubernetes/manifests";
    let flag = |file: &str, flag: &str| {
        let text = scene.on(&node, &format!("cat {manifests}/{file}.yaml"));
        let value = text.lines().find_map(|line| {
            line.trim()
                .strip_prefix(&format!("- --{flag}="))
                .map(str::to_owned)
        });
        value.unwrap_or_else(|| panic!("--{flag}: {text}"))
    };
    let ranges = scene.all("ranges", "range");
    let of = |whose: &str| -> BTreeSet<String> {
        let facts = ranges.iter().filter(|fact| fact.values["of"] == whose);
        facts.map(|fact| fact.about.clone()).collect()
    };
    let set = |text: String| -> BTreeSet<String> { text.split(',').map(str::to_owned).collect() };
    assert_eq!(
        of("services"),
        set(flag("kube-apiserver", "service-cluster-ip-range"))
    );
    assert_eq!(
        of("pods"),
        set(flag("kube-controller-manager", "cluster-cidr"))
    );
    let overlaps = scene.all("ranges", "ranges-of");
    assert!(
        overlaps.iter().all(|fact| fact.values["overlap"] == false),
        "{overlaps:?}"
    );
}

/// `kubectl get pods -n kube-system -o wide`: one agent of the add-on on each node.
#[rstest]
fn agents_as_kubectl_shows_them(scene: Seen) {
    let Some(node) = control_plane(&scene, &[]) else {
        return assert!(!scene.on_kind());
    };
    let said = scene.on(&node, &format!("{KUBECTL} get pods -A -o json"));
    let list: Value = serde_json::from_str(&said).unwrap();
    let pods = list["items"].as_array().unwrap();
    for agent in scene.all("addon", "agent") {
        let pod = pods
            .iter()
            .find(|pod| pod["metadata"]["name"] == agent.about.as_str())
            .unwrap();
        assert_eq!(pod["spec"]["nodeName"].as_str(), agent.node.as_deref());
    }
    let told: BTreeSet<_> = scene
        .all("addon", "agent")
        .into_iter()
        .filter_map(|agent| agent.node)
        .collect();
    assert_eq!(told, scene.nodes().into_iter().collect());
}
