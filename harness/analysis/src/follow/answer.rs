//! A dial that was followed, as facts for programs.
use flatnet_model::advice::Advice;
use flatnet_model::inspection::{Answer, Fact, Outcome, Source};
use flatnet_model::reference::Netns;
use serde_json::json;

use super::picture::{Live, Row};
use crate::trace::model::Direction;
use crate::words;

/// The question's id.
pub const ID: &str = "route-live";

/// Where packets of a dial were seen, and what became of them.
pub fn answer(live: &Live, advice: &Advice) -> Answer {
    let over = live.dial.request.transport.to_string();
    let mut facts = Vec::new();
    for (path, picture) in [("there", Some(&live.there)), ("back", live.back.as_ref())] {
        let rows = picture.into_iter().flat_map(|picture| &picture.rows);
        let rows = rows.enumerate();
        facts.extend(rows.map(|(at, row)| fact(&over, path, at + 1, row)));
    }
    let (sent, answered) = live.counts();
    let said = words::followed(&live.found, live.look.as_ref(), advice.clone());
    let source = Source::command("flatnet inspect route --live");
    facts.push(
        Fact::new("outcome", over, source)
            .with("sent", sent)
            .with("answered", answered)
            .with("what", said)
            .with("found", json!(live.found))
            .with("not-watched", live.blind.clone()),
    );
    Answer {
        id: ID.to_owned(),
        question: question(live),
        outcome: Outcome::Answered {
            facts,
            problems: Vec::new(),
        },
        explanation: None,
    }
}

/// The heading of an answer.
pub fn question(live: &Live) -> String {
    let dial = &live.dial;
    format!(
        "what becomes of {} from {} to {} ({})?",
        dial.request.transport, dial.from, dial.to, dial.request.address
    )
}

/// `5 sent, 0 answered`, or why nothing was sent.
pub fn summary(live: &Live) -> String {
    match &live.outcomes {
        Ok(_) => {
            let (sent, answered) = live.counts();
            format!("{sent} sent, {answered} answered")
        }
        Err(why) => format!("nothing was sent: {why}"),
    }
}

fn fact(over: &str, path: &str, number: usize, row: &Row) -> Fact {
    let direction = match row.direction {
        Direction::In => "in",
        Direction::Out => "out",
    };
    let who = row.netns.exec_name();
    let source = Source::command(format!("flatnet exec {who} -- tcpdump -ni {}", row.device));
    let fact = Fact::new("device", format!("{over} {path} {number}"), source)
        .with("way", path)
        .with("where", row.netns.to_string())
        .with("device", row.device.clone())
        .with("direction", direction)
        .with("expected", row.expected.is_some())
        .with("what", row.expected.clone())
        .with("seen", row.seen);
    match &row.netns {
        Netns::Node(node) => fact.on(node),
        _ => fact,
    }
}
