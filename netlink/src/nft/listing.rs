//! Rules of others, read for people.
use super::uapi::{chain, data, elem, msg, nfproto, rule};
use super::{Nft, RuleText, text};
use crate::wire::{Attributes, Message, find, text as wire_text, u32_at};
use crate::{Error, Result};

/// Length of `struct nfgenmsg`.
const HEADER: usize = 4;

/// A rule with its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListedRule {
    /// Family, table and chain, as `nft list chain` takes them.
    pub chain: String,
    /// In nft's words as far as they are known, without what counters count.
    pub text: String,
}

/// A rule as it is listed: family, table, chain, expressions, userdata.
type RawRule = (u8, String, String, Vec<u8>, Option<Vec<u8>>);

impl Nft {
    /// Every chain of every table, as `nft list chain` takes it: `ip nat CNI-HOSTPORT-DNAT`.
    ///
    /// # Errors
    /// The kernel's.
    pub fn chains(&mut self) -> Result<Vec<String>> {
        let message = Message::dump(msg::GETCHAIN, &[nfproto::UNSPEC, 0, 0, 0]);
        let what = "list nftables chains";
        self.connection.dump(message, what, |payload, chains| {
            let attributes = payload.get(HEADER..)?;
            let of = |kind| find(attributes, kind).map(wire_text);
            let family = nfproto::name(*payload.first()?);
            chains.push(format!(
                "{family} {} {}",
                of(chain::TABLE)?,
                of(chain::NAME)?
            ));
            Some(())
        })
    }

    /// Every rule of every table.
    ///
    /// # Errors
    /// The kernel's.
    pub fn rules(&mut self) -> Result<Vec<ListedRule>> {
        let message = Message::dump(msg::GETRULE, &[nfproto::UNSPEC, 0, 0, 0]);
        let what = "list nftables rules";
        let raw: Vec<RawRule> = self.connection.dump(message, what, |payload, rules| {
            let attributes = payload.get(HEADER..)?;
            let of = |kind| find(attributes, kind).map(wire_text);
            let expressions = find(attributes, rule::EXPRESSIONS).unwrap_or_default();
            let userdata = find(attributes, rule::USERDATA).map(<[u8]>::to_vec);
            rules.push((
                *payload.first()?,
                of(rule::TABLE)?,
                of(rule::CHAIN)?,
                expressions.to_vec(),
                userdata,
            ));
            Some(())
        })?;
        let listed = raw.into_iter();
        let listed = listed.map(|(family, table, chain, expressions, userdata)| {
            let sets = self.anonymous_sets(family, &table, &expressions);
            let text = text::rule(&expressions, userdata.as_deref(), family, &sets).text;
            let chain = format!("{} {table} {chain}", nfproto::name(family));
            ListedRule { chain, text }
        });
        Ok(listed.collect())
    }

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
        let sets = self.anonymous_sets(family, table, &expressions);
        Ok(Some(text::rule(
            &expressions,
            userdata.as_deref(),
            family,
            &sets,
        )))
    }

    /// The sets that belong to a rule. One that cannot be read is named, not listed.
    fn anonymous_sets(&mut self, family: u8, table: &str, expressions: &[u8]) -> text::Sets {
        let names = text::sets_of(expressions).into_iter();
        let read = names
            .filter(|name| text::is_anonymous(name))
            .filter_map(|name| {
                let elements = self.elements(family, table, &name).ok()?;
                Some((name, elements))
            });
        read.collect()
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
