//! What puts right a cause that was seen: the command that takes away the very rule, route or setting.
use flatnet_model::Netns;
use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Command, Remediation, Todo};
use flatnet_model::follow::RuleRef;

/// Nothing where the cause does not name what is to be changed, or where it is in a place that no command reaches.
pub(super) fn of(cause: &Cause) -> Option<Remediation> {
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
        _ => None,
    }
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
