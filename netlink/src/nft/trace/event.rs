//! NFNL_MSG_TRACE, from include/uapi/linux/netfilter/nf_tables.h.
use flatnet_model::probe::watch::RuleVerdict;

use crate::nft::uapi::{data, verdict};
use crate::wire::{Attributes, find, text};

const TABLE: u16 = 1;
const CHAIN: u16 = 2;
const RULE_HANDLE: u16 = 3;
const TYPE: u16 = 4;
const VERDICT: u16 = 5;
const ID: u16 = 6;
const NETWORK_HEADER: u16 = 8;
const TRANSPORT_HEADER: u16 = 9;
const IIF: u16 = 10;
const OIF: u16 = 12;
const MARK: u16 = 14;
const POLICY: u16 = 16;

const TYPE_POLICY: u32 = 1;
const TYPE_RETURN: u32 = 2;
const TYPE_RULE: u32 = 3;

/// Length of `struct nfgenmsg`.
const HEADER: usize = 4;

/// Something in a chain decided about a packet that is traced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceEvent {
    /// The packet.
    pub id: u32,
    /// NFPROTO_* of the table.
    pub family: u8,
    /// Table.
    pub table: String,
    /// Chain.
    pub chain: String,
    /// What decided.
    pub by: TraceBy,
    /// What was decided.
    pub verdict: RuleVerdict,
    /// The packet's firewall mark, where it has one.
    pub mark: Option<u32>,
    /// The packet's headers and interfaces, in the first event of each base chain that is about a rule.
    pub packet: Option<TracePacket>,
}

/// What in a chain decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceBy {
    /// The rule with this handle.
    Rule(u64),
    /// The policy.
    Policy,
    /// The end of a chain that was jumped to.
    Return,
}

/// A packet at a base chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TracePacket {
    /// The network header, up to 40 bytes.
    pub network: Vec<u8>,
    /// The transport's header and what follows, up to 20 bytes.
    pub transport: Vec<u8>,
    /// Index of the interface it came by.
    pub iif: Option<u32>,
    /// Index of the interface it leaves by.
    pub oif: Option<u32>,
}

/// Reads an event; `None` where it is malformed or of a type that is not known.
pub(super) fn decode(payload: &[u8]) -> Option<TraceEvent> {
    let attributes = payload.get(HEADER..)?;
    let number = |kind| be32(find(attributes, kind)?);
    let (by, verdict) = match number(TYPE)? {
        TYPE_RULE => {
            let handle = find(attributes, RULE_HANDLE)?.try_into().ok()?;
            let by = TraceBy::Rule(u64::from_be_bytes(handle));
            (by, verdict_of(find(attributes, VERDICT)?)?)
        }
        TYPE_RETURN => (TraceBy::Return, verdict_of(find(attributes, VERDICT)?)?),
        TYPE_POLICY => (TraceBy::Policy, decided(number(POLICY)?, None)?),
        _ => return None,
    };
    Some(TraceEvent {
        id: number(ID)?,
        mark: number(MARK),
        family: *payload.first()?,
        table: text(find(attributes, TABLE)?),
        chain: text(find(attributes, CHAIN)?),
        by,
        verdict,
        packet: packet(attributes),
    })
}

fn packet(attributes: &[u8]) -> Option<TracePacket> {
    let mut packet = TracePacket::default();
    let mut told = false;
    for (kind, value) in Attributes(attributes) {
        match kind {
            NETWORK_HEADER => packet.network = value.to_vec(),
            TRANSPORT_HEADER => packet.transport = value.to_vec(),
            IIF => packet.iif = be32(value),
            OIF => packet.oif = be32(value),
            _ => continue,
        }
        told = true;
    }
    told.then_some(packet)
}

fn verdict_of(attribute: &[u8]) -> Option<RuleVerdict> {
    let code = be32(find(attribute, data::VERDICT_CODE)?)?;
    decided(code, find(attribute, data::VERDICT_CHAIN).map(text))
}

fn decided(code: u32, chain: Option<String>) -> Option<RuleVerdict> {
    Some(match code as i32 {
        verdict::CONTINUE | verdict::BREAK => RuleVerdict::Continue,
        verdict::JUMP | verdict::GOTO => RuleVerdict::Jump(chain?),
        verdict::RETURN => RuleVerdict::Return,
        // NF_VERDICT_MASK: the upper bytes hold an errno or a queue.
        code => match code & 0xff {
            verdict::DROP => RuleVerdict::Drop,
            verdict::ACCEPT => RuleVerdict::Accept,
            _ => RuleVerdict::Stolen,
        },
    })
}

fn be32(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Answers, Message};

    #[track_caller]
    fn read(fill: impl FnOnce(&mut Message)) -> Option<TraceEvent> {
        let mut message = Message::new(17, 0, &[7, 0, 0, 0]);
        message
            .attr_text(TABLE, "t")
            .attr_text(CHAIN, "c")
            .attr_be32(ID, 9);
        fill(&mut message);
        decode(Answers(message.finish(1)).next().unwrap().payload)
    }

    #[test]
    fn a_rule_a_policy_and_a_jump_are_told_apart() {
        let rule = |code: i32, chain: Option<&str>| {
            let read = read(|m| {
                m.attr_be32(TYPE, TYPE_RULE)
                    .attr(RULE_HANDLE, &7_u64.to_be_bytes())
                    .nest(VERDICT, |m| {
                        m.attr_be32(data::VERDICT_CODE, code as u32);
                        if let Some(chain) = chain {
                            m.attr_text(data::VERDICT_CHAIN, chain);
                        }
                    });
            });
            let event = read.unwrap();
            assert_eq!(
                (event.by, event.family, event.packet),
                (TraceBy::Rule(7), 7, None)
            );
            event.verdict
        };
        assert_eq!(rule(0, None), RuleVerdict::Drop);
        assert_eq!(rule(1, None), RuleVerdict::Accept);
        assert_eq!(rule(-1, None), RuleVerdict::Continue);
        assert_eq!(rule(-5, None), RuleVerdict::Return);
        assert_eq!(rule(3 | 0x1_0000, None), RuleVerdict::Stolen);
        assert_eq!(rule(-3, Some("x")), RuleVerdict::Jump("x".to_owned()));
        let policy = read(|m| {
            m.attr_be32(TYPE, TYPE_POLICY)
                .attr_be32(POLICY, 0)
                .attr_be32(MARK, 7)
                .attr_be32(OIF, 4);
        });
        let policy = policy.unwrap();
        assert_eq!(
            (policy.by, policy.verdict),
            (TraceBy::Policy, RuleVerdict::Drop)
        );
        assert_eq!(policy.mark, Some(7));
        assert_eq!(policy.packet.unwrap().oif, Some(4));
    }

    #[test]
    fn what_is_cut_off_is_nothing() {
        assert_eq!(decode(&[]), None);
        assert_eq!(read(|_| ()), None);
        assert_eq!(
            read(|m| {
                m.attr_be32(TYPE, TYPE_RULE);
            }),
            None
        );
    }
}
