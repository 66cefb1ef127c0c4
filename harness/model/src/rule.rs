//! Rules of packet filters and of routing, as a person finds them.
use serde::{Deserialize, Serialize};

use crate::kernel::Rule;

/// What of a namespace's routing decided about a packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouteChoice {
    /// A route of the main table.
    Main {
        /// As `ip route` prints it.
        route: String,
    },
    /// A route of another table.
    Table {
        /// The policy rule that looks up the table.
        rule: Box<Rule>,
        /// As `ip route` prints it.
        route: String,
    },
    /// A policy rule that ends packets.
    Rule {
        /// Which.
        rule: Box<Rule>,
    },
    /// The kernel's own answer, which what was read of rules and tables does not explain.
    Unknown {
        /// The system's words.
        detail: String,
    },
}

/// What of a packet filter decided about a packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleRef {
    /// `ip`, `ip6`, `inet`, `bridge`, …
    pub family: String,
    /// Table.
    pub table: String,
    /// Chain; empty for a legacy rule, whose text names it.
    pub chain: String,
    /// Handle of the rule; none for a chain's policy and for rules of legacy iptables.
    pub handle: Option<u64>,
    /// The rule in the words of `nft` or `iptables-save`; `policy drop` for a policy.
    pub text: Option<String>,
}

impl RuleRef {
    /// Whether it tells the sender, by an ICMP error or a TCP reset.
    pub fn rejects(&self) -> bool {
        let text = self.text.as_deref().unwrap_or_default();
        text.contains("reject") || text.contains("REJECT")
    }
}
