//! The way of one packet of each class of failures: as it was followed, or else as routes, neighbours and bridges lead it.
use flatnet_analysis::follow::answer::summary;
use flatnet_analysis::follow::picture::Live;
use flatnet_analysis::follow::{Chosen, Ground, wanted};
use flatnet_analysis::trace::model::Direction;
use flatnet_analysis::trace::{Ending, Trace, words as walked};
use flatnet_analysis::words;
use flatnet_model::follow::{Burst, Fate, Followed, Wanted};
use flatnet_model::probe::watch::Passing;
use flatnet_model::reference::{Endpoint, Netns};

use super::markup::{Element, Markup, el};
use super::page::{Page, left_out};
use super::rule;

/// Ways that are drawn, at most.
const MOST_PATHS: usize = 6;
/// Lines about what could not be watched, at most.
const MOST_BLIND: usize = 3;

/// A device on a way.
struct Hop {
    netns: Netns,
    device: String,
    direction: Direction,
    /// Why packets pass here; nothing where they should not.
    why: Option<String>,
    /// How many were seen.
    seen: Option<String>,
    /// What is said of it where packets end here.
    end: Option<&'static str>,
    /// Beyond the end.
    missed: bool,
}

pub(super) fn render(page: &Page<'_>) -> Markup {
    // Where pods are masqueraded towards nodes, as they may be, packets were followed and nothing failed.
    let failed = page.outcome.counts.failed > 0;
    let Some(observations) = page.observations().filter(|_| failed) else {
        return Markup::default();
    };
    let followed = &observations.following.followed;
    let Chosen {
        dials,
        left_out: more,
    } = wanted(observations, MOST_PATHS.saturating_sub(followed.len()));
    if followed.is_empty() && dials.is_empty() {
        return Markup::default();
    }
    let ground = Ground::of(observations);
    let seen = followed.iter().map(|one| seen(page, &ground, one));
    let led = dials.iter().map(|dial| led(page, &ground, dial));
    let cards = seen.chain(led).enumerate().map(|(at, card)| match at {
        0 => card.attr("open", ""),
        _ => card,
    });
    let withheld = observations.following.withheld.as_ref();
    let withheld = withheld.map(|why| el("p").text("No packet was followed: ").text(why));
    Markup::from(withheld)
        .with(Markup::of(cards))
        .with(left_out(more, "class of failures"))
}

/// A dial that was made again under watch.
fn seen(page: &Page<'_>, ground: &Ground, followed: &Followed) -> Element {
    let live = ground.live(followed);
    let fate = live.found.fate.as_ref();
    let back_ended = fate.is_some_and(|fate| fate.leg.is_back());
    let there = hops(&live, false, fate.filter(|_| !back_ended));
    let back = hops(&live, true, fate.filter(|_| back_ended));
    let answers = live.back.as_ref().is_some_and(|back| back.packets > 0);
    let rewrites = live.found.rewrites.iter();
    let changed: Vec<&Netns> = rewrites.map(|rewrite| &rewrite.at).collect();
    let back = (answers || back_ended).then(|| {
        Markup::from(el("h4").text("and what answers it")).with(drawn(page, &back, &changed))
    });
    let advice = page.words.advice.clone();
    let lines = std::iter::once(summary(&live))
        .chain(words::followed(&live.found, live.look.as_ref(), advice))
        .chain(live.blind.iter().take(MOST_BLIND).cloned());
    let drawn = Markup::from(drawn(page, &there, &changed)).with(back);
    card(title(page, &live.dial), drawn, lines)
}

/// Folded, so that what a class of failures says is found without scrolling past the others.
fn card(title: String, drawn: impl Into<Markup>, lines: impl Iterator<Item = String>) -> Element {
    let title = el("summary").child(el("h3").text(title));
    let lines = lines.map(|line| el("li").child(rule::coded(&line)));
    el("details")
        .class("card")
        .child(title)
        .child(drawn)
        .child(el("ul").children(lines))
}

/// The devices of one direction, with the one where packets of that fate were last seen.
fn hops(live: &Live, back: bool, fate: Option<&Fate>) -> Vec<Hop> {
    let picture = match back {
        true => live.back.as_ref(),
        false => Some(&live.there),
    };
    let Some(picture) = picture else {
        return Vec::new();
    };
    let last = fate.and_then(|fate| fate.last.as_ref());
    let end = picture.rows.iter().rposition(|row| {
        last.is_some_and(|sight| {
            let out = sight.passing == Passing::Out;
            row.netns == sight.netns
                && row.device == sight.device
                && (row.direction == Direction::Out) == out
        })
    });
    let rows = picture.rows.iter().enumerate();
    rows.map(|(at, row)| Hop {
        netns: row.netns.clone(),
        device: row.device.clone(),
        direction: row.direction,
        why: row.expected.clone(),
        seen: Some(match row.seen {
            Some(count) => format!("seen {count} of {}", picture.packets),
            None => "not watched".to_owned(),
        }),
        end: (end == Some(at)).then_some("✗ last seen here"),
        missed: end.is_some_and(|end| at > end) && row.seen.is_none_or(|count| count == 0),
    })
    .collect()
}

/// A dial that was not followed.
fn led(page: &Page<'_>, ground: &Ground, dial: &Wanted) -> Element {
    let trace = ground.walk(dial);
    let hops = led_hops(&trace);
    let note = "not followed: this is where routes, neighbours and bridges lead it";
    let lines = [note.to_owned(), walked::ending(&trace)];
    card(
        title(page, dial),
        drawn(page, &hops, &[]),
        lines.into_iter(),
    )
}

fn led_hops(trace: &Trace) -> Vec<Hop> {
    let stopped = match trace.ending {
        Ending::Stopped { .. } => trace.hops.len().checked_sub(1),
        _ => None,
    };
    let hops = trace.hops.iter().enumerate();
    hops.map(|(at, hop)| Hop {
        netns: hop.netns.clone(),
        device: hop.device.clone(),
        direction: hop.direction,
        why: Some(walked::step(&hop.step)),
        seen: None,
        end: (stopped == Some(at)).then_some("✗ it goes no further"),
        missed: false,
    })
    .collect()
}

fn title(page: &Page<'_>, dial: &Wanted) -> String {
    let name = |end: &Endpoint| match end {
        Endpoint::Pod(pod) => page.pod(pod),
        Endpoint::Node(name) | Endpoint::Outside(name) => name.clone(),
    };
    let size = match dial.burst {
        Burst::Sized { bytes } => format!(", {bytes} bytes"),
        Burst::Filled => ", full segments".to_owned(),
        Burst::Few | Burst::Many => String::new(),
    };
    format!(
        "{}{size} from {} to {} ({})",
        dial.request.transport.as_str().to_uppercase(),
        name(&dial.from),
        name(&dial.to),
        dial.request.address
    )
}

/// Namespaces in the order in which they are passed, each with its devices.
fn drawn(page: &Page<'_>, hops: &[Hop], changed: &[&Netns]) -> Element {
    let stations = hops.chunk_by(|a, b| a.netns == b.netns).map(|hops| {
        let netns = &hops[0].netns;
        let missed = hops.iter().all(|hop| hop.missed);
        let kind = match netns {
            Netns::Pod(_) => "pod ",
            Netns::Node(_) => "node ",
            Netns::Wire => "",
        };
        let rewrite = changed.contains(&netns).then(|| {
            let text = "≠ an address is changed here";
            el("p").class("changed").text(text)
        });
        el("li")
            .class(if missed { "station missed" } else { "station" })
            .child(
                el("p")
                    .class("place")
                    .text(kind)
                    .child(el("b").text(page.netns(netns))),
            )
            .child(el("ul").children(hops.iter().map(hop)))
            .child(rewrite)
    });
    let none = hops.is_empty().then(|| {
        let text = "✗ no device passes it on";
        el("li")
            .class("station")
            .child(el("p").class("ended").text(text))
    });
    el("ol").class("path").children(stations).child(none)
}

fn hop(hop: &Hop) -> Element {
    let way = match hop.direction {
        Direction::In => "in by ",
        Direction::Out => "out by ",
    };
    let why = match &hop.why {
        Some(why) => el("span").class("why").text(why),
        None => el("span").class("why").text("! not expected here"),
    };
    let seen = hop
        .seen
        .as_ref()
        .map(|seen| el("span").class("seen").text(seen));
    let ended = hop.end.map(|said| el("span").class("ended").text(said));
    el("li")
        .class(if hop.missed { "hop missed" } else { "hop" })
        .child(
            el("span")
                .class("device")
                .text(way)
                .child(el("code").text(&hop.device)),
        )
        .child(seen)
        .child(why)
        .child(ended)
}
