//! Where in a baseline's text a fact stands.
use flatnet_model::fact::{Kind, Role};

use super::file::Entry;

/// The line, from 1, of the entry that holds a fact of somebody; of its kind where there is no such entry, of the list of facts where
/// there is none of its kind.
pub fn line_of(text: &str, id: Kind, about: &str, subject: Role) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let head = |line: &&str| line.trim_end() == "facts:";
    let Some(facts) = lines.iter().position(head) else {
        return 1;
    };
    let key = format!("{}:", id.id());
    let is_over = |line: &&str| indent(line) == Some(0);
    let end = lines.iter().skip(facts + 1).position(is_over);
    let end = end.map_or(lines.len(), |after| facts + 1 + after);
    let is_kind = |line: &&str| line.trim() == key;
    let Some(kind) = lines[facts..end].iter().position(is_kind) else {
        return facts + 1;
    };
    let kind = facts + kind;
    let entry = entries(&lines[kind + 1..end]).filter_map(|(at, text)| {
        let entries: Vec<Entry> = serde_yaml::from_str(&text).ok()?;
        let entry = entries.into_iter().next()?;
        let is_meant =
            entry.about.as_deref().unwrap_or_default() == about && entry.on.matches(subject);
        // Whoever is named is not meant by "every".
        is_meant.then_some((!entry.on.names(subject), at))
    });
    match entry.min() {
        Some((_, at)) => kind + 2 + at,
        None => kind + 1,
    }
}

/// Columns before the first letter; none of a line that says nothing.
fn indent(line: &str) -> Option<usize> {
    let said = line.trim_start();
    (!said.is_empty() && !said.starts_with('#')).then(|| line.len() - said.len())
}

/// The entries of the kind that these lines begin with, each with the place of its first line.
fn entries<'l>(lines: &'l [&str]) -> impl Iterator<Item = (usize, String)> + 'l {
    let starts = |line: &str| line.trim_start().starts_with("- ");
    let first = lines.iter().find_map(|line| indent(line));
    let own = lines.iter().position(|line| {
        // The next kind stands at most as deep as the entries, and is none.
        indent(line) <= first && indent(line).is_some() && !starts(line)
    });
    let own = &lines[..own.unwrap_or(lines.len())];
    let begins = move |at: &usize| indent(own[*at]) == first && starts(own[*at]);
    (0..own.len()).filter(begins).map(move |at| {
        let length = (at + 1..own.len()).find(begins).unwrap_or(own.len()) - at;
        (at, own[at..at + length].join("\n"))
    })
}

#[cfg(test)]
mod tests {
    use flatnet_model::fact::Place;

    use super::*;

    const TEXT: &str = "flatnet: baseline/v1\n\
        facts:\n\
        \x20 shape:\n\
        \x20   - {is: [3 nodes, IPv4]}\n\
        \x20 # of pods and bridges\n\
        \x20 device-mtu:\n\
        \x20   - {about: eth0, on: every pod, is: 1450}\n\
        \x20   - about: eth0\n\
        \x20     on: node3/pod1\n\
        \x20     is: 1400\n\
        \x20   - {about: cni0, on: every node, is: 1450}\n\
        \x20 setting:\n\
        \x20 - {about: a, on: every node, is: 1}\n\
        allow:\n\
        \x20 - {fact: setting, is: [1], reason: x}\n";

    #[test]
    fn a_fact_stands_where_its_entry_does() {
        let pod = |node, pod| Role::At(Place::Pod { node, pod });
        let node = Role::At(Place::Node(1));
        for (id, about, subject, line) in [
            (Kind::Shape, "", Role::At(Place::Cluster), 4),
            (Kind::DeviceMtu, "eth0", pod(1, 1), 7),
            (Kind::DeviceMtu, "eth0", pod(3, 1), 8),
            (Kind::DeviceMtu, "cni0", node, 11),
            // Nothing of it: its kind, or the list.
            (Kind::DeviceMtu, "eth7", node, 6),
            (Kind::Setting, "a", node, 13),
            (Kind::Setting, "b", node, 12),
            (Kind::Route, "default", node, 2),
        ] {
            assert_eq!(line_of(TEXT, id, about, subject), line, "{id:?} {about}");
        }
        assert_eq!(line_of("", Kind::Shape, "", node), 1);
    }

    #[test]
    fn what_flatnet_writes_is_found_again() {
        let fact = |about: &str, is: u32| flatnet_model::fact::Fact {
            key: flatnet_model::fact::Key::new(Kind::DeviceMtu, about, Place::Node(1)),
            seen: flatnet_model::fact::Seen::Value(is.into()),
            raw: None,
        };
        let text = super::super::render("a lab", &[fact("cni0", 1500), fact("eth0", 1450)]);
        let line = line_of(&text, Kind::DeviceMtu, "eth0", Role::At(Place::Node(1)));
        let said = text.lines().nth(line - 1);
        assert_eq!(said, Some("    - {about: eth0, on: every node, is: 1450}"));
    }
}
