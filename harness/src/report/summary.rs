//! The report as a page of Markdown, for a CI run's summary.
use super::repeated::shown;
use super::{CheckReport, Report};
use flatnet_analysis::alike::subjects;
use flatnet_analysis::words::{Words, listed};
use flatnet_model::verdict::Verdict;

/// A heading, one row per check, the evidence of those that failed, and what is different from a baseline.
pub fn render(report: &Report) -> String {
    let run = &report.run;
    let outcome = report.outcome();
    let notes = outcome.notes.iter();
    let notes: String = notes
        .map(|note| format!("**{}**\n\n", cell(note)))
        .collect();
    let words = report.words();
    let mut text = format!(
        "### flatnet: {} on {}, {} nodes, {} pods, {}\n\n{}\n\n{notes}| check | verdict | observed |\n|---|---|---|\n",
        cell(&run.cni),
        run.provider,
        run.nodes,
        run.pods,
        run.ip_family,
        outcome.counts
    );
    for check in &report.checks {
        text.push_str(&row(check, &words));
    }
    let phases: Vec<String> = report
        .phases
        .iter()
        .map(|phase| format!("{} {:.1} s", phase.name, phase.ms as f64 / 1000.0))
        .collect();
    text.push_str(&format!("\n{}\n", phases.join(", ")));
    for check in &report.checks {
        if let Verdict::Fail { evidence } = &check.verdict {
            text.push_str(&format!("\n#### {}\n\n", check.id));
            let texts: Vec<_> = evidence.iter().map(|one| words.text(one)).collect();
            let (shown, more) = shown(&texts);
            for e in shown {
                text.push_str(&format!(
                    "- {}: expected {}, observed {}\n  look: `{}`\n",
                    cell(&e.what),
                    cell(&e.expected),
                    cell(&e.observed),
                    e.look.replace('`', "'")
                ));
            }
            for line in more {
                text.push_str(&format!("- {}\n", cell(&line)));
            }
        }
    }
    if let Some(against) = &report.comparison.baseline {
        text.push('\n');
        if let Some(diff) = &against.diff {
            text.push_str(&super::diff::markdown(diff, false));
        }
        for (label, lines) in [
            ("allowed", &against.allowed),
            ("over", &against.over),
            ("unused", &against.unused),
        ] {
            for line in lines {
                text.push_str(&format!("\n- {label}: {}\n", cell(line)));
            }
        }
    }
    if let Some(diagnosis) = &report.diagnosis {
        text.push_str("\n#### why pods do not run\n\n");
        let words = Words::of_diagnosis(diagnosis);
        for alike in subjects(diagnosis) {
            let names: Vec<&str> = alike.iter().map(|subject| subject.name.as_str()).collect();
            let Some(subject) = alike.first() else {
                continue;
            };
            text.push_str(&format!(
                "- {} {}\n",
                cell(&listed(&names, 6)),
                cell(&subject.status)
            ));
            for finding in &subject.findings {
                let evidence = words.text(&finding.evidence);
                text.push_str(&format!(
                    "  - `{}`: {}; observed {}\n    fix: `{}`\n",
                    finding.id.id(),
                    cell(&evidence.what),
                    cell(&evidence.observed),
                    evidence.fix.unwrap_or_default().replace('`', "'")
                ));
            }
        }
    }
    text
}

fn row(check: &CheckReport, words: &Words<'_>) -> String {
    let verdict = words.verdict(&check.verdict);
    let seen = match &verdict {
        Verdict::Pass { facts } | Verdict::Report { facts } => facts.join("; "),
        Verdict::Fail { evidence } => match &evidence[..] {
            [] => String::new(),
            [only] => only.what.clone(),
            [first, rest @ ..] => format!("{} (and {} more)", first.what, rest.len()),
        },
        Verdict::Skip { reason } => reason.clone(),
        Verdict::Broken { error, .. } => error.clone(),
    };
    let mark = match verdict {
        Verdict::Pass { .. } => "✅ pass",
        Verdict::Report { .. } => "ℹ️ report",
        Verdict::Fail { .. } => "❌ fail",
        Verdict::Skip { .. } if check.required => "❌ skip, required",
        Verdict::Skip { .. } => "➖ skip",
        Verdict::Broken { .. } => "⚠️ broken",
    };
    format!("| `{}` | {mark} | {} |\n", check.id, cell(&seen))
}

/// Text that neither ends a table's cell nor starts markup.
pub(super) fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '<' | '>' | '*' | '_' | '`' | '[' | ']' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
