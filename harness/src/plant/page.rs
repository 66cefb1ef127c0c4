//! `docs/checks.md`: the checks and the faults that prove them.
use std::collections::BTreeSet;

use flatnet_analysis::checks::required::required_on;
use flatnet_analysis::checks::{self, Check};
use flatnet_model::cause;

use crate::plant::proving;

/// `docs/checks.md`. A test keeps the file equal to this.
pub fn markdown() -> String {
    let mut text = String::from(
        "# The checks\n\n\
         Generated from `harness/analysis/src/checks/catalogue.rs` and the planted faults; change it there, then run\n\
         `make docs`.\n\n\
         Every check says `pass` (with facts), `fail` (with evidence), `skip` (with the reason) or `broken` (it could not be\n\
         measured, which is neither pass nor fail); a check that promises nothing says `report` (with facts), which is not a pass\n\
         either.\n\n\
         A check that is required must not be skipped: if it is, the run fails (exit code 1) and says why it was skipped.\n\
         `--require CHECK,…` (or `FLATNET_REQUIRE`) names the checks that are, and `--require all` takes every check of the run.\n\
         Without it, those that the list below requires on the run's provider are, except where their question does not arise on\n\
         the cluster (one node has no other node to reach). A run that judges nothing ends with exit code 4.\n\n\
         Each check is proven by [planted faults](#planted-faults), which turn it red.\n\n\
         | check | promise |\n|---|---|\n",
    );
    for check in checks::all() {
        text.push_str(&format!(
            "| [`{}`](#{}) | {} |\n",
            check.id, check.id, check.promise,
        ));
    }
    for check in checks::all() {
        text.push_str(&format!(
            "\n## {}\n\n{}.\n\n- Observed by: {}.\n- Promised by: {}.\n- Required by default on: {}.\n- Proven by: {}.\n{}",
            check.id,
            capitalised(check.promise),
            check.observed_by,
            check.source,
            required(check),
            faults(check),
            causes(check)
        ));
    }
    text + &planted()
}

/// The planted faults, each with what it makes fail and what is then named.
fn planted() -> String {
    let mut text = String::from(
        "\n## Planted faults\n\n\
         `flatnet test --plant NAME` plants one, in a new lab or on a kind cluster. Nodes and pods count from 1; busybox-4 is the second\n\
         pod of node1. Faults of the lab that are commands need the programs that they name (`ip`, `bridge`, `nft`, …).\n\n\
         | fault | on | what is broken | makes fail | names |\n|---|---|---|---|---|\n",
    );
    for fault in super::all() {
        let failing: Vec<&str> = fault.must_fail().into_iter().collect();
        let causes = fault.says.iter().filter_map(|says| says.cause);
        let causes: BTreeSet<String> = causes.map(|(id, _)| format!("`{}`", id.id())).collect();
        text.push_str(&format!(
            "| `{}` | {} | {} | {} | {} |\n",
            fault.id,
            fault.provider().name(),
            fault.summary,
            failing.join(", "),
            Vec::from_iter(causes).join(", "),
        ));
    }
    text
}

/// The causes that its evidence names; nothing for a check that cannot fail.
fn causes(check: &Check) -> String {
    let ids: Vec<String> = cause::named_by(check.id)
        .map(|entry| format!("`{}`", entry.cause.id()))
        .collect();
    if ids.is_empty() {
        return String::new();
    }
    let all = "[causes](troubleshooting.md#causes-that-checks-name)";
    format!("- Names as {all}: {}.\n", ids.join(", "))
}

fn required(check: &Check) -> String {
    let on: Vec<String> = required_on(check)
        .into_iter()
        .map(|provider| format!("`{provider}`"))
        .collect();
    match on.is_empty() {
        true => "no provider".to_owned(),
        false => on.join(", "),
    }
}

fn faults(check: &Check) -> String {
    let faults = proving(check.id);
    if faults.is_empty() {
        return "none: it reports and cannot fail".to_owned();
    }
    let quoted: Vec<String> = faults.iter().map(|fault| format!("`{fault}`")).collect();
    quoted.join(", ")
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_check_but_the_one_that_reports_has_a_fault() {
        for check in checks::all() {
            assert_eq!(
                proving(check.id).is_empty(),
                check.id == "subnet",
                "{}",
                check.id
            );
            assert!(
                !check.promise.ends_with('.')
                    && !check.source.is_empty()
                    && !check.observed_by.is_empty(),
                "{}",
                check.id
            );
        }
    }

    /// A misspelt id in a fault would prove nothing.
    #[test]
    fn faults_name_checks_that_exist() {
        for fault in crate::plant::all() {
            for id in fault.must_fail().union(&fault.may_fail_too()) {
                checks::find(id).unwrap();
            }
        }
    }

    /// A misspelt id in the catalogue of causes would be missing here.
    #[test]
    fn causes_name_checks_that_exist() {
        for id in cause::ALL.iter().flat_map(|entry| entry.checks) {
            checks::find(id).unwrap();
        }
    }

    /// The page that people read is the catalogue. `FLATNET_REGENERATE=1` writes it.
    #[test]
    fn docs_checks_md_is_current() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/checks.md");
        if std::env::var_os("FLATNET_REGENERATE").is_some() {
            std::fs::write(&path, markdown()).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == markdown(),
            "docs/checks.md is not current: `make docs` writes it"
        );
    }
}
