//! What goes wrong, and in which words.
use std::path::Path;

use flatnet_lab::{Error, Lab, LabSpec, NodeFile};
use k8s_openapi::api::core::v1::Pod;

use crate::support::*;

/// The Ready condition of the first node: its status, and its message.
fn ready(lab: &Lab) -> (String, String) {
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
}

#[test]
fn a_node_without_a_conflist_is_not_ready_and_its_pods_wait_for_one() {
    let lab = boot(&spec("late", 1));
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

/// A FIFO stands for all that must not be read: whoever opens it waits.
#[test]
fn what_is_no_file_in_a_nodes_folders_stops_nothing() {
    let lab = boot(&spec("fifo", 1));
    install_reference(&lab, 1, &["10.244.1.0/24"], "1.0.0");
    started(&lab, &pod("first", 1, SLEEPER));
    ok(&lab, &node(1), &["rm", "/etc/os-release", "/etc/hosts"]);
    for path in [
        "/etc/cni/net.d/00-x.conflist",
        "/var/lib/cni/results/x",
        "/etc/os-release",
        "/etc/hosts",
    ] {
        ok(&lab, &node(1), &["mkfifo", path]);
    }

    let (status, message) = ready(&lab);
    assert_eq!(status, "False");
    assert!(
        message.ends_with(
            "cni config load failed: failed to load CNI config list file /etc/cni/net.d/00-x.conflist: error reading file: not a regular file"
        ),
        "{message}"
    );
    lab.apply_pod(&pod("waits", 1, SLEEPER)).unwrap();
    let said = event(&lab, "waits", "NetworkNotReady").message.unwrap();
    assert!(said.contains("00-x.conflist"), "{said}");
    started(
        &lab,
        &pod("on-host", 1, &format!("hostNetwork: true, {SLEEPER}")),
    );

    ok(&lab, &node(1), &["rm", "/etc/cni/net.d/00-x.conflist"]);
    lab.wait_pod("default", "waits", LIMIT).unwrap();
    lab.gc("node1").unwrap();
    lab.delete_pod("default", "first").unwrap();
    assert_eq!(ready(&lab).0, "True");
}

#[test]
fn a_plugin_that_prints_without_end_is_killed() {
    let lab = boot(&spec("prints", 1));
    install_reference(&lab, 1, &["10.244.1.0/24"], "1.0.0");
    let file = NodeFile {
        path: "/opt/cni/bin/bridge",
        content: b"#!/bin/sh\nexec cat /dev/zero\n",
        mode: 0o755,
    };
    lab.write_file("node1", &file).unwrap();

    lab.apply_pod(&pod("app", 1, SLEEPER)).unwrap();

    let said = event(&lab, "app", "FailedCreatePodSandBox");
    let said = said.message.unwrap();
    assert!(
        said.contains("run /opt/cni/bin/bridge: it printed more than 1024 KiB and was killed"),
        "{said}"
    );
    lab.remove_file("node1", "/opt/cni/bin/bridge").unwrap();
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
                // Not a static program, and not busybox.
                busybox: Some("/usr/bin/env".into()),
                ..good.clone()
            },
            "/usr/bin/env cannot be the pods' busybox",
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
    assert!(!Lab::names().unwrap().contains(&good.name));
}
