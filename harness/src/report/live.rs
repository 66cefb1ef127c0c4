//! A dial that was followed, for people: expected beside seen, one line a device.
use comfy_table::{Table, presets};

use flatnet_analysis::follow::answer::{question, summary};
use flatnet_analysis::follow::picture::{Live, Picture, Row};
use flatnet_analysis::trace::model::Direction;
use flatnet_analysis::words;
use flatnet_model::advice::Advice;

/// Headings of a table.
const HEADINGS: [&str; 5] = ["#", "WHERE", "DEVICE", "SEEN", "EXPECTED"];

/// As text for a terminal.
pub fn text(live: &Live, advice: &Advice) -> String {
    let mut text = format!("\n{}\n", question(live));
    for (back, picture) in pictures(live) {
        if back {
            text.push_str("and what answers it:\n");
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(HEADINGS);
        for (index, row) in picture.rows.iter().enumerate() {
            table.add_row(cells(index + 1, row, picture));
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 1));
        }
        for line in table.to_string().lines() {
            text.push_str(&format!("{}\n", line.trim_end()));
        }
    }
    for line in conclusions(live, advice) {
        text.push_str(&format!("  {line}\n"));
    }
    text
}

/// As Markdown.
pub fn markdown(live: &Live, advice: &Advice) -> String {
    let mut text = format!("\n### {}\n", question(live));
    for (back, picture) in pictures(live) {
        let what = if back { "Answers" } else { "Requests" };
        let headings = HEADINGS.map(str::to_lowercase);
        text.push_str(&format!(
            "\n{what}:\n\n| {} |\n|---|---|---|---|---|\n",
            headings.join(" | ")
        ));
        for (index, row) in picture.rows.iter().enumerate() {
            let cells = cells(index + 1, row, picture).map(|cell| cell.replace('|', "\\|"));
            text.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
    }
    text.push('\n');
    for line in conclusions(live, advice) {
        text.push_str(&format!("- {line}\n"));
    }
    text
}

/// Answers are drawn where there were any: of what was not sent nothing can be seen.
fn pictures(live: &Live) -> impl Iterator<Item = (bool, &Picture)> {
    let back = live.back.iter().filter(|back| back.packets > 0);
    std::iter::once((false, &live.there)).chain(back.map(|back| (true, back)))
}

fn cells(number: usize, row: &Row, picture: &Picture) -> [String; 5] {
    let device = match row.direction {
        Direction::In => format!("> {}", row.device),
        Direction::Out => format!("{} >", row.device),
    };
    let seen = match row.seen {
        Some(0) => "-".to_owned(),
        Some(count) => format!("{count} of {}", picture.packets),
        None => "?".to_owned(),
    };
    let expected = row.expected.clone();
    [
        number.to_string(),
        row.netns.exec_name(),
        device,
        seen,
        expected.unwrap_or_else(|| "! not expected".to_owned()),
    ]
}

fn conclusions(live: &Live, advice: &Advice) -> Vec<String> {
    let mut lines = vec![summary(live)];
    lines.extend(words::followed(
        &live.found,
        live.look.as_ref(),
        advice.clone(),
    ));
    lines.extend(live.blind.iter().cloned());
    lines
}
