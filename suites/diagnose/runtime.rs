//! What the runtime says of plugins and of records of ADD; each is put right by what is printed for it.
use std::time::{Duration, Instant};

use flatnet_model::cause::CauseId;
use flatnet_model::diagnosis::Kind;
use rstest::rstest;

use crate::ground::{Ground, SLEEPER};

const CONFLIST: &str = "/etc/cni/net.d/50-conflist.conflist";
const RESERVATIONS: &str = "/var/lib/cni/networks/reference";

#[test]
fn a_plugin_that_may_not_be_executed() {
    let ground = Ground::new("not-executable", "reference");
    // The lab's own is a link to what nobody may change.
    let copy = "cd /opt/cni/bin && cp -L host-local copy && chmod 644 copy && mv copy host-local";
    ground.on("node1", &["sh", "-c", copy]);
    ground.apply(SLEEPER);
    ground.warned("FailedCreatePodSandBox");

    let first = ground.first_is(
        CauseId::PluginNotRunnable,
        &["host-local", "node1", "may not be executed"],
    );

    ground.mend(&first);
    ground.runs();
}

#[test]
fn a_plugin_for_another_machine() {
    let ground = Ground::new("format", "reference");
    let plugin = "/opt/cni/bin/bridge";
    ground.on("node1", &["rm", plugin]);
    // The magic number of ELF, and a machine that there is none of.
    ground.write("node1", plugin, "\u{7f}ELF\u{2}\u{1}\u{1}", 0o755);
    ground.apply(SLEEPER);
    ground.warned("FailedCreatePodSandBox");

    ground.first_is(
        CauseId::PluginNotRunnable,
        &["bridge", "node1", "not a program for this machine"],
    );
}

/// A stand-in program says what the plugins say, word for word: runtime, event and diagnosis are the real ones.
#[rstest]
#[case::killed("kill -9 $$", CauseId::PluginKilled, &["stand-in", "signal: 9"])]
#[case::no_iptables(
    r#"say 'failed to locate iptables: exec: \"iptables\": executable file not found in $PATH'"#,
    CauseId::ProgramMissing,
    &["iptables", "not installed on node1"]
)]
#[case::refused(
    "say 'error getting ClusterInformation: connection is unauthorized: Unauthorized'",
    CauseId::CredentialsRefused,
    &["stand-in", "Unauthorized"]
)]
#[case::no_address(
    r#"echo '{"cniVersion": "1.0.0", "ips": []}'"#,
    CauseId::NoAddressGiven,
    &["failed to find network info"]
)]
#[case::another_directory(
    r#"say 'failed to delegate add: failed to find plugin \"bridge\" in path [/usr/lib/cni]'"#,
    CauseId::RuntimeDirectory,
    &["/usr/lib/cni", "/opt/cni/bin"]
)]
fn a_plugin_that_does_not_do_it(
    #[case] does: &str,
    #[case] cause: CauseId,
    #[case] names: &[&str],
) {
    let ground = Ground::new(&format!("stand-in-{}", does.len()), "reference");
    let before = ground.on("node1", &["cat", CONFLIST]);
    let say = r#"say() { echo '{"cniVersion": "1.0.0", "code": 999, "msg": "'"$1"'"}'; exit 1; }"#;
    // DEL of what was not added succeeds.
    let plugin = format!("#!/bin/sh\n{say}\n[ $CNI_COMMAND = ADD ] || exit 0\n{does}\n");
    ground.write("node1", "/opt/cni/bin/stand-in", &plugin, 0o755);
    let conflist =
        r#"{"cniVersion": "1.0.0", "name": "reference", "plugins": [{"type": "stand-in"}]}"#;
    ground.write("node1", CONFLIST, conflist, 0o644);
    ground.apply(SLEEPER);
    ground.warned("FailedCreatePodSandBox");

    ground.first_is(cause, names);

    ground.write("node1", CONFLIST, &before, 0o644);
    ground.runs();
}

#[test]
fn a_list_in_a_file_for_a_single_plugin() {
    let ground = Ground::new("list-in-conf", "reference");
    let conf = "/etc/cni/net.d/50-conflist.conf";
    ground.on("node1", &["mv", CONFLIST, conf]);
    ground.apply(SLEEPER);
    ground.warned("NetworkNotReady");

    let first = ground.first_is(CauseId::ConflistMalformed, &[conf, "node1", ".conflist"]);

    ground.mend(&first);
    ground.runs();
}

#[test]
fn a_pod_that_stays_terminating_because_its_record_is_empty() {
    let ground = Ground::new("terminating", "reference");
    let before = ground.on("node1", &["ls", "/var/lib/cni/results"]);
    ground.apply(SLEEPER);
    ground.runs();
    let after = ground.on("node1", &["ls", "/var/lib/cni/results"]);
    let mut records = after.lines().filter(|name| !before.contains(name));
    let record = format!("/var/lib/cni/results/{}", records.next().expect("a record"));
    ground.write("node1", &record, "", 0o600);
    // It does not succeed.
    let _ = ground.lab.delete_pod("default", "app");
    ground.warned("FailedKillPod");

    let first = ground.first_is(
        CauseId::StuckTerminating,
        &["app", "node1", &record, "empty"],
    );

    ground.mend(&first);
    let begun = Instant::now();
    while ground
        .lab
        .pod("default", "app")
        .expect("an answer")
        .is_some()
    {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "it is still there"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn reservations_of_pods_that_are_gone() {
    let ground = Ground::new("reservations", "reference");
    ground.apply(SLEEPER);
    ground.runs();
    let own = ground.on("node1", &["ls", RESERVATIONS]);
    for (last, owner) in [
        (200, "0123456789abcdef\r\neth0"),
        (
            201,
            r#"{"containerID":"0123456789abcdef","ifname":"eth0","addresses":["10.244.0.201"]}"#,
        ),
        (202, ""),
    ] {
        let path = format!("{RESERVATIONS}/10.244.0.{last}");
        ground.write("node1", &path, owner, 0o644);
    }

    let (code, diagnosis) = ground.diagnose(&["node/node1"]);

    let node = &diagnosis.subjects[0];
    assert_eq!((code, node.kind), (1, Kind::Node), "{diagnosis:#?}");
    let [found] = &node.findings[..] else {
        panic!("{diagnosis:#?}")
    };
    assert_eq!(found.id, CauseId::ReservationsLeft);
    ground.remedy(found.evidence.remediation.as_ref().expect("a remedy"));
    assert_eq!(ground.on("node1", &["ls", RESERVATIONS]), own);
    let (code, well) = ground.diagnose(&["node/node1"]);
    assert_eq!(code, 0, "{well:#?}");
}
