//! What the causes make of evidence that is hard to plant.
mod agents;
mod runtime;

use std::collections::BTreeMap;

use flatnet_model::capabilities::Capabilities;
use flatnet_model::probe::{CniFiles, ConfFile, PluginVersion, VersionResult};
use serde_json::{Value, json};

use flatnet_model::snapshot::{Condition, EventSnapshot, NodeInside, NodeSnapshot, PodSnapshot};

use super::*;
use crate::example::pieces::{assert_contains, found as part};
use crate::words::{Names, Text, Words};
use flatnet_model::PodRef;
use flatnet_model::advice::Advice;
use flatnet_model::cause::CauseId;
use flatnet_model::symptoms::{Agent, AgentOnNode};

const FLANNEL: &str = r#"{"name": "cbr0", "cniVersion": "0.3.1", "plugins": [{"type": "flannel", "delegate": {"hairpinMode": true, "isDefaultGateway": true}}, {"type": "portmap", "capabilities": {"portMappings": true}}]}"#;

/// A node that is as it should be, with flannel.
fn node(name: &str, pod_cidr: Option<&str>) -> NodeSymptoms {
    let programs = ["bridge", "flannel", "host-local", "portmap"];
    NodeSymptoms {
        object: NodeSnapshot::read(&json!({
            "metadata": { "name": name }, "spec": { "podCIDR": pod_cidr },
            "status": { "conditions": [{ "type": "Ready", "status": "True" }] },
        }))
        .unwrap(),
        inside: NodeInside {
            cni: Some(Ok(CniFiles {
                conf: vec![file("10-flannel.conflist", FLANNEL)],
                programs: programs.map(str::to_owned).to_vec(),
            })),
            plugins: Some(Ok(Vec::new())),
            files: Some(Ok(BTreeMap::new())),
            ..NodeInside::default()
        },
        kubelet: None,
    }
}

fn file(name: &str, text: &str) -> ConfFile {
    ConfFile {
        name: name.to_owned(),
        content: Ok(text.to_owned()),
    }
}

fn cluster(nodes: Vec<NodeSymptoms>, agents: Vec<Agent>) -> Symptoms {
    Symptoms {
        provider: "kubeconfig".to_owned(),
        advice: Advice {
            cluster: Some("prod".to_owned()),
            capabilities: Capabilities::kubeconfig(),
            booted: None,
        },
        node_names: Some(nodes.iter().map(|node| node.object.name.clone()).collect()),
        nodes,
        agents: Ok(agents),
        recorded: None,
        everyone: Vec::new(),
        unread: Vec::new(),
    }
}

fn agent(name: &str, ready: bool, last_words: &str) -> Agent {
    Agent {
        name: format!("DaemonSet kube-system/{name}"),
        set: Some(("kube-system".to_owned(), name.to_owned())),
        on_nodes: vec![AgentOnNode {
            node: "a".to_owned(),
            pod: Some(PodRef {
                namespace: "kube-system".to_owned(),
                name: format!("{name}-x"),
            }),
            stopped: None,
            ready,
            status: if ready { "Running" } else { "CrashLoopBackOff" }.to_owned(),
            last_words: Ok(last_words.to_owned()),
        }],
    }
}

/// A pod on node a with this status, and warnings (reason and message).
fn pod(status: Value, warnings: &[(&str, &str)]) -> PodSymptoms {
    let object = json!({
        "metadata": { "name": "app", "namespace": "default" },
        "spec": { "nodeName": "a", "containers": [{ "name": "c", "image": "i", "command": ["run"] }] },
        "status": status,
    });
    let event = |(reason, message): &(&str, &str)| {
        EventSnapshot::read(&json!({
            "metadata": {}, "involvedObject": {}, "type": "Warning", "reason": reason, "message": message,
        }))
        .unwrap()
    };
    PodSymptoms {
        object: PodSnapshot::read(&object).unwrap(),
        events: Ok(warnings.iter().map(event).collect()),
        tolerated: 1,
        last_words: Vec::new(),
    }
}

fn creating() -> Value {
    json!({ "phase": "Pending", "containerStatuses": [{
        "name": "c", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
        "state": { "waiting": { "reason": "ContainerCreating" } } }] })
}

/// In words, as `flatnet diagnose` shows it.
fn text(evidence: &Symptoms, finding: &Finding) -> Text {
    let words = Words {
        advice: evidence.advice.clone(),
        names: Names::Full,
    };
    words.text(&finding.evidence)
}

fn ids(evidence: &Symptoms, pod: &PodSymptoms) -> Vec<CauseId> {
    of_pod(evidence, pod).iter().map(|f| f.id).collect()
}

const SUBNET_ENV: &str = r#"failed to setup network for sandbox "1": plugin type="flannel" failed (add): open /run/flannel/subnet.env: no such file or directory"#;
const FULL: &str = r#"failed to setup network for sandbox "1": plugin type="flannel" failed (add): failed to delegate add: failed to allocate for range 0: no IP addresses available in range set: 10.244.1.1-10.244.1.254"#;

#[test]
fn a_pod_that_is_just_being_made_has_no_cause() {
    let evidence = cluster(
        vec![node("a", Some("10.244.1.0/24"))],
        vec![agent("flannel", true, "")],
    );
    assert_eq!(ids(&evidence, &pod(creating(), &[])), []);
}

#[test]
fn an_agent_that_waits_for_a_range_is_not_the_root() {
    let words = "E0101 main.go:390] Error registering network: failed to acquire lease: node \"a\" pod cidr not assigned\nI0101 main.go:522] Stopping shutdownHandler...";
    let evidence = cluster(
        vec![node("a", None), node("b", Some("10.244.2.0/24"))],
        vec![agent("flannel", false, words)],
    );
    let found = of_pod(
        &evidence,
        &pod(creating(), &[("FailedCreatePodSandBox", SUBNET_ENV)]),
    );
    let ids: Vec<CauseId> = found.iter().map(|f| f.id).collect();
    assert_eq!(ids, [CauseId::PodCidrMissing, CauseId::AgentDown]);
    assert!(
        found[0]
            .seen
            .iter()
            .any(|seen| seen.text.contains("not assigned"))
    );
}

#[test]
fn an_agent_is_none_of_the_business_of_a_plugin_that_ran_without_it() {
    let evidence = cluster(
        vec![node("a", Some("10.244.1.0/24"))],
        vec![agent("flannel", false, "")],
    );
    let full = pod(creating(), &[("FailedCreatePodSandBox", FULL)]);
    assert_eq!(ids(&evidence, &full), [CauseId::AddressesExhausted]);
}

#[test]
fn of_two_add_ons_the_one_that_is_down_is_named() {
    let evidence = cluster(
        vec![node("a", Some("10.244.1.0/24"))],
        vec![
            agent("multus", true, ""),
            agent("flannel", false, "panic: no"),
        ],
    );
    let found = of_pod(
        &evidence,
        &pod(creating(), &[("FailedCreatePodSandBox", SUBNET_ENV)]),
    );
    assert_eq!(found[0].id, CauseId::AgentDown);
    let culprit = text(&evidence, &found[0]).culprit.unwrap();
    assert_contains(&culprit, "flannel");
    assert!(text(&evidence, &found[0]).observed.ends_with("panic: no"));
}

#[test]
fn a_daemon_set_that_leaves_a_node_out_is_named_with_it() {
    let evidence = cluster(
        vec![
            node("a", Some("10.244.1.0/24")),
            node("b", Some("10.244.2.0/24")),
        ],
        vec![agent("flannel", true, "")],
    );
    let mut elsewhere = pod(creating(), &[("FailedCreatePodSandBox", SUBNET_ENV)]);
    elsewhere.object.node = "b".to_owned();
    let found = of_pod(&evidence, &elsewhere);
    assert_eq!(found[0].id, CauseId::AgentDown);
    assert_contains(&text(&evidence, &found[0]).observed, "no pod on b");
}

#[test]
fn a_second_conflist_is_no_cause_while_the_first_works() {
    let mut with_two = node("a", Some("10.244.1.0/24"));
    let conf = &mut part(&mut with_two.inside.cni).conf;
    conf.push(file("20-other.conflist", FLANNEL));
    let evidence = cluster(vec![with_two], vec![agent("flannel", true, "")]);
    assert_eq!(ids(&evidence, &pod(creating(), &[])), []);
}

#[test]
fn words_do_where_files_cannot_be_read() {
    let mut closed = node("a", Some("10.244.1.0/24"));
    closed.inside.cni = Some(Err("exec failed".to_owned()));
    let evidence = cluster(vec![closed], vec![agent("flannel", true, "")]);
    let missing = r#"failed to create pod network sandbox k8s_app_0(4): error adding pod default_app to CNI network "n": plugin type="flannel" failed (add): failed to find plugin "bridge" in path [/opt/cni/bin]"#;
    let found = of_pod(
        &evidence,
        &pod(creating(), &[("FailedCreatePodSandBox", missing)]),
    );
    assert_eq!(found[0].id, CauseId::PluginMissing);
    assert_contains(&text(&evidence, &found[0]).what, "bridge");
}

#[test]
fn a_version_that_all_plugins_speak_is_proposed() {
    let mut versioned = node("a", Some("10.244.1.0/24"));
    let newer = FLANNEL.replace("0.3.1", "9.9.9");
    part(&mut versioned.inside.cni).conf = vec![file("10-flannel.conflist", &newer)];
    let plugin = |name: &str, list: &[&str]| PluginVersion {
        name: name.to_owned(),
        versions: Ok(VersionResult {
            cni_version: "1.0.0".to_owned(),
            supported_versions: list.iter().map(|v| (*v).to_owned()).collect(),
        }),
        about: None,
    };
    versioned.inside.plugins = Some(Ok(vec![
        plugin("bridge", &["0.4.0", "1.0.0", "1.1.0"]),
        plugin("portmap", &["0.4.0", "1.0.0"]),
        // Not in the configuration.
        plugin("old-one", &["0.1.0"]),
    ]));
    let evidence = cluster(vec![versioned], vec![agent("flannel", true, "")]);
    let words = r#"plugin type="flannel" failed (add): incompatible CNI versions; config is "9.9.9", plugin supports ["0.3.1" "0.4.0"]"#;
    let found = of_pod(
        &evidence,
        &pod(creating(), &[("FailedCreatePodSandBox", words)]),
    );
    assert_eq!(found[0].id, CauseId::CniVersion);
    assert_contains(
        &text(&evidence, &found[0]).fix.unwrap(),
        r#""cniVersion": "0.4.0"/"#,
    );
}

#[test]
fn an_agent_of_another_add_on_is_not_the_one_that_is_silent() {
    let evidence = cluster(
        vec![node("a", Some("10.244.1.0/24"))],
        vec![agent("flannel", true, "")],
    );
    let words = r#"plugin type="weave-net" name="weave" failed (add): unable to allocate IP address: Post "http://127.0.0.1:6784/ip/1": dial tcp 127.0.0.1:6784: connect: connection refused"#;
    let found = of_pod(
        &evidence,
        &pod(creating(), &[("FailedCreatePodSandBox", words)]),
    );
    assert_eq!(found[0].id, CauseId::AgentDown);
    assert_eq!(
        text(&evidence, &found[0]).fix.unwrap(),
        "kubectl --context prod apply -f manifests/weave.yaml"
    );
}

#[test]
fn a_node_of_another_system_is_a_node() {
    let mut evidence = cluster(vec![node("b", None)], Vec::new());
    evidence.node_names = Some(vec!["a".to_owned(), "b".to_owned()]);
    assert_eq!(ids(&evidence, &pod(creating(), &[])), []);
    evidence.node_names = None;
    assert_eq!(ids(&evidence, &pod(creating(), &[])), []);
    evidence.node_names = Some(vec!["b".to_owned()]);
    assert_eq!(
        ids(&evidence, &pod(creating(), &[])),
        [CauseId::NodeUnknown]
    );
}

#[test]
fn a_kubelets_cache_that_is_not_filled_yet_is_no_missing_object() {
    let evidence = cluster(
        vec![node("a", Some("10.244.1.0/24"))],
        vec![agent("flannel", true, "")],
    );
    let sync = r#"MountVolume.SetUp failed for volume "kube-api-access-dzfgk" : failed to sync configmap cache: timed out waiting for the condition"#;
    assert_eq!(
        ids(&evidence, &pod(creating(), &[("FailedMount", sync)])),
        []
    );
    let absent = r#"MountVolume.SetUp failed for volume "v" : configmap "settings" not found"#;
    let found = of_pod(&evidence, &pod(creating(), &[("FailedMount", absent)]));
    assert_eq!(found[0].id, CauseId::ObjectMissing);
    assert_contains(
        &text(&evidence, &found[0]).fix.unwrap(),
        "create configmap settings",
    );
}

#[test]
fn memory_that_ran_out_is_said() {
    let evidence = cluster(vec![node("a", Some("10.244.1.0/24"))], Vec::new());
    let killed = pod(
        json!({ "phase": "Running", "podIP": "10.244.1.2", "containerStatuses": [{
            "name": "c", "image": "i", "imageID": "", "ready": false, "restartCount": 4,
            "state": { "waiting": { "reason": "CrashLoopBackOff", "message": "back-off" } },
            "lastState": { "terminated": { "exitCode": 137, "reason": "OOMKilled" } } }] }),
        &[],
    );
    let found = of_pod(&evidence, &killed);
    assert_eq!(found[0].id, CauseId::CrashLoop);
    assert_contains(&text(&evidence, &found[0]).cause.unwrap(), "memory");
    assert_contains(&text(&evidence, &found[0]).what, "137 (OOMKilled)");
}

#[test]
fn a_kubelet_that_is_silent_is_all_that_counts_on_its_node() {
    let mut silent = node("a", Some("10.244.1.0/24"));
    silent.object.ready = Some(Condition {
        kind: "Ready".to_owned(),
        status: "Unknown".to_owned(),
        reason: "NodeStatusUnknown".to_owned(),
        message: "Kubelet stopped posting node status.".to_owned(),
    });
    let evidence = cluster(vec![silent], vec![agent("flannel", true, "")]);
    let found = of_node(&evidence, &evidence.nodes[0]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].id, CauseId::KubeletSilent);
    assert_contains(&text(&evidence, &found[0]).observed, "NodeStatusUnknown");
    // What systemd says is only claimed where it was asked.
    assert!(!text(&evidence, &found[0]).observed.contains("systemd"));
}

/// A plugin that is gone, looked at by the check `cni-config` and by a diagnosis: one cause, with the same parameters.
#[test]
fn a_check_and_a_diagnosis_name_the_same_cause() {
    let mut gone = node("node1", Some("10.244.1.0/24"));
    let files = part(&mut gone.inside.cni);
    files.programs.retain(|program| program != "bridge");
    let mut observations = crate::example::build::healthy(crate::example::build::Style::Vxlan);
    observations.nodes[0].inside.cni = Some(Ok(files.clone()));
    gone.object.ready = Some(Condition {
        kind: "Ready".to_owned(),
        status: "False".to_owned(),
        reason: "KubeletNotReady".to_owned(),
        message: "network not ready".to_owned(),
    });
    let symptoms = cluster(vec![gone], vec![agent("flannel", true, "")]);
    let diagnosed = of_node(&symptoms, &symptoms.nodes[0]);

    let check = crate::checks::find("cni-config").unwrap();
    let flatnet_model::verdict::Verdict::Fail { evidence } = check.judge(&observations) else {
        panic!("it does not fail")
    };
    let of_check = evidence[0].cause().expect("a cause");
    assert_eq!(of_check.id(), CauseId::PluginMissing);
    let causes: Vec<&Cause> = diagnosed
        .iter()
        .filter_map(|f| f.evidence.cause())
        .collect();
    assert!(causes.contains(&of_check), "{causes:#?}");
}
