//! Words that a shell is to read as they are.

/// Words that a shell reads as these words.
pub fn quoted(argv: &[String]) -> String {
    let words: Vec<String> = argv.iter().map(|word| quote(word)).collect();
    words.join(" ")
}

/// One word, in quotes where a shell would see more in it. A NUL byte, which no word can have, is left out.
pub fn quote(word: &str) -> String {
    let word = word.replace('\0', "");
    shlex::try_quote(&word).map_or_else(|_| word.clone(), std::borrow::Cow::into_owned)
}
