//! Answers for a page.
use super::rows::topics;
use super::table::sentence;
use flatnet_model::inspection::{Inspection, Outcome, Source};

/// One section a question. `nodes`: how many nodes were looked at.
pub fn markdown(inspection: &Inspection, nodes: usize) -> String {
    let mut text = format!(
        "# Cluster {} ({})\n",
        inspection.cluster, inspection.provider
    );
    for answer in &inspection.answers {
        text.push_str(&format!(
            "\n## {}\n\n{}\n",
            answer.id,
            capitalised(&answer.question)
        ));
        if let Some(explanation) = &answer.explanation {
            text.push_str(&format!("\n{explanation}\n"));
        }
        match &answer.outcome {
            Outcome::Answered { facts, problems } => {
                for rows in topics(facts, nodes) {
                    text.push_str(&format!(
                        "\n{}\n|{}\n",
                        line(&rows.header),
                        "---|".repeat(rows.header.len())
                    ));
                    for row in &rows.rows {
                        text.push_str(&line(row));
                        text.push('\n');
                    }
                    let sources: Vec<String> =
                        rows.sources.iter().map(|source| code(source)).collect();
                    text.push_str(&format!("\nFrom {}.\n", sources.join(", ")));
                    if !rows.meanings.is_empty() {
                        text.push('\n');
                    }
                    for (about, meaning) in &rows.meanings {
                        text.push_str(&format!("- `{about}`: {meaning}\n"));
                    }
                }
                if !problems.is_empty() {
                    text.push('\n');
                }
                for problem in problems {
                    text.push_str(&format!("- **{}**\n", sentence(problem)));
                }
            }
            Outcome::Skipped { reason } => text.push_str(&format!("\nSkipped: {reason}.\n")),
            Outcome::Unanswered { error } => {
                text.push_str(&format!("\nCould not be answered: {error}.\n"))
            }
        }
    }
    text
}

fn line(cells: &[String]) -> String {
    let escaped: Vec<String> = cells
        .iter()
        .map(|cell| cell.replace('|', "\\|").replace('\n', " "))
        .collect();
    format!("| {} |", escaped.join(" | "))
}

fn code(source: &Source) -> String {
    format!("`{}`", source.text())
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}
