//! What the run came to, and what was run.
use flatnet_analysis::diff::Diff;
use flatnet_analysis::words::{all, count, listed};
use flatnet_model::verdict::Verdict;

use super::mark::Mark;
use super::markup::{Element, Markup, el};
use super::page::Page;
use crate::report::Outcome;

/// Names in the headline, at most.
const MOST_NAMES: usize = 4;

pub(super) fn render(page: &Page<'_>) -> Element {
    let outcome = &page.outcome;
    // A failure that a baseline knows is none to the exit code.
    let mark = match (outcome.counts.failed, outcome.exit_code) {
        (1.., _) | (_, 1) => Mark::Fail,
        (0, 0) => Mark::Pass,
        _ => Mark::Broken,
    };
    let sign = el("span")
        .class("sign")
        .attr("aria-hidden", "true")
        .text(mark.sign());
    let notes = outcome.notes.iter().map(|note| el("p").text(note));
    el("header")
        .class(format_args!("headline {}", mark.class()))
        .child(el("p").class("product").text("flatnet report"))
        .child(el("h1").child(sign).text(" ").text(sentence(page)))
        .children(notes)
        .child(counts(outcome))
        .child(facts(page))
}

/// No more than what was judged and compared; what makes the run fail comes first.
pub(super) fn sentence(page: &Page<'_>) -> String {
    let comparison = &page.report.comparison;
    let mut parts = Vec::new();
    let compared = comparison.baseline.as_ref();
    let compared = compared.and_then(|against| against.diff.as_ref());
    if compared.is_some_and(Diff::differs) {
        parts.push("the run differs from its baseline".to_owned());
    }
    if !comparison.flaky.is_empty() {
        let runs = comparison.runs;
        parts.push(format!("what is observed differs among {runs} runs"));
    }
    let at = match page.outcome.counts.failed {
        0 => parts.len(),
        _ => 0,
    };
    parts.insert(at, promises(page));
    let sentence = parts.join("; ");
    let mut letters = sentence.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}

fn promises(page: &Page<'_>) -> String {
    let outcome = &page.outcome;
    let counts = outcome.counts;
    let judged = counts.passed + counts.failed;
    let checks = page.report.checks.iter();
    let failing = checks.filter(|check| matches!(check.verdict, Verdict::Fail { .. }));
    let failing: Vec<&str> = failing.map(|check| check.id.as_str()).collect();
    match (counts.failed, outcome.missed.len(), counts.broken, judged) {
        (1.., ..) => format!(
            "{} of {} {} broken: {}",
            counts.failed,
            count(judged, "promise"),
            if counts.failed == 1 { "is" } else { "are" },
            listed(&failing, MOST_NAMES)
        ),
        (0, 1.., ..) => format!(
            "skipped, and must not be: {}",
            listed(&outcome.missed, MOST_NAMES)
        ),
        (0, 0, broken @ 1.., _) => format!("{} could not be measured", count(broken, "check")),
        (0, 0, 0, 0) if counts.skipped == 0 && counts.reported > 0 => {
            "facts only: no promise was checked".to_owned()
        }
        (0, 0, 0, 0) => "nothing was judged".to_owned(),
        (0, 0, 0, 1) => "the promise that was checked holds".to_owned(),
        (0, 0, 0, _) => format!("all {judged} promises that were checked hold"),
    }
}

fn counts(outcome: &Outcome) -> Element {
    let counts = outcome.counts;
    let all = [
        (Mark::Fail, counts.failed, "failed"),
        (Mark::Pass, counts.passed, "passed"),
        (Mark::Broken, counts.broken, "broken"),
        (Mark::Skip, counts.skipped, "skipped"),
        (Mark::Report, counts.reported, "reported"),
    ];
    let badges = all.into_iter().map(|(mark, count, word)| {
        let badge = mark.badge(&format!("{count} {word}"));
        // What there is none of stands back.
        match count {
            0 => el("span").class("none").child(badge),
            _ => badge,
        }
    });
    el("p").class("counts").children(badges)
}

fn facts(page: &Page<'_>) -> Element {
    let report = page.report;
    let run = &report.run;
    let on = match &run.cluster {
        Some(cluster) => format!("{} ({cluster})", run.provider),
        None => run.provider.clone(),
    };
    let families = match run.ip_family.as_str() {
        "ipv4" => "IPv4",
        "ipv6" => "IPv6",
        "dual" => "IPv4 and IPv6",
        other => other,
    };
    let facts = [
        ("CNI", Some(run.cni.clone())),
        ("cluster", Some(on)),
        (
            "size",
            Some(all(
                [count(run.nodes, "node"), count(run.pods, "pod")],
                ", ",
            )),
        ),
        ("addresses", Some(families.to_owned())),
        ("underlay", run.underlay.clone()),
        ("underlay MTU", run.mtu.map(|mtu| mtu.to_string())),
        (
            "pairs dialled",
            (run.coverage != "full").then(|| run.coverage.clone()),
        ),
        ("planted fault", run.planted.clone()),
        ("started", Some(report.started.clone())),
        ("flatnet", Some(report.flatnet_version.clone())),
    ];
    let known = facts
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    el("dl")
        .class("run")
        .children(known.map(|(name, value)| -> Markup {
            let pair = el("div").child(el("dt").text(name));
            pair.child(el("dd").text(value)).into()
        }))
}
