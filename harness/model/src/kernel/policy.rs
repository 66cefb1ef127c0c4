//! Policy rules: which packets look up which routing table (`ip rule`).
use std::fmt;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Table `main` (RT_TABLE_MAIN, include/uapi/linux/rtnetlink.h).
pub const TABLE_MAIN: u32 = 254;
/// RT_TABLE_LOCAL: what is for this namespace itself.
pub const TABLE_LOCAL: u32 = 255;

/// RT_TABLE_DEFAULT: empty unless somebody fills it.
const TABLE_DEFAULT: u32 = 253;

/// A policy rule (RTM_NEWRULE).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Rules are tried in ascending order.
    pub priority: u32,
    /// What becomes of packets that match.
    pub action: RuleAction,
    /// Of IPv6 rather than IPv4 packets.
    pub v6: bool,
    /// It is for packets that do not match (`not`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inverted: bool,
    /// Sources that match; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<IpNet>,
    /// Destinations that match; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<IpNet>,
    /// The interface by which a packet comes in, `lo` for the namespace's own; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iif: Option<String>,
    /// The interface to which a packet's sender is bound; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oif: Option<String>,
    /// The firewall mark of a packet; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<MarkMatch>,
    /// Users whose own packets match, first and last id; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<(u32, u32)>,
    /// The IP protocol's number; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<u8>,
    /// Source ports, the first and the last; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ports: Option<(u16, u16)>,
    /// Destination ports, the first and the last; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_ports: Option<(u16, u16)>,
    /// Routes of the table with a prefix of this length or a shorter one do not count (`suppress_prefixlength`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppress_prefix: Option<u32>,
    /// There are conditions that are not among these (TOS, DSCP, tunnel id, interface group, …).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// A firewall mark that a rule asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkMatch {
    /// The bits that a packet's mark is to have.
    pub value: u32,
    /// The bits that are compared.
    pub mask: u32,
}

/// What a policy rule does with packets that match (FR_ACT_*, include/uapi/linux/fib_rules.h).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleAction {
    /// Looks them up in the table of that number; where that has no route, the next rule is tried.
    Lookup(u32),
    /// Looks them up in the table of the VRF to which their interface belongs.
    LookupOfVrf,
    /// Goes on with the rule of that priority.
    Goto(u32),
    /// Goes on with the next rule.
    #[default]
    Nop,
    /// Drops them silently.
    Blackhole,
    /// Ends them with the error "network is unreachable".
    Unreachable,
    /// Ends them with the error "administratively prohibited".
    Prohibit,
    /// Another one, by its number.
    Other(u8),
}

impl RuleAction {
    /// The word for an action that ends packets.
    pub fn refuses(self) -> Option<&'static str> {
        match self {
            RuleAction::Blackhole => Some("blackhole"),
            RuleAction::Unreachable => Some("unreachable"),
            RuleAction::Prohibit => Some("prohibit"),
            _ => None,
        }
    }
}

impl Rule {
    /// Whether it is one of the three with which every namespace starts (ip-rule(8)).
    pub fn is_default(&self) -> bool {
        let unconditional = Rule {
            priority: self.priority,
            action: self.action,
            v6: self.v6,
            ..Rule::default()
        };
        let usual = [
            (0, TABLE_LOCAL),
            (32_766, TABLE_MAIN),
            (32_767, TABLE_DEFAULT),
        ];
        let usual = usual.map(|(priority, table)| (priority, RuleAction::Lookup(table)));
        *self == unconditional && usual.contains(&(self.priority, self.action))
    }
}

/// A table as `ip rule` names it where no file gives it a name.
pub fn table_name(table: u32) -> String {
    match table {
        TABLE_LOCAL => "local".to_owned(),
        TABLE_MAIN => "main".to_owned(),
        TABLE_DEFAULT => "default".to_owned(),
        other => other.to_string(),
    }
}

/// As `ip rule` prints it, without the priority: `not from all fwmark 0xca6c lookup 51820`.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = |net: &IpNet| match net.prefix_len() == net.max_prefix_len() {
            true => net.addr().to_string(),
            false => net.to_string(),
        };
        let ports = |(first, last): (u16, u16)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        };
        if self.inverted {
            f.write_str("not ")?;
        }
        match &self.from {
            Some(from) => write!(f, "from {}", host(from))?,
            None => f.write_str("from all")?,
        }
        if let Some(to) = &self.to {
            write!(f, " to {}", host(to))?;
        }
        if let Some(MarkMatch { value, mask }) = self.mark {
            match value {
                0 => f.write_str(" fwmark 0")?,
                _ => write!(f, " fwmark {value:#x}")?,
            }
            if mask != u32::MAX {
                write!(f, "/{mask:#x}")?;
            }
        }
        if let Some(iif) = &self.iif {
            write!(f, " iif {iif}")?;
        }
        if let Some(oif) = &self.oif {
            write!(f, " oif {oif}")?;
        }
        if let Some((first, last)) = self.users {
            write!(f, " uidrange {first}-{last}")?;
        }
        match self.protocol {
            Some(1) => f.write_str(" ipproto icmp")?,
            Some(6) => f.write_str(" ipproto tcp")?,
            Some(17) => f.write_str(" ipproto udp")?,
            Some(58) => f.write_str(" ipproto ipv6-icmp")?,
            Some(other) => write!(f, " ipproto {other}")?,
            None => {}
        }
        if let Some(range) = self.source_ports {
            write!(f, " sport {}", ports(range))?;
        }
        if let Some(range) = self.destination_ports {
            write!(f, " dport {}", ports(range))?;
        }
        if self.more {
            f.write_str(" …")?;
        }
        match self.action {
            RuleAction::Lookup(table) => write!(f, " lookup {}", table_name(table))?,
            RuleAction::LookupOfVrf => f.write_str(" lookup [l3mdev-table]")?,
            RuleAction::Goto(priority) => write!(f, " goto {priority}")?,
            RuleAction::Nop => f.write_str(" nop")?,
            RuleAction::Other(number) => write!(f, " action {number}")?,
            RuleAction::Blackhole | RuleAction::Unreachable | RuleAction::Prohibit => {
                write!(f, " {}", self.action.refuses().unwrap_or_default())?;
            }
        }
        match self.suppress_prefix {
            Some(length) => write!(f, " suppress_prefixlength {length}"),
            None => Ok(()),
        }
    }
}
