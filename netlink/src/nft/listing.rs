//! Rules of others, read for people.
use super::uapi::{data, elem, msg, rule};
use super::{Nft, RuleText, text};
use crate::wire::{Attributes, Message, find, u32_at};
use crate::{Error, Result};

/// Length of `struct nfgenmsg`.
const HEADER: usize = 4;

impl Nft {
    /// What the rule with this handle says, in nft's words as far as they are known; `None` if there is no such rule. `family`: NFPROTO_*
    /// of the table.
    pub fn rule_text(
        &mut self,
        family: u8,
        table: &str,
        chain: &str,
        handle: u64,
    ) -> Result<Option<RuleText>> {
        let what = format!("read rule {handle} of chain {chain} in nftables table {table}");
        let mut message = Message::new(msg::GETRULE, 0, &[family, 0, 0, 0]);
        message
            .attr_text(rule::TABLE, table)
            .attr_text(rule::CHAIN, chain)
            .attr(rule::HANDLE, &handle.to_be_bytes());
        let read = self.connection.ask(message, &what, |answer| {
            let attributes = answer.payload.get(HEADER..)?;
            let expressions = find(attributes, rule::EXPRESSIONS).unwrap_or_default();
            let userdata = find(attributes, rule::USERDATA).map(<[u8]>::to_vec);
            Some((expressions.to_vec(), userdata))
        });
        let (expressions, userdata) = match read {
            Ok(Some(read)) => read,
            Ok(None) => return Ok(None),
            Err(error) if error.is_absent() => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut sets = text::Sets::new();
        for name in text::sets_of(&expressions) {
            // A set that cannot be read is named, not listed.
            if text::is_anonymous(&name)
                && let Ok(elements) = self.elements(family, table, &name)
            {
                sets.insert(name, elements);
            }
        }
        Ok(Some(text::rule(
            &expressions,
            userdata.as_deref(),
            family,
            &sets,
        )))
    }

    /// Keys of a set, each with whether it ends an interval.
    fn elements(
        &mut self,
        family: u8,
        table: &str,
        set: &str,
    ) -> std::result::Result<Vec<(Vec<u8>, bool)>, Error> {
        let mut message = Message::dump(msg::GETSETELEM, &[family, 0, 0, 0]);
        message
            .attr_text(elem::LIST_TABLE, table)
            .attr_text(elem::LIST_SET, set);
        let what = format!("list set {set} in nftables table {table}");
        self.connection.dump(message, &what, |payload, elements| {
            let list = find(payload.get(HEADER..)?, elem::LIST_ELEMENTS).unwrap_or_default();
            for (_, element) in Attributes(list) {
                let flags = find(element, elem::FLAGS).and_then(|flags| u32_at(flags, 0));
                let key = find(element, elem::KEY).and_then(|key| find(key, data::VALUE));
                let ends = flags.unwrap_or(0).to_be() & elem::INTERVAL_END != 0;
                elements.push((key.unwrap_or_default().to_vec(), ends));
            }
            Some(())
        })
    }
}
