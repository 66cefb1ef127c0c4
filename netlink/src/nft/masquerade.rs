//! The nftables table that flatnet needs on a node.
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::model::{Chain, ChainType, Expr, Hook, Set, Table};

/// Priority `srcnat`.
const SRCNAT: i32 = 100;

/// The masquerade table of one node, with one rule per address family: traffic from `pods` (this node's pod ranges) to
/// anywhere but `unmasked` (every pod range of the cluster, and the nodes' own addresses) leaves with the node's address.
/// Multicast is never masqueraded. The agent and the standalone plugin write the same table.
///
/// The sets are `pods4`, `unmasked4`, `pods6` and `unmasked6`; a family without pods has neither sets nor a rule.
pub fn masquerade_table(name: &str, pods: &[IpNet], unmasked: &[IpNet]) -> Table {
    let mut table = Table {
        name: name.to_owned(),
        sets: Vec::new(),
        chains: Vec::new(),
    };
    let mut rules = Vec::new();
    for v6 in [false, true] {
        let of_family = |nets: &[IpNet]| -> Vec<IpNet> {
            nets.iter()
                .copied()
                .filter(|net| net.addr().is_ipv6() == v6)
                .collect()
        };
        let pods = of_family(pods);
        if pods.is_empty() {
            continue;
        }
        let digit = if v6 { 6 } else { 4 };
        let (pod_set, unmasked_set) = (format!("pods{digit}"), format!("unmasked{digit}"));
        rules.push(vec![
            Expr::SourceInSet {
                set: pod_set.clone(),
                v6,
                negate: false,
            },
            Expr::DestinationInSet {
                set: unmasked_set.clone(),
                v6,
                negate: true,
            },
            Expr::DestinationNotIn(multicast(v6)),
            Expr::Masquerade,
        ]);
        table.sets.push(Set {
            name: pod_set,
            v6,
            prefixes: pods,
        });
        table.sets.push(Set {
            name: unmasked_set,
            v6,
            prefixes: of_family(unmasked),
        });
    }
    table.chains.push(Chain {
        name: "postrouting".to_owned(),
        kind: ChainType::Nat,
        hook: Hook::Postrouting,
        priority: SRCNAT,
        rules,
    });
    table
}

/// RFC 5771, RFC 4291 section 2.7.
fn multicast(v6: bool) -> IpNet {
    if v6 {
        IpNet::V6(Ipv6Net::new_assert(
            Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0),
            8,
        ))
    } else {
        IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(224, 0, 0, 0), 4))
    }
}
