//! What puts right a cause that was seen: the command that takes away the very rule, route or setting.
pub(crate) mod agent;
mod link;
mod mtu;
mod reverse_path;
mod rule;

use std::net::IpAddr;

use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Command, Finding, PodAt, Remediation, Step, Symptom, Todo};
use flatnet_model::kernel::{RuleAction, TABLE_LOCAL};
use flatnet_model::network::Family;
use flatnet_model::observations::Observations;
use flatnet_model::rule::RouteChoice;
use flatnet_model::{Netns, PodRef};
use ipnet::IpNet;

use crate::look::ip_command;
use crate::reach::{self, Tools};

/// With which routes that refuse begin.
const REFUSALS: [&str; 3] = ["blackhole ", "unreachable ", "prohibit "];

/// Nothing where what was found does not name what is to be changed, or where it is in a place that no command reaches.
pub(crate) fn of(finding: &Finding, observations: &Observations) -> Option<Remediation> {
    let cause = &finding.found()?.cause;
    let on = |at: &Netns, line: &str| reach::into(at, Tools::Node, line, &observations.pods);
    match cause {
        Cause::DefaultRouteMissing { family, pods } => rerouted(pods, *family, observations),
        Cause::DroppedByRule { at, rule } | Cause::RewrittenByRule { at, rule } => {
            let command = reach::with_tools(at, rule::removed(rule)?, &observations.pods)?;
            // Whoever made the rule may make it again.
            Some(Remediation::to(Todo::RuleOwner, vec![command]))
        }
        Cause::ReversePathFilter { at, device, .. } => {
            reverse_path::loosened(at, device, observations)
        }
        Cause::ForwardingOff { node, key } => Some(Remediation::run(Command::on(
            node,
            &format!("sysctl -w {}=1", sysctl(key.trim_start_matches("net."))),
        ))),
        Cause::NeighbourWrong {
            at, hop, device, ..
        } => Some(Remediation::run(on(
            at,
            &format!("ip neigh del {hop} dev {device}"),
        )?)),
        Cause::LinkDown {
            at,
            device,
            admin: true,
        } => link::up(at, device, observations),
        Cause::TooBigForDevice {
            at,
            device: Some(device),
            ..
        } => match finding {
            Finding::Symptom {
                symptom: Symptom::TooLarge { bytes, .. },
                ..
            } => mtu::raised(at, device, *bytes, observations),
            _ => None,
        },
        Cause::PathMtuLearned { at, to, .. } => {
            let flush = format!("{} route flush cache", ip_command(*to));
            let command = reach::into(at, Tools::Busybox, &flush, &observations.pods)?;
            Some(Remediation::to(Todo::PathCarriesMore, vec![command]))
        }
        Cause::RouteRefuses {
            at,
            to,
            by: Some(by),
        }
        | Cause::RoutedAway { at, to, by, .. } => unrouted(at, *to, by, observations),
        Cause::RouteMissing { node, .. } => agent::restores(node, observations),
        Cause::VxlanDown { node, device } => {
            // Its routes went with it.
            let up = Command::on(node, &format!("ip link set dev {device} up"));
            Some(Remediation::run(up).then(agent::restores(node, observations)?))
        }
        Cause::HairpinOff { pod, device, .. } => Some(Remediation::run(Command::on(
            &pod.node,
            &format!("bridge link set dev {device} hairpin on"),
        ))),
        Cause::PartRoutedElsewhere { node, part, .. } => {
            let ip = ip_command(part.addr());
            Some(Remediation::run(Command::on(
                node,
                &format!("{ip} route del {part}"),
            )))
        }
        _ => None,
    }
}

/// The key below `net` as sysctl(8) takes it: with slashes where the name of a device has dots.
fn sysctl(key: &str) -> String {
    let of_device = ["ipv4.conf.", "ipv6.conf."].iter().find_map(|front| {
        let (device, last) = key.strip_prefix(front)?.rsplit_once('.')?;
        let front = front.replace('.', "/");
        device
            .contains('.')
            .then(|| format!("net/{front}{device}/{last}"))
    });
    of_device.unwrap_or_else(|| format!("net.{key}"))
}

/// Puts a missing default route back into pods; elsewhere than on a lab, pods may not do that.
fn rerouted(pods: &[PodAt], family: Family, observations: &Observations) -> Option<Remediation> {
    if observations.capabilities.kubectl.is_present() {
        return None;
    }
    let commands = pods.iter().map(|at| {
        let gateway = gateway_of(&at.pod, family, observations)?;
        let line = format!("{} route add default via {gateway}", ip_command(gateway));
        Some(Command::in_pod(&at.pod, &line))
    });
    let step = Step {
        todo: None,
        commands: commands.collect::<Option<_>>()?,
    };
    Some(Remediation { steps: vec![step] })
}

/// The address that the default route of a pod behind a bridge leads to: the bridge's own in the subnet of an address that the pod has
/// on an interface that is up.
fn gateway_of(pod: &PodRef, family: Family, observations: &Observations) -> Option<IpAddr> {
    let mut pods = observations.pods.iter();
    let pod = pods.find(|known| known.reference() == pod)?;
    let inside = pod.facts.as_ref().ok()?;
    let mut nodes = observations.nodes.iter();
    let node = nodes.find(|node| node.object.name == pod.object.node)?;
    let outside = node.inside.facts().ok()?;
    let is_up = |address: IpAddr| inside.holder(address).is_some_and(|link| link.up);
    let mut ips = pod.object.ips.iter();
    let ip = ips.find(|ip| Family::of(**ip) == family && is_up(**ip))?;
    let mut gateways = outside.addresses.iter().filter(|address| {
        let link = outside.link(address.index);
        link.is_some_and(|link| outside.has_ports(link)) && address.net.contains(ip)
    });
    let gateway = gateways.next()?;
    // Of two bridges with the subnet, this does not tell the pod's.
    gateways.next().is_none().then(|| gateway.net.addr())
}

/// The policy rule is deleted, or the route. Whoever made it may make it again.
fn unrouted(
    at: &Netns,
    to: IpAddr,
    by: &RouteChoice,
    observations: &Observations,
) -> Option<Remediation> {
    let on = |line: &str| reach::into(at, Tools::Node, line, &observations.pods);
    let ip = ip_command(to);
    let line = match by {
        RouteChoice::Table { rule, route } if rule.action == RuleAction::Lookup(TABLE_LOCAL) => {
            format!("{ip} route del {route} table local")
        }
        RouteChoice::Table { rule, .. } | RouteChoice::Rule { rule } => {
            format!("{ip} rule del pref {}", rule.priority)
        }
        // Others of its next hops may be right.
        RouteChoice::Main { route } if route.contains(" nexthop ") => return None,
        RouteChoice::Main { route } => {
            // The kernel tells one with a nexthop object as `blackhole`, and does not find it by that word.
            let mut refusals = REFUSALS.iter();
            let bare = refusals.find_map(|word| route.strip_prefix(word));
            let line = format!("{ip} route del {}", bare.unwrap_or(route));
            let gone = Remediation::to(Todo::RuleOwner, vec![on(&line)?]);
            return match in_place_of_agents(at, route, observations) {
                Some(node) => Some(gone.then(agent::restores(node, observations)?)),
                None => Some(gone),
            };
        }
        RouteChoice::Unknown { .. } => return None,
    };
    Some(Remediation::to(Todo::RuleOwner, vec![on(&line)?]))
}

/// The node, where the route is one to the whole range of another: with it, the agent's own was replaced.
fn in_place_of_agents<'a>(
    at: &'a Netns,
    route: &str,
    observations: &Observations,
) -> Option<&'a str> {
    let Netns::Node(node) = at else {
        return None;
    };
    let ranges = observations
        .nodes
        .iter()
        .flat_map(|of| &of.object.pod_cidrs);
    let mut words = route
        .split_whitespace()
        .filter_map(|word| word.parse().ok());
    let dst: IpNet = words.next()?;
    ranges.copied().any(|range| range == dst).then_some(node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_a_device_with_dots_has_slashes() {
        assert_eq!(
            sysctl("ipv4.conf.eth0.10.rp_filter"),
            "net/ipv4/conf/eth0.10/rp_filter"
        );
        assert_eq!(
            sysctl("ipv4.conf.eth0.rp_filter"),
            "net.ipv4.conf.eth0.rp_filter"
        );
        assert_eq!(sysctl("ipv4.ip_forward"), "net.ipv4.ip_forward");
    }
}
