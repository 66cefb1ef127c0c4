//! Why pods do not run.
use flatnet_analysis::alike::subjects;
use flatnet_analysis::words::{Words, listed};

use super::failures::piece;
use super::markup::{Element, Markup, el};
use super::page::{Page, left_out};
use flatnet_model::diagnosis::Subject;

/// Groups of pods or nodes, at most.
const MOST_GROUPS: usize = 12;
/// Names of one group, at most.
const MOST_NAMES: usize = 6;

pub(super) fn render(page: &Page<'_>) -> Markup {
    let Some(diagnosis) = &page.report.diagnosis else {
        return Markup::default();
    };
    let words = Words::of_diagnosis(diagnosis);
    let groups = subjects(diagnosis);
    let shown = groups
        .iter()
        .take(MOST_GROUPS)
        .filter_map(|alike| group(alike, &words));
    let unread = diagnosis.unread.iter().map(|unread| {
        let line = format!("not looked at: {}: {}", unread.what, unread.why);
        el("p").text(line)
    });
    Markup::of(shown)
        .with(left_out(
            groups.len().saturating_sub(MOST_GROUPS),
            "pod or node",
        ))
        .with(Markup::of(unread))
}

fn group(alike: &[&Subject], words: &Words<'_>) -> Option<Element> {
    let subject = alike.first()?;
    let names: Vec<&str> = alike.iter().map(|subject| subject.name.as_str()).collect();
    let on = subject.node.as_ref().map(|node| format!(" on {node}"));
    let title = el("h3")
        .child(el("span").class("id").text(listed(&names, MOST_NAMES)))
        .text(on.unwrap_or_default())
        .text(" ")
        .text(&subject.status);
    let findings = subject.findings.iter().map(|finding| {
        let seen = finding.seen.iter().map(|seen| {
            let source = el("dt").text(&seen.source);
            el("div")
                .child(source)
                .child(el("dd").child(el("samp").text(&seen.text)))
        });
        piece(&words.text(&finding.evidence)).child(el("dl").children(seen))
    });
    let warning = subject
        .last_warning
        .as_ref()
        .filter(|_| subject.findings.is_empty());
    let warning = warning.map(|text| {
        let known = el("p").text("no cause is known; the last warning: ");
        known.child(el("samp").text(text))
    });
    let card = el("div")
        .class(if subject.healthy { "card" } else { "card fail" })
        .child(title)
        .children(findings)
        .child(warning);
    Some(card)
}
