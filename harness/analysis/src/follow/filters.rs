//! What packet filters did to a packet.
use std::net::IpAddr;

use flatnet_model::cause::Cause;
use flatnet_model::kernel::AddressField;
use flatnet_model::probe::watch::{Packet, RuleVerdict};
use flatnet_model::reference::Netns;

use super::reason::Case;
use super::rewrite::{changes, reference};

impl Case<'_> {
    /// A verdict of drop on the packet; where it has come to its goal, also on the answer to it.
    pub(super) fn rule(&self, netns: &Netns, answers_too: bool) -> Option<Cause> {
        let ours = |packet: &Packet| {
            let is = |source: Option<IpAddr>, destination| {
                let is_source = |address| source.is_none_or(|source| source == address);
                let there = packet.destination == destination && is_source(packet.source);
                let back = packet.source == destination && is_source(packet.destination);
                there || (answers_too && back)
            };
            // What tunnels carry is traced only where a probe's packet is in it.
            let mut around = self.around.iter();
            is(self.source, self.destination) || around.any(|(from, to)| is(*from, *to))
        };
        let step = self.followed.seen_at(netns)?.rules.iter().find(|step| {
            step.verdict == RuleVerdict::Drop && step.packet.as_ref().is_none_or(ours)
        })?;
        Some(Cause::DroppedByRule {
            at: netns.clone(),
            rule: reference(step),
        })
    }

    /// A rule there gave the packet another destination, and what has that does not answer as who was dialled would.
    pub(super) fn diverted(&self, netns: &Netns) -> Option<Cause> {
        let dialled = self.followed.dial.request.address;
        let rules = &self.followed.seen_at(netns)?.rules;
        let step = rules.iter().find(|step| {
            changes(step, AddressField::Destination)
                && step
                    .packet
                    .as_ref()
                    .is_some_and(|packet| packet.destination == dialled)
        })?;
        Some(Cause::RewrittenByRule {
            at: netns.clone(),
            rule: reference(step),
        })
    }
}
