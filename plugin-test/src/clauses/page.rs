//! The catalogue as a page.
use std::fmt::Write;

use super::all;
use crate::damage;

/// A table of all clauses, and one of all damages, in Markdown.
pub fn markdown() -> String {
    let mut text = String::from(
        "| id | section | level | from | clause | how it is tried |\n|---|---|---|---|---|---|\n",
    );
    for clause in all() {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            clause.id,
            clause.section,
            clause.level.as_str(),
            clause.since,
            clause.words,
            clause.tried
        );
    }
    text.push_str("\n| damage | what was done by hand |\n|---|---|\n");
    for one in damage::ALL {
        let _ = writeln!(text, "| `{}` | {} |", one.id, one.words);
    }
    text.push_str("\n| command after it | what it should do |\n|---|---|\n");
    for command in damage::COMMANDS {
        let _ = writeln!(text, "| {command} | {} |", damage::expected(command));
    }
    text
}
