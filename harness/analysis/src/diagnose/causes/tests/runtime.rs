//! What runtimes say of plugins, records and directories, with files that parse.
use std::collections::BTreeMap;

use flatnet_model::cause::{CniDirectory, NotAProgram, PullFailure};
use flatnet_model::components::paths::{CNI_NETWORKS, CNI_RESULTS, CONTAINERD_CONFIG};
use flatnet_model::probe::FileContent;
use rstest::rstest;

use super::*;

/// A node with flannel whose agent works.
fn healthy() -> Symptoms {
    cluster(
        vec![node("a", Some("10.244.1.0/24"))],
        vec![agent("flannel", true, "")],
    )
}

fn files(evidence: &mut Symptoms) -> &mut BTreeMap<String, FileContent> {
    part(&mut evidence.nodes[0].inside.files)
}

fn failed(words: &str) -> PodSymptoms {
    let words = format!(r#"failed to setup network for sandbox "1": {words}"#);
    pod(creating(), &[("FailedCreatePodSandBox", &words)])
}

/// The first cause, which no other of the network's own precedes.
#[track_caller]
fn first(evidence: &Symptoms, pod: &PodSymptoms) -> Finding {
    of_pod(evidence, pod).into_iter().next().expect("a cause")
}

#[rstest]
#[case::killed(
    r#"plugin type="flannel" failed (add): netplugin failed with no error message: signal: killed"#,
    CauseId::PluginKilled
)]
#[case::refused(
    r#"plugin type="calico" failed (add): error getting ClusterInformation: connection is unauthorized: Unauthorized"#,
    CauseId::CredentialsRefused
)]
#[case::no_iptables(
    r#"plugin type="portmap" failed (add): failed to locate iptables: exec: "iptables": executable file not found in $PATH"#,
    CauseId::ProgramMissing
)]
#[case::no_address(
    r#"plugin type="bridge" failed (add): IPAM plugin returned missing IP config"#,
    CauseId::NoAddressGiven
)]
#[case::no_version(
    r#"plugin type="flannel" failed (add): invalid version "": the version is empty"#,
    CauseId::CniVersion
)]
#[case::a_name(
    r#"plugin type="flannel" failed (add): invalid characters found in network name: my net"#,
    CauseId::ConflistMalformed
)]
fn the_runtimes_word_counts_where_the_file_parses(#[case] words: &str, #[case] cause: CauseId) {
    let evidence = healthy();
    let found = of_pod(&evidence, &failed(words));
    let ids: Vec<CauseId> = found.iter().map(|finding| finding.id).collect();
    assert_eq!(ids, [cause]);
    assert!(!text(&evidence, &found[0]).fix.unwrap().is_empty());
}

#[rstest]
#[case::format(
    "exec format error",
    NotAProgram::Format,
    "rollout restart daemonset/flannel"
)]
#[case::permission(
    "permission denied",
    NotAProgram::Permission,
    "chmod 755 /opt/cni/bin/bridge"
)]
#[case::loader(
    "no such file or directory",
    NotAProgram::Interpreter,
    "rollout restart"
)]
fn a_plugin_that_is_no_program_is_not_missing(
    #[case] words: &str,
    #[case] how: NotAProgram,
    #[case] fix: &str,
) {
    let mut evidence = healthy();
    // Only what may be executed is listed.
    part(&mut evidence.nodes[0].inside.cni)
        .programs
        .retain(|program| program != "bridge");
    let words = format!(
        r#"plugin type="flannel" failed (add): failed to delegate add: fork/exec /opt/cni/bin/bridge: {words}"#
    );
    let found = first(&evidence, &failed(&words));
    let cause = Cause::PluginNotRunnable {
        node: "a".to_owned(),
        plugin: "bridge".to_owned(),
        how,
    };
    assert_eq!(found.evidence.cause(), Some(&cause));
    assert_contains(&text(&evidence, &found).fix.unwrap(), fix);
}

#[test]
fn loopback_is_a_plugin_of_no_configuration() {
    let evidence = healthy();
    let words = r#"plugin type="loopback" failed (add): failed to find plugin "loopback" in path [/opt/cni/bin]"#;
    let found = first(&evidence, &failed(words));
    assert_eq!(found.id, CauseId::PluginMissing);
    assert_contains(&text(&evidence, &found).what, "loopback");
}

#[test]
fn a_runtime_that_looks_elsewhere_is_told_from_files_that_are_missing() {
    let elsewhere = |setting, directory: &str| Cause::RuntimeDirectory {
        node: "a".to_owned(),
        setting,
        directory: directory.to_owned(),
    };
    let mut evidence = healthy();
    let words = r#"plugin type="flannel" failed (add): failed to find plugin "flannel" in path [/usr/lib/cni]"#;
    let found = first(&evidence, &failed(words));
    let plugins = elsewhere(CniDirectory::Plugins, "/usr/lib/cni");
    assert_eq!(found.evidence.cause(), Some(&plugins));

    let condition = "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized";
    evidence.nodes[0].object.ready = Some(Condition {
        kind: "Ready".to_owned(),
        status: "False".to_owned(),
        reason: "KubeletNotReady".to_owned(),
        message: condition.to_owned(),
    });
    let waits = pod(creating(), &[]);
    assert_eq!(first(&evidence, &waits).id, CauseId::ConflistNotLoaded);
    let toml = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".cni]\n  conf_dir = \"/etc/cni/test\"\n";
    files(&mut evidence).insert(
        CONTAINERD_CONFIG.to_owned(),
        FileContent::Text(toml.to_owned()),
    );
    let found = first(&evidence, &waits);
    let configurations = elsewhere(CniDirectory::Configurations, "/etc/cni/test");
    assert_eq!(found.evidence.cause(), Some(&configurations));
    let fix = text(&evidence, &found).fix.unwrap();
    assert_contains(&fix, r#"conf_dir"#);
    assert_contains(&fix, "systemctl restart containerd");
}

fn terminating(words: &str) -> PodSymptoms {
    let words = format!(
        r#"error killing pod: failed to "KillPodSandbox" for "u" with KillPodSandboxError: "rpc error: code = Unknown desc = failed to destroy network for sandbox \"5bae\": {words}""#
    );
    let status = json!({ "phase": "Running", "podIP": "10.244.1.2", "containerStatuses": [] });
    let mut leaving = pod(status, &[("FailedKillPod", &words)]);
    leaving.object.terminating = true;
    leaving
}

#[test]
fn a_pod_whose_record_is_empty_stays_terminating() {
    let mut evidence = healthy();
    let path = format!("{CNI_RESULTS}/cbr0-5bae-eth0");
    for (path, text) in [
        (path.as_str(), ""),
        ("/var/lib/cni/results/cbr0-6-eth0", ""),
    ] {
        files(&mut evidence).insert(path.to_owned(), FileContent::Text(text.to_owned()));
    }
    let words = r#"failed to get network \"cbr0\" cached result: decoding version from network config: unexpected end of JSON input"#;
    let found = of_pod(&evidence, &terminating(words));
    assert_eq!(found.len(), 1, "{found:#?}");
    let Some(Cause::StuckTerminating { record, .. }) = found[0].evidence.cause() else {
        panic!("{found:#?}")
    };
    assert_eq!(record.as_deref(), Some(path.as_str()));
    assert_contains(
        &text(&evidence, &found[0]).fix.unwrap(),
        &format!("rm {path}"),
    );
}

#[test]
fn what_keeps_del_from_succeeding_is_named_before_it() {
    let evidence = healthy();
    let words = r#"plugin type="portmap" failed (delete): failed to find plugin \"tuning\" in path [/opt/cni/bin]"#;
    assert_eq!(
        ids(&evidence, &terminating(words)),
        [CauseId::PluginMissing, CauseId::StuckTerminating]
    );
    let words = r#"plugin type="multus" failed (delete): failed to del rule table 500: no such file or directory"#;
    assert_eq!(
        ids(&evidence, &terminating(words)),
        [CauseId::StuckTerminating]
    );
}

#[test]
fn reservations_that_no_pod_holds_are_counted_before_the_range_is_full() {
    let mut evidence = healthy();
    let names = [
        "10.244.1.2",
        "10.244.1.3",
        "10.244.1.9",
        "last_reserved_ip.0",
        "lock",
    ];
    for network in ["cbr0", "podman"] {
        files(&mut evidence).insert(
            format!("{CNI_NETWORKS}/{network}"),
            FileContent::Folder(names.map(str::to_owned).to_vec()),
        );
    }
    let folders = ["cbr0", "podman"].map(str::to_owned).to_vec();
    files(&mut evidence).insert(CNI_NETWORKS.to_owned(), FileContent::Folder(folders));
    let running = json!({ "phase": "Running", "podIP": "10.244.1.2" });
    evidence.everyone = vec![pod(running, &[]).object];
    let found = of_node(&evidence, &evidence.nodes[0]);
    let [found] = &found[..] else {
        panic!("{found:#?}")
    };
    let left = Cause::ReservationsLeft {
        node: "a".to_owned(),
        network: "cbr0".to_owned(),
        addresses: ["10.244.1.3", "10.244.1.9"]
            .map(|a| a.parse().unwrap())
            .to_vec(),
    };
    assert_eq!(found.evidence.cause(), Some(&left));
    assert_contains(
        &text(&evidence, found).observed,
        "3 addresses reserved, 1 pod on the node; no pod holds 10.244.1.3, 10.244.1.9",
    );

    // They may be those of a pod that is being made.
    evidence.everyone.push(pod(creating(), &[]).object);
    assert_eq!(of_node(&evidence, &evidence.nodes[0]), []);
}

#[rstest]
#[case::there(&["docker.io/library/i:latest"], "Always", PullFailure::AlwaysPulled)]
#[case::of_another_name(&["docker.io/library/ii:latest"], "Always", PullFailure::OutOfReach)]
#[case::not_pulled_each_time(&["docker.io/library/i:latest"], "IfNotPresent", PullFailure::OutOfReach)]
fn an_image_that_is_there_and_always_pulled(
    #[case] images: &[&str],
    #[case] policy: &str,
    #[case] failure: PullFailure,
) {
    let mut evidence = healthy();
    evidence.nodes[0].object.images = images.iter().map(|name| (*name).to_owned()).collect();
    let status = json!({ "phase": "Pending", "podIP": "10.244.1.2", "containerStatuses": [{
        "name": "c", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
        "state": { "waiting": { "reason": "ErrImagePull", "message": "failed to pull image: dial tcp: lookup registry-1.docker.io: no such host" } } }] });
    let mut stuck = pod(status.clone(), &[]);
    stuck.object = PodSnapshot::read(&json!({
        "metadata": { "name": "app", "namespace": "default" },
        "spec": { "nodeName": "a", "containers": [{ "name": "c", "image": "i", "imagePullPolicy": policy }] },
        "status": status,
    }))
    .unwrap();
    let found = first(&evidence, &stuck);
    let Some(Cause::ImagePull { failure: told, .. }) = found.evidence.cause() else {
        panic!("{found:#?}")
    };
    assert_eq!(*told, failure);
    let fix = text(&evidence, &found).fix.unwrap();
    assert_eq!(
        fix.contains("imagePullPolicy: IfNotPresent"),
        failure == PullFailure::AlwaysPulled,
        "{fix}"
    );
}
