//! The diagnosis for people. Text carries ANSI colours; the stream it goes to drops them where it is not a terminal.
use std::fmt::Write;

use super::lines::{BOLD, DIM, GREEN, LABEL_WIDTH, RED, RESET, YELLOW, labelled};
use flatnet_analysis::alike::subjects;
use flatnet_analysis::words::{Words, count, listed};
use flatnet_model::diagnosis::{Diagnosis, Ended, Finding, Kind, Restarted, Subject, Tried};

/// Evidence starts here, below the cause.
const INDENT: usize = 4;

/// Every subject, what could not be read, and a closing line.
pub fn render(diagnosis: &Diagnosis) -> String {
    let words = Words::of_diagnosis(diagnosis);
    let mut text = String::new();
    for alike in subjects(diagnosis) {
        text.push_str(&render_subject(&alike, &words));
        text.push('\n');
    }
    for unread in &diagnosis.unread {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{YELLOW}not looked at{RESET}  {}: {}",
            unread.what, unread.why
        );
    }
    let _ = writeln!(text, "{}", closing(diagnosis));
    text
}

/// Pods or nodes with the causes that they share, likeliest first, in the words of the first.
fn render_subject(alike: &[&Subject], words: &Words<'_>) -> String {
    let Some((subject, others)) = alike.split_first() else {
        return String::new();
    };
    let kind = match (subject.kind, others) {
        (Kind::Node, []) => "node",
        (Kind::Node, _) => "nodes",
        (Kind::Pod, []) => "pod",
        (Kind::Pod, _) => "pods",
    };
    let names: Vec<&str> = alike.iter().map(|subject| subject.name.as_str()).collect();
    let on = subject.node.as_ref().map(|node| format!(" on {node}"));
    let colour = if subject.healthy { GREEN } else { RED };
    let mut text = format!(
        "{BOLD}{kind} {}{RESET}{}  {colour}{}{RESET}\n",
        listed(&names, 6),
        on.unwrap_or_default(),
        subject.status
    );
    for (index, finding) in subject.findings.iter().enumerate() {
        text.push_str(&render_finding(index + 1, finding, words));
    }
    if subject.findings.is_empty() {
        let line = match (subject.healthy, &subject.last_warning) {
            (true, _) => well(subject),
            (false, Some(words)) => format!("no cause is known; the last warning: {words}"),
            (false, None) => {
                "no cause is known and there is no warning: it may have just been created"
                    .to_owned()
            }
        };
        let _ = writeln!(text, "{:INDENT$}{line}", "");
    }
    for what in &subject.unmeasured {
        let _ = writeln!(text, "{:INDENT$}{YELLOW}not measured{RESET}  {what}", "");
    }
    for container in &subject.restarted {
        let _ = writeln!(text, "{:INDENT$}{}", "", restarted(container));
    }
    text
}

/// What is not a failure, and may have been one.
fn restarted(container: &Restarted) -> String {
    let Restarted {
        container,
        times,
        ended,
        runs_since,
    } = container;
    let times = count(usize::try_from(*times).unwrap_or_default(), "time");
    let mut text = format!("container {container} was restarted {times}");
    if let Some(Ended {
        exit_code,
        reason,
        at,
    }) = ended
    {
        let at = at.map(|at| format!(" at {at}")).unwrap_or_default();
        let reason = match reason.as_str() {
            "" => String::new(),
            reason => format!(" ({reason})"),
        };
        text.push_str(&format!(
            "; it last ended{at} with exit code {exit_code}{reason}"
        ));
    }
    text.push_str(&format!("; it has run since {runs_since} and is ready"));
    text
}

/// An all-clear says what it is about.
fn well(subject: &Subject) -> String {
    let Some(tried) = &subject.tried else {
        let state = match subject.kind {
            Kind::Node => "it is Ready",
            Kind::Pod => "it runs",
        };
        return format!("{state}; its network was not tried");
    };
    let Tried {
        reached,
        reached_by,
        nodes,
        over,
        bytes,
        gateway,
        service,
    } = tried;
    let over: Vec<String> = over.iter().map(ToString::to_string).collect();
    let mut text = format!(
        "{}: it reached {} on {} and was reached by {} over {}",
        match subject.unmeasured.is_empty() {
            true => "nothing is wrong with it",
            false => "nothing wrong was seen, and not everything could be tried",
        },
        count(*reached, "pod"),
        count(*nodes, "node"),
        count(*reached_by, "pod"),
        over.join(", ")
    );
    if let Some(bytes) = bytes {
        text.push_str(&format!("; packets of {bytes} bytes came through"));
    }
    if *gateway {
        text.push_str("; its gateway answered");
    }
    text.push_str(match service {
        Some(true) => "; it reached itself through a service address",
        // What is wrong, or was not measured, is told below.
        Some(false) => "",
        None => "; service addresses were not tried",
    });
    text
}

fn render_finding(number: usize, finding: &Finding, words: &Words<'_>) -> String {
    let evidence = words.text(&finding.evidence);
    let mut text = format!(
        " {number}. {RED}{}{RESET}  {}\n",
        finding.id.id(),
        evidence.what
    );
    let labels = labelled(&evidence).map(|(label, value)| (label, value.to_owned()));
    let seen = finding
        .seen
        .iter()
        .map(|seen| ("seen", format!("{}: {}", seen.source, seen.text)));
    for (label, value) in labels.chain(seen) {
        let _ = writeln!(
            text,
            "{:INDENT$}{DIM}{label:<LABEL_WIDTH$}{RESET}{value}",
            ""
        );
    }
    text
}

fn closing(diagnosis: &Diagnosis) -> String {
    let all = &diagnosis.subjects;
    if all.is_empty() {
        return format!(
            "{GREEN}every node is Ready and every pod is healthy{RESET}: networks were not tried, see flatnet diagnose POD and flatnet test"
        );
    }
    let explained = all.iter().filter(|s| !s.findings.is_empty()).count();
    let unexplained = all
        .iter()
        .filter(|s| !s.healthy && s.findings.is_empty())
        .count();
    let well = all.len() - explained - unexplained;
    let colour = match (explained, unexplained) {
        (0, 0) => GREEN,
        (0, _) => YELLOW,
        _ => RED,
    };
    format!(
        "{colour}{} examined: {well} healthy, {explained} with a cause, {unexplained} without one{RESET}",
        count(all.len(), "node or pod").replace("node or pods", "nodes and pods")
    )
}
