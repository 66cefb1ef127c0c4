//! Findings about two nodes of which one is to blame: what it does to all others is one finding.
use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Deviation, Finding, Subject};
use serde_json::Value;

use super::{Own, json};

pub(super) fn is_of(deviation: &Deviation) -> bool {
    matches!(deviation.subjects[..], [Subject::Pair { .. }])
}

/// What is wrong between two nodes because of one of them, without what is the other's: its name, addresses and range. Symptoms are told
/// of each pair: packets decided about each.
pub(super) fn pattern(deviation: &Deviation, pair: [&String; 2]) -> Option<Value> {
    let ([Subject::Node { node: culprit }], Finding::Cause { cause }) =
        (&deviation.culprits[..], &deviation.finding)
    else {
        return None;
    };
    let peer = match pair.map(|node| node == culprit) {
        [true, false] => pair[1],
        [false, true] => pair[0],
        _ => return None,
    };
    let next_hop = match &cause.cause {
        // The same from the other's side, with the other's device as the expected one.
        Cause::VxlanMismatch { .. } => {
            return json(&(culprit, cause.cause.id(), cause.basis));
        }
        // No address of the peer.
        Cause::WrongNextHop { hop, .. } | Cause::NeighbourUnresolved { hop, .. } => Some(hop),
        _ => None,
    };
    let own = Own {
        names: vec![peer],
        nodes: Vec::new(),
        addresses: true,
    };
    let mut rest = json(&(
        &deviation.finding,
        &deviation.expected,
        &deviation.observed,
        // IPv4 and IPv6 have commands of their own.
        &deviation.look,
    ))?;
    own.leave_out(&mut rest, false);
    json(&(culprit, next_hop, rest))
}

#[cfg(test)]
mod tests {
    use flatnet_model::evidence::{Command, Evidence, Remediation, Rule, State};

    use super::*;
    use crate::alike::grouped;
    use crate::words::Words;

    fn whats(evidence: Vec<Evidence>) -> Vec<String> {
        let words = Words::of_report(None, None);
        let groups = grouped(evidence);
        groups.iter().map(|group| words.text(group).what).collect()
    }

    fn between(from: &str, to: &str, culprit: &str, cause: Cause) -> Evidence {
        Evidence {
            rule: Rule::new("node-routes", "a page"),
            deviation: Deviation {
                subjects: vec![Subject::Pair {
                    from: from.to_owned(),
                    to: to.to_owned(),
                }],
                culprits: vec![Subject::node_of(culprit)],
                finding: Finding::cause(cause),
                expected: State::ExactlyOne,
                observed: vec![State::Uncovered],
                look: Command::on(culprit, "ip route"),
            },
            remediation: None,
            alike: Vec::new(),
        }
    }

    #[test]
    fn what_one_node_does_to_all_others_is_one_finding_with_each_pair() {
        let missing = |to: &str, range: &str| {
            let cause = Cause::RouteMissing {
                node: "node1".to_owned(),
                to: to.to_owned(),
                range: range.parse().unwrap(),
            };
            let mut evidence = between("node1", to, "node1", cause);
            let v6 = if range.contains(':') { " -6" } else { "" };
            evidence.deviation.look = Command::on("node1", &format!("ip{v6} route"));
            evidence
        };
        let all = vec![
            missing("node2", "10.244.1.0/24"),
            missing("node2", "fd00:10:244:1::/64"),
            missing("node3", "10.244.2.0/24"),
            missing("node3", "fd00:10:244:2::/64"),
        ];
        assert_eq!(
            whats(all.clone()),
            [
                "node1 has no route to 10.244.1.0/24 of node2; the same for node1 → node3",
                "node1 has no route to fd00:10:244:1::/64 of node2; the same for node1 → node3",
            ]
        );
        // Another culprit, and what another command puts right, are other findings.
        let mut others = vec![all[0].clone(), all[2].clone(), all[2].clone()];
        others[1].deviation.culprits = vec![Subject::node_of("node3")];
        others[2].remediation = Some(Remediation::run(Command::here("true")));
        assert_eq!(grouped(others).len(), 3);
    }

    #[test]
    fn a_vxlan_that_one_node_shares_with_none_is_one_finding_whatever_side_it_is_seen_from() {
        let pairs = [
            ("node1", "node2"),
            ("node2", "node1"),
            ("node3", "node2"),
            ("node2", "node3"),
        ];
        let all = pairs.map(|(from, to)| {
            let (node, to) = (from.to_owned(), to.to_owned());
            between(
                from,
                &to.clone(),
                "node2",
                Cause::VxlanMismatch { node, to },
            )
        });
        assert_eq!(
            whats(all.to_vec()),
            [
                "node1 and node2 have no VXLAN in common; the same for node2 → node1 and node3 → node2 and node2 → node3"
            ]
        );
    }

    #[test]
    fn next_hops_that_nobody_has_are_one_finding_only_where_they_are_one() {
        let wrong = |to: &str, range: &str, hop: [u8; 4]| {
            let cause = Cause::WrongNextHop {
                node: "node1".to_owned(),
                to: to.to_owned(),
                range: range.parse().unwrap(),
                hop: hop.into(),
                of: 1,
                holder: None,
            };
            between("node1", to, "node1", cause)
        };
        let one = wrong("node2", "10.244.1.0/24", [172, 18, 0, 99]);
        let same = wrong("node3", "10.244.2.0/24", [172, 18, 0, 99]);
        let other = wrong("node3", "10.244.2.0/24", [172, 18, 0, 98]);
        assert_eq!(grouped(vec![one.clone(), same]).len(), 1);
        assert_eq!(grouped(vec![one, other]).len(), 2);
    }
}
