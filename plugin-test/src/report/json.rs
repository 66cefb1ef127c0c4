//! For programs; docs/plugin-test.md has the schema.
use serde_json::{Value, json as object};

use crate::run::Outcome;
use crate::{Error, clauses};

/// Changes with what programs have to do differently.
const SCHEMA: u32 = 1;

/// All outcomes as one object.
///
/// # Errors
/// [`Error::Failed`] where something cannot be written as JSON.
pub fn json(outcomes: &[Outcome], strict: bool) -> Result<String, Error> {
    let failed = |e: serde_json::Error| Error::Failed(format!("write JSON: {e}"));
    let mut plugins = Vec::new();
    for outcome in outcomes {
        let mut value = serde_json::to_value(outcome).map_err(failed)?;
        for list in ["rows", "damage"] {
            for row in value[list].as_array_mut().into_iter().flatten() {
                describe(row);
            }
        }
        value["counts"] = serde_json::to_value(outcome.counts()).map_err(failed)?;
        value["exit_code"] = object!(outcome.exit_code(strict));
        plugins.push(value);
    }
    let all = object!({"schema": SCHEMA, "strict": strict, "plugins": plugins});
    let mut text = serde_json::to_string_pretty(&all).map_err(failed)?;
    text.push('\n');
    Ok(text)
}

/// What the catalogue has of the clause, beside the verdict.
fn describe(row: &mut Value) {
    let clause = row["id"].as_str().and_then(clauses::find);
    if let Some(clause) = clause {
        row["section"] = object!(clause.section);
        row["level"] = object!(clause.level.as_str());
        row["since"] = object!(clause.since);
        row["clause"] = object!(clause.words);
    }
}
