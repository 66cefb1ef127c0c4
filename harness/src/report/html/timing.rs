//! How long each part of the run took.
use super::markup::{Markup, el};
use super::page::Page;

pub(super) fn render(page: &Page<'_>) -> Markup {
    let phases = &page.report.phases;
    let longest = phases.iter().map(|phase| phase.ms).max().unwrap_or(0);
    let total: u64 = phases.iter().map(|phase| phase.ms).sum();
    let rows = phases.iter().map(|phase| {
        // Thousandths of the longest, so that a short one can still be seen.
        let share = (phase.ms * 1000 / longest.max(1)).max(4);
        let bar = el("rect")
            .attr("width", share)
            .attr("height", 10)
            .attr("rx", 2);
        let drawn = el("svg")
            .attr("viewBox", "0 0 1000 10")
            .attr("preserveAspectRatio", "none")
            .attr("aria-hidden", "true")
            .child(bar);
        el("tr")
            .child(el("th").attr("scope", "row").text(&phase.name))
            .child(el("td").class("bar").child(drawn))
            .child(el("td").class("figure").text(seconds(phase.ms)))
    });
    let sum = el("tr")
        .child(el("th").attr("scope", "row").text("together"))
        .child(el("td"))
        .child(el("td").class("figure").text(seconds(total)));
    match phases.is_empty() {
        true => Markup::default(),
        false => el("table").class("timing").children(rows).child(sum).into(),
    }
}

fn seconds(ms: u64) -> String {
    format!("{}.{:02} s", ms / 1000, ms % 1000 / 10)
}
