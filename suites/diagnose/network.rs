//! What keeps a sandbox from getting its network.
use flatnet_analysis::words::Words;
use flatnet_model::cause::{Cause, CauseId};

use crate::ground::{Ground, SLEEPER};

/// Where the lab writes the conflist of `--cni reference`.
const CONFLIST: &str = "/etc/cni/net.d/50-conflist.conflist";
const OUT_OF_THE_WAY: &str = "/tmp/away";

#[test]
fn a_healthy_pod_gets_none() {
    let ground = Ground::new("healthy", "flatnet");
    ground.apply(SLEEPER);
    ground.runs();

    for pods in [&["app"][..], &[]] {
        let (code, diagnosis) = ground.diagnose(pods);
        assert_eq!(code, 0, "{diagnosis:#?}");
        assert!(diagnosis.subjects.iter().all(|s| s.findings.is_empty()));
        assert!(diagnosis.unread.is_empty(), "{diagnosis:#?}");
    }
}

#[test]
fn no_conflist() {
    let ground = Ground::new("no-conflist", "reference");
    ground.on("node1", &["mv", CONFLIST, OUT_OF_THE_WAY]);
    ground.apply(SLEEPER);
    ground.warned("NetworkNotReady");

    ground.first_is(CauseId::NoConflist, &["/etc/cni/net.d", "node1"]);
    let (code, all) = ground.diagnose(&[]);

    assert_eq!(code, 1);
    // The node is not Ready for the same reason, and its condition only follows.
    let node = &all.subjects[0];
    let ids: Vec<CauseId> = node.findings.iter().map(|f| f.id).collect();
    assert_eq!(
        (node.name.as_str(), &ids[..]),
        ("node1", &[CauseId::NoConflist, CauseId::NodeNotReady][..])
    );
    ground.on("node1", &["mv", OUT_OF_THE_WAY, CONFLIST]);
    ground.runs();
}

#[test]
fn a_plugin_missing() {
    let ground = Ground::new("plugin-missing", "reference");
    ground.on("node1", &["mv", "/opt/cni/bin/host-local", OUT_OF_THE_WAY]);
    ground.apply(SLEEPER);
    ground.warned("FailedCreatePodSandBox");

    ground.first_is(CauseId::PluginMissing, &["host-local", CONFLIST, "node1"]);

    ground.on("node1", &["mv", OUT_OF_THE_WAY, "/opt/cni/bin/host-local"]);
    ground.runs();
}

#[test]
fn a_malformed_conflist() {
    let ground = Ground::new("malformed", "reference");
    ground.write("node1", CONFLIST, "{\n  \"name\": ,\n}", 0o644);
    ground.apply(SLEEPER);
    ground.warned("NetworkNotReady");

    ground.first_is(CauseId::ConflistMalformed, &[CONFLIST, "node1", "line 2"]);
}

/// Whoever reads it waits: neither the lab nor the probe may.
#[test]
fn a_conflist_that_is_no_file() {
    let ground = Ground::new("no-file", "reference");
    let path = "/etc/cni/net.d/00-x.conflist";
    ground.on("node1", &["mkfifo", path]);
    ground.on("node1", &["rm", CONFLIST]);
    ground.apply(SLEEPER);
    ground.warned("NetworkNotReady");

    let first = ground.first_is(
        CauseId::ConflistMalformed,
        &[path, "node1", "not a regular file"],
    );
    assert!(first.fix().contains(&format!("rm {path}")), "{first:?}");
}

#[test]
fn a_version_that_the_runtime_does_not_support() {
    let ground = Ground::new("version", "reference");
    let edit = r#"s/"cniVersion": "1.0.0"/"cniVersion": "9.9.9"/"#;
    ground.on("node1", &["sed", "-i", edit, CONFLIST]);
    ground.apply(SLEEPER);
    ground.warned("NetworkNotReady");

    ground.first_is(CauseId::CniVersion, &[CONFLIST, "node1", "9.9.9"]);
}

#[test]
fn a_version_that_a_plugin_does_not_speak() {
    // Debian's plugins end at 1.0.0; the runtime speaks 1.1.0.
    let ground = Ground::new("plugin-version", "reference");
    let edit = r#"s/"cniVersion": "1.0.0"/"cniVersion": "1.1.0"/"#;
    ground.on("node1", &["sed", "-i", edit, CONFLIST]);
    ground.apply(SLEEPER);
    ground.warned("NetworkNotReady");

    ground.first_is(
        CauseId::CniVersion,
        &[CONFLIST, "node1", "1.1.0; bridge speaks 0.1.0"],
    );
}

#[test]
fn two_conflists_of_which_the_first_is_of_an_add_on_that_is_gone() {
    let ground = Ground::new("two", "reference");
    let left = r#"{"cniVersion": "0.3.0", "name": "weave", "plugins": [{"name": "weave", "type": "weave-net"}]}"#;
    ground.write("node1", "/etc/cni/net.d/10-weave.conflist", left, 0o644);
    ground.apply(SLEEPER);
    ground.warned("FailedCreatePodSandBox");

    ground.first_is(
        CauseId::TwoConflists,
        &["10-weave.conflist", "50-conflist.conflist", "node1"],
    );

    ground.on("node1", &["rm", "/etc/cni/net.d/10-weave.conflist"]);
    ground.runs();
}

/// Weave's own plugin is not available here: a stand-in program gives its answer, word for word, so that runtime, event and
/// diagnosis are the real ones.
#[test]
fn weaves_agent_refuses_connections() {
    let ground = Ground::new("weave", "reference");
    let plugin = "#!/bin/sh\n\
        echo '{\"cniVersion\": \"0.3.0\", \"code\": 100, \"msg\": \"unable to allocate IP address: Post \\\"http://127.0.0.1:6784/ip/'$CNI_CONTAINERID'\\\": dial tcp 127.0.0.1:6784: connect: connection refused\"}'\n\
        exit 1\n";
    ground.write("node1", "/opt/cni/bin/weave-net", plugin, 0o755);
    let conflist = r#"{"cniVersion": "0.3.0", "name": "weave", "plugins": [{"name": "weave", "type": "weave-net", "hairpinMode": true}, {"type": "portmap", "capabilities": {"portMappings": true}, "snat": true}]}"#;
    ground.write("node1", CONFLIST, conflist, 0o644);
    ground.apply(SLEEPER);
    ground.warned("FailedCreatePodSandBox");

    let first = ground.first_is(
        CauseId::AgentDown,
        &["weave", "node1", "127.0.0.1:6784", "connection refused"],
    );

    assert!(
        first
            .finding
            .seen
            .iter()
            .any(|seen| seen.text.contains("failed (add)"))
    );
}

#[test]
fn no_address_left_in_host_locals_words() {
    let ground = Ground::with("host-local", "reference", |args| {
        args.lab.node_cidr_mask = Some(29);
    });
    ground.fill("node1");
    ground.apply(SLEEPER);
    ground.warned("FailedCreatePodSandBox");

    let first = ground.first_is(
        CauseId::AddressesExhausted,
        &["node1", "no IP addresses available", "10.244.0.0/29"],
    );

    let observed = &first.text.observed;
    assert!(
        observed.contains("5 pods") && observed.contains("5 in /var/lib/cni"),
        "{observed}"
    );
    ground
        .lab
        .delete_pod("default", "filler-0")
        .expect("a deletion");
    ground.runs();
}

#[test]
fn no_address_left_in_our_plugins_words() {
    let ground = Ground::with("exhausted", "flatnet", |args| {
        args.lab.node_cidr_mask = Some(29);
    });
    ground.fill("node1");
    ground.apply(SLEEPER);
    // Our plugin says so before it is asked for an address (STATUS), or when it is.
    let either = ["FailedCreatePodSandBox", "NetworkNotReady"];
    ground.warned_any(&either);

    ground.first_is(CauseId::AddressesExhausted, &["node1", "no free addresses"]);
}

#[test]
fn addresses_of_pods_that_are_gone_were_not_given_back() {
    let ground = Ground::with("leaked", "reference", |args| {
        args.lab.node_cidr_mask = Some(29);
    });
    for last in 3..=6 {
        let path = format!("/var/lib/cni/networks/reference/10.244.0.{last}");
        ground.write("node1", &path, "a-container-that-is-gone\r\neth0", 0o644);
    }
    ground.apply(SLEEPER);
    ground.warned("FailedCreatePodSandBox");

    let first = ground.first_is(CauseId::AddressesExhausted, &["node1", "not given back"]);

    assert!(first.text.observed.contains("1 pod with"), "{first:#?}");
    ground.mend(&first);
    ground.runs();
}

#[test]
fn a_bridge_with_the_address_of_an_earlier_range() {
    let ground = Ground::new("stale-bridge", "reference");
    ground.on(
        "node1",
        &["sed", "-i", r"s|10\.244\.0\.0/24|10.244.9.0/24|", CONFLIST],
    );
    ground.apply(SLEEPER);
    ground.warned("FailedCreatePodSandBox");

    ground.first_is(
        CauseId::StaleBridge,
        &["cni0", "node1", "10.244.9.1/24", "cni0 holds 10.244.0.1/24"],
    );

    ground.on("node1", &["ip", "link", "delete", "cni0"]);
    ground.runs();
}

#[test]
fn a_plugin_that_fails_for_a_reason_of_its_own() {
    let ground = Ground::new("plugin-failed", "reference");
    let plugin = "#!/bin/sh\necho '{\"cniVersion\": \"1.0.0\", \"code\": 999, \"msg\": \"the disk is on fire\"}'\nexit 1\n";
    ground.on("node1", &["rm", "/opt/cni/bin/portmap"]);
    ground.write("node1", "/opt/cni/bin/portmap", plugin, 0o755);
    ground.apply(SLEEPER);
    ground.warned("FailedCreatePodSandBox");

    ground.first_is(
        CauseId::PluginFailed,
        &["portmap", "node1", "the disk is on fire"],
    );
}

#[test]
fn a_node_without_a_pod_cidr() {
    use flatnet_agent::node::NodesFile;
    let ground = Ground::new("pod-cidr", "flatnet");
    let path = "/run/flatnet/nodes.json";
    let text = ground.on("node1", &["cat", path]);
    let mut list: NodesFile = serde_json::from_str(&text).expect("the agent's list");
    list.nodes[0].pod_cidrs.clear();
    let text = serde_json::to_string(&list).expect("JSON");
    // The lab's Node objects keep their ranges; what its agent goes by is this list.
    ground
        .lab
        .stop_daemon("node1", "flatnet-agent")
        .expect("an end");
    ground.write("node1", path, &text, 0o644);
    ground.on("node1", &["rm", "/etc/cni/net.d/10-flatnet.conflist"]);
    ground.restart_agent("node1");
    ground.apply(SLEEPER);
    ground.warned("NetworkNotReady");

    ground.first_is(CauseId::PodCidrMissing, &["node1", "podCIDR"]);
}

#[test]
fn an_agent_that_left_nothing_behind() {
    let ground = Ground::new("bare", "flatnet");
    ground
        .lab
        .stop_daemon("node1", "flatnet-agent")
        .expect("an end");
    ground.on(
        "node1",
        &[
            "rm",
            "/opt/cni/bin/flatnet-cni",
            "/etc/cni/net.d/10-flatnet.conflist",
        ],
    );
    ground.apply(SLEEPER);
    ground.warned("NetworkNotReady");

    ground.first_is(CauseId::AgentDown, &["flatnet-agent", "node1"]);

    ground.restart_agent("node1");
    ground.runs();
}

/// It is there, and follows nothing; its node is Ready.
#[test]
fn an_agent_that_is_stopped() {
    let ground = Ground::new("agent-stopped", "flatnet");
    let (code, well) = ground.diagnose(&["node1"]);
    assert_eq!(code, 0, "{well:#?}");
    // All nodes of a lab see the same processes: of those of that name, the one that was started for node1.
    let stop = "for p in /proc/[0-9]*; do \
        tr '\\0' ' ' < $p/cmdline | grep -q '[f]latnet-agent --node node1 ' && kill -STOP ${p#/proc/}; done; true";
    ground.on("node1", &["sh", "-c", stop]);

    let (code, said) = ground.diagnose(&["node1"]);

    assert_eq!(code, 1, "{said:#?}");
    let node = said.subjects.last().expect("the node");
    let evidence = &node.findings[0].evidence;
    assert_eq!(evidence.cause().map(Cause::id), Some(CauseId::AgentDown));
    let text = Words::of_diagnosis(&said).text(evidence);
    assert!(
        text.observed.contains("a signal has stopped its process"),
        "{text:#?}"
    );
    ground.remedy(evidence.remediation.as_ref().expect("a remedy"));
    let (code, well) = ground.diagnose(&[]);
    assert_eq!((code, well.subjects.len()), (0, 0), "{well:#?}");
}

/// Everything works, until something changes.
#[test]
fn an_agent_that_ended_while_its_node_is_ready() {
    let ground = Ground::new("agent-ended", "flatnet");
    ground.apply(SLEEPER);
    ground.runs();
    let (code, well) = ground.diagnose(&["app"]);
    assert_eq!(code, 0, "{well:#?}");

    ground
        .lab
        .stop_daemon("node1", "flatnet-agent")
        .expect("an end");

    for names in [&[][..], &["app"], &["node1"]] {
        let (code, said) = ground.diagnose(names);
        assert_eq!(code, 1, "{said:#?}");
        let node = said.subjects.last().expect("the node");
        assert_eq!(
            (node.name.as_str(), node.status.as_str()),
            ("node1", "Ready")
        );
        assert_eq!(node.findings.len(), 1, "{node:#?}");
        let evidence = &node.findings[0].evidence;
        assert_eq!(evidence.cause().map(Cause::id), Some(CauseId::AgentDown));
        let text = Words::of_diagnosis(&said).text(evidence);
        let cause = text.cause.unwrap_or_default();
        assert!(
            cause.contains("changes of nodes may not be carried out"),
            "{cause}"
        );
        // The pod has nothing against it.
        let others = said.subjects.split_last().expect("the node").1;
        assert!(others.iter().all(|subject| subject.healthy), "{others:#?}");
    }
    // Nobody asks about the node of another agent.
    let (code, other) = ground.diagnose(&["busybox-2"]);
    assert_eq!(code, 0, "{other:#?}");

    ground.restart_agent("node1");
    let (code, well) = ground.diagnose(&[]);
    assert_eq!((code, well.subjects.len()), (0, 0), "{well:#?}");
}
