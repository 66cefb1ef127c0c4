//! Addresses that change while a packet is on its way.
use flatnet_model::follow::{Followed, Leg, Rewrite, RuleRef};
use flatnet_model::kernel::AddressField;
use flatnet_model::probe::watch::{Met, RuleStep, RuleVerdict};
use flatnet_model::reference::Netns;

use super::passage::Attempt;

/// Every change, once for the burst.
pub(super) fn rewrites(followed: &Followed, attempts: &[Attempt<'_>]) -> Vec<Rewrite> {
    let mut rewrites: Vec<Rewrite> = Vec::new();
    for (leg, seen) in attempts.iter().flatten() {
        for pair in seen.windows(2) {
            let [before, after] = pair else { continue };
            let (old, new) = (&before.sighting.packet, &after.sighting.packet);
            let fields = [
                (AddressField::Source, old.source, new.source),
                (AddressField::Destination, old.destination, new.destination),
            ];
            for (field, from, to) in fields.into_iter().filter(|(_, from, to)| from != to) {
                let rewrite = Rewrite {
                    leg: *leg,
                    field,
                    from,
                    to,
                    at: after.netns.clone(),
                    by: rule(followed, after.netns, field, *leg),
                };
                if !rewrites.contains(&rewrite) {
                    rewrites.push(rewrite);
                }
            }
        }
    }
    rewrites
}

/// The last rule there that packets of the burst met and that changes such an address. Answers of a connection that was rewritten are
/// rewritten back without a rule: what was made of the request's source is the answer's destination.
fn rule(followed: &Followed, netns: &Netns, field: AddressField, leg: Leg) -> Option<RuleRef> {
    let rules = &followed.seen_at(netns)?.rules;
    let last = |field| rules.iter().rev().find(|step| changes(step, field));
    let own = last(field);
    let step = match leg.is_back() {
        true => own.or_else(|| {
            last(match field {
                AddressField::Source => AddressField::Destination,
                AddressField::Destination => AddressField::Source,
            })
        }),
        false => own,
    };
    step.map(reference)
}

/// Whether a packet that met the rule there went on with another address.
pub(super) fn changes(step: &RuleStep, field: AddressField) -> bool {
    let Met::Rule { rewrites, .. } = &step.met else {
        return false;
    };
    step.verdict != RuleVerdict::Drop && rewrites.contains(&field)
}

/// How a person finds what a packet met.
pub(super) fn reference(step: &RuleStep) -> RuleRef {
    let (handle, text) = match &step.met {
        Met::Rule { handle, text, .. } => (Some(*handle), text.clone()),
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
