//! For the summary of a CI run.
use super::{RowResult, Sweep};
use crate::report::summary::cell;

/// A heading, and a table of what is not as expected.
pub fn markdown(sweep: &Sweep) -> String {
    let mut text = format!(
        "### flatnet sweep {}\n\n{}\n",
        cell(&sweep.file),
        sweep.closing()
    );
    let wrong = sweep
        .rows
        .iter()
        .filter(|row| row.result != RowResult::AsExpected);
    let mut wrong = wrong.peekable();
    if wrong.peek().is_some() {
        text += "\n| | configuration | expected | observed | repeat |\n|---|---|---|---|---|\n";
    }
    for row in wrong {
        let mark = match row.result {
            RowResult::Unexpected => "❌",
            RowResult::Broken => "⚠️",
            RowResult::AsExpected => "✅",
        };
        for miss in &row.misses {
            text += &format!(
                "| {mark} | `{}` | {} | {} | `{}` |\n",
                row.name,
                cell(&miss.expected),
                cell(&miss.seen),
                row.repeat.replace('`', "'")
            );
        }
    }
    text
}
