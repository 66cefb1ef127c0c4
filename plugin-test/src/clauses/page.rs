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

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// The page that people read has the catalogue. `FLATNET_REGENERATE=1` writes it.
    #[test]
    fn docs_plugin_test_md_is_current() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plugin-test.md");
        let text = std::fs::read_to_string(&path).expect("the page");
        let (before, rest) = text
            .split_once("<!-- clauses -->\n")
            .expect("the beginning of the clauses");
        let (table, after) = rest
            .split_once("<!-- /clauses -->")
            .expect("the end of the clauses");
        let wanted = super::markdown();
        if std::env::var_os("FLATNET_REGENERATE").is_some() {
            let new = format!("{before}<!-- clauses -->\n{wanted}<!-- /clauses -->{after}");
            std::fs::write(&path, new).expect("the page can be written");
        } else {
            assert_eq!(table, wanted, "`make docs` writes it");
        }
    }

    #[test]
    fn ids_are_unique_and_begin_with_their_group() {
        let ids: Vec<&str> = crate::clauses::all().map(|clause| clause.id).collect();
        let unique: std::collections::BTreeSet<&&str> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len());
        assert!(crate::clauses::all().all(|clause| clause.group().len() == 1));
    }
}
