//! For people at a terminal.
use std::fmt::Write;

use crate::bench::Row;
use crate::clause::Level;
use crate::run::Outcome;
use crate::verdict::{Finding, Verdict};
use crate::{clauses, damage};

/// Output of a plugin is shown so far.
const SHOWN: usize = 2000;
/// Differences of the node are shown so far.
const CHANGES: usize = 12;

/// A line for each clause, the evidence of those that are broken, the damage table, and a sum.
pub fn text(outcome: &Outcome) -> String {
    let mut text = String::new();
    let kind = outcome.kind.map_or("plugin", |kind| kind.as_str());
    let _ = writeln!(
        text,
        "{} ({kind}), cniVersion {}",
        outcome.program.display(),
        outcome.version
    );
    for row in &outcome.rows {
        line(&mut text, row);
    }
    if !outcome.damage.is_empty() {
        text.push('\n');
        text.push_str(&table(outcome));
        for row in outcome
            .damage
            .iter()
            .filter(|row| matches!(row.verdict, Verdict::Fail { .. } | Verdict::Broken { .. }))
        {
            line(&mut text, row);
        }
    }
    let counts = outcome.counts();
    let _ = writeln!(
        text,
        "\n{} verdicts in {:.1} s: {} pass, {} fail (must), {} fail (should), {} not applicable, {} advisory, {} of the library, {} broken",
        outcome.all_rows().count(),
        f64::from(u32::try_from(outcome.millis).unwrap_or(u32::MAX)) / 1000.0,
        counts.pass,
        counts.fail_must,
        counts.fail_should,
        counts.not_applicable,
        counts.advisory,
        counts.library,
        counts.broken
    );
    text
}

fn line(text: &mut String, row: &Row) {
    let words = title(&row.id);
    let id = &row.id;
    let _ = match &row.verdict {
        Verdict::Pass { facts } => {
            writeln!(text, "PASS      {id:<4} {words}\n               {facts}")
        }
        Verdict::NotApplicable { reason } => writeln!(text, "N/A       {id:<4} {reason}"),
        Verdict::Advisory { readings } => writeln!(
            text,
            "ADVISORY  {id:<4} {words}\n               {}",
            readings.join("\n               ")
        ),
        Verdict::Library { findings } => writeln!(
            text,
            "LIBRARY   {id:<4} {words}\n               so do all plugins built on the Go library skel: {}",
            findings.first().map_or("", |one| one.observed.as_str())
        ),
        Verdict::Broken { error } => {
            writeln!(text, "BROKEN    {id:<4} could not be measured: {error}")
        }
        Verdict::Fail { findings } => {
            let level = Outcome::level(row).as_str();
            let mark = if Outcome::level(row) == Level::Must {
                "FAIL"
            } else {
                "WARN"
            };
            let section = clauses::find(id).map_or("2", |clause| clause.section);
            let _ = writeln!(
                text,
                "{mark:<9} {id:<4} {words} (section {section}, {level})"
            );
            for finding in findings {
                let _ = writeln!(text, "          observed  {}", finding.observed);
            }
            findings.first().map_or(Ok(()), |first| {
                evidence(text, first);
                Ok(())
            })
        }
    };
}

/// The clause in our words, or what was done and tried.
pub(super) fn title(id: &str) -> String {
    if let Some(clause) = clauses::find(id) {
        return clause.words.to_owned();
    }
    let Some((row, command)) = id.trim_start_matches("X-").rsplit_once('-') else {
        return id.to_owned();
    };
    let done = damage::ALL
        .iter()
        .find(|one| one.id == row)
        .map_or(row, |one| one.words);
    format!(
        "{command} after: {done}; {command} {}",
        damage::expected(command)
    )
}

fn evidence(text: &mut String, finding: &Finding) {
    let evidence = &finding.evidence;
    if let Some((request, answer)) = &evidence.call {
        let env: Vec<String> = request
            .env
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let _ = writeln!(text, "          env       {}", env.join(" "));
        let _ = writeln!(text, "          stdin     {}", shown(&request.stdin));
        let _ = writeln!(text, "          stdout    {}", shown(&answer.stdout));
        if !answer.stderr.trim().is_empty() {
            let _ = writeln!(text, "          stderr    {}", shown(&answer.stderr));
        }
        let _ = writeln!(text, "          ended     {}", answer.ending);
    }
    for change in evidence.difference.iter().take(CHANGES) {
        let _ = writeln!(text, "          node      {change}");
    }
    if let Some(more) = evidence
        .difference
        .len()
        .checked_sub(CHANGES)
        .filter(|more| *more > 0)
    {
        let _ = writeln!(text, "          node      and {more} more differences");
    }
    let _ = writeln!(text, "          repeat    {}", evidence.repeat);
}

fn shown(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(SHOWN) {
        _ if text.is_empty() => "nothing".to_owned(),
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.replace('\n', "\n                    "),
    }
}

/// The mark of a cell.
pub(super) fn mark(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Pass { .. } => "ok",
        Verdict::Fail { .. } => "FAIL",
        Verdict::NotApplicable { .. } => "-",
        Verdict::Advisory { .. } => "?",
        Verdict::Library { .. } => "lib",
        Verdict::Broken { .. } => "broken",
    }
}

fn table(outcome: &Outcome) -> String {
    let mut text = format!("{:<16}", "after damage to");
    for command in damage::COMMANDS {
        let _ = write!(text, " {command:<7}");
    }
    text.push('\n');
    for one in damage::ALL {
        let cells: Vec<&str> = damage::COMMANDS
            .iter()
            .map(|command| {
                let id = damage::cell(one.id, command);
                outcome
                    .damage
                    .iter()
                    .find(|row| row.id == id)
                    .map_or("", |row| mark(&row.verdict))
            })
            .collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:<7}")).collect();
            let _ = writeln!(text, "{:<16} {}", one.id, cells.join(" ").trim_end());
        }
    }
    text
}
