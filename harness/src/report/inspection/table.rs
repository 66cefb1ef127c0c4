//! Answers on a terminal.
use comfy_table::{ContentArrangement, Table, presets};

use super::rows::{Rows, topics};
use crate::report::lines::{BOLD, DIM, RED, RESET, YELLOW};
use flatnet_model::inspection::{Answer, Inspection, Outcome, Problem, Source};

/// One question after the other, `width` columns wide where that is known. Colours are escape sequences; the printer
/// strips them where there is no terminal.
pub fn table(inspection: &Inspection, nodes: usize, width: Option<u16>) -> String {
    let mut text = String::new();
    for (at, answer) in inspection.answers.iter().enumerate() {
        if at > 0 {
            text.push('\n');
        }
        show(answer, nodes, width, &mut text);
    }
    text
}

fn show(answer: &Answer, nodes: usize, width: Option<u16>, text: &mut String) {
    text.push_str(&format!(
        "{BOLD}{}{RESET}: {}\n",
        answer.id, answer.question
    ));
    if let Some(explanation) = &answer.explanation {
        text.push_str(&format!(
            "  {}\n",
            explanation.split_whitespace().collect::<Vec<_>>().join(" ")
        ));
    }
    match &answer.outcome {
        Outcome::Answered { facts, problems } => {
            for rows in topics(facts, nodes) {
                text.push('\n');
                push_table(&rows, width, text);
            }
            for problem in problems {
                text.push_str(&format!("  {YELLOW}!{RESET} {}\n", sentence(problem)));
            }
        }
        Outcome::Skipped { reason } => text.push_str(&format!("  {DIM}skipped:{RESET} {reason}\n")),
        Outcome::Unanswered { error } => {
            text.push_str(&format!("  {RED}could not be answered:{RESET} {error}\n"))
        }
    }
}

fn push_table(rows: &Rows<'_>, width: Option<u16>, text: &mut String) {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(rows.header.clone());
    if let Some(width) = width {
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width.saturating_sub(2).max(40));
    }
    for row in &rows.rows {
        table.add_row(
            row.iter()
                .map(|cell| if cell.is_empty() { "-" } else { cell }),
        );
    }
    for line in table.to_string().lines() {
        // The preset pads the first column too.
        text.push_str(&format!(
            "  {}\n",
            line.strip_prefix(' ').unwrap_or(line).trim_end()
        ));
    }
    text.push_str(&format!(
        "  {DIM}{} from {}{RESET}\n",
        rows.topic,
        sources(&rows.sources)
    ));
    for (about, meaning) in &rows.meanings {
        text.push_str(&format!("  {BOLD}{about}{RESET}: {meaning}\n"));
    }
}

/// Where many facts have a source each, of the same program and with another argument, the first shows what the others are
/// like.
fn sources(sources: &[&Source]) -> String {
    const SHOWN: usize = 3;
    let program = |source: &Source| match source {
        Source::File(_) => None,
        Source::Command(text) | Source::Api(text) => {
            text.split([' ', '/']).next().map(str::to_owned)
        }
    };
    let mut shown: Vec<String> = Vec::new();
    for (at, source) in sources.iter().enumerate() {
        let alike =
            |other: &&&Source| program(other).is_some() && program(other) == program(source);
        let all = sources.iter().filter(alike).count();
        let before = sources[..at].iter().filter(alike).count();
        let words = match source {
            Source::File(path) => path.clone(),
            Source::Command(command) | Source::Api(command) => format!("`{command}`"),
        };
        match (all > SHOWN, before) {
            (false, _) => shown.push(words),
            (true, 0) => shown.push(format!("{words} and {} more like it", all - 1)),
            (true, _) => {}
        }
    }
    shown.join(", ")
}

/// `NODE, WHAT: what is wrong with it`.
pub(super) fn sentence(problem: &Problem) -> String {
    let place = problem
        .node
        .as_deref()
        .map_or_else(String::new, |node| format!("{node}, "));
    format!("{place}{}: {}", problem.about, problem.what)
}
