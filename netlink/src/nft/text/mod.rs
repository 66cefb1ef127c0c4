//! A rule in nft's words, as far as they are known here: for people, who compare them with `nft list ruleset`.
mod comparison;
mod exact;
mod field;
mod registers;
pub(super) mod statement;
pub(super) mod value;

use std::collections::BTreeMap;

use flatnet_model::kernel::AddressField;

use super::uapi::{data, expr, nfproto};
use crate::wire::{Attributes, find, text};
use comparison::compared;
use field::Field;
use registers::{Loaded, Registers};
use statement::number;
use value::Kind;

/// What a rule says and does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleText {
    /// In nft's words as far as they are known, without what counters count.
    pub text: String,
    /// The addresses that it changes.
    pub rewrites: Vec<AddressField>,
}

/// Elements of anonymous sets, by the set's name.
pub(super) type Sets = BTreeMap<String, Elements>;

/// Elements of a set.
pub(super) enum Elements {
    /// Keys, and whether each ends an interval.
    Keys(Vec<(Vec<u8>, bool)>),
    /// All of them in words, with what a map's lead to.
    Words(Vec<String>),
}

/// How much is said of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// What people look for.
    Readable,
    /// Enough to tell two rules apart: what has no words here is told by a digest.
    Exact,
}

/// Names of anonymous sets begin like this; they are nothing to look up.
const ANONYMOUS: &str = "__";
/// More elements are counted, not listed.
const MOST_ELEMENTS: usize = 8;

/// Names of the sets that a rule looks up.
pub(super) fn sets_of(expressions: &[u8]) -> Vec<String> {
    let lookups = each(expressions).filter(|(name, _)| name == "lookup");
    lookups
        .filter_map(|(_, attributes)| find(attributes, expr::LOOKUP_SET).map(text))
        .collect()
}

/// Whether a set of this name belongs to one rule.
pub(super) fn is_anonymous(set: &str) -> bool {
    set.starts_with(ANONYMOUS)
}

/// `expressions`, `userdata`: of NFTA_RULE_EXPRESSIONS and NFTA_RULE_USERDATA. `family`: the table's.
pub(super) fn rule(
    expressions: &[u8],
    userdata: Option<&[u8]>,
    family: u8,
    sets: &Sets,
    detail: Detail,
) -> RuleText {
    let mut writer = Writer {
        words: Vec::new(),
        rewrites: Vec::new(),
        registers: Registers::default(),
        v6: family == nfproto::IPV6,
        transport: None,
        sets,
    };
    for (name, attributes) in each(expressions) {
        if let Some(words) = writer.expression(&name, attributes) {
            writer.words.push(words);
        }
        if detail == Detail::Exact
            && let Some(more) = exact::unsaid(&name, attributes)
        {
            writer.words.push(more.into());
        }
    }
    let rewrites = writer.rewrites;
    let mut words: Vec<String> = writer.words.into_iter().map(|words| words.text).collect();
    words.extend(
        userdata
            .and_then(comment)
            .map(|comment| format!("comment \"{comment}\"")),
    );
    RuleText {
        text: words.join(" "),
        rewrites,
    }
}

/// Names and attributes of a rule's expressions.
fn each(expressions: &[u8]) -> impl Iterator<Item = (String, &[u8])> {
    Attributes(expressions).filter_map(|(_, expression)| {
        let attributes = find(expression, expr::DATA).unwrap_or_default();
        Some((text(find(expression, expr::NAME)?), attributes))
    })
}

/// Type, length, value (libnftnl); type 0 is the comment.
fn comment(mut userdata: &[u8]) -> Option<String> {
    loop {
        let (kind, length) = (*userdata.first()?, usize::from(*userdata.get(1)?));
        if kind == 0 {
            return userdata.get(2..2 + length).map(text);
        }
        userdata = userdata.get(2 + length..)?;
    }
}

/// Words of a rule.
struct Words {
    text: String,
    /// They check what the next ones take for granted, and nft does not write them then.
    implied: Option<Implied>,
}

#[derive(Clone, Copy, PartialEq)]
enum Implied {
    /// The address family.
    Network,
    /// The layer 4 protocol.
    Transport,
}

impl From<String> for Words {
    fn from(text: String) -> Self {
        Words {
            text,
            implied: None,
        }
    }
}

struct Writer<'s> {
    words: Vec<Words>,
    rewrites: Vec<AddressField>,
    registers: Registers,
    /// The packet is of IPv6, as far as the rule has asked.
    v6: bool,
    /// Its layer 4 protocol, likewise.
    transport: Option<u8>,
    sets: &'s Sets,
}

impl Writer<'_> {
    /// What an expression adds to the rule's words; one that loads something adds nothing yet.
    fn expression(&mut self, name: &str, attributes: &[u8]) -> Option<Words> {
        let register = |kind| number(attributes, kind).map(|number| number as u32);
        self.rewrites.extend(statement::rewrites(name, attributes));
        let text = match name {
            "meta" | "ct" | "payload" | "fib" | "numgen" => return self.load(name, attributes),
            "bitwise" => {
                let mask = find(attributes, expr::BITWISE_MASK).and_then(|m| find(m, data::VALUE));
                if let (Some(from), Some(to), Some(mask)) = (
                    register(expr::BITWISE_SREG),
                    register(expr::BITWISE_DREG),
                    mask,
                ) {
                    self.registers.mask(from, to, mask);
                }
                return None;
            }
            "byteorder" => {
                self.registers.swap(register(1)?, register(2)?);
                return None;
            }
            "immediate" => return self.immediate(attributes),
            "cmp" => {
                let value = find(find(attributes, expr::CMP_DATA)?, data::VALUE)?;
                let operation = register(expr::CMP_OP)?;
                return self.compare(register(expr::CMP_SREG)?, operation, value);
            }
            "range" => self.range(attributes)?,
            "lookup" => return self.lookup(attributes),
            "counter" | "notrack" | "last" => name.to_owned(),
            "limit" => statement::limit(attributes)?,
            "quota" => statement::quota(attributes)?,
            "log" => statement::log(attributes),
            "queue" => statement::queue(attributes),
            "reject" => {
                let text = statement::reject(attributes, self.v6);
                if text.ends_with("tcp reset") {
                    self.take_back(Implied::Transport);
                }
                text
            }
            "nat" => statement::nat(attributes, &self.registers),
            "masq" => statement::to_port("masquerade", attributes, 2, &self.registers),
            "redir" => statement::to_port("redirect", attributes, 1, &self.registers),
            "match" | "target" => statement::of_iptables(name, attributes, self.v6),
            other => format!("({other})"),
        };
        Some(text.into())
    }

    /// Loads a field, or sets it.
    fn load(&mut self, name: &str, attributes: &[u8]) -> Option<Words> {
        let at = |kind| number(attributes, kind).map(|number| number as u32);
        let (field, to, from) = match name {
            "meta" => (
                field::meta(at(expr::META_KEY)?),
                at(expr::META_DREG),
                at(expr::META_SREG),
            ),
            "ct" => {
                let direction = at(3).map(|direction| direction as u8);
                (field::conntrack(at(2)?, direction), at(1), at(4))
            }
            "fib" => (field::fib(at(2)?, at(3)?), at(1), None),
            "numgen" => {
                let kind = if at(3)? == 0 { "inc" } else { "random" };
                let words = format!("numgen {kind} mod {}", at(2)?);
                (Field::new(words, Kind::Native), at(1), None)
            }
            _ => {
                let base = at(expr::PAYLOAD_BASE)?;
                let (offset, length) = (at(expr::PAYLOAD_OFFSET)?, at(expr::PAYLOAD_LEN)?);
                (
                    field::payload(base, offset, length, self.transport),
                    at(expr::PAYLOAD_DREG),
                    at(expr::PAYLOAD_SREG),
                )
            }
        };
        if let Some(from) = from {
            let value = self
                .registers
                .given_as(from, field.kind)
                .unwrap_or_default();
            return Some(format!("{} set {value}", field.name).into());
        }
        self.registers.load(to?, field);
        None
    }

    /// A verdict, or a value for what follows.
    fn immediate(&mut self, attributes: &[u8]) -> Option<Words> {
        let given = find(attributes, expr::IMMEDIATE_DATA)?;
        if let Some(nested) = find(given, data::VERDICT) {
            return statement::decision(nested).map(Words::from);
        }
        let register = number(attributes, expr::IMMEDIATE_DREG)? as u32;
        self.registers.give(register, find(given, data::VALUE)?);
        None
    }

    fn compare(&mut self, register: u32, operation: u32, value: &[u8]) -> Option<Words> {
        let Some(loaded) = self.registers.loaded(register) else {
            return Some(format!("(compare) {}", Kind::Bytes.write(value)).into());
        };
        let implied = match operation {
            expr::CMP_EQ => self.learn(&loaded, value),
            _ => None,
        };
        self.leave_out(&loaded.field);
        let name = &loaded.field.name;
        let mut text = format!("{name} {}", compared(&loaded, operation, value));
        // A range is two comparisons.
        let last = self.words.last().map_or("", |last| last.text.as_str());
        if let (Some(from), Some(to)) = (
            last.strip_prefix(&format!("{name} >= ")),
            text.strip_prefix(&format!("{name} <= ")),
        ) {
            text = format!("{name} {from}-{to}");
            self.words.pop();
        }
        Some(Words { text, implied })
    }

    /// What a comparison says about the rest of the rule.
    fn learn(&mut self, loaded: &Loaded, value: &[u8]) -> Option<Implied> {
        let first = value.first().copied();
        match loaded.field.name.as_str() {
            "meta l4proto" => {
                self.transport = first;
                Some(Implied::Transport)
            }
            "ip protocol" | "ip6 nexthdr" => {
                self.transport = first;
                None
            }
            "meta nfproto" => {
                self.v6 = first == Some(nfproto::IPV6);
                Some(Implied::Network)
            }
            _ => None,
        }
    }

    /// Takes back a check that the name of this field implies.
    fn leave_out(&mut self, field: &Field) {
        let implied = match field.name.split(' ').next() {
            Some("ip" | "ip6") => Implied::Network,
            Some("tcp" | "udp" | "icmp" | "icmpv6" | "sctp") => Implied::Transport,
            _ => return,
        };
        self.take_back(implied);
    }

    fn take_back(&mut self, implied: Implied) {
        let last = self.words.last();
        if last.is_some_and(|last| last.implied == Some(implied)) {
            self.words.pop();
        }
    }

    fn range(&mut self, attributes: &[u8]) -> Option<String> {
        let bound = |kind| find(attributes, kind).and_then(|bound| find(bound, data::VALUE));
        let loaded = self.registers.loaded(number(attributes, 1)? as u32)?;
        self.leave_out(&loaded.field);
        let not = if number(attributes, 2)? == 0 {
            ""
        } else {
            "!= "
        };
        let kind = loaded.field.kind;
        let (from, to) = (kind.write(bound(3)?), kind.write(bound(4)?));
        Some(format!("{} {not}{from}-{to}", loaded.field.name))
    }

    fn lookup(&mut self, attributes: &[u8]) -> Option<Words> {
        let set = text(find(attributes, expr::LOOKUP_SET)?);
        let key = self
            .registers
            .key(number(attributes, expr::LOOKUP_SREG)? as u32);
        if let Some(first) = key.first() {
            self.leave_out(&first.field);
        }
        let names: Vec<&str> = key
            .iter()
            .map(|loaded| loaded.field.name.as_str())
            .collect();
        let name = names.join(" . ");
        match number(attributes, expr::LOOKUP_DREG) {
            Some(0) => Some(format!("{name} vmap {}", self.map(&set)).into()),
            Some(register) => {
                let words = format!("{name} map {}", self.map(&set));
                self.registers.make(register as u32, words);
                None
            }
            None => {
                let inverted = number(attributes, expr::LOOKUP_FLAGS).unwrap_or(0) & 1 != 0;
                let not = if inverted { "!= " } else { "" };
                Some(format!("{name} {not}{}", self.set(&set, &key)).into())
            }
        }
    }

    /// `@NAME`, or the elements of an anonymous map where they are in words.
    fn map(&self, name: &str) -> String {
        match self.sets.get(name) {
            Some(Elements::Words(words)) => format!("{{ {} }}", words.join(", ")),
            _ => format!("@{name}"),
        }
    }

    /// `@NAME`, or the few elements of an anonymous set.
    fn set(&self, name: &str, key: &[Loaded]) -> String {
        let (Some(Elements::Keys(elements)), [loaded]) = (self.sets.get(name), key) else {
            return self.map(name);
        };
        if elements.len() > MOST_ELEMENTS || elements.iter().any(|(_, end)| *end) {
            return format!(
                "{{ {} elements }}",
                elements.iter().filter(|(_, end)| !end).count()
            );
        }
        let kind = loaded.field.kind;
        let elements: Vec<String> = elements.iter().map(|(key, _)| kind.write(key)).collect();
        format!("{{ {} }}", elements.join(", "))
    }
}
