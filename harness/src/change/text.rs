//! A change for people.
use std::collections::BTreeMap;

use flatnet_model::change::{Arrival, Arrived, Begun, Leftover, StreamRun, Why, step_at};
use flatnet_model::naming::listed;
use flatnet_model::probe::StreamReport;

use super::report::{ChangeReport, Compared, Pass, called};

/// Lines of one kind that are shown; the rest is counted. JSON has all of them.
const SHOWN: usize = 12;

/// The whole report, with a newline at its end.
pub fn render(report: &ChangeReport) -> String {
    let mut lines = Vec::new();
    for pass in &report.passes {
        pass_lines(pass, &mut lines);
    }
    match &report.wrong[..] {
        [] => lines.push("nothing broke: every pair reaches each other, every stream kept its numbers, nothing is left behind".to_owned()),
        wrong => {
            lines.push("what broke or stayed:".to_owned());
            lines.extend(wrong.iter().map(|what| format!("  {what}")));
        }
    }
    lines.join("\n") + "\n"
}

fn pass_lines(pass: &Pass, lines: &mut Vec<String>) {
    lines.push(format!("{} -> {}", pass.from, pass.to));
    lines.push(format!("  steps      {}", steps(&pass.steps)));
    let pairs = pass.pairs.iter().map(|(ages, reached)| {
        let answered = reached.dialled - reached.failed.len();
        format!("{} {answered} of {}", ages.words(), reached.dialled)
    });
    lines.push(format!("  dials      {}", Vec::from_iter(pairs).join(", ")));
    let failed = pass.pairs.values().flat_map(|reached| &reached.failed);
    few(failed.map(|what| format!("             {what}")), lines);
    lines.push(stream_counts(&pass.streams));
    let told = stream_words(&pass.streams, &pass.steps);
    few(told.into_iter().map(|what| format!("    {what}")), lines);
    lines.push("  arrived".to_owned());
    few(
        arrivals(&pass.arrived)
            .into_iter()
            .map(|what| format!("    {what}")),
        lines,
    );
    for said in &pass.said {
        lines.extend(said.trim_end().lines().map(|line| format!("  {line}")));
    }
    if pass.said.is_empty() {
        lines.push("  checks     none that passed before fails now".to_owned());
    }
    match &pass.leftovers[..] {
        [] => lines.push(format!("  left       {}", nothing_left(pass))),
        all => {
            lines.push("  left".to_owned());
            few(
                leftover_lines(all, pass.compared)
                    .into_iter()
                    .map(|what| format!("    {what}")),
                lines,
            );
        }
    }
}

/// What it was compared with, and no more.
fn nothing_left(pass: &Pass) -> String {
    let (from, to) = (&pass.from, &pass.to);
    match pass.compared {
        Compared::SecondCluster => {
            format!("nothing: nodes are as in a cluster that was made with {to}")
        }
        Compared::NodesBefore => format!(
            "nothing of what nodes had under {from} and not before a CNI was there, but what {to} is seen to use"
        ),
        Compared::PodsOfRun => "nothing that names a pod of the run; what the first configuration left is not known: flatnet did not install the CNI".to_owned(),
    }
}

fn few(all: impl Iterator<Item = String>, lines: &mut Vec<String>) {
    let all: Vec<String> = all.collect();
    let more = all.len().saturating_sub(SHOWN);
    lines.extend(all.into_iter().take(SHOWN));
    if more > 0 {
        lines.push(format!("    and {more} more (--output json has all)"));
    }
}

/// Each step, and how long it took.
pub(crate) fn steps(steps: &[Begun]) -> String {
    let each = steps.iter().enumerate().map(|(index, begun)| {
        let words = begun.step.words();
        match steps.get(index + 1) {
            Some(next) => format!(
                "{words} {}",
                duration(next.at_us.saturating_sub(begun.at_us))
            ),
            None => words,
        }
    });
    Vec::from_iter(each).join(", ")
}

fn duration(us: u64) -> String {
    match us {
        0..1_000_000 => format!("{} ms", us / 1000),
        us => format!("{:.2} s", us as f64 / 1e6),
    }
}

/// How many of them kept their numbers, and how many they sent.
pub(crate) fn stream_counts(streams: &[StreamRun]) -> String {
    let kept = streams.iter().filter(|stream| stream.is_kept()).count();
    let reports = streams.iter().flat_map(|stream| &stream.report);
    let numbers: u64 = reports.map(|report| report.sent).sum();
    format!(
        "  streams    {kept} of {} kept, {numbers} numbers sent",
        streams.len()
    )
}

/// What happened to streams, one line each, with the step in which it did.
pub(crate) fn stream_words(streams: &[StreamRun], steps: &[Begun]) -> Vec<String> {
    let told = streams.iter().flat_map(|stream| one_stream(stream, steps));
    told.collect()
}

/// What happened to one stream; nothing where nothing did.
fn one_stream(stream: &StreamRun, steps: &[Begun]) -> Vec<String> {
    let report = match &stream.report {
        Ok(report) => report,
        Err(why) => {
            return vec![format!(
                "{} to {}: {why}",
                called(&stream.from),
                called(&stream.to)
            )];
        }
    };
    let (from, to) = (called(&stream.from), called(&stream.to));
    let who = format!("{from} to {to} ({})", report.request.transport);
    let at = |time: u64| {
        step_at(steps, time).map_or_else(String::new, |step| format!(", at \"{}\"", step.words()))
    };
    let mut told = Vec::new();
    for cut in &report.cuts {
        let what = match cut.lost {
            0 => format!("stalled for {}, nothing lost", duration(cut.us)),
            1 => "1 number lost".to_owned(),
            lost => format!("{lost} numbers lost in {}", duration(cut.us)),
        };
        told.push(format!("{who}: {what}{}", at(cut.from_us)));
    }
    if report.more_cuts > 0 {
        told.push(format!("{who}: {} shorter cuts besides", report.more_cuts));
    }
    if let Some(end) = &report.ended {
        told.push(format!("{who}: {}{}", end.how, at(end.at_us)));
    }
    told.extend(disorder(&who, report));
    if let Some(refused) = &report.refused {
        told.push(format!("{who}: the kernel refused to send: {refused}"));
    }
    told
}

fn disorder(who: &str, report: &StreamReport) -> Option<String> {
    let (reordered, duplicates) = (report.reordered, report.duplicates);
    (reordered + duplicates > 0)
        .then(|| format!("{who}: {reordered} answers out of order, {duplicates} more than once"))
}

/// One line per property and state, with whom it is true of.
pub(crate) fn arrivals(all: &[Arrived]) -> Vec<String> {
    let mut groups: BTreeMap<(Arrival, String), Vec<&Arrived>> = BTreeMap::new();
    for arrived in all {
        for property in &arrived.properties {
            let (what, before, now) = (&property.what, &property.before, &property.now);
            let words = match property.arrival {
                Arrival::InEffect if before == now => format!("{what} {now}, as before"),
                Arrival::InEffect => format!("{what} {before} -> {now}"),
                Arrival::Old => format!("{what} still {now}, wanted {}", property.wanted),
                Arrival::Neither => format!("{what} {before} -> {now}, wanted {}", property.wanted),
            };
            groups
                .entry((property.arrival, words))
                .or_default()
                .push(arrived);
        }
    }
    let each = groups.into_iter().map(|((arrival, words), whom)| {
        let mark = match arrival {
            Arrival::InEffect => "in effect",
            Arrival::Old => "old      ",
            Arrival::Neither => "neither  ",
        };
        let names = whom.iter().map(|arrived| called(&arrived.at));
        format!("{mark}  {words}: {}", listed(Vec::from_iter(names).iter()))
    });
    each.collect()
}

/// One line per thing, with why it is told and the nodes that have it.
pub(crate) fn leftover_lines(all: &[Leftover], compared: Compared) -> Vec<String> {
    let mut groups: BTreeMap<(Why, &str, &str), Vec<&str>> = BTreeMap::new();
    for left in all {
        let key = (left.why, left.kind.as_str(), left.what.as_str());
        groups.entry(key).or_default().push(&left.node);
    }
    let each = groups.into_iter().map(|((why, kind, what), nodes)| {
        let why = match why {
            Why::Left => "was there before and stays",
            Why::Added if compared != Compared::SecondCluster => {
                "came with a pod of the run, and stays"
            }
            Why::Added => "came with the change, beyond what the configuration brings",
            Why::Lacking => "is missing",
        };
        format!("{kind} {what}: {why} ({})", listed(nodes.iter()))
    });
    each.collect()
}
