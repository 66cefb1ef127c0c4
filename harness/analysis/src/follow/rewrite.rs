//! Addresses that change while a packet is on its way.
use flatnet_model::follow::{Field, Followed, Rewrite, RuleRef};
use flatnet_model::probe::watch::{Met, RuleStep, RuleVerdict};
use flatnet_model::reference::Netns;

use super::passage::Attempt;

/// Words of rules that change addresses: nft's statements, and the targets of iptables.
const CHANGING: [&str; 10] = [
    "masquerade",
    "snat",
    "dnat",
    "redirect",
    "MASQUERADE",
    "SNAT",
    "DNAT",
    "REDIRECT",
    "NETMAP",
    " set ",
];

/// Those of them that change destinations.
const DIVERTING: [&str; 5] = ["dnat", "redirect", "DNAT", "REDIRECT", "daddr set"];

/// Every change, once for the burst.
pub(super) fn rewrites(followed: &Followed, attempts: &[Attempt<'_>]) -> Vec<Rewrite> {
    let mut rewrites: Vec<Rewrite> = Vec::new();
    for (leg, seen) in attempts.iter().flatten() {
        for pair in seen.windows(2) {
            let [before, after] = pair else { continue };
            let (old, new) = (&before.sighting.packet, &after.sighting.packet);
            let fields = [
                (Field::Source, old.source, new.source),
                (Field::Destination, old.destination, new.destination),
            ];
            for (field, from, to) in fields.into_iter().filter(|(_, from, to)| from != to) {
                let rewrite = Rewrite {
                    leg: *leg,
                    field,
                    from,
                    to,
                    at: after.netns.clone(),
                    by: rule(followed, after.netns),
                };
                if !rewrites.contains(&rewrite) {
                    rewrites.push(rewrite);
                }
            }
        }
    }
    rewrites
}

/// The last rule there that packets of the burst met and that changes addresses.
fn rule(followed: &Followed, netns: &Netns) -> Option<RuleRef> {
    let rules = &followed.seen_at(netns)?.rules;
    rules.iter().rev().find(|step| changes(step)).map(reference)
}

fn changes(step: &RuleStep) -> bool {
    step.verdict != RuleVerdict::Drop && says(step, &CHANGING)
}

/// Whether a rule gives packets another destination.
pub(super) fn diverts(step: &RuleStep) -> bool {
    says(step, &DIVERTING)
}

/// Whether it is a rule in whose text one of these words is.
fn says(step: &RuleStep, words: &[&str]) -> bool {
    match &step.met {
        Met::Rule {
            text: Some(text), ..
        } => words.iter().any(|word| text.contains(word)),
        _ => false,
    }
}

/// How a person finds what a packet met.
pub(super) fn reference(step: &RuleStep) -> RuleRef {
    let (handle, text) = match &step.met {
        Met::Rule { handle, text } => (Some(*handle), text.clone()),
        Met::Policy => (None, Some("policy drop".to_owned())),
        Met::Return => (None, None),
    };
    RuleRef {
        family: step.family.clone(),
        table: step.table.clone(),
        chain: step.chain.clone(),
        handle,
        text,
    }
}
