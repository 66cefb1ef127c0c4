//! Plugins that are none, and plugins that mean harm: one clear message or verdict each, and nothing left.
use std::process::Output;
use std::time::{Duration, Instant};

use crate::started;
use crate::tested::{PLUGIN, Said, flatnet, script};

fn given(folder: &std::path::Path, name: &str, content: &str, args: &[&str]) -> Output {
    let plugin = script(folder, name, content);
    let mut all = vec![
        plugin.to_str().unwrap(),
        "--output",
        "json",
        "--timeout",
        "1s",
    ];
    all.extend(args);
    flatnet(&all).output().unwrap()
}

#[test]
fn what_is_not_a_plugin_is_refused_with_one_message() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    started::tells(
        &given(path, "text", "just text\n", &[]),
        2,
        &["text: is not a program"],
    );
    let mut foreign = std::fs::read(PLUGIN).unwrap();
    // e_machine of another architecture.
    foreign[18] = if foreign[18] == 0xb7 { 0x3e } else { 0xb7 };
    let plugin = script(path, "foreign", "");
    std::fs::write(&plugin, foreign).unwrap();
    started::tells(
        &flatnet(&[plugin.to_str().unwrap()]).output().unwrap(),
        2,
        &["foreign: is a program for", "build it for this one"],
    );
    started::tells(
        &flatnet(&["/nowhere/plugin"]).output().unwrap(),
        2,
        &["/nowhere/plugin: No such file"],
    );
    started::tells(
        &flatnet(&[path.to_str().unwrap()]).output().unwrap(),
        2,
        &["is not a file"],
    );
    let plain = path.join("plain");
    std::fs::write(&plain, "#!/bin/sh\n").unwrap();
    started::tells(
        &flatnet(&[plain.to_str().unwrap()]).output().unwrap(),
        2,
        &["plain: is not executable"],
    );
    started::tells(
        &flatnet(&[PLUGIN, "--only", "Q7"]).output().unwrap(),
        2,
        &["--only Q7: there is no such clause"],
    );
    let list = path.join("my.conflist");
    std::fs::write(
        &list,
        r#"{"cniVersion":"7.0.0","name":"x","plugins":[{"type":"bridge"}]}"#,
    )
    .unwrap();
    started::tells(
        &flatnet(&[list.to_str().unwrap()]).output().unwrap(),
        2,
        &["cniVersion \"7.0.0\" is not a version"],
    );
    let report = path.join("plain/report");
    started::tells(
        &flatnet(&[PLUGIN, "--only", "E1", "--report", report.to_str().unwrap()])
            .output()
            .unwrap(),
        2,
        &["plain"],
    );
}

/// What VERSION is answered with decides everything else.
fn version(said: &Said) -> String {
    assert_eq!(said.with(&["fail"]), ["V1"], "{}", said.findings());
    assert_eq!((said.rows.len(), said.code), (1, 1));
    said.findings()
}

#[test]
fn garbage_nothing_and_hanging_are_verdicts() {
    let folder = tempfile::tempdir().unwrap();
    for (name, shell, words) in [
        (
            "garbage",
            "head -c 1000 /dev/urandom",
            "lists no supportedVersions",
        ),
        ("nothing", "exit 0", "lists no supportedVersions"),
        (
            "flood",
            "exec cat /dev/zero",
            "wrote more than 8 MiB and was killed",
        ),
        ("hangs", "sleep 600", "did not end in time and was killed"),
        (
            "stays",
            "sleep 600 & echo '{\"cniVersion\":\"1.1.0\",\"supportedVersions\":[\"1.1.0\"]}'",
            "keeps its output open",
        ),
        (
            "kills",
            "kill -9 $PPID; sleep 0.1; kill -9 -1",
            "ended by signal 9",
        ),
    ] {
        let started = Instant::now();
        let output = given(folder.path(), name, &format!("#!/bin/sh\n{shell}\n"), &[]);
        let found = version(&Said::of(&output));
        assert!(found.contains(words), "{name}: {found}");
        assert!(
            output.stdout.len() < 2 << 20,
            "{name}: the report has {} bytes",
            output.stdout.len()
        );
        assert!(started.elapsed() < Duration::from_secs(60), "{name}");
    }
    // Sleeps of the plugins above would be children of nobody: their namespaces ended with the bench.
    let left = processes_with("sleep\0600\0");
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn a_process_that_stays_is_a_difference() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "#!/bin/sh\nin=$(cat)\n[ \"$CNI_COMMAND\" = ADD ] && {{ sleep 601 </dev/null >/dev/null 2>&1 & }}\nprintf %s \"$in\" | {PLUGIN}\n"
    );
    let plugins = std::path::Path::new(PLUGIN).parent().unwrap();
    let output = given(
        folder.path(),
        "flatnet-cni",
        &text,
        &["--only", "D1", "--cni-bin", plugins.to_str().unwrap()],
    );
    let said = Said::of(&output);
    assert_eq!(said.with(&["fail"]), ["D1"], "{}", said.findings());
    assert!(
        said.findings().contains("process sleep"),
        "{}",
        said.findings()
    );
    assert_eq!(processes_with("sleep\0601\0"), Vec::<String>::new());
}

#[test]
fn nothing_is_left_of_a_run_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    // Known by its argument, which nothing else has.
    let plugin = script(folder.path(), "waits", "#!/bin/sh\nexec sleep 612\n");
    let mut child = flatnet(&[plugin.to_str().unwrap(), "--timeout", "100s"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let until = |wanted: usize| {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let there = processes_with("sleep\0612\0");
            if there.len() == wanted || Instant::now() > end {
                assert_eq!(there.len(), wanted, "{there:?}");
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    until(1);
    child.kill().unwrap();
    child.wait().unwrap();
    until(0);
}

/// Command lines of processes with these words.
fn processes_with(words: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).into_owned())
        .filter(|line| line.starts_with(words))
        .collect()
}
