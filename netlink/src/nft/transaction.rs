//! Transactions: the messages between the begin and the end of a batch take effect together, or not at all.
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::sys::socket::{setsockopt, sockopt};

use super::interval;
use super::model::{Chain, ChainType, Expr, Hook, Set, Table};
use super::rule::{ANONYMOUS_SET, Encoder, needs_port_guard};
use super::uapi::{LIST_ELEM, chain, data, elem, expr, msg, nfnl, nfproto, rule, set, table};
use crate::socket::{Connection, Outcome, check, outcome};
use crate::uapi::nlm;
use crate::wire::Message;
use crate::{Error, Result};

/// Elements of one message: an attribute holds 64 KiB, an element takes up to 40 bytes.
const ELEMENTS_PER_MESSAGE: usize = 1000;
/// What the default send buffer holds (SO_SNDBUF is about 200 KiB unless the administrator changed it).
const SEND_BYTES: usize = 128 * 1024;
/// Protocols with ports.
const TCP_AND_UDP: [u8; 2] = [6, 17];

/// struct nfgenmsg of a message about tables of family `inet`.
pub(crate) const INET: [u8; 4] = [nfproto::INET, 0, 0, 0];
/// struct nfgenmsg of the begin and end of a batch: names the subsystem, in network byte order.
const BATCH: [u8; 4] = [nfproto::UNSPEC, 0, 0, nfnl::SUBSYS_NFTABLES];

/// A hook of devices (enum nf_dev_hooks).
#[derive(Clone, Copy, Debug)]
pub(crate) enum DeviceHook {
    Ingress,
    Egress,
}

/// Messages that take effect together, each with a description for errors.
pub(crate) struct Transaction {
    /// struct nfgenmsg of the messages about the table.
    family: [u8; 4],
    messages: Vec<(Message, String)>,
    sets: u32,
}

impl Transaction {
    /// About a table of family `inet`.
    pub(crate) fn new() -> Self {
        Transaction::of(nfproto::INET)
    }

    /// About a table of a family.
    pub(crate) fn of(family: u8) -> Self {
        Transaction {
            family: [family, 0, 0, 0],
            messages: Vec::new(),
            sets: 0,
        }
    }

    /// About a table, of the family that it is of.
    pub(crate) fn about(table: &Table) -> Self {
        Transaction::of(match table.is_ipv4() {
            true => nfproto::IPV4,
            false => nfproto::INET,
        })
    }

    fn push(&mut self, message: Message, what: String) {
        self.messages.push((message, what));
    }

    pub(crate) fn create_table(&mut self, name: &str) {
        let mut message = Message::new(msg::NEWTABLE, nlm::CREATE, &self.family);
        message.attr_text(table::NAME, name);
        self.push(message, format!("create nftables table {name}"));
    }

    /// A new table that goes when the socket is closed. Fails with EEXIST where there is one of that name.
    pub(crate) fn create_owned_table(&mut self, name: &str) {
        let mut message = Message::new(msg::NEWTABLE, nlm::CREATE | nlm::EXCL, &self.family);
        message
            .attr_text(table::NAME, name)
            .attr_be32(table::FLAGS, table::OWNER);
        self.push(message, format!("create nftables table {name}"));
    }

    pub(crate) fn delete_table(&mut self, name: &str) {
        let mut message = Message::new(msg::DELTABLE, 0, &self.family);
        message.attr_text(table::NAME, name);
        self.push(message, format!("delete nftables table {name}"));
    }

    /// Creates the sets, chains and rules of the table.
    pub(crate) fn fill_table(&mut self, table: &Table) -> Result<()> {
        for set in &table.sets {
            self.create_set(&table.name, set)?;
        }
        for chain in &table.chains {
            self.create_chain(&table.name, chain);
            for (index, rule) in chain.rules.iter().enumerate() {
                let what = format!(
                    "create rule {} of chain {} in nftables table {}",
                    index + 1,
                    chain.name,
                    table.name
                );
                self.create_rule(&table.name, &chain.name, rule, what)?;
            }
        }
        Ok(())
    }

    fn create_set(&mut self, table: &str, addresses: &Set) -> Result<()> {
        let what = format!("create set {} in nftables table {table}", addresses.name);
        let Some(elements) = interval::elements(&addresses.prefixes, addresses.v6) else {
            return Err(Error::Invalid {
                what,
                detail: "a prefix is of the other address family",
            });
        };
        let (key_type, key_len) = if addresses.v6 {
            (set::TYPE_IPV6, 16)
        } else {
            (set::TYPE_IPV4, 4)
        };
        self.new_set(
            table,
            &addresses.name,
            set::INTERVAL,
            key_type,
            key_len,
            &what,
        );
        for part in elements.chunks(ELEMENTS_PER_MESSAGE) {
            let keys = part
                .iter()
                .map(|element| (element.key.as_slice(), element.end));
            self.fill_set(table, &addresses.name, keys, &what);
        }
        Ok(())
    }

    /// Creates a set with the next id, by which the rest of the transaction can refer to it.
    fn new_set(
        &mut self,
        table: &str,
        name: &str,
        flags: u32,
        key_type: u32,
        key_len: u32,
        what: &str,
    ) {
        self.sets += 1;
        let mut message = Message::new(msg::NEWSET, nlm::CREATE, &self.family);
        message
            .attr_text(set::TABLE, table)
            .attr_text(set::NAME, name)
            .attr_be32(set::FLAGS, flags)
            .attr_be32(set::KEY_TYPE, key_type)
            .attr_be32(set::KEY_LEN, key_len)
            .attr_be32(set::ID, self.sets);
        self.push(message, what.to_owned());
    }

    /// Adds elements to the set that was created last.
    fn fill_set<'a>(
        &mut self,
        table: &str,
        name: &str,
        keys: impl Iterator<Item = (&'a [u8], bool)>,
        what: &str,
    ) {
        let mut message = Message::new(msg::NEWSETELEM, nlm::CREATE, &self.family);
        message
            .attr_text(elem::LIST_TABLE, table)
            .attr_text(elem::LIST_SET, name)
            .attr_be32(elem::LIST_SET_ID, self.sets)
            .nest(elem::LIST_ELEMENTS, |m| {
                for (key, end) in keys {
                    m.nest(LIST_ELEM, |m| {
                        m.nest(elem::KEY, |m| {
                            m.attr(data::VALUE, key);
                        });
                        if end {
                            m.attr_be32(elem::FLAGS, elem::INTERVAL_END);
                        }
                    });
                }
            });
        self.push(message, what.to_owned());
    }

    fn create_chain(&mut self, table: &str, base: &Chain) {
        let mut message = Message::new(msg::NEWCHAIN, nlm::CREATE, &self.family);
        message
            .attr_text(chain::TABLE, table)
            .attr_text(chain::NAME, &base.name)
            .nest(chain::HOOK, |m| {
                m.attr_be32(chain::HOOK_NUM, hook_number(base.hook))
                    .attr(chain::HOOK_PRIORITY, &base.priority.to_be_bytes());
            })
            .attr_be32(chain::POLICY, expr::VERDICT_ACCEPT)
            .attr_text(
                chain::TYPE,
                match base.kind {
                    ChainType::Filter => "filter",
                    ChainType::Nat => "nat",
                },
            );
        self.push(
            message,
            format!("create chain {} in nftables table {table}", base.name),
        );
    }

    /// A base chain of a table of family `netdev`, before all others there, for what comes in or goes out by these devices; the number
    /// tells apart those of one hook.
    pub(crate) fn add_device_chain(
        &mut self,
        table: &str,
        (hook, chain_number): (DeviceHook, usize),
        devices: &[String],
        rules: &[Vec<Expr>],
    ) -> Result<()> {
        let (name, number) = match hook {
            DeviceHook::Ingress => ("ingress", 0_u32),
            DeviceHook::Egress => ("egress", 1),
        };
        let name = &format!("{name}{chain_number}");
        let what = format!("create chain {name} in nftables table netdev {table}");
        let mut message = Message::new(msg::NEWCHAIN, nlm::CREATE, &self.family);
        message
            .attr_text(chain::TABLE, table)
            .attr_text(chain::NAME, name)
            .nest(chain::HOOK, |m| {
                m.attr_be32(chain::HOOK_NUM, number)
                    .attr(chain::HOOK_PRIORITY, &i32::MIN.to_be_bytes())
                    .nest(chain::HOOK_DEVICES, |m| {
                        for device in devices {
                            m.attr_text(chain::DEVICE_NAME, device);
                        }
                    });
            })
            .attr_be32(chain::POLICY, expr::VERDICT_ACCEPT)
            .attr_text(chain::TYPE, "filter");
        self.push(message, what.clone());
        for rule in rules {
            self.create_rule(table, name, rule, what.clone())?;
        }
        Ok(())
    }

    fn create_rule(
        &mut self,
        table: &str,
        chain: &str,
        parts: &[Expr],
        what: String,
    ) -> Result<()> {
        let port_guard = needs_port_guard(parts).then(|| {
            let flags = set::ANONYMOUS | set::CONSTANT;
            self.new_set(table, ANONYMOUS_SET, flags, set::TYPE_PROTOCOL, 1, &what);
            let keys = TCP_AND_UDP.chunks(1).map(|key| (key, false));
            self.fill_set(table, ANONYMOUS_SET, keys, &what);
            self.sets
        });
        let mut message = Message::new(msg::NEWRULE, nlm::CREATE | nlm::APPEND, &self.family);
        message
            .attr_text(rule::TABLE, table)
            .attr_text(rule::CHAIN, chain);
        let mut verdict = Ok(());
        message.nest(rule::EXPRESSIONS, |m| {
            verdict = Encoder::new(m, port_guard).rule(parts)
        });
        if let Err(detail) = verdict {
            return Err(Error::Invalid { what, detail });
        }
        self.push(message, what);
        Ok(())
    }

    /// Sends all messages as one batch and awaits the result.
    pub(crate) fn commit(mut self, connection: &mut Connection) -> Result<()> {
        // Errors are always reported; the only acknowledgement requested, for the last message, comes after them.
        let Some((last, _)) = self.messages.last_mut() else {
            return Ok(());
        };
        last.request_ack();
        for (message, what) in &self.messages {
            check(message, what)?;
        }
        let first = connection.next_sequence();
        let mut bytes = Message::new(nfnl::BATCH_BEGIN, 0, &BATCH)
            .finish(first)
            .to_vec();
        for (message, _) in &mut self.messages {
            let sequence = connection.next_sequence();
            bytes.extend_from_slice(message.finish(sequence));
        }
        let end = connection.next_sequence();
        bytes.extend_from_slice(Message::new(nfnl::BATCH_END, 0, &BATCH).finish(end));
        let what = &self.messages[0].1;
        grow_send_buffer(connection, bytes.len()).map_err(|cause| Error::Socket {
            what: what.clone(),
            cause,
        })?;
        connection.send(&bytes, what)?;
        self.verdict(connection, first)
    }

    /// Answers come after the kernel has processed or aborted the whole batch, in the order of the messages (nfnetlink.c,
    /// nfnl_err_deliver). An answer to the batch's begin applies to all messages and may be the only one.
    fn verdict(&self, connection: &mut Connection, first: u32) -> Result<()> {
        let mut refusal = None;
        loop {
            let answers = connection.receive(0);
            let answers = answers.map_err(|cause| Error::Socket {
                what: self.messages[0].1.clone(),
                cause,
            })?;
            for answer in answers {
                let position = answer.sequence.wrapping_sub(first) as usize;
                let (Some(outcome), true) = (outcome(&answer), position <= self.messages.len())
                else {
                    continue;
                };
                // The begin has no description of its own, so the first message's stands for the batch.
                let (_, what) = &self.messages[position.saturating_sub(1)];
                let refused = match outcome {
                    Outcome::Done => None,
                    Outcome::Refused(errno, ack) => Some(Error::Kernel {
                        what: what.clone(),
                        errno,
                        ack,
                    }),
                };
                let final_answer =
                    position == self.messages.len() || (position == 0 && refused.is_some());
                refusal = refusal.or(refused);
                if final_answer {
                    return refusal.map_or(Ok(()), Err);
                }
            }
        }
    }
}

/// A transaction cannot be split, so the buffer has to hold all of it. Only CAP_NET_ADMIN in the initial user namespace
/// can exceed the administrator's limit (wmem_max); otherwise a larger transaction fails with EMSGSIZE.
fn grow_send_buffer(connection: &mut Connection, bytes: usize) -> io::Result<()> {
    if bytes > SEND_BYTES {
        // SAFETY: the socket outlives this function, and nothing closes it meanwhile.
        let fd = unsafe { BorrowedFd::borrow_raw(connection.socket().as_raw_fd()) };
        if setsockopt(&fd, sockopt::SndBufForce, &bytes).is_err() {
            setsockopt(&fd, sockopt::SndBuf, &bytes)?;
        }
    }
    Ok(())
}

/// enum nf_inet_hooks.
pub(crate) fn hook_number(hook: Hook) -> u32 {
    match hook {
        Hook::Prerouting => 0,
        Hook::Input => 1,
        Hook::Forward => 2,
        Hook::Output => 3,
        Hook::Postrouting => 4,
    }
}
