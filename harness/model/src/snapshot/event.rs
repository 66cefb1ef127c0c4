//! Events.
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{Malformed, Meta};

/// An event about an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventSnapshot {
    /// Whether its type is `Warning`.
    pub warning: bool,
    /// One word in CamelCase: `FailedCreatePodSandBox`, ….
    pub reason: String,
    /// The source's words, which may have several lines.
    pub message: String,
    /// How often it was seen, from 1.
    pub count: i32,
    /// When it was last seen.
    pub last_seen: Option<Timestamp>,
    /// `involvedObject.uid`: which of several objects of that name, one after the other.
    pub object_uid: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Raw {
    metadata: Meta,
    involved_object: Involved,
    #[serde(rename = "type")]
    kind: Option<String>,
    reason: Option<String>,
    message: Option<String>,
    count: Option<i32>,
    series: Option<Series>,
    last_timestamp: Option<Timestamp>,
    event_time: Option<Timestamp>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Involved {
    uid: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Series {
    count: Option<i32>,
    last_observed_time: Option<Timestamp>,
}

impl EventSnapshot {
    /// Reads an Event object (core/v1).
    ///
    /// # Errors
    /// What is not an Event object.
    pub fn read(object: &Value) -> Result<EventSnapshot, Malformed> {
        let raw = Raw::deserialize(object).map_err(|e| Malformed::new("event", object, e))?;
        let series = raw.series.unwrap_or_default();
        Ok(EventSnapshot {
            warning: raw.kind.as_deref() == Some("Warning"),
            reason: raw.reason.unwrap_or_default(),
            message: raw.message.unwrap_or_default(),
            count: raw.count.or(series.count).unwrap_or(1),
            last_seen: series
                .last_observed_time
                .or(raw.last_timestamp)
                .or(raw.event_time)
                .or(raw.metadata.creation_timestamp),
            object_uid: raw.involved_object.uid,
        })
    }

    /// `FailedCreatePodSandBox (x13)`.
    pub fn name(&self) -> String {
        match self.count {
            ..=1 => self.reason.clone(),
            times => format!("{} (x{times})", self.reason),
        }
    }

    /// `event FailedCreatePodSandBox (x13)`.
    pub fn title(&self) -> String {
        format!("event {}", self.name())
    }
}
