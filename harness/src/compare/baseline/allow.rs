//! What may differ from a baseline.
use flatnet_model::fact::{Key, Kind, Seen, Value};
use jiff::civil::Date;
use serde::Deserialize;

use super::selector::Selector;

/// A difference that is allowed, and why.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allow {
    /// Which kind of fact.
    pub fact: Kind,
    /// Which part of the subject; any if absent.
    #[serde(default)]
    pub about: Option<String>,
    /// Whose; anybody's if absent.
    #[serde(default)]
    pub on: Option<Selector>,
    /// Values that are allowed; any if absent, unless there is a range.
    #[serde(default)]
    pub is: Option<Vec<Value>>,
    /// The smallest number that is allowed.
    #[serde(default)]
    pub min: Option<i64>,
    /// The largest number that is allowed.
    #[serde(default)]
    pub max: Option<i64>,
    /// Why.
    pub reason: String,
    /// The last day on which it counts.
    #[serde(default)]
    pub until: Option<Date>,
}

impl Allow {
    /// Whether it has ended by that day.
    pub fn is_over(&self, today: Date) -> bool {
        self.until.is_some_and(|until| until < today)
    }

    /// Whether it allows that a fact is now like this.
    pub(super) fn covers(&self, key: &Key, after: Option<&Seen>) -> bool {
        self.fact == key.id
            && self.about.as_ref().is_none_or(|about| *about == key.about)
            && self.on.as_ref().is_none_or(|on| on.matches(key.subject))
            && self.takes(after)
    }

    fn takes(&self, after: Option<&Seen>) -> bool {
        let value = after.and_then(Seen::value);
        let listed = match (&self.is, value) {
            (None, _) => true,
            (Some(values), Some(value)) => values.contains(value),
            (Some(_), None) => false,
        };
        listed && within(value, self.min, self.max)
    }

    /// `device-mtu of eth0 (every pod)`.
    pub(super) fn words(&self) -> String {
        let about = self.about.as_ref().map(|about| format!(" of {about}"));
        let on = self.on.as_ref().map(|on| format!(" ({on})"));
        format!(
            "{}{}{}",
            self.fact.id(),
            about.unwrap_or_default(),
            on.unwrap_or_default()
        )
    }
}

/// Whether a value is a number within these bounds; any value is within none.
pub fn within(value: Option<&Value>, min: Option<i64>, max: Option<i64>) -> bool {
    match value {
        Some(Value::Number(number)) => {
            min.is_none_or(|min| *number >= min) && max.is_none_or(|max| *number <= max)
        }
        _ => min.is_none() && max.is_none(),
    }
}
