//! Addresses that change while a packet is on its way.
use std::net::IpAddr;

use flatnet_model::follow::{Followed, Leg, Rewrite, RuleRef};
use flatnet_model::kernel::AddressField;
use flatnet_model::probe::watch::{Met, Packet, Passing, RuleStep, RuleVerdict};
use flatnet_model::reference::Netns;

use super::ends::Ends;
use super::legacy;
use super::passage::{Attempt, Seen, legs};

/// Every change, once for the burst.
pub(super) fn rewrites(followed: &Followed, ends: &Ends, attempts: &[Attempt<'_>]) -> Vec<Rewrite> {
    let mut rewrites: Vec<Rewrite> = Vec::new();
    for attempt in attempts {
        for (leg, seen) in attempt {
            let mut add = |at: &Netns, old: (IpAddr, IpAddr), new: &Packet| {
                let fields = [
                    (AddressField::Source, old.0, new.source),
                    (AddressField::Destination, old.1, new.destination),
                ];
                for (field, from, to) in fields.into_iter().filter(|(_, from, to)| from != to) {
                    let mut rewrite = Rewrite {
                        leg: *leg,
                        field,
                        from,
                        to,
                        at: at.clone(),
                        by: None,
                    };
                    rewrite.by = rule(followed, &rewrite).or_else(|| {
                        let watched = followed.seen_at(at)?;
                        legacy::rewriting(watched, &rewrite, &followed.dial.request)
                    });
                    if !rewrites.contains(&rewrite) {
                        rewrites.push(rewrite);
                    }
                }
            };
            if let Some(first) = seen.first()
                && let Some(sent) = as_sent(followed, ends, attempt, *leg, first)
            {
                add(first.netns, sent, &first.sighting.packet);
            }
            for pair in seen.windows(2) {
                let [before, after] = pair else { continue };
                let old = &before.sighting.packet;
                let old = (old.source, old.destination);
                add(after.netns, old, &after.sighting.packet);
            }
        }
    }
    rewrites
}

/// Source and destination that a packet had when who sent it gave it to its kernel; nothing where it was not seen there.
fn as_sent(
    followed: &Followed,
    ends: &Ends,
    attempt: &Attempt<'_>,
    leg: Leg,
    first: &Seen<'_>,
) -> Option<(IpAddr, IpAddr)> {
    let way = ends.way_of(leg.is_back());
    if way.first() != Some(&first.netns) || first.sighting.direction != Passing::Out {
        return None;
    }
    let dialled = followed.dial.request.address;
    let packet = &first.sighting.packet;
    if !leg.is_back() {
        let mut own = ends.sources.iter().copied();
        let is_own = ends.sources.contains(&packet.source);
        let source = match is_own {
            true => packet.source,
            false => own.find(|own| own.is_ipv4() == dialled.is_ipv4())?,
        };
        return Some((source, dialled));
    }
    // An answer goes back to where its request came from.
    let legs = legs(followed.dial.request.transport);
    let before = legs
        .iter()
        .position(|other| *other == leg)?
        .checked_sub(1)?;
    let request = attempt.get(&legs[before])?.last()?;
    let arrived = request.is_in() && request.netns == first.netns;
    let request = &request.sighting.packet;
    arrived.then_some((request.destination, request.source))
}

/// The last rule there that packets met which had one of these addresses (the trace shows them before the rule, or after it), and that
/// changes such an address. Answers of a connection that was rewritten are rewritten back without a rule: what was made of the
/// request's source is the answer's destination.
fn rule(followed: &Followed, rewrite: &Rewrite) -> Option<RuleRef> {
    let rules = &followed.seen_at(&rewrite.at)?.rules;
    let last = |field: AddressField| {
        let had = |step: &&RuleStep| {
            step.packet.as_ref().is_none_or(|packet| {
                let address = match field {
                    AddressField::Source => packet.source,
                    AddressField::Destination => packet.destination,
                };
                [rewrite.from, rewrite.to].contains(&address)
            })
        };
        let mut back = rules.iter().rev();
        back.find(|step| changes(step, field) && had(step))
    };
    let own = last(rewrite.field);
    let step = match rewrite.leg.is_back() {
        true => own.or_else(|| last(rewrite.field.other())),
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
