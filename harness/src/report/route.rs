//! The answer to `route`, for people: one numbered line a hop.
use comfy_table::{Table, presets};

use flatnet_analysis::trace::answer::{EXPLANATION, question};
use flatnet_analysis::trace::found::Found;
use flatnet_analysis::trace::model::{Direction, Hop, Trace};
use flatnet_analysis::trace::words;
use flatnet_model::advice::Advice;

/// Headings of a path's table.
const HEADINGS: [&str; 5] = ["#", "WHERE", "DEVICE", "MTU", "WHAT"];

/// As text for a terminal; with the commands that show each hop where `explain`.
pub fn text(found: &Found, explain: bool, advice: &Advice) -> String {
    let mut text = format!("{}\n", question(found));
    if let Some(service) = &found.service {
        text.push_str(&format!(
            "{}\n",
            flatnet_analysis::trace::found::service_words(service)
        ));
    }
    path(&mut text, &found.there, explain, advice);
    if let Some(back) = &found.back {
        text.push_str("\nand back:\n");
        path(&mut text, back, explain, advice);
        text.push_str(&format!("  {}\n", mirror_words(&found.there, back)));
    }
    if explain {
        text.push_str(&format!("\n{EXPLANATION}\n"));
    }
    text
}

fn path(text: &mut String, trace: &Trace, explain: bool, advice: &Advice) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(HEADINGS);
    for (index, hop) in trace.hops.iter().enumerate() {
        table.add_row(row(index + 1, hop));
        if let Some(note) = &hop.note {
            table.add_row(["", "", "", "", &format!("! {note}")]);
        }
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    if !trace.hops.is_empty() {
        for line in table.to_string().lines() {
            text.push_str(&format!("{}\n", line.trim_end()));
        }
    }
    for line in conclusions(trace, advice) {
        text.push_str(&format!("  {line}\n"));
    }
    if explain && !trace.hops.is_empty() {
        text.push_str("\nsee for yourself:\n");
        for (index, hop) in trace.hops.iter().enumerate() {
            text.push_str(&format!(
                "{:>3}  {}\n",
                index + 1,
                words::look_at(hop, advice)
            ));
        }
    }
}

/// As Markdown.
pub fn markdown(found: &Found, explain: bool, advice: &Advice) -> String {
    let mut text = format!("### {}\n\n", question(found));
    if let Some(service) = &found.service {
        text.push_str(&format!(
            "{}\n\n",
            flatnet_analysis::trace::found::service_words(service)
        ));
    }
    markdown_path(&mut text, &found.there, advice);
    if let Some(back) = &found.back {
        text.push_str("\nAnd back:\n\n");
        markdown_path(&mut text, back, advice);
        text.push_str(&format!("- {}\n", mirror_words(&found.there, back)));
    }
    if explain {
        text.push_str(&format!("\n{EXPLANATION}\n"));
    }
    text
}

fn markdown_path(text: &mut String, trace: &Trace, advice: &Advice) {
    if !trace.hops.is_empty() {
        let headings = HEADINGS.map(str::to_lowercase);
        text.push_str(&format!("| {} | source |\n", headings.join(" | ")));
        text.push_str("|---|---|---|---|---|---|\n");
    }
    for (index, hop) in trace.hops.iter().enumerate() {
        let mut cells = row(index + 1, hop);
        if let (Some(note), Some(what)) = (&hop.note, cells.last_mut()) {
            what.push_str(&format!("; {note}"));
        }
        let cells = cells.map(|cell| cell.replace('|', "\\|"));
        let look = words::look_at(hop, advice);
        text.push_str(&format!("| {} | `{look}` |\n", cells.join(" | ")));
    }
    text.push('\n');
    for line in conclusions(trace, advice) {
        text.push_str(&format!("- {line}\n"));
    }
}

fn row(number: usize, hop: &Hop) -> [String; 5] {
    let device = match hop.direction {
        Direction::In => format!("> {}", hop.device),
        Direction::Out => format!("{} >", hop.device),
    };
    let mut what = words::step(&hop.step);
    if let Some(state) = words::neighbour(&hop.step) {
        what.push_str(&format!(" {state}"));
    }
    if hop.overhead > 0 {
        what = format!("outer: {what}");
    }
    [
        number.to_string(),
        hop.netns.exec_name(),
        device,
        hop.mtu.to_string(),
        what,
    ]
}

/// The lines beneath a path.
fn conclusions(trace: &Trace, advice: &Advice) -> Vec<String> {
    let mut lines = vec![words::ending(trace)];
    lines.extend(words::look_at_ending(trace, advice).map(|look| format!("look: {look}")));
    if trace.arrives() {
        lines.extend(words::mtu(trace));
    }
    lines.extend(trace.remarks.iter().cloned());
    lines
}

fn mirror_words(there: &Trace, back: &Trace) -> &'static str {
    if there.mirrors(back) {
        "the return path is the mirror image: the same devices in reverse"
    } else {
        "the return path is a different one"
    }
}
