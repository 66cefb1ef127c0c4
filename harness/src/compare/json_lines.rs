//! Lines of keys in a configuration that people write: JSON, or a template of it with `${…}` in it.

/// Something that holds values: its path, and the place of the next one if it is a list.
struct Holder {
    path: String,
    next: Option<usize>,
}

/// The line, from 1, of the key with that path (`plugins[0].ipam.subnet`), or of the innermost part of the path that is there. `None`
/// where not even the first is.
pub(crate) fn line_of(text: &str, wanted: &str) -> Option<usize> {
    let mut found: Option<(usize, usize)> = None;
    let mut note = |path: &str, line: usize| {
        let rest = wanted.strip_prefix(path);
        let fits = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
        if fits && found.is_none_or(|(length, _)| path.len() > length) {
            found = Some((path.len(), line));
        }
    };
    let mut holders: Vec<Holder> = Vec::new();
    let mut key = String::new();
    let mut line = 1;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' => line += 1,
            '"' => {
                let mut word = String::new();
                while let Some(c) = chars.next().filter(|c| *c != '"') {
                    let escaped = (c == '\\').then(|| chars.next()).flatten();
                    word.push(escaped.unwrap_or(c));
                }
                let rest: String = chars.clone().take_while(|c| *c != '\n').collect();
                let is_key = rest.trim_start().starts_with(':');
                if let Some(holder) = holders
                    .last()
                    .filter(|holder| holder.next.is_none() && is_key)
                {
                    key = match holder.path.as_str() {
                        "" => word,
                        path => format!("{path}.{word}"),
                    };
                    note(&key, line);
                }
            }
            '$' if chars.peek() == Some(&'{') => {
                for c in chars.by_ref() {
                    if c == '}' {
                        break;
                    }
                }
            }
            '{' | '[' => {
                let path = match holders.last() {
                    Some(Holder {
                        path,
                        next: Some(next),
                    }) => format!("{path}[{next}]"),
                    _ => std::mem::take(&mut key),
                };
                if !path.is_empty() {
                    note(&path, line);
                }
                holders.push(Holder {
                    path,
                    next: (c == '[').then_some(0),
                });
            }
            '}' | ']' => drop(holders.pop()),
            ',' => {
                if let Some(next) = holders.last_mut().and_then(|holder| holder.next.as_mut()) {
                    *next += 1;
                }
            }
            _ => {}
        }
    }
    found.map(|(_, line)| line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_its_path_and_the_rest_by_what_holds_it() {
        let text = "{\n  \"name\": \"mtu\",\n  \"plugins\": [\n    {\"type\": \"a\",\n     \"mtu\": ${MTU}},\n    {\n      \"type\": \"b {\",\n      \"ipam\": {\"ranges\": [[\n        {\"subnet\": \"10.0.0.0/8\"}]]},\n      \"mtu\": 1400\n    }\n  ]\n}\n";
        for (path, line) in [
            ("name", Some(2)),
            ("plugins", Some(3)),
            ("plugins[0].mtu", Some(5)),
            ("plugins[1].mtu", Some(10)),
            ("plugins[1].ipam.ranges[0][0].subnet", Some(9)),
            ("plugins[1].vlan", Some(6)),
            ("plugins[7].mtu", Some(3)),
            ("nam", None),
            ("names", None),
        ] {
            assert_eq!(line_of(text, path), line, "{path}");
        }
        for broken in ["", "\"", "{\"a", "]]}", "${", "\\"] {
            assert_eq!(line_of(broken, "a"), None, "{broken}");
        }
    }
}
