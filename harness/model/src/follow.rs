//! What was seen of dials that were made once more to be followed.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::probe::watch::{Watched, Watching};
use crate::probe::{DialOutcome, DialRequest};
use crate::reference::{Endpoint, Netns};
use crate::snapshot::Observed;

/// A dial that failed or was rewritten, made again while every namespace on its way was watched.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Followed {
    /// Who dials.
    pub from: Endpoint,
    /// Who should answer.
    pub to: Endpoint,
    /// What was dialled.
    #[serde(flatten)]
    pub request: DialRequest,
    /// What became of each of the burst, one attempt each.
    pub outcomes: Observed<Vec<DialOutcome>>,
    /// What was watched in each namespace, with what was seen there.
    pub places: Vec<Place>,
}

/// One namespace while a dial was followed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Place {
    /// The namespace.
    pub netns: Netns,
    /// What could be watched there, or why nothing.
    pub watching: Observed<Watching>,
    /// What was seen.
    pub watched: Observed<Watched>,
}

impl Followed {
    /// Where packets could be seen, and what was.
    pub fn seen(&self) -> BTreeMap<&Netns, &Watched> {
        let seen = self.places.iter().filter_map(|place| {
            let watching = place.watching.as_ref().ok()?;
            watching.packets.as_ref().ok()?;
            Some((&place.netns, place.watched.as_ref().ok()?))
        });
        seen.collect()
    }
}
