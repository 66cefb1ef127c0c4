//! Heat maps: rows are clients, columns servers. Signs and hatching say what colours say.
use flatnet_analysis::words::{all, count};

use super::markup::{Element, Markup, el};
use super::page::Page;
use super::pairs::{By, Heat, heats};
use crate::report::{Grid, Share};

/// A table of so many names is shown whole; of a larger one only rows and columns in which something did not answer.
const MOST_WHOLE: usize = 16;
/// Rows and columns of a part of a table, at most.
const MOST_PART: usize = 20;

pub(super) fn render(page: &Page<'_>) -> Markup {
    let Some(observations) = page.observations() else {
        return Markup::default();
    };
    let tables = |by: By, title: &str| {
        let heats = heats(page, observations, by);
        Markup::of(heats.iter().map(|heat| table(heat, title)))
    };
    let nodes = tables(By::Nodes, "by nodes");
    let shown = nodes.with(tables(By::Pods, "by pods"));
    let legend = el("p").class("about").text(
        "From row to column: ✓ every dial was answered; ! some were not; ✗ none was; · nothing was measured. Of nodes, a cell has the \
         dials of all pairs of ends on these nodes, and on the diagonal those within the node; of pods, the diagonal is the pod \
         and itself.",
    );
    match shown.is_empty() {
        true => shown,
        false => Markup::from(el("div").class("heats").child(shown)).with(legend),
    }
}

fn table(heat: &Heat, by: &str) -> Element {
    let Heat { family, over, grid } = heat;
    let over: Vec<String> = over
        .iter()
        .map(|over| over.as_str().to_uppercase())
        .collect();
    let failing = !grid.is_full();
    let shares = || grid.cells.iter().flatten().flatten();
    let answered: usize = shares().map(|share| share.answered).sum();
    let measured: usize = shares().map(|share| share.measured).sum();
    let each = if over.len() > 1 { ", each" } else { "" };
    let title = format!(
        "{} over {family}{each}: {answered} of {} answered",
        all(over, ", "),
        count(measured, "dial")
    );
    let caption = el("figcaption")
        .class(if failing { "fail" } else { "pass" })
        .text(if failing { "✗ " } else { "✓ " })
        .text(title);
    let by = el("h3").text(by);
    let figure = el("figure").class("heat").child(by).child(caption);
    let names = grid.names.len();
    if names <= MOST_WHOLE {
        let whole: Vec<usize> = (0..names).collect();
        return figure.child(cells(grid, &whole, &whole));
    }
    if !failing {
        return figure.child(el("p").text(format_args!(
            "every row and column of {names} by {names} is complete"
        )));
    }
    let red = |share: &Option<Share>| share.is_some_and(|share| !share.is_full());
    let rows: Vec<usize> = (0..names)
        .filter(|row| grid.cells[*row].iter().any(red))
        .collect();
    let columns: Vec<usize> = (0..names)
        .filter(|column| grid.cells.iter().any(|row| red(&row[*column])))
        .collect();
    let summary = format!(
        "of {names} by {names}, {} and {} have a dial that was not answered{}; all others are complete",
        count(rows.len(), "row"),
        count(columns.len(), "column"),
        match rows.len().max(columns.len()) > MOST_PART {
            true => format!(" (the first {MOST_PART} of each are shown, report.json has all)"),
            false => String::new(),
        }
    );
    let first = |all: &[usize]| all.iter().copied().take(MOST_PART).collect::<Vec<_>>();
    figure
        .child(cells(grid, &first(&rows), &first(&columns)))
        .child(el("p").text(summary))
}

fn cells(grid: &Grid, rows: &[usize], columns: &[usize]) -> Element {
    // Single dials need no count: with numbers for names, many columns fit.
    let shares = grid.cells.iter().flatten().flatten();
    let single = shares.clone().all(|share| share.measured == 1);
    let head = columns.iter().map(|column| {
        let name = &grid.names[*column];
        let th = el("th").attr("scope", "col").attr("title", name);
        match single {
            true => th.text(column + 1),
            false => th.text(name),
        }
    });
    let body = rows.iter().map(|row| {
        let name = &grid.names[*row];
        let th = el("th").attr("scope", "row");
        let th = match single {
            true => th
                .child(el("span").class("number").text(row + 1))
                .text(" ")
                .text(name),
            false => th.text(name),
        };
        let cells = columns
            .iter()
            .map(|column| cell(grid.cells[*row][*column], single));
        el("tr").child(th).children(cells)
    });
    let head = el("tr").child(el("td")).children(head);
    let table = el("table").child(head).children(body);
    el("div").class("scroll").child(table)
}

fn cell(share: Option<Share>, single: bool) -> Element {
    let td = el("td");
    let Some(share) = share else {
        return td.class("void").text("·");
    };
    let (class, sign) = match share.answered {
        _ if share.is_full() => ("full", "✓"),
        0 => ("none", "✗"),
        _ => ("some", "!"),
    };
    let td = td.class(class);
    match (single, class) {
        (true, _) => td.text(sign),
        (false, "full") => td.text(share.measured),
        (false, _) => td.text(format_args!("{sign} {}/{}", share.answered, share.measured)),
    }
}
