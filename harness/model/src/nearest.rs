//! The word that was probably meant.

/// The known word with the fewest edits, at most a third of its length (one at least); upper and lower case are the same.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase();
    let by_edits = known
        .iter()
        .map(|candidate| (edits(&word, &candidate.to_lowercase()), *candidate));
    let (edits, candidate) = by_edits.min_by_key(|(edits, _)| *edits)?;
    (edits <= (candidate.len() / 3).max(1)).then_some(candidate)
}

/// Insertions, deletions and substitutions that make `b` of `a` (Levenshtein), one row at a time.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
