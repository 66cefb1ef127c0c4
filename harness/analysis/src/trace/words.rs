//! What a hop and an ending say to a person.
use std::net::IpAddr;

use flatnet_model::advice::Advice;
use flatnet_model::evidence::Command;
use flatnet_model::rule::RouteChoice;

use super::commands;
use super::model::{
    Cause, ChosenBy, Ending, Hop, LinkLayer, Netns, PolicyRoute, Routed, Step, Switching, Trace,
};
use crate::words::route_choice;

/// What decided about a hop; without the state of a neighbour entry, which changes by itself.
pub fn step(step: &Step) -> String {
    match step {
        Step::Routed(routed) => self::routed(routed),
        Step::Encapsulated {
            mac,
            vni,
            port,
            remote,
            ..
        } => {
            let vtep = std::net::SocketAddr::new(*remote, *port);
            format!("to VTEP {vtep}, VNI {vni}, by FDB entry {mac}")
        }
        Step::Crossed { from, end, bridge } => with_bridge(
            format!("other end of {end} of {}", from.exec_name()),
            bridge.as_deref(),
        ),
        Step::Carried { from } => {
            format!("from {}, over what joins the nodes", from.exec_name())
        }
        Step::Switched { bridge, by } => match by {
            Switching::Fdb => format!("switched by {bridge}: its forwarding entry names this port"),
            Switching::Flooded => {
                format!("switched by {bridge}: flooded, as it has no forwarding entry")
            }
        },
        Step::TakenIn => "addressed to the bridge itself: up to IP".to_owned(),
        Step::Decapsulated { vni, port, bridge } => with_bridge(
            format!("out of UDP port {port}, VNI {vni}"),
            bridge.as_deref(),
        ),
        Step::Local => "an address of its own: it stays here".to_owned(),
    }
}

fn with_bridge(mut text: String, bridge: Option<&str>) -> String {
    if let Some(bridge) = bridge {
        text.push_str(&format!("; port of {bridge}"));
    }
    text
}

/// What the kernel gives a route to which nobody gave a metric: none for IPv4, IP6_RT_PRIO_ADDRCONF and IP6_RT_PRIO_USER
/// for IPv6 (include/uapi/linux/ipv6_route.h).
const USUAL_METRICS: [u32; 3] = [0, 256, 1024];

fn routed(routed: &Routed) -> String {
    let dst = match routed.route.dst {
        _ if let ChosenBy::Policy(policy) = &routed.by => match policy {
            Some(policy) => return by_policy(policy, routed.link_layer.as_ref()),
            None => "by ip rule".to_owned(),
        },
        dst if dst.prefix_len() == 0 => "default".to_owned(),
        dst => dst.to_string(),
    };
    let mut text = match routed.route.gateway {
        Some(gateway) => format!("{dst} via {gateway}"),
        None => format!("{dst} on link"),
    };
    if let Some(metric) = routed
        .route
        .metric
        .filter(|metric| !USUAL_METRICS.contains(metric))
    {
        text.push_str(&format!(" metric {metric}"));
    }
    if routed.route.onlink {
        text.push_str(" onlink");
    }
    if let ChosenBy::MainTable { next_hops: 2.. } = routed.by {
        text.push_str(", one of several next hops");
    }
    if let Some(known) = &routed.link_layer {
        text.push_str(&format!(" at {}", known.mac));
    }
    text
}

fn by_policy(policy: &PolicyRoute, known: Option<&LinkLayer>) -> String {
    let known = known.map(|known| format!(" at {}", known.mac));
    format!(
        "{}{}",
        route_choice(&policy.choice()),
        known.unwrap_or_default()
    )
}

/// The state of the neighbour entry that a hop used, as `ip neigh` has it; `NONE` where the packet makes the namespace ask.
pub fn neighbour(step: &Step) -> Option<&str> {
    match step {
        Step::Routed(routed) => {
            let known = routed.link_layer.as_ref()?;
            Some(known.entry.as_deref().unwrap_or("NONE"))
        }
        _ => None,
    }
}

/// What becomes of the packet, in one sentence.
pub fn ending(trace: &Trace) -> String {
    let to = trace.target;
    match &trace.ending {
        Ending::Delivered {
            to: Netns::Wire,
            device,
        } => format!("delivered outside the cluster: wire holds {to} on {device}"),
        Ending::Delivered { to: netns, device } => {
            format!("delivered: {netns} holds {to} on {device}")
        }
        Ending::Unseen { pod, error } => format!(
            "handed to pod/{pod}, which holds {to} as the API has it; it could not be looked into: {error}"
        ),
        Ending::Left { by, device, via } => {
            let via = via
                .map(|via| format!(" to router {via}"))
                .unwrap_or_default();
            format!("leaves the cluster: {by} hands it out by {device}{via}")
        }
        Ending::OutOfSight { at, what } => format!("out of sight: {at} hands it to {what}"),
        Ending::Stopped { at, cause } => format!("ends at {at}: {}", self::cause(cause, to)),
    }
}

fn cause(cause: &Cause, to: IpAddr) -> String {
    match cause {
        Cause::NoRoute => format!("no route covers {to}"),
        Cause::Rejected { by } => {
            let what = match by {
                RouteChoice::Rule { .. } => "policy rule",
                _ => "route",
            };
            format!("its {what} rejects it: {}", route_choice(by))
        }
        Cause::NoDevice => "the chosen route names a device that is not there".to_owned(),
        Cause::Refused { detail } => format!("its kernel refuses to route it: {detail}"),
        Cause::ReversePath { device } => format!(
            "strict rp_filter: the route back to its source is not through {device}, where it came in"
        ),
        Cause::ForwardingOff { sysctl } => {
            format!("net/{sysctl} is 0: nothing is passed on that is not for this place")
        }
        Cause::NoEndpoint => {
            format!("{to} is a service without an endpoint that is ready: it is refused")
        }
        Cause::LinkDown {
            device,
            admin: true,
        } => format!("{device} is set down"),
        Cause::LinkDown {
            device,
            admin: false,
        } => format!("{device} has no carrier: its other end, or every port, is down"),
        Cause::Neighbour {
            next_hop,
            device,
            entry,
        } => match entry {
            Some(state) => format!(
                "the neighbour entry of {next_hop} on {device} is {state}, and no interface there holds that address"
            ),
            None => format!(
                "no neighbour entry for {next_hop} on {device}, and no interface there holds that address"
            ),
        },
        Cause::NoForwardingEntry { device, mac } => {
            format!("{device} has no forwarding entry that says behind which VTEP {mac} is")
        }
        Cause::NoVtep { vni, port } => {
            format!("no VXLAN device with VNI {vni} on UDP port {port} takes it out of the tunnel")
        }
        Cause::WrongMac { device, frame, own } => {
            let own = own.map_or_else(|| "none".to_owned(), |own| own.to_string());
            format!(
                "the frame is for {frame}, {device} has {own} and is not a port of a bridge: it is dropped"
            )
        }
        Cause::NoPort { bridge, mac } => {
            format!(
                "no interface behind a port of {bridge} has {mac}, to which the frame is addressed"
            )
        }
        Cause::HairpinOff { port } => {
            format!("it would have to go back out of {port}, whose hairpin mode is off")
        }
        Cause::NotHeld { holds } => {
            let holds: Vec<String> = holds.iter().map(IpAddr::to_string).collect();
            match holds.is_empty() {
                true => format!("it gets there, but the pod holds no address like {to}"),
                false => format!(
                    "it gets there, but the pod holds {} and not {to}",
                    holds.join(", ")
                ),
            }
        }
        Cause::TakenByOther { wanted } => format!(
            "this place holds {to} too, and gets what is meant for {wanted}: the same address twice"
        ),
        Cause::Loop => "it is where it was before: a loop, until its TTL runs out".to_owned(),
        Cause::Unknown { error } => format!("it could not be looked at: {error}"),
    }
}

/// Why a frame goes out by a port behind which it is not taken.
pub fn copy(bridge: &str) -> String {
    format!("a copy: {bridge} floods, as it has no forwarding entry")
}

/// The command that shows why it goes no further; nothing where it does.
pub fn look_at_ending(trace: &Trace, advice: &Advice) -> Option<String> {
    let Ending::Stopped { at, cause } = &trace.ending else {
        return None;
    };
    let to = trace.target;
    let command = match cause {
        Cause::NoRoute | Cause::Rejected { .. } | Cause::Refused { .. } | Cause::NoDevice => {
            commands::routes(to)
        }
        Cause::ReversePath { device } => commands::sysctl(&format!("ipv4/conf/{device}/rp_filter")),
        Cause::ForwardingOff { sysctl } => commands::sysctl(sysctl),
        Cause::LinkDown { device, .. } | Cause::WrongMac { device, .. } => commands::link(device),
        Cause::HairpinOff { port } => commands::link(port),
        Cause::Neighbour { device, .. } => commands::neighbours(device, to),
        Cause::NoForwardingEntry { device, .. } => commands::vxlan_fdb(device),
        Cause::NoPort { bridge, .. } => commands::bridge_fdb(bridge),
        Cause::NoVtep { .. } => "ip -d link show type vxlan".to_owned(),
        Cause::NotHeld { .. } | Cause::TakenByOther { .. } => commands::addresses(),
        Cause::Loop => commands::routes(to),
        Cause::Unknown { .. } | Cause::NoEndpoint => return None,
    };
    Some(look(at, &command, advice))
}

/// The command that shows a hop.
pub fn look_at(hop: &Hop, advice: &Advice) -> String {
    look(&hop.netns, &hop.look, advice)
}

/// How large a packet may be.
pub fn mtu(trace: &Trace) -> Option<String> {
    let (fits, narrowest) = trace.path_mtu()?;
    let first = trace.hops.first()?;
    let where_ = format!("{} of {}", narrowest.device, narrowest.netns.exec_name());
    let mut text = format!("packets of up to {fits} bytes fit");
    if narrowest.overhead > 0 {
        text.push_str(&format!(
            ": {where_} carries {} with {} of the tunnel's",
            narrowest.mtu, narrowest.overhead
        ));
    } else if fits < first.mtu {
        text.push_str(&format!(": {where_} carries no more"));
    }
    if fits < first.mtu {
        text.push_str(&format!(
            "; {} of {} believes in {}",
            first.device,
            first.netns.exec_name(),
            first.mtu
        ));
    }
    Some(text)
}

/// The command a person types to look for themselves; `command` must exist in busybox.
pub(super) fn look(at: &Netns, command: &str, advice: &Advice) -> String {
    let command = match at {
        Netns::Pod(pod) => Command::in_pod(pod, command),
        Netns::Node(_) | Netns::Wire => Command::on(&at.exec_name(), command),
    };
    advice.line(&command, |_| at.exec_name())
}
