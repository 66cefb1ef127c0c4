//! Which dials are worth following: one of each class of failed or rewritten ones, of those that fail some of the time, and of sizes that do
//! not pass.
use flatnet_model::follow::{Burst, Wanted};
use flatnet_model::observations::Observations;

use crate::checks;

/// What is to be followed.
pub struct Chosen {
    /// One dial of each class, the most telling first.
    pub dials: Vec<Wanted>,
    /// Classes beyond the most that were asked for.
    pub left_out: usize,
}

/// Chooses `most` dials at most, of those that were not followed yet: what was seen of some may tell classes apart. Healthy
/// observations give none.
pub fn wanted(observations: &Observations, most: usize) -> Chosen {
    let red = checks::representatives(observations);
    let rewritten = checks::rewritten(observations);
    let small = red.into_iter().chain(rewritten).map(|dial| Wanted {
        from: dial.from.clone(),
        to: dial.to.clone(),
        request: dial.request,
        burst: Burst::Few,
    });
    let mut dials: Vec<Wanted> = Vec::new();
    for wanted in small
        .chain(checks::lossy(observations))
        .chain(checks::oversized(observations))
    {
        let mut followed = observations.following.followed.iter();
        if !dials.contains(&wanted) && !followed.any(|followed| followed.dial == wanted) {
            dials.push(wanted);
        }
    }
    let left_out = dials.len().saturating_sub(most);
    dials.truncate(most);
    Chosen { dials, left_out }
}
