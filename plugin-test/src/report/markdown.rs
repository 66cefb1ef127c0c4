//! For a page that authors commit beside their plugin.
use std::fmt::Write;

use super::text::{mark, title};
use crate::run::Outcome;
use crate::verdict::Verdict;
use crate::{clauses, damage};

/// One section per plugin.
pub fn markdown(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        let name = outcome
            .program
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let counts = outcome.counts();
        let _ = writeln!(text, "## {name}\n");
        let _ = writeln!(
            text,
            "cniVersion {} of {}; SHA-256 {}; kernel {}; flatnet {}; {} pass, {} fail (must), {} fail (should), {} not applicable, {} advisory, {} of the library, {} broken\n",
            outcome.version,
            outcome.versions.join(", "),
            outcome.sha256.as_deref().unwrap_or("unknown"),
            outcome.kernel,
            outcome.flatnet,
            counts.pass,
            counts.fail_must,
            counts.fail_should,
            counts.not_applicable,
            counts.advisory,
            counts.library,
            counts.broken
        );
        text.push_str("| clause | section | level | verdict | |\n|---|---|---|---|---|\n");
        for row in &outcome.rows {
            let (section, level) = clauses::find(&row.id)
                .map_or(("", ""), |clause| (clause.section, clause.level.as_str()));
            let _ = writeln!(
                text,
                "| {} {} | {section} | {level} | {} | {} |",
                row.id,
                title(&row.id),
                row.verdict.name(),
                cell(&said(&row.verdict))
            );
        }
        if !outcome.damage.is_empty() {
            let _ = writeln!(
                text,
                "\n| after damage to | {} |\n|---|{}",
                damage::COMMANDS.join(" | "),
                "---|".repeat(damage::COMMANDS.len())
            );
            for one in damage::ALL {
                let cells = damage::COMMANDS.map(|command| {
                    let id = damage::cell(one.id, command);
                    outcome
                        .damage
                        .iter()
                        .find(|row| row.id == id)
                        .map_or("", |row| mark(&row.verdict))
                });
                let _ = writeln!(text, "| {} | {} |", one.id, cells.join(" | "));
            }
        }
        text.push('\n');
    }
    text
}

fn said(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Pass { facts } => facts.clone(),
        Verdict::Fail { findings } | Verdict::Library { findings } => {
            let all: Vec<&str> = findings.iter().map(|one| one.observed.as_str()).collect();
            all.join("; ")
        }
        Verdict::NotApplicable { reason } => reason.clone(),
        Verdict::Advisory { readings } => readings.join("; "),
        Verdict::Broken { error } => error.clone(),
    }
}

/// On one line of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
