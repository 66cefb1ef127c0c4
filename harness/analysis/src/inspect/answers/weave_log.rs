//! What Weave Net's router says of its options. It keeps them in no file and no object: its command line is put together by a
//! script, and the first line of its log is where they are told. That line is `LEVEL: DATE TIME Command line options: map[…]`,
//! with a Go map of flag names to values as `fmt` prints one: `map[NAME:VALUE NAME:VALUE]`, names in order, nothing escaped.
use std::collections::BTreeMap;

const TITLE: &str = "Command line options: ";

/// Options by name; none where no line of the log has them.
pub(super) fn options(log: &str) -> Option<BTreeMap<String, String>> {
    let message = |line: &str| -> Option<String> {
        // Level, date and time.
        let mut words = line.splitn(4, ' ');
        let level = words.next()?;
        let rest = words.nth(2)?;
        level.strip_suffix(':')?;
        Some(
            rest.strip_prefix(TITLE)?
                .strip_prefix("map[")?
                .trim_end()
                .strip_suffix(']')?
                .to_owned(),
        )
    };
    let map = log.lines().find_map(message)?;
    let mut options = BTreeMap::new();
    let mut last: Option<String> = None;
    for word in map.split(' ') {
        let named = word.split_once(':').filter(|(name, _)| is_flag(name));
        match (named, &last) {
            (Some((name, value)), _) => {
                options.insert(name.to_owned(), value.to_owned());
                last = Some(name.to_owned());
            }
            // A value with a blank in it goes on.
            (None, Some(name)) => {
                if let Some(value) = options.get_mut(name) {
                    value.push(' ');
                    value.push_str(word);
                }
            }
            (None, None) => return None,
        }
    }
    Some(options)
}

fn is_flag(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::options;

    const LINE: &str = "INFO: 2025/02/07 09:04:31.416680 Command line options: map[conn-limit:200 datapath:datapath db-prefix:/weavedb/weave-net docker-api: expect-npc:true http-addr:127.0.0.1:6784 ipalloc-init:consensus=1 ipalloc-range:10.244.0.0/16 metrics-addr:0.0.0.0:6782 name:62:41:33:f4:0b:3c nickname:node01 no-dns:true no-masq-local:true port:6783]";

    #[test]
    fn the_map_is_read_with_its_colons() {
        let options = options(&format!("DEBU: 2025/02/07 09:04:30.1 something\n{LINE}\nINFO: 2025/02/07 09:04:31.4 weave 2.8.1\n")).unwrap();
        assert_eq!(options["ipalloc-range"], "10.244.0.0/16");
        assert_eq!(options["name"], "62:41:33:f4:0b:3c");
        assert_eq!(options["http-addr"], "127.0.0.1:6784");
        assert_eq!(options["docker-api"], "");
        assert_eq!(options.len(), 14);
    }

    #[test]
    fn what_only_looks_like_it_is_not_taken() {
        for log in [
            "",
            "INFO: 2025/02/07 09:04:31.416680 no options here",
            "INFO: 2025/02/07 09:04:31.416680 he said: Command line options: map[ipalloc-range:10.0.0.0/8]",
            "Command line options: map[ipalloc-range:10.0.0.0/8]",
            "INFO: 2025/02/07 09:04:31.416680 Command line options: map[cut off",
        ] {
            assert_eq!(options(log), None, "{log}");
        }
    }
}
