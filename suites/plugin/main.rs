//! The plugin as a runtime sees it: an executable, variables, standard streams, an exit code. Nothing of its code is known
//! here; what it does to the kernel is read back with `ip`.
#![expect(clippy::unwrap_used, reason = "a test may end where it stands")]
#[path = "../../plugin/tests/namespaces/isolated.rs"]
mod isolated;
mod kills;
mod node;

use std::collections::BTreeSet;
use std::fs;
use std::process::Child;

use serde_json::{Value, json};

use crate::node::{PLUGIN, Pod, address, cni, finish, isolated, spawn, start, with};

#[test]
fn it_is_static() {
    let elf = fs::read(PLUGIN).unwrap();
    let word = |at: usize, size: usize| {
        elf[at..at + size]
            .iter()
            .rev()
            .fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte))
    };
    assert_eq!(&elf[..6], b"\x7fELF\x02\x01", "64 bits, little endian");
    // Elf64_Ehdr: e_phoff, e_phentsize, e_phnum; Elf64_Phdr begins with p_type, and PT_INTERP is 3.
    let (offset, size, count) = (word(32, 8), word(54, 2), word(56, 2));
    assert!(
        (0..count).all(|index| word(offset + index * size, 4) != 3),
        "it asks for a dynamic loader"
    );
}

#[test]
fn it_says_what_it_is() {
    let asked = finish(spawn(&[], &["--version"], ""));
    assert_eq!(asked.code, Some(0));
    assert!(
        asked.stdout.contains("0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0"),
        "{}",
        asked.stdout
    );
    let typed = finish(spawn(&[], &[], ""));
    typed.assert_error(4, "CNI_COMMAND");
    assert!(
        typed.stderr.starts_with("CNI plugin flatnet-cni"),
        "{}",
        typed.stderr
    );
    let version = finish(spawn(
        &[("CNI_COMMAND", "VERSION")],
        &[],
        r#"{"cniVersion":"0.4.0"}"#,
    ))
    .ok();
    assert_eq!(version["supportedVersions"].as_array().unwrap().len(), 5);
}

#[test]
fn bad_input_has_one_clear_answer_and_leaves_nothing() {
    isolated(
        "bad_input_has_one_clear_answer_and_leaves_nothing",
        |node| {
            let (pod, conf) = (
                node.pod(),
                node.conf(json!([[{"subnet": "10.244.1.0/24"}]])),
            );
            finish(spawn(&[("CNI_COMMAND", "ADD")], &[], ""))
                .assert_error(4, "CNI_CONTAINERID, CNI_IFNAME, CNI_NETNS");
            cni("ADD", "../../etc", &pod.path(), &conf)
                .assert_error(4, r#"CNI_CONTAINERID "../../etc""#);
            cni("ADD", "c1", "/nowhere/at-all", &conf).assert_error(3, "/nowhere/at-all");
            cni("ADD", "c1", &pod.path(), &json!("text")).assert_error(6, "network configuration");
            cni(
                "ADD",
                "c1",
                &pod.path(),
                &with(&conf, "name", json!("../up")),
            )
            .assert_error(7, "name");
            cni(
                "ADD",
                "c1",
                &pod.path(),
                &with(&conf, "cniVersion", json!("9.9.9")),
            )
            .assert_error(1, "9.9.9");
            cni(
                "ADD",
                "c1",
                &pod.path(),
                &node.conf(json!([[{"subnet": "10.244.1.0/31"}]])),
            )
            .assert_error(7, "too small");
            assert!(!node.data_dir().exists());
            assert_eq!(node.ip("link", "ifname"), BTreeSet::from(["lo".to_owned()]));
        },
    );
}

#[test]
fn many_at_once_come_and_go() {
    isolated("many_at_once_come_and_go", |node| {
        let conf = node.conf(json!([[{"subnet": "10.244.1.0/24"}]]));
        let pods: Vec<(String, Pod)> = (0..24).map(|id| (format!("c{id}"), node.pod())).collect();
        let adds: Vec<Child> = pods
            .iter()
            .map(|(id, pod)| start("ADD", id, &pod.path(), &conf))
            .collect();
        let results: Vec<Value> = adds.into_iter().map(|child| finish(child).ok()).collect();
        let given: BTreeSet<String> = results.iter().map(address).collect();
        assert_eq!(given.len(), pods.len());
        assert_eq!(node.ip("neigh show nud permanent", "dst"), given);
        for ((id, pod), result) in pods.iter().zip(&results) {
            cni(
                "CHECK",
                id,
                &pod.path(),
                &with(&conf, "prevResult", result.clone()),
            )
            .ok();
        }
        let dels: Vec<Child> = pods
            .iter()
            .map(|(id, pod)| start("DEL", id, &pod.path(), &conf))
            .collect();
        dels.into_iter().for_each(|child| drop(finish(child).ok()));
        node.assert_clean();
    });
}
