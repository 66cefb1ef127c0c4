//! Every check, with what was seen folded away.
use flatnet_analysis::checks;
use flatnet_model::verdict::Verdict;

use super::mark::Mark;
use super::markup::{Element, Markup, el};
use super::page::{Page, left_out};
use super::rule;
use crate::report::CheckReport;

/// Lines of one check, at most.
const MOST_LINES: usize = 40;

pub(super) fn render(page: &Page<'_>) -> Markup {
    let checks = page.report.worst_first().into_iter();
    Markup::of(checks.map(|check| one(page, check)))
}

fn one(page: &Page<'_>, check: &CheckReport) -> Element {
    let mark = Mark::of(check);
    let summary = el("summary")
        .class("line")
        .child(mark.badge(check.verdict.name()))
        .child(el("span").class("id").text(&check.id))
        .child(el("span").class("promise").text(&check.promise));
    let known = checks::find(&check.id).ok();
    let about = known.map(|known| {
        el("p")
            .class("about")
            .text("Promised by ")
            .child(rule::linked(known.source))
            .text(". Observed by ")
            .child(rule::coded(known.observed_by))
            .text(".")
    });
    el("details")
        .class("check")
        .child(summary)
        .child(found(page, check))
        .child(about)
}

fn found(page: &Page<'_>, check: &CheckReport) -> Markup {
    let lines: Vec<String> = match page.words.verdict(&check.verdict) {
        Verdict::Pass { facts } | Verdict::Report { facts } => facts,
        Verdict::Fail { evidence } => evidence.into_iter().map(|text| text.what).collect(),
        Verdict::Skip { reason } if check.required => {
            vec![format!("required, and skipped: {reason}")]
        }
        Verdict::Skip { reason } => vec![reason],
        Verdict::Broken { error, unmeasured } if unmeasured.is_empty() => vec![error],
        Verdict::Broken { unmeasured, .. } => {
            let line = |what: &[String], why: &Option<String>| match why {
                Some(why) => format!("{}: {why}", what.join(", ")),
                None => what.join(", "),
            };
            let lines = unmeasured.iter().map(|one| line(&one.what, &one.why));
            lines.collect()
        }
    };
    let items = lines
        .iter()
        .take(MOST_LINES)
        .map(|line| el("li").text(line));
    let list = el("ul").children(items);
    let evidence = matches!(check.verdict, Verdict::Fail { .. }).then(|| {
        let link = el("a")
            .attr("href", format_args!("#fail-{}", check.id))
            .text("evidence, cause and fix");
        el("p").child(link)
    });
    Markup::from(list)
        .with(left_out(lines.len().saturating_sub(MOST_LINES), "line"))
        .with(evidence)
}
