//! Faults of a real cluster. They are planted on its third node, which kind calls `…-worker2` when there is one control plane.
use std::net::IpAddr;

use super::cluster::{ClusterContext, Step};
use super::says::{may_be, seen};
use super::{ANY, Fault, Moment, Recipe, Who};
use crate::Result;
use flatnet_model::cause::CauseId;
use flatnet_model::probe::Protocol;

/// The end of the name of the node that is broken.
const BROKEN: &str = "worker2";

pub(super) static FAULTS: &[Fault] = &[
    Fault {
        id: "service-drop",
        summary: "worker2 drops what is sent to the address of a service",
        moment: Moment::AfterPods,
        says: &[may_be(
            &["service"],
            &[Who::On(BROKEN)],
            CauseId::ServiceProxyBehind,
            &[],
        )],
        may_fail: &[],
        needs: ANY,
        recipe: Recipe::OnCluster {
            outside: false,
            steps: |context| {
                let node = context.node(BROKEN)?;
                let mut steps = Vec::new();
                for address in &context.services()?[0].addresses {
                    for chain in ["PREROUTING", "OUTPUT"] {
                        let rule = format!("-t raw {chain} -d {address} -j DROP");
                        steps.push(rule_at_head(node, *address, &rule));
                    }
                }
                Ok(steps)
            },
        },
    },
    Fault {
        id: "dns-drop",
        summary: "worker2 drops questions to the DNS server over UDP",
        moment: Moment::AfterPods,
        says: &[may_be(
            &["dns"],
            &[Who::On(BROKEN)],
            CauseId::DnsServerUnreached,
            &[],
        )],
        may_fail: &[],
        needs: ANY,
        recipe: Recipe::OnCluster {
            outside: false,
            steps: |context| {
                let node = context.node(BROKEN)?;
                let drop = |address: &IpAddr| {
                    let rule = format!("-t raw PREROUTING -d {address} -p udp --dport 53 -j DROP");
                    rule_at_head(node, *address, &rule)
                };
                Ok(context.exposed.dns_addresses.iter().map(drop).collect())
            },
        },
    },
    Fault {
        id: "hostport-drop",
        summary: "worker2 drops TCP to the hostPort of its pod",
        moment: Moment::AfterPods,
        says: &[may_be(
            &["hostport"],
            &[Who::On(BROKEN)],
            CauseId::HostPortUnmapped,
            &[],
        )],
        may_fail: &[],
        needs: ANY,
        recipe: Recipe::OnCluster {
            outside: false,
            steps: |context| drop_port(context, context.host_port()?),
        },
    },
    Fault {
        id: "nodeport-drop",
        summary: "worker2 drops TCP to the node port of a service",
        moment: Moment::AfterPods,
        says: &[may_be(
            &["nodeport"],
            &[Who::On(BROKEN)],
            CauseId::NodePortUnmapped,
            &[],
        )],
        may_fail: &[],
        needs: ANY,
        recipe: Recipe::OnCluster {
            outside: true,
            steps: |context| drop_port(context, context.node_port(Protocol::Tcp)?),
        },
    },
    Fault {
        id: "egress-drop",
        summary: "worker2 forwards nothing that its pods send out of the cluster",
        moment: Moment::AfterPods,
        says: &[may_be(
            &["egress"],
            &[Who::On(BROKEN)],
            CauseId::EgressBlocked,
            &[],
        )],
        may_fail: &[],
        needs: ANY,
        recipe: Recipe::OnCluster {
            outside: true,
            steps: |context| {
                let node = context.node(BROKEN)?;
                let drop = |peer: &IpAddr| {
                    // Answers to what the peer asks still pass: those are for `nodeport` and `hostport`.
                    let rule =
                        format!("-t mangle FORWARD -d {peer} -m conntrack --ctstate NEW -j DROP");
                    rule_at_head(node, *peer, &rule)
                };
                Ok(context.peer_in_reach(node)?.into_iter().map(drop).collect())
            },
        },
    },
    Fault {
        id: "egress-source",
        summary: "worker2 gives what its pods send out of the cluster another node's address",
        moment: Moment::AfterPods,
        says: &[may_be(
            &["egress"],
            &[Who::On(BROKEN)],
            CauseId::EgressSource,
            &[],
        )],
        may_fail: &[],
        needs: ANY,
        recipe: Recipe::OnCluster {
            outside: true,
            steps: |context| {
                let node = context.node(BROKEN)?;
                let mut steps = Vec::new();
                for peer in context.peer_in_reach(node)? {
                    let own = context.address(node, *peer)?;
                    let other = context.address(context.another(node)?, *peer)?;
                    steps.push(rewrite_source(node, *peer, own, other));
                }
                Ok(steps)
            },
        },
    },
    Fault {
        id: "agent-missing",
        summary: "the CNI's agent is kept off worker2",
        moment: Moment::AfterPods,
        says: &[seen(
            &["daemonset"],
            &[Who::On(BROKEN)],
            CauseId::AgentDown,
            &[],
        )],
        may_fail: &[],
        needs: ANY,
        recipe: Recipe::OnCluster {
            outside: false,
            steps: |context| {
                Ok(vec![Step::KeepAgentOff {
                    node: context.node(BROKEN)?.to_owned(),
                }])
            },
        },
    },
];

/// What is sent to `peer` from another address than `own` leaves as `other`. A connection's addresses are rewritten once, by
/// the first match, so this comes before every CNI: in a table of its own, just below the priority they all share.
fn rewrite_source(node: &str, peer: IpAddr, own: IpAddr, other: IpAddr) -> Step {
    let family = if peer.is_ipv4() { "ip" } else { "ip6" };
    let table = format!("inet flatnet_fault_{family}");
    let rule = format!("{family} saddr != {own} {family} daddr {peer} snat {family} to {other}");
    let chain = "type nat hook postrouting priority srcnat - 1";
    let nft = |command: String| vec!["nft".to_owned(), command];
    Step::Command {
        node: node.to_owned(),
        plant: nft(format!(
            "table {table} {{ chain rewrite {{ {chain}; {rule}; }}; }}"
        )),
        undo: nft(format!("delete table {table}")),
    }
}

/// TCP to that port of the broken node, over every family it has.
fn drop_port(context: &ClusterContext<'_>, port: u16) -> Result<Vec<Step>> {
    let node = context.node(BROKEN)?;
    let rule = format!("-t raw PREROUTING -p tcp --dport {port} -j DROP");
    let addresses = context.addresses(node);
    Ok(addresses
        .iter()
        .map(|address| rule_at_head(node, *address, &rule))
        .collect())
}

/// A rule at the head of its chain, in the tables of the family of `of`; `rule` is `-t TABLE CHAIN MATCHES`.
fn rule_at_head(node: &str, of: IpAddr, rule: &str) -> Step {
    let program = if of.is_ipv4() {
        "iptables"
    } else {
        "ip6tables"
    };
    let mut words = rule.split_whitespace().map(str::to_owned);
    let table: Vec<String> = words.by_ref().take(2).collect();
    let rest: Vec<String> = words.collect();
    let command = |action: &str| {
        let mut argv = vec![program.to_owned(), "-w".to_owned()];
        argv.extend(table.iter().cloned());
        argv.push(action.to_owned());
        argv.extend(rest.iter().cloned());
        argv
    };
    Step::Command {
        node: node.to_owned(),
        plant: command("-I"),
        undo: command("-D"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_taken_back_by_the_same_words() {
        let Step::Command { plant, undo, .. } = rule_at_head(
            "n",
            "10.96.0.1".parse().unwrap(),
            "-t raw OUTPUT -d 10.96.0.1 -j DROP",
        ) else {
            panic!("not a command")
        };
        assert_eq!(
            plant.join(" "),
            "iptables -w -t raw -I OUTPUT -d 10.96.0.1 -j DROP"
        );
        assert_eq!(undo.join(" "), plant.join(" ").replace("-I", "-D"));
    }
}
