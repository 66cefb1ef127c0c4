//! The report for people. Text carries ANSI colours; whoever prints it drops them where output is not a terminal.
use comfy_table::{Cell, CellAlignment, Color, ContentArrangement, Table, presets};

use anstyle::Style;

use super::blocks::{Block, blocks};
use super::lines::{
    BLUE, BOLD, DIM, GREEN, LABEL_WIDTH, LABELS, MAGENTA, RED, RESET, YELLOW, evidence_lines,
};
use super::matrix::{Grid, Matrix, Share};
use super::repeated::shown;
use super::{CheckReport, Comparison, Outcome, Report};
use flatnet_analysis::words::{Words, count, listed};
use flatnet_model::verdict::Verdict;

/// Evidence and further facts start here, below the check's text.
const INDENT: usize = 8;
/// Width of the id column: the longest id of the catalogue.
const ID_WIDTH: usize = 14;
/// Larger tables show only the rows and columns in which something did not answer.
const MOST_NAMES: usize = 16;

/// How much to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Detail {
    /// One fact for each check that passed or reports.
    #[default]
    Brief,
    /// Every fact.
    Full,
}

/// The whole report, coloured: checks, those that failed first; matrix, closing line.
pub fn render(report: &Report, detail: Detail) -> String {
    let words = report.words();
    let checks: String = blocks(&report.worst_first(), &words)
        .iter()
        .map(|block| render_block(block, &words, detail))
        .collect();
    let diagnosis = report.diagnosis.as_ref().map(|diagnosis| {
        format!(
            "\nwhy pods do not run\n{}",
            crate::report::diagnosis::render(diagnosis)
        )
    });
    format!(
        "{checks}{}\n{}\n{}{}{}\n",
        diagnosis.unwrap_or_default(),
        render_matrix(&report.matrix),
        render_comparison(&report.comparison),
        render_next(report),
        render_closing(report)
    )
}

/// What differs from a baseline, what may differ, and what allowances came to.
fn render_comparison(comparison: &Comparison) -> String {
    let Some(against) = &comparison.baseline else {
        return String::new();
    };
    let Some(diff) = &against.diff else {
        return String::new();
    };
    let lines = |colour: Style, label: &str, texts: &[String]| {
        let lines = texts
            .iter()
            .map(|text| format!("{colour}{label}{RESET}  {text}\n"));
        lines.collect::<String>()
    };
    format!(
        "{}{}{}{}\n",
        super::diff::text(diff, false),
        lines(BLUE, "allowed", &against.allowed),
        lines(RED, "over", &against.over),
        lines(YELLOW, "unused", &against.unused),
    )
}

/// Where a failure is explained for one pod; nothing where all is well, or where the cluster is gone.
fn render_next(report: &Report) -> String {
    let failed = report.outcome().counts.failed > 0;
    match report.run.cluster.as_ref().filter(|_| failed) {
        Some(cluster) => format!(
            "for one pod, what is wrong and what puts it right: flatnet diagnose --cluster {cluster} POD\n\n"
        ),
        None => String::new(),
    }
}

/// A check, or those that one reason keeps from a verdict. Ends with a newline.
fn render_block(block: &Block<'_>, words: &Words<'_>, detail: Detail) -> String {
    match block {
        Block::One(check) => render_check(check, words, detail),
        Block::Skipped {
            reason,
            required,
            checks,
        } => {
            let colour = if *required { RED } else { YELLOW };
            let ids = checks.join(", ");
            format!(
                "{colour}SKIP  {RESET}  {BOLD}{ids}{RESET}\n{:INDENT$}{reason}\n",
                ""
            )
        }
        Block::Unmeasured { why, checks } => {
            let mut lines = format!("{MAGENTA}BROKEN{RESET}  could not measure, because {why}\n");
            for (id, what) in checks {
                let what = listed(what, 6);
                lines.push_str(&format!(
                    "{:INDENT$}{BOLD}{id:<ID_WIDTH$}{RESET}  {what}\n",
                    ""
                ));
            }
            lines
        }
    }
}

/// One check: its line, and below it the evidence or further facts. Ends with a newline.
pub fn render_check(check: &CheckReport, words: &Words<'_>, detail: Detail) -> String {
    let verdict = words.verdict(&check.verdict);
    let (colour, word, text) = match &verdict {
        Verdict::Pass { facts } => (GREEN, "PASS", facts.first().map_or("", String::as_str)),
        Verdict::Fail { evidence } => (
            RED,
            "FAIL",
            evidence
                .first()
                .map_or("", |evidence| evidence.what.as_str()),
        ),
        Verdict::Report { facts } => (BLUE, "REPORT", facts.first().map_or("", String::as_str)),
        Verdict::Skip { reason } if check.required => (RED, "SKIP", reason.as_str()),
        Verdict::Skip { reason } => (YELLOW, "SKIP", reason.as_str()),
        Verdict::Broken { error, .. } => (MAGENTA, "BROKEN", error.as_str()),
    };
    let mut lines = format!(
        "{colour}{word:<6}{RESET}  {BOLD}{:<ID_WIDTH$}{RESET}  {text}\n",
        check.id
    );
    match &verdict {
        Verdict::Pass { facts } | Verdict::Report { facts } if detail == Detail::Full => {
            for fact in facts.iter().skip(1) {
                lines.push_str(&format!("{:INDENT$}{DIM}{fact}{RESET}\n", ""));
            }
        }
        Verdict::Fail { evidence } => {
            let (shown, more) = shown(evidence);
            for (index, evidence) in shown.into_iter().enumerate() {
                // The first one's `what` is on the check's own line.
                for line in evidence_lines(evidence)
                    .iter()
                    .skip(usize::from(index == 0))
                {
                    let (label, rest) = line.split_at(line.len().min(LABEL_WIDTH));
                    match LABELS.contains(&label.trim_end()) {
                        true => {
                            lines.push_str(&format!("{:INDENT$}{DIM}{label}{RESET}{rest}\n", ""))
                        }
                        false => lines.push_str(&format!("{:INDENT$}{RED}{line}{RESET}\n", "")),
                    }
                }
            }
            for line in more {
                lines.push_str(&format!("{:INDENT$}{line}\n", ""));
            }
        }
        _ => {}
    }
    lines
}

/// Nodes by nodes, and pods by pods where the report has them.
pub fn render_matrix(matrix: &Matrix) -> String {
    let mut text = format!(
        "pairs answered, from row to column\n{}",
        render_grid(&matrix.nodes)
    );
    if let Some(pods) = matrix.pods.as_ref().filter(|pods| !pods.names.is_empty()) {
        text.push_str(&format!("\n{}", render_grid(pods)));
    }
    text
}

fn render_grid(grid: &Grid) -> String {
    let full = |share: &Option<Share>| share.is_none_or(Share::is_full);
    let all: Vec<usize> = (0..grid.names.len()).collect();
    let (rows, columns) = if all.len() <= MOST_NAMES {
        (all.clone(), all)
    } else if grid.is_full() {
        return format!("all of {} by {} complete\n", all.len(), all.len());
    } else {
        let rows = all
            .iter()
            .copied()
            .filter(|row| !grid.cells[*row].iter().all(full))
            .collect();
        let columns = all
            .iter()
            .copied()
            .filter(|column| !grid.cells.iter().all(|row| full(&row[*column])))
            .collect();
        (rows, columns)
    };
    let mut table = Table::new();
    // Whether colours are shown is decided by the stream they go to, not by the table.
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .enforce_styling();
    // Single pairs need no count: with numbers for names, twelve pods fit a terminal of 80 columns.
    let single = grid
        .cells
        .iter()
        .flatten()
        .flatten()
        .all(|share| share.measured == 1);
    // Brackets around what failed stand out without colours.
    let marked = !grid.is_full();
    let name = |index: usize| {
        if single {
            format!("{:>2} {}", index + 1, grid.names[index])
        } else {
            grid.names[index].clone()
        }
    };
    let short = |index: usize| {
        if single {
            (index + 1).to_string()
        } else {
            grid.names[index].clone()
        }
    };
    let header = columns
        .iter()
        .map(|column| right(Cell::new(framed(&short(*column), (marked, false)))));
    table.set_header(std::iter::once(Cell::new("")).chain(header));
    for row in rows {
        let cells = columns
            .iter()
            .map(|column| right(cell(grid.cells[row][*column], (single, marked))));
        table.add_row(std::iter::once(Cell::new(name(row))).chain(cells));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        let before = if marked { 1 } else { 2 };
        column.set_padding((if index == 0 { 0 } else { before }, 0));
    }
    table
        .lines()
        .map(|line| format!("{}\n", without_end(&line)))
        .collect()
}

/// Without spaces at its end, those before the code that ends a colour too.
fn without_end(line: &str) -> String {
    let line = line.trim_end();
    match line.rsplit_once('\u{1b}') {
        Some((text, code)) if code.ends_with('m') && !code.contains(' ') => {
            format!("{}\u{1b}{code}", text.trim_end())
        }
        _ => line.to_owned(),
    }
}

fn right(cell: Cell) -> Cell {
    cell.set_alignment(CellAlignment::Right)
}

fn cell(share: Option<Share>, (single, marked): (bool, bool)) -> Cell {
    let Some(share) = share else {
        return Cell::new(framed("·", (marked, false)));
    };
    let (colour, sign) = match share.answered {
        _ if share.is_full() => (Color::Green, "✓"),
        0 => (Color::Red, "✗"),
        _ => (Color::Yellow, "?"),
    };
    let text = if single {
        sign.to_owned()
    } else {
        format!("{}/{}", share.answered, share.measured)
    };
    Cell::new(framed(&text, (marked, !share.is_full()))).fg(colour)
}

/// In a table in which something failed: in brackets what did, and with room for them what did not.
fn framed(text: &str, (marked, failed): (bool, bool)) -> String {
    match (marked, failed) {
        (false, _) => text.to_owned(),
        (true, false) => format!(" {text} "),
        (true, true) => format!("[{text}]"),
    }
}

/// What was run, how long it took, and how many checks came out how.
pub fn render_closing(report: &Report) -> String {
    let run = &report.run;
    let mut about = format!(
        "{} on {}, {}, {}",
        run.cni,
        run.provider,
        count(run.nodes, "node"),
        count(run.pods, "pod")
    );
    if let Some(underlay) = &run.underlay {
        about.push_str(&format!(", underlay {underlay}"));
    }
    if let Some(mtu) = run.mtu {
        about.push_str(&format!(", mtu {mtu}"));
    }
    about.push_str(&format!(", {}", run.ip_family));
    if run.coverage != "full" {
        about.push_str(&format!(", coverage {}", run.coverage));
    }
    if let Some(planted) = &run.planted {
        about.push_str(&format!(", planted fault {planted}"));
    }
    let phases: Vec<String> = report
        .phases
        .iter()
        .map(|phase| format!("{} {}", phase.name, seconds(phase.ms)))
        .collect();
    if !phases.is_empty() {
        about.push_str(&format!("; {}", phases.join(", ")));
    }
    format!("{DIM}{about}{RESET}\n{}", render_outcome(&report.outcome()))
}

fn seconds(ms: u64) -> String {
    format!("{}.{:02} s", ms / 1000, ms % 1000 / 10)
}

/// What the counts alone do not say, then `12 checks: 11 passed, 1 failed, 0 skipped, 0 broken`, coloured by the worst.
pub fn render_outcome(outcome: &Outcome) -> String {
    let colour = match outcome.exit_code {
        0 => GREEN,
        4 => MAGENTA,
        _ => RED,
    };
    let notes = outcome.notes.iter();
    let notes: String = notes
        .map(|note| format!("{colour}{note}{RESET}\n"))
        .collect();
    format!("{notes}{colour}{}{RESET}", outcome.counts)
}
