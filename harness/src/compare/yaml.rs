//! Words for what is wrong with a YAML file that people write.
use flatnet_model::fact::Kind;
use flatnet_model::nearest::nearest;

/// `:LINE: WHAT: WHY`, with what is allowed where a word is not known, and the one that was probably meant.
pub(crate) fn located(error: &serde_yaml::Error, what: &str) -> String {
    let at = error.location();
    let line = at.as_ref().map(|at| format!(":{}", at.line()));
    let mut said = error.to_string();
    if let Some(at) = at {
        // It stands in front already.
        let end = format!(" at line {} column {}", at.line(), at.column());
        said.truncate(said.strip_suffix(&end).map_or(said.len(), str::len));
    }
    let why = ["field", "variant"]
        .iter()
        .find_map(|kind| unknown(&said, kind));
    format!(
        "{}: {what}: {}",
        line.unwrap_or_default(),
        why.unwrap_or(said)
    )
}

/// As serde says it: "unknown field `x`, expected one of `a`, `b`", with the place in front.
fn unknown(said: &str, kind: &str) -> Option<String> {
    let (place, rest) = said.split_once(&format!("unknown {kind} `"))?;
    let (word, rest) = rest.split_once('`')?;
    let allowed: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
    // serde lists at most what one type has: facts are known by any of theirs.
    if allowed.iter().any(|id| Kind::find(id).is_some()) {
        return Some(unknown_fact(word));
    }
    let kind = if kind == "field" { "key" } else { "word" };
    Some(format!("{place}{}", unknown_word(kind, word, &allowed)))
}

/// `unknown key "axs", did you mean "axes"?; allowed: axes, exclude`.
pub(crate) fn unknown_word(kind: &str, word: &str, allowed: &[&str]) -> String {
    let near = nearest(word, allowed);
    let near = near.map_or_else(String::new, |near| format!(", did you mean {near:?}?"));
    format!(
        "unknown {kind} {word:?}{near}; allowed: {}",
        allowed.join(", ")
    )
}

/// What is said of a fact that nobody knows.
pub(crate) fn unknown_fact(id: &str) -> String {
    let ids: Vec<String> = flatnet_model::fact::ALL
        .iter()
        .map(|entry| entry.kind.id())
        .collect();
    let known: Vec<&str> = ids.iter().map(String::as_str).collect();
    let near = nearest(id, &known);
    let near = near.map_or_else(String::new, |near| format!(", did you mean {near:?}?"));
    format!("unknown fact {id:?}{near}; known facts: {}", ids.join(", "))
}
