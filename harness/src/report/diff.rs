//! Shows what is different between two runs.
use flatnet_analysis::diff::{Change, Class, Diff, Example, HopLine};

use super::lines::{BLUE, BOLD, DIM, GREEN, RED, RESET, YELLOW};

/// A difference without noise, unless that is asked for.
pub fn shown(diff: &Diff, all: bool) -> Diff {
    let mut shown = diff.clone();
    let keeps = |change: &Change| all || change.class != Class::Noise;
    shown.changes.retain(keeps);
    shown
}

/// For people; with colours.
pub fn text(diff: &Diff, all: bool) -> String {
    let mut text = format!("{DIM}{} → {}{RESET}\n", diff.before, diff.after);
    let diff = &shown(diff, all);
    let mut last = None;
    for change in &diff.changes {
        if last != Some(change.class) {
            let colour = match change.class {
                Class::PromiseBroken => RED,
                Class::PromiseRestored => GREEN,
                Class::PathDiffers => BLUE,
                Class::FactDiffers => YELLOW,
                Class::Noise => DIM,
            };
            text += &format!("\n{colour}{}{RESET}\n", change.class.heading());
            last = Some(change.class);
        }
        text += &format!("  {BOLD}{}{RESET}\n", change.text);
        for line in &change.evidence {
            text += &format!("      {line}\n");
        }
        if let Some(rule) = &change.rule {
            text += &format!("      rule      {}\n", without_links(rule));
        }
        if let Some(example) = &change.example {
            text += &example_lines(example);
        }
    }
    for (what, names) in [
        ("new", &diff.newcomers.appeared),
        ("gone", &diff.newcomers.gone),
    ] {
        if !names.is_empty() {
            text += &format!("\n{YELLOW}{what}{RESET}  {}\n", names.join(", "));
        }
    }
    for one in &diff.uncompared {
        let who = match one.who.as_str() {
            "" => String::new(),
            who => format!(" of {who}"),
        };
        text += &format!(
            "\n{YELLOW}not compared{RESET}  {}{who}: {}\n",
            one.id.id(),
            one.why
        );
    }
    text + &format!("\n{}\n", closing(diff))
}

/// Links of Markdown as their text.
fn without_links(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        plain += before;
        match after.split_once("](") {
            Some((label, target)) => {
                let (target, after) = target.split_once(')').unwrap_or((target, ""));
                plain += &format!("{label} ({target})");
                rest = after;
            }
            None => {
                plain += "[";
                rest = after;
            }
        }
    }
    plain + rest
}

/// One positive sentence: what is the same, or that all is.
fn closing(diff: &Diff) -> String {
    let differ = diff
        .changes
        .iter()
        .filter(|change| change.class != Class::Noise);
    match (differ.count(), diff.differs()) {
        (0, false) => format!("nothing differs: {}", diff.summary),
        (0, true) => format!("who is there differs; {}", diff.summary),
        (1, _) => format!("1 difference; {}", diff.summary),
        (n, _) => format!("{n} differences; {}", diff.summary),
    }
}

fn example_lines(example: &Example) -> String {
    let side = |name: &str, hops: &[HopLine]| {
        let lines = hops.iter().enumerate().map(|(at, hop)| {
            let label = if at == 0 { name } else { "" };
            let mark = if hop.differs { "≠" } else { " " };
            format!("      {label:<10}{mark} {}\n", hop.hop)
        });
        lines.collect::<String>()
    };
    let flow = format!("      for example {}\n", example.flow);
    match example.is_same() {
        true => flow + &side("both ways", &example.before),
        false => flow + &side("before", &example.before) + &side("after", &example.after),
    }
}

/// A page of Markdown.
pub fn markdown(diff: &Diff, all: bool) -> String {
    let mut text = format!(
        "### What changed\n\n`{}` → `{}`\n\n",
        diff.before, diff.after
    );
    let diff = &shown(diff, all);
    if !diff.changes.is_empty() {
        text += "| | difference |\n|---|---|\n";
    }
    for change in &diff.changes {
        text += &format!(
            "| **{}** | {} |\n",
            change.class.heading(),
            cell(&change.text)
        );
    }
    for change in &diff.changes {
        if change.evidence.is_empty() && change.rule.is_none() && change.example.is_none() {
            continue;
        }
        text += &format!(
            "\n<details><summary>{}</summary>\n\n",
            escaped(&change.text)
        );
        for line in &change.evidence {
            text += &format!("- {}\n", escaped(line));
        }
        if let Some(rule) = &change.rule {
            text += &format!("- rule: {rule}\n");
        }
        if let Some(example) = &change.example {
            text += &format!("\n```text\n{}```\n", example_lines(example));
        }
        text += "\n</details>\n";
    }
    for (what, names) in [
        ("New", &diff.newcomers.appeared),
        ("Gone", &diff.newcomers.gone),
    ] {
        if !names.is_empty() {
            text += &format!("\n{what}: {}\n", names.join(", "));
        }
    }
    for one in &diff.uncompared {
        text += &format!(
            "\nNot compared: {} {}: {}\n",
            one.id.id(),
            one.who,
            escaped(&one.why)
        );
    }
    text + &format!("\n{}\n", closing(diff))
}

/// Text in a cell of a table.
fn cell(text: &str) -> String {
    escaped(text).replace('|', "\\|").replace('\n', " ")
}

fn escaped(text: &str) -> String {
    text.replace('<', "&lt;").replace('>', "&gt;")
}
