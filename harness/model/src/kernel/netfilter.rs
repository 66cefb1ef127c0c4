//! Rules of netfilter, as one network namespace has them: nothing that counts, and no number that the kernel hands out.
use serde::{Deserialize, Serialize};

/// Everything that filters or rewrites packets there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Netfilter {
    /// nftables, with what `iptables-nft` keeps there; [`is_temporary`] tables are left out.
    pub tables: Vec<RuleTable>,
    /// Those of legacy iptables, or why they cannot be listed although there are some.
    pub legacy: Result<Vec<RuleTable>, String>,
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleTable {
    /// `inet`, `ip`, `ip6`, `arp`, `netdev` or `bridge`.
    pub family: String,
    /// Its name.
    pub name: String,
    /// In the order in which the kernel lists them.
    pub chains: Vec<RuleChain>,
    /// Sets and maps that have a name; the others stand in their rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<RuleSet>,
}

/// A chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleChain {
    /// Its name.
    pub name: String,
    /// Where packets come to it, of a base chain: `nat hook postrouting priority 100`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<String>,
    /// What becomes of packets that no rule decided about, of a base chain: `accept` or `drop`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// In the order in which they are tried; of nftables in nft's words, of legacy iptables in those of iptables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// Rules that were counted and not read: the chain is a [`keeper`]'s.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unread: usize,
}

/// A set or map.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleSet {
    /// Its name.
    pub name: String,
    /// Sorted; of a map with what each leads to. `None` where packets add and remove them.
    pub elements: Option<Vec<String>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Start of the name of the table that is there while packets are followed; what tells runs apart comes after it.
pub const FOLLOWING: &str = "flatnet-follow-";
/// Likewise, while addresses are translated for pods that dial themselves.
pub const TRANSLATING: &str = "flatnet-hairpin-";

/// Whether flatnet adds a table of that name for a moment.
pub fn is_temporary(table: &str) -> bool {
    [FOLLOWING, TRANSLATING]
        .iter()
        .any(|start| table.starts_with(start))
}

/// Who keeps a chain in step with something else than the pod network, and would have two healthy runs differ: chains per service and
/// endpoint (kube-proxy: pkg/proxy, kubelet: pkg/kubelet/kubelet_network_linux.go), ports drawn at each start of a node (moby:
/// libnetwork/resolver_unix.go).
pub fn keeper(table: &str, chain: &str) -> Option<&'static str> {
    match chain {
        _ if table == "kube-proxy" || chain.starts_with("KUBE-") => Some("kube-proxy and kubelet"),
        "DOCKER_OUTPUT" | "DOCKER_POSTROUTING" => Some("the container engine's resolver"),
        _ => None,
    }
}
