//! What the kernel has of a table, compared with its description: a table that was flushed still exists.
use std::collections::BTreeSet;

use nix::errno::Errno;

use super::Nft;
use super::interval;
use super::model::{Chain, Set, Table};
use super::rule::Encoder;
use super::transaction::{INET, hook_number};
use super::uapi::{LIST_ELEM, chain, data, elem, expr, msg, rule};
use crate::uapi::nlm;
use crate::wire::{Attributes, Message, find, flagged, i32_at, text, u32_at};
use crate::{Error, Result};

impl Nft {
    /// The first difference between the kernel's table and its description, in words; `None` if it has exactly those sets, chains and
    /// rules.
    ///
    /// # Errors
    /// The kernel's, or [`Error::Invalid`] for a table that cannot be valid. Rules with ports always differ: the kernel names the set
    /// of their protocols itself.
    pub fn difference(&mut self, table: &Table) -> Result<Option<String>> {
        if !self.has_table(&table.name)? {
            return Ok(Some(format!(
                "nftables table inet {} is missing",
                table.name
            )));
        }
        let named = |what: String| format!("nftables table inet {}: {what}", table.name);
        for set in &table.sets {
            if let Some(what) = self.set_difference(&table.name, set)? {
                return Ok(Some(named(what)));
            }
        }
        for chain in &table.chains {
            if let Some(what) = self.chain_difference(&table.name, chain)? {
                return Ok(Some(named(what)));
            }
        }
        Ok(None)
    }

    fn set_difference(&mut self, table: &str, set: &Set) -> Result<Option<String>> {
        let what = format!("list set {} of nftables table {table}", set.name);
        let Some(wanted) = interval::elements(&set.prefixes, set.v6) else {
            return Err(Error::Invalid {
                what,
                detail: "a prefix is of the other address family",
            });
        };
        let mut message = Message::dump(msg::GETSETELEM, &INET);
        message
            .attr_text(elem::LIST_TABLE, table)
            .attr_text(elem::LIST_SET, &set.name);
        let found = self.connection.dump(message, &what, |payload, elements| {
            let list = find(payload.get(INET.len()..)?, elem::LIST_ELEMENTS).unwrap_or_default();
            for (_, element) in Attributes(list) {
                let key = find(find(element, elem::KEY)?, data::VALUE)?.to_vec();
                let flags = find(element, elem::FLAGS).and_then(be32).unwrap_or(0);
                elements.push((key, flags & elem::INTERVAL_END != 0));
            }
            Some(())
        });
        let found: BTreeSet<(Vec<u8>, bool)> = match found {
            Ok(found) => found.into_iter().collect(),
            Err(Error::Kernel {
                errno: Errno::ENOENT,
                ..
            }) => return Ok(Some(format!("set {} is missing", set.name))),
            Err(error) => return Err(error),
        };
        let wanted: BTreeSet<(Vec<u8>, bool)> =
            wanted.into_iter().map(|one| (one.key, one.end)).collect();
        Ok((found != wanted).then(|| format!("set {} has other elements", set.name)))
    }

    fn chain_difference(&mut self, table: &str, wanted: &Chain) -> Result<Option<String>> {
        let what = format!("look up chain {} of nftables table {table}", wanted.name);
        let mut message = Message::new(msg::GETCHAIN, 0, &INET);
        message
            .attr_text(chain::TABLE, table)
            .attr_text(chain::NAME, &wanted.name);
        let found = self.connection.ask(message, &what, |answer| {
            let attributes = answer.payload.get(INET.len()..)?;
            let hook = find(attributes, chain::HOOK).map(|hook| {
                let number = find(hook, chain::HOOK_NUM).and_then(be32);
                let priority = find(hook, chain::HOOK_PRIORITY).and_then(|value| i32_at(value, 0));
                (number, priority.map(i32::from_be))
            });
            let policy = find(attributes, chain::POLICY).and_then(be32);
            Some((hook, policy))
        });
        let hook = (Some(hook_number(wanted.hook)), Some(wanted.priority));
        match found {
            Ok(Some(found)) if found == (Some(hook), Some(expr::VERDICT_ACCEPT)) => {}
            Ok(_) => {
                return Ok(Some(format!(
                    "chain {} has another hook or policy",
                    wanted.name
                )));
            }
            Err(Error::Kernel {
                errno: Errno::ENOENT,
                ..
            }) => return Ok(Some(format!("chain {} is missing", wanted.name))),
            Err(error) => return Err(error),
        }
        let what = format!(
            "list rules of chain {} in nftables table {table}",
            wanted.name
        );
        let mut message = Message::dump(msg::GETRULE, &INET);
        message
            .attr_text(rule::TABLE, table)
            .attr_text(rule::CHAIN, &wanted.name);
        let found = self.connection.dump(message, &what, |payload, rules| {
            let attributes = payload.get(INET.len()..)?;
            let is = |kind, name: &str| find(attributes, kind).map(text).is_some_and(|t| t == name);
            // Not every kernel filters by the chain.
            if is(rule::TABLE, table) && is(rule::CHAIN, &wanted.name) {
                rules.push(find(attributes, rule::EXPRESSIONS)?.to_vec());
            }
            Some(())
        })?;
        if found.len() != wanted.rules.len() {
            return Ok(Some(format!(
                "chain {} has {} of {} rules",
                wanted.name,
                found.len(),
                wanted.rules.len()
            )));
        }
        for (index, (found, parts)) in found.iter().zip(&wanted.rules).enumerate() {
            let mut message = Message::new(msg::NEWRULE, 0, &INET);
            if let Err(detail) = Encoder::new(&mut message, None).rule(parts) {
                return Err(Error::Invalid { what, detail });
            }
            let wanted_bytes = message.attributes(INET.len());
            if !same_list(found, wanted_bytes) {
                return Ok(Some(format!(
                    "rule {} of chain {} is another",
                    index + 1,
                    wanted.name
                )));
            }
        }
        Ok(None)
    }
}

fn be32(value: &[u8]) -> Option<u32> {
    u32_at(value, 0).map(u32::from_be)
}

/// Lists of the same length, whose elements say the same.
fn same_list(found: &[u8], wanted: &[u8]) -> bool {
    let items = |bytes| Attributes(bytes).filter(|(kind, _)| *kind == LIST_ELEM);
    items(found).count() == items(wanted).count()
        && items(found)
            .zip(items(wanted))
            .all(|((_, found), (_, wanted))| says_the_same(found, wanted))
}

/// Every attribute that was sent is there with its value; what the kernel adds has the value that it has when it is not sent, zero.
fn says_the_same(found: &[u8], wanted: &[u8]) -> bool {
    let sent = flagged(wanted).all(|(flags, kind, value)| match find(found, kind) {
        Some(there) if flags & nlm::ATTR_NESTED != 0 => says_the_same(there, value),
        Some(there) => there == value,
        None => false,
    });
    let added = |(kind, value): (u16, &[u8])| {
        find(wanted, kind).is_some() || value.iter().all(|byte| *byte == 0)
    };
    // An expression without settings has none where the kernel writes an empty list.
    sent && Attributes(found).all(added)
}
