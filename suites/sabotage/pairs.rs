//! Faults that are planted two at once.
use flatnet::plant::{Fault, Says};
use flatnet_model::verdict::Verdict;

use crate::heard::{Variables, Verdicts, claims, follows, told};

/// Names of faults of the lab, of different kinds or on different nodes.
pub(crate) const PAIRS: &[[&str; 2]] = &[
    ["forward-drop", "route-missing"],
    ["masquerade", "udp-drop"],
    ["host-end-down", "plugin-missing"],
    ["forwarding-off", "duplicate-route"],
    ["pod-input-drop", "prerouting-drop"],
    ["snat", "iptables-raw-drop"],
    ["bridge-down", "no-conflist"],
    ["pod-neighbour-wrong", "forward-reject"],
    ["vtep-neighbour-missing", "icmp-drop"],
    ["loopback-down", "stale-route"],
    ["pod-ipv6-off", "ip6tables-drop"],
    ["gateway-twice", "jump-drop"],
    ["second-conflist", "default-route-missing"],
    ["pod-input-drop", "pod-answer-drop"],
    ["pod-input-drop", "forward-one-drop"],
    ["pod-input-some-drop", "forward-one-some-drop"],
];

/// Whether flatnet says of several faults at once what it is to say of each, and nothing else. In which check it says it is free: of a
/// pair of pods that fails for two reasons, one is told.
///
/// # Errors
/// What is missing or too much, and everything that was said.
pub(crate) fn each_of(
    faults: &[&Fault],
    verdicts: &Verdicts,
    variables: &Variables,
) -> Result<(), String> {
    let says: Vec<Says> = faults
        .iter()
        .flat_map(|fault| fault.says)
        .copied()
        .collect();
    let mut all = Vec::new();
    let mut wrong = Vec::new();
    for (check, verdict) in verdicts {
        match verdict {
            Verdict::Fail { evidence } => all.extend(claims(check, evidence)),
            Verdict::Broken { error, .. } => {
                let mut may = faults.iter().flat_map(|fault| fault.may_fail_too());
                if !may.any(|may| may == *check) {
                    wrong.push(format!("{check} is broken: {error}"));
                }
            }
            _ => {}
        }
    }
    for claim in &all {
        if !follows(claim, &says, variables) {
            wrong.push(format!("not expected: {}", claim.words(variables)));
        }
    }
    for says in says.iter().filter(|says| !says.sometimes) {
        if !all.iter().any(|claim| claim.is(says, variables)) {
            wrong.push(format!("missing: {says:?}"));
        }
    }
    told(wrong, verdicts, variables)
}
