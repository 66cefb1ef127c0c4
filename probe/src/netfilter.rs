//! Rules of netfilter in this namespace: those of nftables by netlink, those of legacy iptables by its program.
use flatnet_model::kernel::netfilter::{Netfilter, RuleChain, RuleTable, is_temporary, keeper};
use flatnet_netlink::Nft;

use crate::error::Result;
use crate::legacy_iptables;

/// Reads it all; fails where nftables cannot be listed.
pub(crate) async fn read() -> Result<Netfilter> {
    let is_kept = |table: &str, chain: &str| keeper(table, chain).is_some();
    let tables = Nft::open()?.ruleset(is_temporary, is_kept)?;
    let legacy = legacy_iptables::listings().await;
    let legacy = legacy.map(|listings| {
        let tables = listings.iter();
        tables
            .flat_map(|(family, listing)| parse(family, listing))
            .collect()
    });
    Ok(Netfilter { tables, legacy })
}

/// Tables of a listing; those of which no chain has rules or drops by its policy are left out: a kernel makes them when somebody lists
/// them.
fn parse(family: &str, listing: &str) -> Vec<RuleTable> {
    let mut tables: Vec<RuleTable> = Vec::new();
    for line in listing.lines() {
        if let Some(name) = line.strip_prefix('*') {
            tables.push(RuleTable {
                family: family.to_owned(),
                name: name.to_owned(),
                ..RuleTable::default()
            });
            continue;
        }
        let Some(table) = tables.last_mut() else {
            continue;
        };
        if let Some(chain) = line.strip_prefix(':').and_then(chain) {
            table.chains.push(chain);
        } else if let Some((name, rule)) = rule(line)
            && let Some(chain) = table.chains.iter_mut().find(|chain| chain.name == name)
        {
            match keeper(&table.name, name) {
                Some(_) => chain.unread += 1,
                None => chain.rules.push(rule.to_owned()),
            }
        }
    }
    tables.retain(|table| {
        let mut chains = table.chains.iter();
        chains.any(|chain| {
            let is_own = chain.policy.is_none();
            is_own || chain.policy.as_deref() != Some("accept") || !chain.rules.is_empty()
        })
    });
    tables
}

/// `FORWARD DROP [1:60]`, `KUBE - [0:0]`.
fn chain(line: &str) -> Option<RuleChain> {
    let mut words = line.split(' ');
    let (name, policy) = (words.next()?, words.next()?);
    Some(RuleChain {
        name: name.to_owned(),
        policy: (policy != "-").then(|| policy.to_lowercase()),
        ..RuleChain::default()
    })
}

/// `[3:180] -A FORWARD -j KUBE`: the chain, and the rest.
fn rule(line: &str) -> Option<(&str, &str)> {
    let (_, rule) = line.strip_prefix('[')?.split_once("] -A ")?;
    Some(rule.split_once(' ').unwrap_or((rule, "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listings_become_tables_without_counters() {
        let listing = "# Generated\n*nat\n:PREROUTING ACCEPT [7:420]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n\
            *filter\n:INPUT ACCEPT [7:420]\n:FORWARD DROP [1:60]\n:KUBE-FORWARD - [0:0]\n:OWN - [0:0]\n\
            [3:180] -A FORWARD -j KUBE-FORWARD\n[3:180] -A FORWARD -s 10.0.0.0/8 -j OWN\n[0:0] -A KUBE-FORWARD -j DROP\n[0:0] -A OWN\nCOMMIT\n";
        let tables = parse("ip", listing);
        let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names, ["filter"]);
        let told: Vec<_> = tables[0]
            .chains
            .iter()
            .map(|chain| {
                let rules: Vec<&str> = chain.rules.iter().map(String::as_str).collect();
                (
                    chain.name.as_str(),
                    chain.policy.as_deref(),
                    rules,
                    chain.unread,
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("INPUT", Some("accept"), vec![], 0),
                (
                    "FORWARD",
                    Some("drop"),
                    vec!["-j KUBE-FORWARD", "-s 10.0.0.0/8 -j OWN"],
                    0
                ),
                ("KUBE-FORWARD", None, vec![], 1),
                ("OWN", None, vec![""], 0),
            ]
        );
    }
}
