//! Which dials are worth following: one of each class of failed or rewritten ones.
use std::collections::BTreeSet;

use flatnet_model::follow::Wanted;
use flatnet_model::observations::{Dial, Endpoint, Observations};
use flatnet_model::probe::DialOutcome;

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
    let mut classes = BTreeSet::new();
    let rewritten = observations
        .dials
        .iter()
        .filter(|dial| rewritten(dial) && classes.insert(class(observations, dial)));
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

/// Whether an end saw another address, or another end, than the other end's own.
fn rewritten(dial: &Dial) -> bool {
    let DialOutcome::Answered {
        local,
        responder,
        seen_as,
        reply_from,
        ..
    } = &dial.result
    else {
        return false;
    };
    // Pods may reach nodes masqueraded.
    let to_pod = matches!(dial.to, Endpoint::Pod(_)) && dial.from != dial.to;
    let other_responder = responder
        .as_deref()
        .is_some_and(|text| !dial.to.is_called(text));
    to_pod
        && (other_responder
            || *reply_from != dial.request.address
            || seen_as.is_some_and(|seen| seen != *local))
}

/// The nodes of both ends, and the transport.
fn class(observations: &Observations, dial: &Dial) -> (Option<String>, Option<String>, String) {
    let node = |end: &Endpoint| match end {
        Endpoint::Pod(name) => {
            let mut pods = observations.pods.iter();
            let pod = pods.find(|pod| pod.reference() == name)?;
            Some(pod.object.node.clone())
        }
        Endpoint::Node(name) => Some(name.clone()),
        Endpoint::Outside(_) => None,
    };
    (
        node(&dial.from),
        node(&dial.to),
        dial.request.transport.to_string(),
    )
}
