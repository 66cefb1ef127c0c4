//! The cluster as a picture: pods hang on their node's bridge, nodes on what joins them. It is drawn twice, for wide screens and for
//! narrow ones; the style sheet shows one of them.
use flatnet_analysis::words::count;

use super::cluster::{Device, Node, Pod, Port, nodes};
use super::markup::{Element, Markup, el};
use super::page::{Page, left_out};

/// Sizes in the picture's units, which are pixels where there is room.
const WIDTH: usize = 310;
const GAP: usize = 22;
const LINE: usize = 17;
const PAD: usize = 12;
/// Left of pods there is room for the line that joins them to their bridge.
const TRUNK: usize = 20;
const WIRE: usize = 30;
/// Nodes beside each other on a wide screen, at most.
const COLUMNS: usize = 3;

pub(super) fn render(page: &Page<'_>) -> Markup {
    let (nodes, more) = nodes(page);
    if nodes.is_empty() {
        return Markup::default();
    }
    let wire = match (&page.report.run.underlay, page.report.run.mtu) {
        (Some(underlay), Some(mtu)) => format!("underlay {underlay}, MTU {mtu}"),
        _ => "the network between the nodes".to_owned(),
    };
    let columns = nodes.len().min(COLUMNS);
    let legend = el("p").class("about").text(
        "A number beside a device is its MTU in bytes. Solid lines: a port of the bridge. Dashed lines join what packets to other nodes may pass. \
         ✗ marks whom a failing check names as the culprit.",
    );
    Markup::from(
        el("div")
            .class("wide")
            .child(picture(&nodes, columns, &wire)),
    )
    .with(el("div").class("narrow").child(picture(&nodes, 1, &wire)))
    .with(left_out(more, "node"))
    .with(legend)
}

fn picture(nodes: &[Node], columns: usize, wire: &str) -> Element {
    let left = if nodes.len() > columns { 14 } else { 1 };
    let width = left + columns * WIDTH + (columns - 1) * GAP + 1;
    let mut y = 1;
    let mut parts: Vec<Element> = Vec::new();
    let mut wires: Vec<usize> = Vec::new();
    for row in nodes.chunks(columns) {
        let drawn: Vec<(Element, usize)> = row.iter().map(node).collect();
        let tallest = drawn.iter().map(|(_, height)| *height).max().unwrap_or(0);
        let at = y + tallest + 18;
        for (column, (element, height)) in drawn.into_iter().enumerate() {
            let x = left + column * (WIDTH + GAP);
            let down = line((x + WIDTH / 2, y + height), (x + WIDTH / 2, at));
            parts.push(down.class("routed"));
            let moved = el("g").attr("transform", format_args!("translate({x} {y})"));
            parts.push(moved.child(element));
        }
        let bar = frame((left, at), (width - left - 1, WIRE)).class("wire");
        parts.push(bar);
        parts.push(text(left + 10, at + 20, wire).class("strong"));
        wires.push(at + WIRE / 2);
        y = at + WIRE + GAP;
    }
    if let [first, .., last] = wires[..] {
        parts.push(line((left - 8, first), (left - 8, last)).class("rail"));
        let stubs = wires.iter().map(|at| line((left - 8, *at), (left, *at)));
        parts.extend(stubs.map(|stub| stub.class("rail")));
    }
    el("svg")
        .class("cluster")
        .attr("viewBox", format_args!("0 0 {width} {}", y - GAP + 1))
        .attr("style", format_args!("max-width:{width}px"))
        .child(el("title").text("nodes, their devices and pods"))
        .children(parts)
}

/// A node and its height.
fn node(node: &Node) -> (Element, usize) {
    let mut parts: Vec<Element> = Vec::new();
    let mut y = 24;
    parts.push(text(PAD, y, marked(&node.name, node.suspect)).class("title"));
    for about in &node.about {
        y += LINE;
        parts.push(text(PAD, y, fit(about, WIDTH - 2 * PAD)).class("muted"));
    }
    if node.host_pods > 0 {
        y += LINE;
        let pods = format!("{} in the node's network", count(node.host_pods, "pod"));
        parts.push(text(PAD, y, pods).class("muted"));
    }
    if let Some(why) = &node.unread {
        y += LINE;
        let why = format!("not looked into: {why}");
        parts.push(text(PAD, y, fit(&why, WIDTH - 2 * PAD)).class("muted"));
    }
    y += 12;
    let mut ports = Vec::new();
    for pod in &node.pods {
        let (element, height) = self::pod(pod);
        let moved = el("g").attr("transform", format_args!("translate({} {y})", PAD + TRUNK));
        parts.push(moved.child(element));
        if pod.port != Port::Unknown {
            ports.push((y + height / 2, pod.port));
        }
        y += height + 8;
    }
    if node.more_pods > 0 {
        let more = format!("and {}", count(node.more_pods, "more pod"));
        parts.push(text(PAD + TRUNK, y + 12, more).class("muted"));
        y += LINE + 6;
    }
    let trunk = PAD + TRUNK / 2;
    let first = ports.first().map(|(at, _)| *at);
    if let (Some(first), Some(_)) = (first, &node.bridge) {
        parts.push(line((trunk, first), (trunk, y)).class("port"));
    }
    for (at, port) in ports {
        let class = match (port, &node.bridge) {
            (Port::OfBridge | Port::Unknown, _) => "port",
            (Port::Elsewhere, Some(_)) => "port off",
            (Port::Elsewhere, None) => "routed",
        };
        parts.push(line((trunk, at), (PAD + TRUNK, at)).class(class));
    }
    let devices = node.bridge.iter().chain(&node.tunnels).chain(&node.uplink);
    for (at, device) in devices.enumerate() {
        if at > 0 {
            parts.push(line((WIDTH / 2, y - 10), (WIDTH / 2, y)).class("routed"));
        }
        let (element, height) = self::device(device);
        let moved = el("g").attr("transform", format_args!("translate({PAD} {y})"));
        parts.push(moved.child(element));
        y += height + 10;
    }
    let height = y + 2;
    let class = if node.suspect { "node suspect" } else { "node" };
    let outline = frame((0, 0), (WIDTH, height)).class(class);
    (el("g").child(outline).children(parts), height)
}

fn pod(pod: &Pod) -> (Element, usize) {
    let width = WIDTH - 2 * PAD - TRUNK;
    let off = match pod.port {
        Port::Elsewhere => " (on no port of the bridge)",
        Port::OfBridge | Port::Unknown => "",
    };
    let title = format!("{}: {}{off}", pod.name, pod.device);
    boxed(
        if pod.suspect { "pod suspect" } else { "pod" },
        (&marked(&pod.name, pod.suspect), &pod.device, &title),
        &pod.addresses,
        width,
    )
}

fn device(device: &Device) -> (Element, usize) {
    let right = match device.up {
        true => device.mtu.to_string(),
        false => format!("DOWN {}", device.mtu),
    };
    let class = match (device.suspect, device.up) {
        (true, _) => "device suspect",
        (false, false) => "device down",
        (false, true) => "device",
    };
    let name = format!("{} · {}", device.name, device.kind);
    boxed(
        class,
        (&marked(&name, device.suspect), &right, &name),
        &device.addresses,
        WIDTH - 2 * PAD,
    )
}

/// A box with a name on its left and something short on its right, and lines below.
fn boxed(
    class: &str,
    (name, right, title): (&str, &str, &str),
    lines: &[String],
    width: usize,
) -> (Element, usize) {
    let height = 26 + lines.len() * LINE;
    let room = width.saturating_sub(right.len() * 7 + 24);
    let below = lines
        .iter()
        .enumerate()
        .map(|(at, line)| text(10, 18 + (at + 1) * LINE, fit(line, width - 20)).class("address"));
    let element = el("g")
        .child(el("title").text(title))
        .child(frame((0, 0), (width, height)).class(class))
        .child(text(10, 18, fit(name, room)).class("strong"))
        .child(text(width - 10, 18, right).class("right"))
        .children(below);
    (element, height)
}

fn marked(name: &str, suspect: bool) -> String {
    match suspect {
        true => format!("✗ {name}"),
        false => name.to_owned(),
    }
}

/// As much of the text as has room; the title has the whole of it.
fn fit(text: &str, width: usize) -> String {
    let most = width / 7;
    match text.chars().count() > most {
        true => text
            .chars()
            .take(most.saturating_sub(1))
            .chain(['…'])
            .collect(),
        false => text.to_owned(),
    }
}

fn text(x: usize, y: usize, text: impl std::fmt::Display) -> Element {
    el("text").attr("x", x).attr("y", y).text(text)
}

fn line((x1, y1): (usize, usize), (x2, y2): (usize, usize)) -> Element {
    let from = el("line").attr("x1", x1).attr("y1", y1);
    from.attr("x2", x2).attr("y2", y2)
}

fn frame((x, y): (usize, usize), (width, height): (usize, usize)) -> Element {
    let at = el("rect").attr("x", x).attr("y", y);
    let sized = at.attr("width", width).attr("height", height);
    sized.attr("rx", 6)
}
