//! The command by which a person sees a cause that was seen in packets that were followed, or packets that get lost.
use std::collections::BTreeSet;
use std::net::IpAddr;

use flatnet_model::Netns;
use flatnet_model::cause::Cause;
use flatnet_model::evidence::{At, Command};
use flatnet_model::follow::RuleRef;
use flatnet_model::kernel::{RuleAction, table_name};
use flatnet_model::observations::{Endpoint, ObservedPod};
use flatnet_model::probe::{DialRequest, Transport};
use flatnet_model::rule::RouteChoice;

use crate::reach::{self, Tools};

/// `ip` or `ip -6`, for the commands that people are to type.
pub fn ip_command(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "ip" } else { "ip -6" }
}

/// The command that shows the rule, route or setting that was seen.
pub(crate) fn at(cause: &Cause, pods: &[ObservedPod]) -> Option<Command> {
    let (at, tools, line) = match cause {
        Cause::DroppedByRule { at, rule } | Cause::RewrittenByRule { at, rule } => {
            (at, Tools::Node, list_rule(rule))
        }
        Cause::ReversePathFilter { at, device, .. } => (
            at,
            Tools::Busybox,
            format!(
                "cat /proc/sys/net/ipv4/conf/all/rp_filter /proc/sys/net/ipv4/conf/{device}/rp_filter"
            ),
        ),
        Cause::RouteRefuses {
            at,
            to,
            by: Some(by @ (RouteChoice::Table { .. } | RouteChoice::Rule { .. })),
        }
        | Cause::RoutedAway { at, to, by, .. } => return routing(at, *to, by),
        Cause::RouteRefuses { at, to, .. } => (
            at,
            Tools::Busybox,
            format!("{} route get {to}", ip_command(*to)),
        ),
        // Busybox leaves MTUs out.
        Cause::PathMtuLearned { at, to, .. } | Cause::RouteMtu { at, to, .. } => (
            at,
            Tools::Node,
            format!("{} route get {to}", ip_command(*to)),
        ),
        Cause::NeighbourUnresolved {
            at, hop, device, ..
        }
        | Cause::NeighbourWrong {
            at, hop, device, ..
        } => (
            at,
            Tools::Busybox,
            format!("ip neigh show {hop} dev {device}"),
        ),
        Cause::LinkDown { at, device, .. }
        | Cause::FrameMisdirected { at, device, .. }
        | Cause::TooBigForDevice {
            at,
            device: Some(device),
            ..
        } => (at, Tools::Busybox, format!("ip link show dev {device}")),
        Cause::ForwardingEntryMissing { at, device, .. } => {
            (at, Tools::Node, format!("bridge fdb show dev {device}"))
        }
        Cause::NoVtep { at, .. } => (at, Tools::Node, "ip -d link show type vxlan".to_owned()),
        Cause::TakenByOther { at, .. } | Cause::SourceIsOwn { at, .. } => {
            (at, Tools::Busybox, "ip address".to_owned())
        }
        Cause::SentAway { at, .. } => (at, Tools::Busybox, "ip rule".to_owned()),
        Cause::TtlExpired { by, .. } => (
            by,
            Tools::Busybox,
            "cat /proc/sys/net/ipv4/ip_default_ttl /proc/sys/net/ipv6/conf/default/hop_limit"
                .to_owned(),
        ),
        Cause::ForwardingOff { node, key } => {
            let path = key.replace('.', "/");
            return Some(Command::on(node, &format!("cat /proc/sys/net/{path}")));
        }
        Cause::CountedDrop {
            at,
            device: Some(device),
            ..
        } => (at, Tools::Node, format!("ip -s link show dev {device}")),
        _ => return None,
    };
    reach::into(at, tools, &line, pods)
}

/// The command by which a person sees that packets from there get no answer, over a transport by which they get none: where ICMP
/// passes, a ping would show nothing. A TCP port at which nothing listens any more is refused at once by a host that is reached.
pub(crate) fn unanswered(
    from: &Endpoint,
    failing: &BTreeSet<Transport>,
    to: &DialRequest,
) -> Command {
    let DialRequest { address, port, .. } = to;
    let line = if failing.contains(&Transport::Icmp) || failing.is_empty() {
        format!("ping -c 1 -W 1 {address}")
    } else if failing.contains(&Transport::Tcp) {
        format!("nc -w 2 {address} {port}")
    } else {
        let from = match from {
            Endpoint::Pod(pod) => pod.to_string(),
            Endpoint::Node(node) | Endpoint::Outside(node) => node.clone(),
        };
        return Command::here(&format!(
            "flatnet inspect route --from {from} --to {address} --live --transports udp"
        ));
    };
    in_end(from, &line)
}

/// A command in a pod, or on a node; its program is one that busybox has.
pub(crate) fn in_end(end: &Endpoint, line: &str) -> Command {
    match end {
        Endpoint::Pod(pod) => Command::in_pod(pod, line),
        Endpoint::Node(node) | Endpoint::Outside(node) => Command::on(node, line),
    }
}

/// Rules and the table of the one that decided.
fn routing(at: &Netns, to: IpAddr, by: &RouteChoice) -> Option<Command> {
    let ip = ip_command(to);
    let line = match by {
        RouteChoice::Table { rule, .. } => match rule.action {
            RuleAction::Lookup(table) => {
                format!("{ip} rule; {ip} route show table {}", table_name(table))
            }
            _ => format!("{ip} rule; {ip} -d link show type vrf"),
        },
        RouteChoice::Rule { .. } => format!("{ip} rule"),
        RouteChoice::Main { .. } | RouteChoice::Unknown { .. } => format!("{ip} route"),
    };
    let at = match at {
        Netns::Pod(pod) => At::Pod(pod.clone()),
        Netns::Node(_) | Netns::Wire => At::Node(at.exec_name()),
    };
    Some(Command::shell(at, line))
}

fn list_rule(rule: &RuleRef) -> String {
    let RuleRef {
        family,
        table,
        chain,
        ..
    } = rule;
    match (chain.is_empty(), family.as_str()) {
        (true, "ip6") => format!("ip6tables-legacy -t {table} -L -n -v"),
        (true, _) => format!("iptables-legacy -t {table} -L -n -v"),
        (false, _) => format!("nft -a list chain {family} {table} {chain}"),
    }
}
