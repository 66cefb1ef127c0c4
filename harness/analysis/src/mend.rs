//! What puts right a cause that was seen: the command that takes away the very rule, route or setting.
pub(crate) mod agent;

use std::net::IpAddr;

use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Command, PodAt, Remediation, Step, Todo};
use flatnet_model::follow::RuleRef;
use flatnet_model::kernel::{RuleAction, TABLE_LOCAL};
use flatnet_model::network::Family;
use flatnet_model::observations::Observations;
use flatnet_model::rule::RouteChoice;
use flatnet_model::{Netns, PodRef};
use ipnet::IpNet;

use crate::look::ip_command;

/// With which routes that refuse begin.
const REFUSALS: [&str; 3] = ["blackhole ", "unreachable ", "prohibit "];

/// Nothing where the cause does not name what is to be changed, or where it is in a place that no command reaches.
pub(crate) fn of(cause: &Cause, observations: &Observations) -> Option<Remediation> {
    match cause {
        Cause::DefaultRouteMissing { family, pods } => rerouted(pods, *family, observations),
        Cause::DroppedByRule { at, rule } | Cause::RewrittenByRule { at, rule } => {
            let command = Command {
                argv: unruled(rule)?,
                ..on(at, "nft")?
            };
            // Whoever made the rule may make it again.
            Some(Remediation::to(Todo::RuleOwner, vec![command]))
        }
        Cause::ReversePathFilter { at, device, .. } => {
            let key = sysctl(&format!("ipv4.conf.{device}.rp_filter"));
            Some(Remediation::run(on(at, &format!("sysctl -w {key}=2"))?))
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
        } => Some(Remediation::run(on(
            at,
            &format!("ip link set dev {device} up"),
        )?)),
        Cause::PathMtuLearned { at, to, .. } => {
            let flush = format!("{} route flush cache", ip_command(*to));
            let command = match at {
                Netns::Pod(pod) => Command::in_pod(pod, &flush),
                at => on(at, &flush)?,
            };
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
            let gone = Remediation::to(Todo::RuleOwner, vec![on(at, &line)?]);
            return match in_place_of_agents(at, route, observations) {
                Some(node) => Some(gone.then(agent::restores(node, observations)?)),
                None => Some(gone),
            };
        }
        RouteChoice::Unknown { .. } => return None,
    };
    Some(Remediation::to(Todo::RuleOwner, vec![on(at, &line)?]))
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

fn on(at: &Netns, line: &str) -> Option<Command> {
    match at {
        Netns::Node(node) => Some(Command::on(node, line)),
        Netns::Pod(_) | Netns::Wire => None,
    }
}

/// The rule is deleted, or the policy that drops is one that accepts.
fn unruled(rule: &RuleRef) -> Option<Vec<String>> {
    let RuleRef {
        family,
        table,
        chain,
        handle,
        text,
    } = rule;
    if chain.is_empty() {
        return unruled_legacy(rule);
    }
    let words = match handle {
        Some(handle) => format!("delete rule {family} {table} {chain} handle {handle}"),
        None if text.as_deref() == Some("policy drop") => {
            format!("chain {family} {table} {chain} {{ policy accept ; }}")
        }
        None => return None,
    };
    Some(vec!["nft".to_owned(), words])
}

/// A rule of legacy iptables is named by its own words. Those with quotes or escapes are not taken apart.
fn unruled_legacy(rule: &RuleRef) -> Option<Vec<String>> {
    let text = rule.text.as_deref()?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let change = match words[..] {
        ["-P", chain, "DROP"] => vec!["-P", chain, "ACCEPT"],
        ["-A", ref rest @ ..] if !text.contains(['"', '\'', '\\']) => [&["-D"], rest].concat(),
        _ => return None,
    };
    let program = match rule.family.as_str() {
        "ip" => "iptables-legacy",
        "ip6" => "ip6tables-legacy",
        _ => return None,
    };
    let argv = [program, "-w", "-t", &rule.table].into_iter().chain(change);
    Some(argv.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn legacy(text: &str) -> Option<String> {
        let rule = RuleRef {
            family: "ip6".to_owned(),
            table: "mangle".to_owned(),
            chain: String::new(),
            handle: None,
            text: Some(text.to_owned()),
        };
        unruled(&rule).map(|argv| argv.join(" "))
    }

    #[test]
    fn rules_of_legacy_iptables_are_deleted_by_their_words() {
        assert_eq!(
            legacy("-A FORWARD -i eth0 -p udp -j DROP").as_deref(),
            Some("ip6tables-legacy -w -t mangle -D FORWARD -i eth0 -p udp -j DROP")
        );
        assert_eq!(
            legacy("-P OUTPUT DROP").as_deref(),
            Some("ip6tables-legacy -w -t mangle -P OUTPUT ACCEPT")
        );
        assert_eq!(
            legacy("-A FORWARD -m comment --comment \"a b\" -j DROP"),
            None
        );
    }

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
