//! Rules of legacy iptables. Netfilter's trace does not tell them: their counters moved while packets were followed.
use std::net::IpAddr;

use flatnet_model::cause::Cause;
use flatnet_model::evidence::Found;
use flatnet_model::follow::{Rewrite, RuleRef};
use flatnet_model::kernel::AddressField;
use flatnet_model::probe::watch::{LegacyRule, Watched};
use flatnet_model::probe::{DialRequest, Transport};
use flatnet_model::reference::Netns;
use ipnet::IpNet;

use super::reason::Case;

impl Case<'_> {
    /// A rule that drops counted as many packets as were lost, or more of them, other packets among them.
    pub(super) fn dropped_by_legacy(&self, netns: &Netns) -> Option<Found> {
        let mut rules = self.followed.seen_at(netns)?.legacy.iter();
        let rule = rules.find(|rule| drops(&rule.rule) && rule.packets >= self.packets())?;
        let cause = Cause::DroppedByRule {
            at: netns.clone(),
            rule: reference(rule),
        };
        Some(self.as_counted(rule, cause))
    }

    /// A rule gave the packet another destination, and it came to no device with that. The table nat is met once in a connection.
    pub(super) fn diverted_by_legacy(&self, netns: &Netns) -> Option<Found> {
        if self.ended.fate.leg.is_back() {
            return None;
        }
        let request = &self.followed.dial.request;
        let rule = only(self.followed.seen_at(netns)?, |rule| {
            let text = &rule.rule;
            let mut sources = self.source.iter();
            changes(rule, AddressField::Destination)
                && may_carry(text, request)
                && may_match(text, "-d", request.address)
                && sources.all(|source| may_match(text, "-s", *source))
        })?;
        let cause = Cause::RewrittenByRule {
            at: netns.clone(),
            rule: reference(rule),
        };
        Some(self.as_counted(rule, cause))
    }

    fn as_counted(&self, rule: &LegacyRule, cause: Cause) -> Found {
        // Of more, others are among them.
        match rule.packets <= self.packets() {
            true => Found::seen(cause),
            false => Found::inferred(cause),
        }
    }
}

/// The rule that made that change: the only one there that counted, may have met the packet, and gives such an address. Answers are
/// changed back without a rule: theirs is the one that changed the request.
pub(super) fn rewriting(
    watched: &Watched,
    rewrite: &Rewrite,
    request: &DialRequest,
) -> Option<RuleRef> {
    let (field, old, new) = match rewrite.leg.is_back() {
        true => (rewrite.field.other(), rewrite.to, rewrite.from),
        false => (rewrite.field, rewrite.from, rewrite.to),
    };
    let option = match field {
        AddressField::Source => "-s",
        AddressField::Destination => "-d",
    };
    let rule = only(watched, |rule| {
        changes(rule, field)
            && may_carry(&rule.rule, request)
            && may_match(&rule.rule, option, old)
            && may_give(&rule.rule, new)
    })?;
    Some(reference(rule))
}

/// The one rule there that counted and is such.
fn only(watched: &Watched, is_such: impl Fn(&LegacyRule) -> bool) -> Option<&LegacyRule> {
    let mut rules = watched.legacy.iter().filter(|rule| is_such(rule));
    rules.next().filter(|_| rules.next().is_none())
}

fn reference(rule: &LegacyRule) -> RuleRef {
    RuleRef {
        family: rule.family.clone(),
        table: rule.table.clone(),
        chain: String::new(),
        handle: None,
        text: Some(rule.rule.clone()),
    }
}

/// The word after an option, and whether a `!` turns the option around.
fn after<'r>(rule: &'r str, option: &str) -> Option<(&'r str, bool)> {
    let words: Vec<&str> = rule.split_whitespace().collect();
    let at = words.iter().position(|word| *word == option)?;
    let is_negated = at > 0 && words[at - 1] == "!";
    Some((words.get(at + 1)?, is_negated))
}

fn drops(rule: &str) -> bool {
    match after(rule, "-j") {
        Some((target, _)) => ["DROP", "REJECT"].contains(&target),
        None => rule.starts_with("-P ") && rule.ends_with(" DROP"),
    }
}

/// Whether its target changes that address (iptables-extensions(8)).
fn changes(rule: &LegacyRule, field: AddressField) -> bool {
    let Some((target, _)) = after(&rule.rule, "-j").filter(|_| rule.table == "nat") else {
        return false;
    };
    match field {
        AddressField::Source => ["SNAT", "MASQUERADE", "NETMAP"].contains(&target),
        AddressField::Destination => ["DNAT", "REDIRECT", "NETMAP"].contains(&target),
    }
}

/// Whether the rule may meet a packet with that address, by what it says of sources (`-s`) or destinations (`-d`).
fn may_match(rule: &str, option: &str, address: IpAddr) -> bool {
    let Some((range, is_negated)) = after(rule, option) else {
        return true;
    };
    let range: Result<IpNet, _> = range.parse();
    range.is_ok_and(|range| {
        range.addr().is_ipv4() == address.is_ipv4() && range.contains(&address) != is_negated
    })
}

/// Whether the rule may meet what a dial sends, by what it says of protocols and of ports (`--dport`).
fn may_carry(rule: &str, request: &DialRequest) -> bool {
    let names = match request.transport {
        Transport::Tcp => ["tcp", "6"],
        Transport::Udp => ["udp", "17"],
        Transport::Icmp if request.address.is_ipv4() => ["icmp", "1"],
        Transport::Icmp => ["ipv6-icmp", "58"],
    };
    let protocol = after(rule, "-p");
    let ports = after(rule, "--dport").and_then(|(ports, is_negated)| {
        let (first, last) = ports.split_once(':').unwrap_or((ports, ports));
        let ports = first.parse().ok()?..=last.parse().ok()?;
        Some((ports, is_negated))
    });
    protocol.is_none_or(|(name, is_negated)| names.contains(&name) != is_negated)
        && ports.is_none_or(|(ports, is_negated)| ports.contains(&request.port) != is_negated)
}

/// Whether the target may give that address: one of those that it names, where it names them.
fn may_give(rule: &str, address: IpAddr) -> bool {
    let named = ["--to-destination", "--to-source"];
    let mut named = named.iter().filter_map(|option| after(rule, option));
    named.all(|(text, _)| {
        // `ADDRESS[-ADDRESS][:PORTS]`, of IPv6 with ports `[ADDRESS[-ADDRESS]]:PORTS`.
        let text = match text.strip_prefix('[') {
            Some(text) => text.split(']').next().unwrap_or_default(),
            None if text.contains('.') => text.split(':').next().unwrap_or_default(),
            None => text,
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let bounds: (Result<IpAddr, _>, Result<IpAddr, _>) = (first.parse(), last.parse());
        matches!(bounds, (Ok(first), Ok(last)) if (first..=last).contains(&address))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_rule_says_of_addresses_leaves_out_others() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let dnat = "-A PREROUTING ! -s 10.0.0.0/8 -d 10.244.1.2/32 -j DNAT --to-destination";
        for (option, text, may) in [
            ("-d", "10.244.1.2", true),
            ("-d", "10.244.1.3", false),
            ("-s", "10.244.1.3", false),
            ("-s", "172.18.0.2", true),
        ] {
            assert_eq!(
                may_match(dnat, option, address(text)),
                may,
                "{option} {text}"
            );
        }
        for (given, text, may) in [
            ("10.244.1.3", "10.244.1.3", true),
            ("10.244.1.3:99", "10.244.1.3", true),
            ("10.244.1.3-10.244.1.9:99-100", "10.244.1.5", true),
            ("10.244.1.3:99", "10.244.1.4", false),
            ("[fd00::1]:99", "fd00::1", true),
            ("fd00::1", "fd00::1", true),
            ("[fd00::1-fd00::4]:99", "fd00::5", false),
        ] {
            let rule = format!("{dnat} {given}");
            assert_eq!(may_give(&rule, address(text)), may, "{given} {text}");
        }
        assert!(may_give(
            "-A POSTROUTING -j MASQUERADE",
            address("10.0.0.1")
        ));
    }
}
