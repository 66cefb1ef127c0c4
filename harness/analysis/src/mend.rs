//! What puts right a cause that was seen: the command that takes away the very rule, route or setting.
use std::net::IpAddr;

use flatnet_model::Netns;
use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Command, Remediation, Todo};
use flatnet_model::follow::RuleRef;
use flatnet_model::kernel::{RuleAction, TABLE_LOCAL};
use flatnet_model::rule::RouteChoice;

use crate::look::ip_command;

/// Nothing where the cause does not name what is to be changed, or where it is in a place that no command reaches.
pub(crate) fn of(cause: &Cause) -> Option<Remediation> {
    match cause {
        Cause::DroppedByRule { at, rule } | Cause::RewrittenByRule { at, rule } => {
            let command = Command {
                argv: unruled(rule)?,
                ..on(at, "nft")?
            };
            // Whoever made the rule may make it again.
            Some(Remediation::to(Todo::RuleOwner, vec![command]))
        }
        Cause::ReversePathFilter { at, device, .. } => {
            let setting = format!("sysctl -w net.ipv4.conf.{device}.rp_filter=2");
            Some(Remediation::run(on(at, &setting)?))
        }
        Cause::ForwardingOff { node, key } => Some(Remediation::run(Command::on(
            node,
            &format!("sysctl -w net.{}=1", key.trim_start_matches("net.")),
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
        | Cause::RoutedAway { at, to, by, .. } => unrouted(at, *to, by),
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

/// The policy rule is deleted, or the route. Whoever made it may make it again.
fn unrouted(at: &Netns, to: IpAddr, by: &RouteChoice) -> Option<Remediation> {
    let ip = ip_command(to);
    let line = match by {
        RouteChoice::Table { rule, route } if rule.action == RuleAction::Lookup(TABLE_LOCAL) => {
            format!("{ip} route del {route} table local")
        }
        RouteChoice::Table { rule, .. } | RouteChoice::Rule { rule } => {
            format!("{ip} rule del pref {}", rule.priority)
        }
        RouteChoice::Main { route } => format!("{ip} route del {route}"),
        RouteChoice::Unknown { .. } => return None,
    };
    Some(Remediation::to(Todo::RuleOwner, vec![on(at, &line)?]))
}

fn on(at: &Netns, line: &str) -> Option<Command> {
    match at {
        Netns::Node(node) => Some(Command::on(node, line)),
        Netns::Pod(_) | Netns::Wire => None,
    }
}

/// The rule is deleted, or the policy that drops is one that accepts. A rule of legacy iptables has no handle to name it by.
fn unruled(rule: &RuleRef) -> Option<Vec<String>> {
    let RuleRef {
        family,
        table,
        chain,
        handle,
        text,
    } = rule;
    let words = match handle {
        Some(handle) => format!("delete rule {family} {table} {chain} handle {handle}"),
        None if !chain.is_empty() && text.as_deref() == Some("policy drop") => {
            format!("chain {family} {table} {chain} {{ policy accept ; }}")
        }
        None => return None,
    };
    Some(vec!["nft".to_owned(), words])
}
