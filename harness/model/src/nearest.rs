//! The word that was probably meant.
use strsim::levenshtein;

/// The known word with the fewest edits, at most a third of its length (one at least); upper and lower case are the same.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase();
    let by_edits = known
        .iter()
        .map(|candidate| (levenshtein(&word, &candidate.to_lowercase()), *candidate));
    let (edits, candidate) = by_edits.min_by_key(|(edits, _)| *edits)?;
    (edits <= (candidate.len() / 3).max(1)).then_some(candidate)
}
