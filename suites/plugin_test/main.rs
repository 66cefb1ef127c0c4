//! `flatnet plugin-test`: flatnet's own plugin follows every clause, each clause is broken by a plugin with one defect, and whatever a plugin
//! does, one clear thing is said and nothing is left.
#![expect(clippy::unwrap_used, reason = "a test may end where it stands")]
mod defects;
mod hostile;
mod repeat;
#[path = "../started.rs"]
#[expect(dead_code, reason = "other suites use more of it")]
mod started;
mod tested;

use std::collections::BTreeSet;
use std::path::Path;

use flatnet_plugin_test::{clauses, damage};

use crate::defects::{AFTER, BEFORE, CHAINED, DELEGATING, Defect, OWN};
use crate::tested::{PLUGIN, Said, run, script};

/// Everything but the damage table, which tries the same commands again.
fn without_damage() -> String {
    let groups: BTreeSet<&str> = clauses::all()
        .map(flatnet_plugin_test::Clause::group)
        .collect();
    groups.into_iter().collect::<Vec<_>>().join(",")
}

fn folder_of_plugins() -> &'static str {
    Path::new(PLUGIN).parent().unwrap().to_str().unwrap()
}

#[test]
fn flatnets_own_plugin_breaks_no_clause() {
    let said = run(&[PLUGIN]);
    assert_eq!(
        said.with(&["fail", "broken", "advisory", "library"]),
        Vec::<&str>::new(),
        "{}",
        said.findings()
    );
    assert_eq!(said.code, 0);
    let all = clauses::all().count() + damage::cells().count();
    assert_eq!(said.rows.len(), all);
    assert!(
        said.with(&["pass"]).len() > 90,
        "{:?}",
        said.with(&["pass"])
    );
}

/// The plugin that `text` is, under the name of flatnet's, whose configuration it takes.
fn of_script(text: &str, name: &str, only: &str) -> Said {
    let folder = tempfile::tempdir().unwrap();
    let text = text.replace("REAL", PLUGIN);
    let plugin = script(folder.path(), name, &text);
    run(&[
        plugin.to_str().unwrap(),
        "--cni-bin",
        folder_of_plugins(),
        "--only",
        only,
    ])
}

/// Breaks what is expected, and nothing else.
fn breaks_only(defect: &Defect, said: &Said, problems: &mut Vec<String>) {
    let broken: BTreeSet<&str> = said
        .with(&["fail", "broken", "library"])
        .into_iter()
        .collect();
    let may: BTreeSet<&str> = defect.also.iter().copied().chain([defect.clause]).collect();
    if !broken.contains(defect.clause) || !broken.is_subset(&may) {
        problems.push(format!(
            "{}: broken are {broken:?}\n{}",
            defect.clause,
            said.findings()
        ));
    }
}

#[test]
fn every_clause_is_broken_by_a_plugin_with_one_defect() {
    let chosen = std::env::var("FLATNET_DEFECT").ok();
    let mut problems = Vec::new();
    let only = without_damage();
    for defect in OWN
        .iter()
        .filter(|defect| chosen.as_ref().is_none_or(|id| id == defect.clause))
    {
        let said = of_script(
            &format!("{BEFORE}{}{AFTER}", defect.shell),
            "flatnet-cni",
            &only,
        );
        breaks_only(defect, &said, &mut problems);
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn delegation_is_broken_by_plugins_with_one_defect() {
    let base = include_str!("delegating.sh");
    let only = without_damage();
    let fine = of_script(&base.replace("DEFECT", ""), "delegating", &only);
    assert_eq!(
        fine.with(&["fail", "broken", "library"]),
        Vec::<&str>::new(),
        "{}",
        fine.findings()
    );
    let delegated = ["C6", "G2", "P1", "P2", "P3", "P4", "S3"];
    assert!(delegated.iter().all(|id| fine.with(&["pass"]).contains(id)));
    let mut problems = Vec::new();
    for defect in DELEGATING {
        let said = of_script(&base.replace("DEFECT", defect.shell), "delegating", &only);
        breaks_only(defect, &said, &mut problems);
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn chained_plugins_are_broken_by_one_defect() {
    let base = include_str!("chained.sh");
    let only = without_damage();
    let fine = of_script(&base.replace("DEFECT", ""), "chained", &only);
    assert_eq!(
        fine.with(&["fail", "broken", "library"]),
        Vec::<&str>::new(),
        "{}",
        fine.findings()
    );
    assert!(fine.with(&["pass"]).contains(&"A7"));
    let mut problems = Vec::new();
    for defect in CHAINED {
        let said = of_script(&base.replace("DEFECT", defect.shell), "chained", &only);
        breaks_only(defect, &said, &mut problems);
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn an_ipam_plugin_whose_addresses_name_interfaces_breaks_p5() {
    let base = include_str!("../../plugin-test/src/stand_in/ipam.sh");
    let spoiled = base.replace("\"address\":\"10.89", "\"interface\":0,\"address\":\"10.89");
    assert_ne!(base, spoiled);
    for (text, broken) in [(base.to_owned(), false), (spoiled, true)] {
        // Its own calls are recorded where the bench keeps those of the stand-in.
        let said = of_script(&text.replace("/run/stand-in", "/var/tmp"), "an-ipam", "P5");
        assert_eq!(
            said.with(&["fail"]) == ["P5"],
            broken,
            "{}",
            said.findings()
        );
        assert_eq!(
            said.with(&["pass"]) == ["P5"],
            !broken,
            "{}",
            said.findings()
        );
    }
}

#[test]
fn a_plugin_that_says_it_has_capabilities_and_has_not_breaks_their_clauses() {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("conf.json");
    let names = ["portMappings", "ips", "mac", "bandwidth", "ipRanges", "dns"];
    let capabilities: Vec<String> = names
        .iter()
        .map(|name| format!("\"{name}\":true"))
        .collect();
    let text = format!(
        r#"{{"capabilities":{{{}}},"ipam":{{"ranges":[[{{"subnet":"10.89.0.0/24"}}]]}}}}"#,
        capabilities.join(",")
    );
    std::fs::write(&conf, text).unwrap();
    let said = run(&[PLUGIN, "--conf", conf.to_str().unwrap(), "--only", "K"]);
    assert_eq!(
        said.with(&["fail"]),
        ["K1", "K2", "K3", "K4", "K5", "K6"],
        "{}",
        said.findings()
    );
    assert_eq!(said.code, 0, "capabilities are a should");
}

#[test]
fn a_defect_is_proven_for_every_clause() {
    let mut proven: BTreeSet<&str> = OWN
        .iter()
        .chain(DELEGATING)
        .chain(CHAINED)
        .map(|defect| defect.clause)
        .collect();
    proven.extend(["P5", "K1", "K2", "K3", "K4", "K5", "K6"]);
    let all: BTreeSet<&str> = clauses::all().map(|clause| clause.id).collect();
    assert_eq!(proven, all);
}
