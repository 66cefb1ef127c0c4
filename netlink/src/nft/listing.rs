//! Rules of others, read for people.
use super::text::{Detail, Elements};
use super::uapi::{msg, rule};
use super::{Nft, RuleText, set, text};
use crate::Result;
use crate::wire::{Message, find};

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
                && let Ok(elements) = set::elements(&mut self.connection, family, table, &name)
            {
                let keys = elements.into_iter().map(|one| (one.key, one.ends));
                sets.insert(name, Elements::Keys(keys.collect()));
            }
        }
        Ok(Some(text::rule(
            &expressions,
            userdata.as_deref(),
            family,
            &sets,
            Detail::Readable,
        )))
    }
}
