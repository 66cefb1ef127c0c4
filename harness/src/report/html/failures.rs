//! What is wrong, first: each failing check with its evidence, and what could not be measured.
use flatnet_analysis::words::Text;
use flatnet_model::evidence::Evidence;
use flatnet_model::verdict::Verdict;

use super::mark::Mark;
use super::markup::{Element, Markup, el};
use super::page::{Page, left_out};
use super::rule;
use crate::report::CheckReport;
use crate::report::lines::labelled;
use crate::report::repeated::shown;

/// Pieces of evidence of one check, at most.
const MOST_EVIDENCE: usize = 12;

pub(super) fn render(page: &Page<'_>) -> Markup {
    let checks = page.report.checks.iter();
    let failed = checks.clone().filter_map(|check| match &check.verdict {
        Verdict::Fail { evidence } => Some(failed(page, check, evidence)),
        _ => None,
    });
    let broken = checks.filter_map(|check| match &check.verdict {
        Verdict::Broken { error, .. } => Some((error.as_str(), check.id.as_str())),
        _ => None,
    });
    Markup::of(failed).with(unmeasured(broken))
}

fn failed(page: &Page<'_>, check: &CheckReport, evidence: &[Evidence]) -> Element {
    let texts: Vec<Text> = evidence.iter().map(|one| page.words.text(one)).collect();
    let (shown, more) = shown(&texts);
    let items = shown.iter().take(MOST_EVIDENCE).map(|text| piece(text));
    let more = more.iter().map(|line| el("p").class("left-out").text(line));
    let source = evidence.first().map(|one| {
        let link = rule::linked(&one.rule.source);
        el("p").class("about").text("Promised by ").child(link)
    });
    let title = el("h3")
        .child(Mark::Fail.badge("failed"))
        .text(" ")
        .child(el("span").class("id").text(&check.id));
    el("div")
        .class("card fail")
        .child(title)
        .child(el("p").class("promise").text(&check.promise))
        .attr("id", format_args!("fail-{}", check.id))
        .children(items)
        .children(more)
        .child(left_out(
            shown.len().saturating_sub(MOST_EVIDENCE),
            "finding",
        ))
        .child(source)
}

/// Checks that could not be measured, by why not.
fn unmeasured<'a>(broken: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Element> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for (error, id) in broken {
        match reasons.iter_mut().find(|(known, _)| *known == error) {
            Some((_, ids)) => ids.push(id),
            None => reasons.push((error, vec![id])),
        }
    }
    let count: usize = reasons.iter().map(|(_, ids)| ids.len()).sum();
    let rows = reasons.iter().map(|(error, ids)| {
        let ids = el("dt").child(el("span").class("id").text(ids.join(", ")));
        el("div").child(ids).child(el("dd").text(error))
    });
    let title = Mark::Broken.badge(&format!("{count} broken"));
    let card = el("div")
        .class("card broken")
        .child(el("h3").child(title).text(" could not be measured"))
        .child(el("dl").class("broken").children(rows));
    (count > 0).then_some(card)
}

/// The parts of a list are lines.
fn parts(list: &str) -> impl Iterator<Item = Element> {
    let parts = list.split("; ");
    parts.map(|part| el("span").class("part").child(rule::coded(part)))
}

/// One finding.
pub(super) fn piece(text: &Text) -> Element {
    let rows = labelled(text).map(|(label, value)| {
        let value = match label {
            // What a person copies.
            "look" => Markup::from(el("code").class("command").text(value)),
            "observed" => Markup::of(parts(value)),
            _ => rule::coded(value),
        };
        el("div")
            .class(label)
            .child(el("dt").text(label))
            .child(el("dd").child(value))
    });
    el("div")
        .class("evidence")
        .child(el("p").class("what").text(&text.what))
        .child(el("dl").children(rows))
}
