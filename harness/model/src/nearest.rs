//! The words that were probably meant.
use strsim::levenshtein;

/// The known word with the fewest edits, at most a third of its length (one at least); upper and lower case are the same.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    by_edits(word, known).first().copied()
}

/// Up to `most` known words that may have been meant: those with few edits as [`nearest`] has it, then those that contain the word.
pub fn near<'a>(word: &str, known: &[&'a str], most: usize) -> Vec<&'a str> {
    let mut near = by_edits(word, known);
    let word = word.to_lowercase();
    let containing = known.iter().filter(|candidate| {
        // Shorter ones are in many words.
        word.len() > 2 && candidate.to_lowercase().contains(&word)
    });
    for candidate in containing {
        if !near.contains(candidate) {
            near.push(candidate);
        }
    }
    near.truncate(most);
    near
}

/// Fewest edits first.
fn by_edits<'a>(word: &str, known: &[&'a str]) -> Vec<&'a str> {
    let word = word.to_lowercase();
    let by_edits = known
        .iter()
        .map(|candidate| (levenshtein(&word, &candidate.to_lowercase()), *candidate));
    let mut close: Vec<_> = by_edits
        .filter(|(edits, candidate)| *edits <= (candidate.len() / 3).max(1))
        .collect();
    close.sort_by_key(|(edits, _)| *edits);
    close.into_iter().map(|(_, candidate)| candidate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_edits_come_first_then_what_contains_the_word() {
        let known = ["wrong-mtu", "mtu", "MTU-low", "loss", "lose"];
        assert_eq!(near("mtu", &known, 3), ["mtu", "wrong-mtu", "MTU-low"]);
        assert_eq!(near("losse", &known, 9), ["loss", "lose"]);
        assert_eq!(near("nosuch", &known, 3), [""; 0]);
        assert_eq!(nearest("WRONG-MUT", &known), Some("wrong-mtu"));
        assert_eq!(nearest("nosuch", &known), None);
    }
}
