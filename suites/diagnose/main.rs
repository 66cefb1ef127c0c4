//! Every cause that a lab can have, planted once and named first; a healthy pod gets none. The causes that need a real cluster
//! have `suites/diagnose_kind`; an agent that is taken away and comes back is the story of `suites/study_notes`.
mod again;
mod containers;
mod first;
mod ground;
mod input;
mod network;
mod reach;
mod runtime;

use flatnet_model::cause as catalogue;

#[test]
fn every_cause_is_planted_somewhere() {
    let sources = [
        include_str!("containers.rs"),
        include_str!("input.rs"),
        include_str!("network.rs"),
        include_str!("reach.rs"),
        include_str!("runtime.rs"),
        include_str!("../diagnose_kind/cluster.rs"),
        include_str!("../diagnose_kind/network.rs"),
        include_str!("../diagnose_kind/pods.rs"),
        include_str!("../study_notes/story.rs"),
    ];
    for entry in catalogue::ranked() {
        let word = format!("CauseId::{:?}", entry.cause);
        let planted = sources.iter().any(|source| {
            // Followed by more letters it is another one.
            let mut found = source.match_indices(&word);
            found.any(|(at, _)| {
                !source[at + word.len()..].starts_with(|c: char| c.is_ascii_alphanumeric())
            })
        });
        assert!(planted, "no test plants {word}");
    }
}
