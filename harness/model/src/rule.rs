//! Rules of packet filters, as a person finds them.
use serde::{Deserialize, Serialize};

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
