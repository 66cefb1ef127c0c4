//! What a rule has put into registers so far.
use super::field::Field;
use super::value::Kind;
use crate::wire::ip;

/// Contents of registers, in the order in which they were loaded.
#[derive(Default)]
pub(super) struct Registers(Vec<(u32, Content)>);

enum Content {
    Loaded(Loaded),
    /// A value that the rule itself holds.
    Given(Vec<u8>),
    /// What a map gives, or a generator: in nft's words.
    Made(String),
}

/// Part of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Loaded {
    pub(super) field: Field,
    /// The bits that count, if not all.
    pub(super) mask: Option<Vec<u8>>,
}

impl Registers {
    pub(super) fn load(&mut self, register: u32, field: Field) {
        self.put(register, Content::Loaded(Loaded { field, mask: None }));
    }

    pub(super) fn give(&mut self, register: u32, value: &[u8]) {
        self.put(register, Content::Given(value.to_vec()));
    }

    pub(super) fn make(&mut self, register: u32, words: String) {
        self.put(register, Content::Made(words));
    }

    /// Only the bits of the mask count from now on.
    pub(super) fn mask(&mut self, from: u32, to: u32, mask: &[u8]) {
        if let Some(loaded) = self.loaded(from) {
            let mask = Some(mask.to_vec());
            self.put(to, Content::Loaded(Loaded { mask, ..loaded }));
        }
    }

    /// A number, from now on in network byte order.
    pub(super) fn swap(&mut self, from: u32, to: u32) {
        if let Some(mut loaded) = self.loaded(from) {
            if loaded.field.kind == Kind::Native {
                loaded.field.kind = Kind::Number;
            }
            self.put(to, Content::Loaded(loaded));
        }
    }

    pub(super) fn loaded(&self, register: u32) -> Option<Loaded> {
        match self.content(register)? {
            Content::Loaded(loaded) => Some(loaded.clone()),
            _ => None,
        }
    }

    /// What a set is asked for: what was loaded into this register, and into those after it.
    pub(super) fn key(&self, register: u32) -> Vec<Loaded> {
        let from = self.0.iter().position(|(number, _)| *number == register);
        let rest = self
            .0
            .get(from.unwrap_or(self.0.len())..)
            .unwrap_or_default();
        let loaded = rest.iter().filter_map(|(_, content)| match content {
            Content::Loaded(loaded) => Some(loaded.clone()),
            _ => None,
        });
        loaded.collect()
    }

    /// A value as a statement uses it.
    pub(super) fn given(&self, register: u32, as_port: bool) -> Option<String> {
        Some(match self.content(register)? {
            Content::Given(value) if as_port => Kind::Number.write(value.get(..2)?),
            Content::Given(value) => match ip(value) {
                Some(address) => address.to_string(),
                None => Kind::Bytes.write(value),
            },
            Content::Made(words) => words.clone(),
            Content::Loaded(loaded) => loaded.field.name.clone(),
        })
    }

    /// A value that is written into a field.
    pub(super) fn given_as(&self, register: u32, kind: Kind) -> Option<String> {
        match self.content(register)? {
            Content::Given(value) => Some(kind.write(value)),
            _ => self.given(register, false),
        }
    }

    fn content(&self, register: u32) -> Option<&Content> {
        let found = self.0.iter().rev().find(|(number, _)| *number == register);
        found.map(|(_, content)| content)
    }

    /// A register is one name for what was loaded last.
    fn put(&mut self, register: u32, content: Content) {
        self.0.retain(|(number, _)| *number != register);
        self.0.push((register, content));
    }
}
