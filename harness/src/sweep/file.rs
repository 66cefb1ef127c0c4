//! The form of a sweep's file.
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use flatnet_analysis::checks::catalogue;
use flatnet_model::fact::{Kind, Value};
use indexmap::IndexMap;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::options::{Options, Word};
use super::word::word;
use crate::compare::baseline::Selector;
use crate::compare::yaml::located;
use crate::{Error, Result};

/// The version of the form.
pub const SCHEMA: &str = "sweep/v1";

/// A table of configurations, and what is expected of each.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// [`SCHEMA`].
    #[expect(dead_code, reason = "it was looked at before")]
    flatnet: String,
    /// Options of every row.
    #[serde(default)]
    pub(super) defaults: Options,
    /// Of every row.
    #[serde(default)]
    pub(super) expect: Blocks,
    /// Products of axes.
    #[serde(default)]
    pub(super) matrices: Vec<Matrix>,
    /// Single configurations.
    #[serde(default)]
    pub(super) rows: Vec<Single>,
}

/// Every combination of the values of its axes.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Matrix {
    /// What the names of its rows begin with.
    pub(super) name: String,
    /// Options of each of its rows.
    #[serde(default)]
    pub(super) options: Options,
    /// By option, or by a name of the file's own.
    pub(super) axes: IndexMap<String, Axis>,
    /// Combinations that are left out.
    #[serde(default)]
    pub(super) exclude: Vec<When>,
    /// Of its rows.
    #[serde(default)]
    pub(super) expect: Blocks,
}

/// One configuration.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Single {
    /// Its name.
    pub(super) name: String,
    /// Its options.
    #[serde(default)]
    pub(super) options: Options,
    /// Of it.
    #[serde(default)]
    pub(super) expect: Blocks,
}

/// What an axis goes through.
#[derive(Clone, Debug)]
pub(super) enum Axis {
    /// Values of the option that the axis is called after.
    Values(Vec<Word>),
    /// Options by a name that stands for them.
    Named(IndexMap<String, Options>),
}

/// Values that a row has: of options, or names on its axes.
pub(super) type When = IndexMap<String, OneOrMore<Word>>;

/// What is expected of rows.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    /// Of those that have these values; of all, where there is nothing.
    #[serde(default)]
    pub(super) when: When,
    /// What checks find; those that are not named and are judged pass.
    #[serde(default)]
    pub(super) checks: IndexMap<CheckId, Wanted>,
    /// Facts, by their kinds.
    #[serde(default)]
    pub(super) facts: IndexMap<Kind, Vec<ExpectedFact>>,
    /// The configuration is refused, with an error that says this.
    #[serde(default)]
    pub(super) refused: Option<String>,
    /// And with this exit code.
    #[serde(default)]
    pub(super) exit: Option<u8>,
}

/// The id of a check that exists.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct CheckId(pub(super) &'static str);

impl<'de> Deserialize<'de> for CheckId {
    fn deserialize<D: Deserializer<'de>>(source: D) -> std::result::Result<Self, D::Error> {
        word(source, |id| {
            let check = catalogue::find(id).map_err(|e| e.to_string())?;
            Ok(CheckId(check.id))
        })
    }
}

/// What a check is to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Wanted {
    /// It passes, and is not skipped.
    Pass,
    /// It fails.
    Fail,
    /// It is skipped.
    Skip,
    /// Anything.
    Any,
}

impl Wanted {
    /// As the file has it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Wanted::Pass => "pass",
            Wanted::Fail => "fail",
            Wanted::Skip => "skip",
            Wanted::Any => "any",
        }
    }
}

/// A fact that all whom it is about have.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectedFact {
    /// The part of the subject.
    #[serde(default)]
    pub(super) about: Option<String>,
    /// Whose.
    #[serde(default)]
    pub(super) on: Selector,
    /// The value.
    #[serde(default)]
    pub(super) is: Option<Value>,
    /// The smallest number.
    #[serde(default)]
    pub(super) min: Option<i64>,
    /// The largest number.
    #[serde(default)]
    pub(super) max: Option<i64>,
}

/// One block or a list of them.
pub(super) type Blocks = OneOrMore<Expect>;

/// One or several; a list in the file is several. Errors keep their lines, which those of an untagged enumeration do not.
#[derive(Clone, Debug)]
pub(super) struct OneOrMore<T>(pub(super) Vec<T>);

impl<T> Default for OneOrMore<T> {
    fn default() -> Self {
        OneOrMore(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMore<T> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> std::result::Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);

        macro_rules! scalars {
            ($($method:ident: $scalar:ty),*) => {$(
                fn $method<E: serde::de::Error>(self, value: $scalar) -> std::result::Result<Self::Value, E> {
                    let one = serde::de::IntoDeserializer::into_deserializer(value);
                    T::deserialize(one).map(|one| OneOrMore(vec![one]))
                }
            )*};
        }

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = OneOrMore<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one or a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(
                self,
                list: A,
            ) -> std::result::Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(OneOrMore)
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                map: A,
            ) -> std::result::Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|one| OneOrMore(vec![one]))
            }

            scalars!(visit_str: &str, visit_bool: bool, visit_i64: i64, visit_u64: u64);
        }
        source.deserialize_any(Either(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Axis {
    fn deserialize<D: Deserializer<'de>>(source: D) -> std::result::Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Axis;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of values, or a map from names to options")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> std::result::Result<Axis, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(Axis::Values)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> std::result::Result<Axis, A::Error> {
                IndexMap::deserialize(MapAccessDeserializer::new(map)).map(Axis::Named)
            }
        }
        source.deserialize_any(Either)
    }
}

impl File {
    /// Reads a file's text; `path` is what errors start with.
    ///
    /// # Errors
    /// [`Error::Input`] with file and line, and what is allowed there.
    pub(super) fn parse(path: &Path, text: &str) -> Result<File> {
        #[derive(serde::Deserialize)]
        struct Versioned {
            flatnet: Option<String>,
        }
        let wrong = |why: String| Error::Input(format!("{}{why}", path.display()));
        let versioned: Versioned = serde_yaml::from_str(text)
            .map_err(|e| wrong(located(&e, "it is not a sweep's file")))?;
        match versioned.flatnet.as_deref() {
            Some(SCHEMA) => {}
            Some(other) => {
                return Err(wrong(format!(
                    ": it is {other:?}, and this flatnet reads {SCHEMA:?}; see docs/sweep.md"
                )));
            }
            None => {
                return Err(wrong(format!(
                    ": it is not a sweep's file: the key `flatnet: {SCHEMA}` is missing"
                )));
            }
        }
        serde_yaml::from_str(text).map_err(|e| wrong(located(&e, "not as expected")))
    }
}
