//! Lists and numbers in sentences.
use std::collections::BTreeSet;
use std::fmt::Display;

use flatnet_model::network::Transport;

/// `a, b, c and 4 more`.
pub fn listed<T: AsRef<str>>(items: &[T], most: usize) -> String {
    joined(items, ", ", most)
}

/// The first `most` items, and how many are left out.
pub(crate) fn joined<T: AsRef<str>>(items: &[T], separator: &str, most: usize) -> String {
    let shown: Vec<&str> = items.iter().take(most).map(AsRef::as_ref).collect();
    let mut text = shown.join(separator);
    if items.len() > most {
        text.push_str(&format!(" and {} more", items.len() - most));
    }
    text
}

/// The first `most`, as they print themselves.
pub(super) fn shown<T: Display>(items: impl IntoIterator<Item = T>, most: usize) -> String {
    let texts: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    listed(&texts, most)
}

/// All of them, with that between them.
pub fn all<T: Display>(items: impl IntoIterator<Item = T>, separator: &str) -> String {
    let texts: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    texts.join(separator)
}

/// `1 pod`, `2 pods`, `2 addresses`.
pub fn count(n: usize, noun: &str) -> String {
    match n {
        1 => format!("1 {noun}"),
        _ if noun.ends_with('s') => format!("{n} {noun}es"),
        _ => format!("{n} {noun}s"),
    }
}

/// `tcp, udp, icmp`.
pub(crate) fn transports(of: impl IntoIterator<Item = Transport>) -> String {
    let set: BTreeSet<Transport> = of.into_iter().collect();
    all(set, ", ")
}

/// `node1 → node2, within node1`: ordered pairs of nodes.
pub(super) fn between(pairs: &[(String, String)], most: usize) -> String {
    let pairs = pairs.iter().map(|(from, to)| match from == to {
        true => format!("within {from}"),
        false => format!("{from} → {to}"),
    });
    shown(pairs, most)
}
