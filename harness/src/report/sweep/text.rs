//! For people: what is not as expected with the command that repeats it, then one table, worst first.
use comfy_table::{ContentArrangement, Table, presets};

use super::{RowReport, RowResult, Sweep, seconds};
use crate::report::lines::{BOLD, DIM, GREEN, RED, RESET, YELLOW};

/// `width` columns wide where that is known. With `all`, every row has a line of its own; otherwise the rows of a matrix that are as
/// expected share one.
pub fn text(sweep: &Sweep, all: bool, width: Option<u16>) -> String {
    let mut text = String::new();
    let wrong = sweep
        .rows
        .iter()
        .filter(|row| row.result != RowResult::AsExpected);
    for row in wrong {
        text += &details(row);
    }
    text += &table(sweep, all, width);
    format!("{text}\n{}\n", sweep.closing())
}

fn word(result: RowResult) -> &'static str {
    match result {
        RowResult::Unexpected => "DIFFERS",
        RowResult::Broken => "BROKEN",
        RowResult::AsExpected => "OK",
    }
}

fn details(row: &RowReport) -> String {
    let colour = match row.result {
        RowResult::Unexpected => RED,
        RowResult::Broken => YELLOW,
        RowResult::AsExpected => GREEN,
    };
    let mut text = format!(
        "{colour}{:<7}{RESET} {BOLD}{}{RESET}  {DIM}{}{RESET}\n",
        word(row.result),
        row.name,
        row.options
    );
    for miss in &row.misses {
        text += &format!(
            "        expected  {}\n        observed  {}\n",
            miss.expected, miss.seen
        );
    }
    text + &format!("        repeat    {}\n\n", row.repeat)
}

/// A line of the table: one row, or all of a matrix that are as expected.
struct Line<'a> {
    result: RowResult,
    name: String,
    rows: Vec<&'a RowReport>,
}

fn lines(sweep: &Sweep, all: bool) -> Vec<Line<'_>> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    for row in &sweep.rows {
        let matrix = row.matrix.as_ref();
        let matrix = matrix.filter(|_| !all && row.result == RowResult::AsExpected);
        let name = matrix.map_or_else(|| row.name.clone(), |matrix| format!("{matrix}-…"));
        let same = |line: &&mut Line<'_>| matrix.is_some() && line.name == name;
        match lines.iter_mut().find(same) {
            Some(line) => line.rows.push(row),
            None => lines.push(Line {
                result: row.result,
                name,
                rows: vec![row],
            }),
        }
    }
    lines
}

fn table(sweep: &Sweep, all: bool, width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "RESULT",
        "CONFIGURATION",
        "ROWS",
        "SECONDS",
        "FIRST DIFFERENCE",
    ]);
    if let Some(width) = width {
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width.max(60));
    }
    for line in lines(sweep, all) {
        let first = line.rows.iter().find_map(|row| row.misses.first());
        let first = first.map_or_else(
            || "-".to_owned(),
            |miss| format!("expected {}", miss.expected),
        );
        let times = line.rows.iter().map(|row| row.ms);
        let (least, most) = (times.clone().min(), times.max());
        let took = match (least.unwrap_or_default(), most.unwrap_or_default()) {
            (least, most) if line.rows.len() > 1 => {
                format!("{:.1} to {}", least as f64 / 1000.0, seconds(most))
            }
            (_, most) => seconds(most),
        };
        table.add_row([
            word(line.result).to_owned(),
            line.name,
            line.rows.len().to_string(),
            took.trim_end_matches(" s").to_owned(),
            first,
        ]);
    }
    let lines = table.to_string();
    // The preset pads the first column too.
    let lines = lines
        .lines()
        .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line).trim_end()));
    lines.collect()
}
