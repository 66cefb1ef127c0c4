//! Everything that a network namespace has of nftables, in normal form: what counts is left out, and so are numbers that the kernel hands
//! out (handles, names of anonymous sets).
use std::collections::BTreeMap;

use flatnet_model::kernel::netfilter::{RuleChain, RuleSet, RuleTable};

use super::set::{self, Types};
use super::text::{self, Detail, Elements, Sets, value::Kind};
use super::uapi::{chain, expr, msg, nfproto, rule, set as uapi_set};
use super::{Nft, family_name};
use crate::Result;
use crate::wire::{Attributes, Message, find, i32_at, text as string, u32_at};

/// `struct nfgenmsg` of a request about all families.
const ALL: [u8; 4] = [nfproto::UNSPEC, 0, 0, 0];

/// Family and name of a table.
type Of = (u8, String);

/// A rule as the kernel lists it; nothing but where it is of one that is only counted.
struct Listed {
    of: Of,
    chain: String,
    says: Option<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Nft {
    /// Every table but those that are `hidden` by their names. Of chains that are `counted`, by the names of table and chain, the rules
    /// are counted and not read; sets of tables of which every chain is are left out. One request for each kind, and one for each set.
    ///
    /// # Errors
    /// The kernel's: without CAP_NET_ADMIN nothing is listed.
    pub fn ruleset(
        &mut self,
        hidden: impl Fn(&str) -> bool,
        counted: impl Fn(&str, &str) -> bool,
    ) -> Result<Vec<RuleTable>> {
        let mut names = self.table_names()?;
        names.retain(|(_, name)| !hidden(name));
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let is_read = |table: &str| !hidden(table) && !counted(table, "");
        let mut sets = self.sets(is_read)?;
        let rules = self.rules(|table, chain| !hidden(table) && !counted(table, chain))?;
        let chains = self.chains()?;
        let mut texts: BTreeMap<(Of, String), RuleChain> = BTreeMap::new();
        for listed in rules {
            let chain = texts.entry((listed.of.clone(), listed.chain)).or_default();
            match listed.says {
                None => chain.unread += 1,
                Some((expressions, userdata)) => {
                    let none = Sets::new();
                    let sets = sets.get(&listed.of).map_or(&none, |sets| &sets.anonymous);
                    let said = text::rule(
                        &expressions,
                        userdata.as_deref(),
                        listed.of.0,
                        sets,
                        Detail::Exact,
                    );
                    chain.rules.push(said.text);
                }
            }
        }
        let tables = names.into_iter().map(|of| {
            let own = chains.iter().filter(|(its, _)| *its == of);
            let own = own.map(|(_, chain)| {
                let said = texts.remove(&(of.clone(), chain.name.clone()));
                let said = said.unwrap_or_default();
                RuleChain {
                    rules: said.rules,
                    unread: said.unread,
                    ..chain.clone()
                }
            });
            RuleTable {
                family: family_name(of.0).into_owned(),
                chains: own.collect(),
                sets: sets.remove(&of).unwrap_or_default().named,
                name: of.1,
            }
        });
        Ok(tables.collect())
    }

    fn chains(&mut self) -> Result<Vec<(Of, RuleChain)>> {
        let message = Message::dump(msg::GETCHAIN, &ALL);
        let what = "list nftables chains";
        self.connection.dump(message, what, |payload, chains| {
            let (family, attributes) = (*payload.first()?, payload.get(ALL.len()..)?);
            let hook = find(attributes, chain::HOOK).and_then(|nested| {
                let kind = string(find(attributes, chain::TYPE)?);
                hook(family, &kind, nested)
            });
            let policy = find(attributes, chain::POLICY).and_then(be32);
            let policy = policy.map(|policy| match policy {
                expr::VERDICT_DROP => "drop".to_owned(),
                expr::VERDICT_ACCEPT => "accept".to_owned(),
                other => other.to_string(),
            });
            let of = (family, string(find(attributes, chain::TABLE)?));
            let found = RuleChain {
                name: string(find(attributes, chain::NAME)?),
                policy: policy.filter(|_| hook.is_some()),
                hook,
                ..RuleChain::default()
            };
            chains.push((of, found));
            Some(())
        })
    }

    fn rules(&mut self, is_read: impl Fn(&str, &str) -> bool) -> Result<Vec<Listed>> {
        let message = Message::dump(msg::GETRULE, &ALL);
        let what = "list nftables rules";
        self.connection.dump(message, what, |payload, rules| {
            let (family, attributes) = (*payload.first()?, payload.get(ALL.len()..)?);
            let table = string(find(attributes, rule::TABLE)?);
            let chain = string(find(attributes, rule::CHAIN)?);
            let says = is_read(&table, &chain).then(|| {
                let expressions = find(attributes, rule::EXPRESSIONS).unwrap_or_default();
                let userdata = find(attributes, rule::USERDATA).map(<[u8]>::to_vec);
                (expressions.to_vec(), userdata)
            });
            let of = (family, table);
            rules.push(Listed { of, chain, says });
            Some(())
        })
    }

    fn sets(&mut self, is_read: impl Fn(&str) -> bool) -> Result<BTreeMap<Of, OfTable>> {
        let message = Message::dump(msg::GETSET, &ALL);
        let what = "list nftables sets";
        let listed = self.connection.dump(message, what, |payload, sets| {
            let (family, attributes) = (*payload.first()?, payload.get(ALL.len()..)?);
            let of = (family, string(find(attributes, uapi_set::TABLE)?));
            let number = |kind| find(attributes, kind).and_then(be32).unwrap_or(0);
            let flags = number(uapi_set::FLAGS);
            let types = Types {
                key: number(uapi_set::KEY_TYPE),
                data: number(uapi_set::DATA_TYPE),
                intervals: flags & uapi_set::INTERVAL != 0,
            };
            let name = string(find(attributes, uapi_set::NAME)?);
            sets.push((of, name, flags, types));
            Some(())
        })?;
        let mut all: BTreeMap<Of, OfTable> = BTreeMap::new();
        for (of, name, flags, types) in listed.into_iter().filter(|(of, ..)| is_read(&of.1)) {
            let moves = flags & (uapi_set::TIMEOUT | uapi_set::EVAL) != 0;
            let elements = match moves {
                true => None,
                false => {
                    let elements = set::elements(&mut self.connection, of.0, &of.1, &name);
                    match elements {
                        // It went with its rule meanwhile.
                        Err(error) if error.is_absent() => continue,
                        elements => Some(set::words(elements?, types)),
                    }
                }
            };
            let table = all.entry(of).or_default();
            match elements {
                Some(words) if text::is_anonymous(&name) => {
                    table.anonymous.insert(name, Elements::Words(words));
                }
                elements => table.named.push(RuleSet { name, elements }),
            }
        }
        Ok(all)
    }
}

/// Sets of a table.
#[derive(Default)]
struct OfTable {
    named: Vec<RuleSet>,
    anonymous: Sets,
}

/// `nat hook postrouting priority 100`.
fn hook(family: u8, kind: &str, nested: &[u8]) -> Option<String> {
    let number = find(nested, chain::HOOK_NUM).and_then(be32)?;
    let priority = find(nested, chain::HOOK_PRIORITY).and_then(|value| i32_at(value, 0));
    let priority = priority.map_or(0, i32::from_be);
    // enum nf_inet_hooks, nf_dev_hooks; NF_ARP_* of netfilter_arp.h.
    let names: &[&str] = match family {
        nfproto::NETDEV => &["ingress", "egress"],
        nfproto::ARP => &["input", "output", "forward"],
        _ => &[
            "prerouting",
            "input",
            "forward",
            "output",
            "postrouting",
            "ingress",
        ],
    };
    let name = names.get(number as usize).copied().unwrap_or("unknown");
    let one = find(nested, chain::HOOK_DEVICE);
    let several = find(nested, chain::HOOK_DEVICES).unwrap_or_default();
    let several = Attributes(several).filter(|(kind, _)| *kind == chain::DEVICE_NAME);
    let devices = match several.map(|(_, name)| name).collect::<Vec<_>>() {
        several if several.is_empty() => Vec::from_iter(one),
        several => several,
    };
    let mut devices: Vec<String> = devices.into_iter().map(device).collect();
    devices.sort();
    let devices = match devices.is_empty() {
        true => String::new(),
        false => format!(" devices {}", devices.join(" ")),
    };
    Some(format!("{kind} hook {name}{devices} priority {priority}"))
}

fn device(name: &[u8]) -> String {
    Kind::Interface.write(name)
}

fn be32(value: &[u8]) -> Option<u32> {
    u32_at(value, 0).map(u32::from_be)
}
