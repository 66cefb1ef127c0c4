//! Which dials are worth following: one of each class of failed or rewritten ones.
use flatnet_model::follow::Wanted;
use flatnet_model::observations::Observations;

use crate::checks;

/// What is to be followed.
pub struct Chosen {
    /// One dial of each class, the most telling first.
    pub dials: Vec<Wanted>,
    /// Classes beyond the most that were asked for.
    pub left_out: usize,
}

/// Chooses `most` dials at most. Healthy observations give none.
pub fn wanted(observations: &Observations, most: usize) -> Chosen {
    let red = checks::representatives(observations);
    let rewritten = checks::rewritten(observations);
    let mut dials: Vec<Wanted> = Vec::new();
    for dial in red.into_iter().chain(rewritten) {
        let wanted = Wanted {
            from: dial.from.clone(),
            to: dial.to.clone(),
            request: dial.request,
        };
        if !dials.contains(&wanted) {
            dials.push(wanted);
        }
    }
    let left_out = dials.len().saturating_sub(most);
    dials.truncate(most);
    Chosen { dials, left_out }
}
