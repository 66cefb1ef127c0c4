//! What is different from the baseline.
use flatnet_analysis::diff::{Change, Class, Diff, Example, HopLine};

use super::mark::Mark;
use super::markup::{Element, Markup, el};
use super::page::{Page, left_out};
use super::rule;
use crate::report::Against;

/// Differences, at most.
const MOST_CHANGES: usize = 40;
/// So many of them, the worst, are not folded.
const OPEN: usize = 3;
/// Lines of evidence of one, at most.
const MOST_LINES: usize = 6;

/// What the run differs in from a baseline, and from others of the same configuration.
pub(super) fn render(page: &Page<'_>) -> Markup {
    let comparison = &page.report.comparison;
    let flaky = comparison.flaky.iter().map(|what| {
        let badge = Mark::Broken.badge("flaky");
        el("p").child(badge).text(" ").text(what)
    });
    let against = comparison.baseline.as_ref();
    Markup::of(flaky).with(against.map(compared))
}

/// With a baseline.
fn compared(against: &Against) -> Markup {
    let labelled = [
        (Mark::Report, "allowed", &against.allowed),
        (Mark::Fail, "allowed no more", &against.over),
        (Mark::Skip, "does not differ any more", &against.unused),
    ];
    let labelled = labelled.into_iter().flat_map(|(mark, label, lines)| {
        let shown = lines.iter().take(MOST_LINES);
        shown.map(move |line| el("p").child(mark.badge(label)).text(" ").text(line))
    });
    let differences = match &against.diff {
        Some(diff) => differences(diff),
        None => {
            let text = format!("there is no baseline {} yet", against.file);
            el("p").class("lead").text(text).into()
        }
    };
    let wrote = against.wrote.as_ref().map(|wrote| {
        let accept = format!("flatnet baseline accept {}", against.file);
        el("p")
            .class("about")
            .text(format_args!(
                "What is there now is in {wrote}; to accept it: "
            ))
            .child(el("code").text(accept))
    });
    differences.with(Markup::of(labelled)).with(wrote)
}

/// What differs, the worst first.
fn differences(diff: &Diff) -> Markup {
    let changes = diff.changes.iter();
    let told: Vec<&Change> = changes
        .filter(|change| change.class != Class::Noise)
        .collect();
    let sides = el("p")
        .class("about")
        .child(el("code").text(&diff.before))
        .text(" → ")
        .child(el("code").text(&diff.after));
    let closing = match told.len() {
        0 => format!("nothing differs: {}", diff.summary),
        1 => format!("1 difference; {}", diff.summary),
        n => format!("{n} differences; {}", diff.summary),
    };
    let newcomers = [
        ("New", &diff.newcomers.appeared),
        ("Gone", &diff.newcomers.gone),
    ];
    let newcomers = newcomers
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| el("p").text(format_args!("{what}: {}", names.join(", "))));
    let uncompared = diff.uncompared.iter().take(MOST_LINES).map(|one| {
        let (kind, who, why) = (one.id.id(), &one.who, &one.why);
        el("p").text(format_args!("Not compared: {kind} {who}: {why}"))
    });
    let shown = told.iter().take(MOST_CHANGES).enumerate();
    let shown = shown.map(|(at, change)| one(change, at < OPEN));
    Markup::from(el("p").class("lead").text(closing))
        .with(sides)
        .with(Markup::of(shown))
        .with(left_out(
            told.len().saturating_sub(MOST_CHANGES),
            "difference",
        ))
        .with(Markup::of(newcomers))
        .with(Markup::of(uncompared))
        .with(left_out(
            diff.uncompared.len().saturating_sub(MOST_LINES),
            "fact that could not be compared",
        ))
}

fn one(change: &Change, open: bool) -> Element {
    let mark = match change.class {
        Class::PromiseBroken => Mark::Fail,
        Class::PromiseRestored => Mark::Pass,
        Class::PathDiffers | Class::FactDiffers | Class::Noise => Mark::Report,
    };
    let folds = !change.evidence.is_empty() || change.rule.is_some() || change.example.is_some();
    let (outer, line) = match folds {
        true => ("details", "summary"),
        false => ("div", "p"),
    };
    let summary = el(line)
        .class("line")
        .child(mark.badge(change.class.heading()))
        .child(el("span").class("promise").text(&change.text));
    let lines = change.evidence.iter().take(MOST_LINES);
    let lines = lines.map(|line| el("li").text(line));
    let list = (!change.evidence.is_empty()).then(|| el("ul").children(lines));
    let rule = change.rule.as_ref().map(|rule| {
        let link = rule::linked(rule);
        el("p").class("about").text("Rule: ").child(link)
    });
    let outer = match folds && open {
        true => el(outer).attr("open", ""),
        false => el(outer),
    };
    outer
        .class("check")
        .child(summary)
        .child(list)
        .child(left_out(
            change.evidence.len().saturating_sub(MOST_LINES),
            "line",
        ))
        .child(rule)
        .child(change.example.as_ref().map(example))
}

/// Both ways beside each other; one where they are the same.
fn example(example: &Example) -> Element {
    let side = |title: &str, hops: &[HopLine]| {
        let hops = hops.iter().map(|hop| match hop.differs {
            true => el("li").class("differs").text("≠ ").text(&hop.hop),
            false => el("li").text(&hop.hop),
        });
        el("div")
            .child(el("h4").text(title))
            .child(el("ol").children(hops))
    };
    let sides = match example.is_same() {
        true => vec![side("before and after", &example.before)],
        false => vec![
            side("before", &example.before),
            side("after", &example.after),
        ],
    };
    el("div")
        .child(el("p").text("For example ").text(&example.flow))
        .child(el("div").class("sides").children(sides))
}
