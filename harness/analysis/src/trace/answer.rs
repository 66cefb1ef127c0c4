//! The answer to `route`, as data for programs.
use flatnet_model::PodRef;
use flatnet_model::advice::Advice;
use flatnet_model::evidence::Command;
use flatnet_model::kernel::RouteEntry;
use serde_json::{Value, json};

use super::found::Found;
use super::model::{Direction, Ending, Hop, Netns, Step, Trace};
use super::{commands, words};
use flatnet_model::inspection::{Answer, Fact, Outcome, Problem, Source};

/// The question's id.
pub const ID: &str = "route";

/// The question in words, for a list of them.
pub const WORDS: &str =
    "where does a packet go, hop by hop (--from POD|NODE --to ADDRESS|POD|NODE)?";

/// What it means, for a learner.
pub const EXPLANATION: &str = "\
Each line is one device that the packet passes. A netns (pod or node) looks up the longest prefix in its routes that covers \
the destination; the route names a device and perhaps a gateway, whose Ethernet address comes from the neighbour table (NONE: there is no entry, the packet makes the netns ask). A veth \
is a cable: what goes into one end comes out of the other. A bridge passes frames on by Ethernet address, as its forwarding \
database says, and gives those for its own address to the node's routes. A VXLAN device puts the frame into a UDP packet for \
the node behind which the Ethernet address is. Firewall rules and address translation are not looked at.";

/// The answer as facts: hops, what becomes of the packet, and the return path where that was asked for.
pub fn answer(found: &Found, explain: bool, advice: &Advice) -> Answer {
    let mut facts: Vec<Fact> = found.service.iter().map(service).collect();
    let paths = [("there", Some(&found.there)), ("back", found.back.as_ref())];
    let mut problems = Vec::new();
    for (path, trace) in paths {
        let Some(trace) = trace else { continue };
        let hops = trace.hops.iter().enumerate();
        facts.extend(hops.map(|(index, hop)| self::hop(path, index + 1, hop, advice)));
        facts.push(ending(path, trace, advice));
        problems.extend(problem(trace));
    }
    if let Some(back) = &found.back {
        facts.push(mirror(found, back, advice));
    }
    Answer {
        id: ID.to_owned(),
        question: question(found),
        outcome: Outcome::Answered { facts, problems },
        explanation: explain.then(|| EXPLANATION.to_owned()),
    }
}

/// The heading of an answer: from whom, to whom.
pub fn question(found: &Found) -> String {
    format!(
        "where does a packet from {} to {} go?",
        found.from, found.to
    )
}

fn fact(topic: &str, about: String, netns: Option<&Netns>, source: Source) -> Fact {
    let fact = Fact::new(topic, about, source);
    match netns {
        Some(Netns::Node(node)) => fact.on(node),
        _ => fact,
    }
}

fn hop(path: &str, number: usize, hop: &Hop, advice: &Advice) -> Fact {
    let source = Source::Command(words::look_at(hop, advice));
    let mut fact = fact("hop", format!("{path} {number}"), Some(&hop.netns), source);
    let direction = match hop.direction {
        Direction::In => "in",
        Direction::Out => "out",
    };
    let detail = Detail::of(&hop.step);
    let neighbour = words::neighbour(&hop.step);
    let values = [
        ("way", json!(path)),
        ("hop", json!(number)),
        ("where", json!(hop.netns.to_string())),
        ("device", json!(hop.device)),
        ("direction", json!(direction)),
        ("mtu", json!(hop.mtu)),
        ("tunnel-bytes", json!(hop.overhead)),
        ("what", json!(words::step(&hop.step))),
        (
            "route",
            json!(detail.route.map(|route| route.dst.to_string())),
        ),
        (
            "gateway",
            json!(detail.route.and_then(|route| route.gateway)),
        ),
        ("onlink", json!(detail.route.map(|route| route.onlink))),
        ("metric", json!(detail.route.and_then(|route| route.metric))),
        ("mac", json!(detail.mac)),
        ("neighbour", json!(neighbour)),
        ("bridge", json!(detail.bridge)),
        ("vtep", json!(detail.vtep)),
        ("vni", json!(detail.vni)),
        ("udp-port", json!(detail.udp_port)),
        ("note", json!(hop.note)),
    ];
    fact.values
        .extend(values.map(|(name, value)| (name.to_owned(), value)));
    if neighbour.is_some() {
        fact.varies.push("neighbour".to_owned());
    }
    fact
}

/// What a step names.
#[derive(Default)]
struct Detail<'a> {
    route: Option<&'a RouteEntry>,
    mac: Option<String>,
    bridge: Option<&'a str>,
    vtep: Option<String>,
    vni: Option<u32>,
    udp_port: Option<u16>,
}

impl<'a> Detail<'a> {
    fn of(step: &'a Step) -> Self {
        match step {
            Step::Routed(routed) => Detail {
                route: Some(&routed.route),
                mac: routed
                    .link_layer
                    .as_ref()
                    .map(|known| known.mac.to_string()),
                ..Detail::default()
            },
            Step::Encapsulated {
                mac,
                vni,
                port,
                remote,
                ..
            } => Detail {
                mac: Some(mac.to_string()),
                vtep: Some(remote.to_string()),
                vni: Some(*vni),
                udp_port: Some(*port),
                ..Detail::default()
            },
            Step::Decapsulated { vni, port, bridge } => Detail {
                bridge: bridge.as_deref(),
                vni: Some(*vni),
                udp_port: Some(*port),
                ..Detail::default()
            },
            Step::Crossed { bridge, .. } => Detail {
                bridge: bridge.as_deref(),
                ..Detail::default()
            },
            Step::Switched { bridge, .. } => Detail {
                bridge: Some(bridge),
                ..Detail::default()
            },
            Step::Carried { .. } | Step::TakenIn | Step::Local => Detail::default(),
        }
    }
}

fn ending(path: &str, trace: &Trace, advice: &Advice) -> Fact {
    let (name, netns) = match &trace.ending {
        Ending::Delivered { to, .. } => ("delivered", Some(to)),
        Ending::Unseen { .. } => ("handed-to-pod", None),
        Ending::Left { by, .. } => ("left", Some(by)),
        Ending::OutOfSight { at, .. } => ("out-of-observed", Some(at)),
        Ending::Stopped { at, .. } => ("stopped", Some(at)),
    };
    let source = words::look_at_ending(trace, advice)
        .or_else(|| trace.hops.last().map(|hop| words::look_at(hop, advice)))
        .unwrap_or_else(|| words::look(&trace.from, &commands::addresses(), advice));
    let mut fact = fact("ending", path.to_owned(), netns, Source::Command(source));
    let values: [(&str, Value); 7] = [
        ("ending", json!(name)),
        ("where", json!(netns.map(Netns::to_string))),
        ("what", json!(words::ending(trace))),
        ("from-address", json!(trace.source)),
        ("to-address", json!(trace.destination)),
        ("path-mtu", json!(trace.path_mtu().map(|(bytes, _)| bytes))),
        ("remarks", json!(trace.remarks)),
    ];
    fact.values
        .extend(values.map(|(name, value)| (name.to_owned(), value)));
    fact
}

fn problem(trace: &Trace) -> Option<Problem> {
    let Ending::Stopped { at, .. } = &trace.ending else {
        return None;
    };
    Some(Problem {
        node: match at {
            Netns::Node(node) => Some(node.clone()),
            _ => None,
        },
        about: at.to_string(),
        what: words::ending(trace),
    })
}

fn mirror(found: &Found, back: &Trace, advice: &Advice) -> Fact {
    let (from, to) = (found.there.from.exec_name(), found.there.target);
    let command = format!("flatnet inspect route --from {from} --to {to} --both");
    let source = Source::command(advice.line(&Command::here(&command), PodRef::to_string));
    let mut fact = fact("mirror", "back".to_owned(), None, source);
    let same = found.there.mirrors(back);
    fact.values
        .insert("same-devices-in-reverse".to_owned(), json!(same));
    fact
}

fn service(service: &flatnet_model::view::ServiceAt) -> Fact {
    let source = Source::Api(format!(
        "kubectl get service,endpointslices -n {}",
        service.namespace
    ));
    let about = format!("{}/{}", service.namespace, service.name);
    let mut fact = fact("service", about, None, source);
    let values = [
        ("cluster-ip", json!(service.address)),
        ("endpoints", json!(service.endpoints)),
        ("followed", json!(service.endpoints.first())),
    ];
    fact.values
        .extend(values.map(|(name, value)| (name.to_owned(), value)));
    fact
}
