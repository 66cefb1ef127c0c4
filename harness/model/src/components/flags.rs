//! Command lines of Kubernetes components: `--name=value` or `--name value` (spf13/pflag).

/// The last value given to `--name`; a flag without one reads `true`.
pub fn value(argv: &[String], name: &str) -> Option<String> {
    let mut found = None;
    let mut words = argv.iter().peekable();
    while let Some(word) = words.next() {
        let Some(flag) = word.strip_prefix("--") else {
            continue;
        };
        match flag.split_once('=') {
            Some((flag, value)) if flag == name => found = Some(value.to_owned()),
            None if flag == name => {
                let next = words.peek().filter(|next| !next.starts_with('-'));
                found = Some(next.map_or_else(|| "true".to_owned(), |next| (*next).clone()));
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::value;

    #[test]
    fn both_spellings_are_read_and_the_last_counts() {
        let argv = [
            "kubelet",
            "--config=/a",
            "--v",
            "2",
            "--config",
            "/b",
            "--standalone",
        ]
        .map(str::to_owned);
        assert_eq!(value(&argv, "config").as_deref(), Some("/b"));
        assert_eq!(value(&argv, "v").as_deref(), Some("2"));
        assert_eq!(value(&argv, "standalone").as_deref(), Some("true"));
        assert_eq!(value(&argv, "conf"), None);
        assert_eq!(value(&[], "config"), None);
    }
}
