//! Files that a person names on the command line: read whole, within limits, so that a wrong one is reported rather than waited for.
use std::fs::File;
use std::io::{Error, Read, Result};
use std::path::Path;

/// Bytes that a manifest, conflist or configuration may have.
const LIMIT: u64 = 1 << 20;
/// Brackets that may be open at once: as many levels as serde_json and the YAML reader follow. The latter takes a time that grows
/// with the square of the depth to find out.
const DEEPEST: usize = 128;

/// Opens a regular file: a FIFO would be waited for, a device read forever.
///
/// # Errors
/// What the system says, or that it is not a regular file.
pub fn open(path: &Path) -> Result<File> {
    if path.metadata()?.is_file() {
        File::open(path)
    } else {
        Err(Error::other("not a regular file"))
    }
}

/// The text of a regular file of at most 1 MiB, without a byte order mark.
///
/// # Errors
/// As [`open`]; a file that is larger, is not UTF-8, or has more than 128 brackets open at once.
pub fn text(path: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    open(path)?.take(LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LIMIT {
        return Err(Error::other("larger than 1 MiB"));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Error::other(
            "begins with the byte order mark of UTF-16; save it as UTF-8",
        ));
    }
    let text = String::from_utf8(bytes).map_err(|_| Error::other("not UTF-8 text"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    if depth(text) > DEEPEST {
        return Err(Error::other(format!(
            "nested more than {DEEPEST} levels deep"
        )));
    }
    Ok(text.to_owned())
}

/// How many brackets are open at once, at most, in JSON or YAML. Outside of brackets only one that may begin a value counts, as in
/// YAML; text of a YAML block that looks like that is counted too.
fn depth(text: &str) -> usize {
    let (mut open, mut deepest) = (0_usize, 0);
    // Whether a value may begin here, and the quote that ends the current string.
    let (mut begins, mut quote) = (true, None);
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (Some('"'), '\\') => drop(characters.next()),
            (Some(end), c) => {
                if c == end {
                    quote = None;
                }
            }
            (None, '"' | '\'') if begins => (quote, begins) = (Some(c), false),
            (None, '[' | '{') if begins || open > 0 => {
                (open, begins) = (open + 1, true);
                deepest = deepest.max(open);
            }
            (None, ']' | '}') => (open, begins) = (open.saturating_sub(1), false),
            (None, '\n' | ',' | ':' | '-' | '?') => begins = true,
            (None, c) if c.is_whitespace() => {}
            (None, _) => begins = false,
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_that_are_open_at_once_are_counted_and_no_others() {
        for (text, expected) in [
            ("", 0),
            (r#"{"a": [1, {"b": "]]\"[[["}]}"#, 3),
            ("a: b[[[[ {{ }\nb: [x]\n", 1),
            ("a: 'it''s [['\nb: don't {\n- - [[a], [b]]\n", 2),
            ("run: |\n  if [ -f x ]; then\n  [ a ] || exit\n", 1),
        ] {
            assert_eq!(depth(text), expected, "{text}");
        }
        assert_eq!(depth(&r#"{"a":"#.repeat(100_000)), 100_000);
    }

    #[test]
    fn what_is_not_a_small_text_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let of = |bytes: &[u8]| {
            let path = dir.path().join("f");
            std::fs::write(&path, bytes).unwrap();
            text(&path).map_err(|e| e.to_string())
        };
        let refused = |why: &str| Err(why.to_owned());

        assert_eq!(
            of("\u{feff}kind: Pod".as_bytes()).as_deref(),
            Ok("kind: Pod")
        );
        assert_eq!(of(&vec![b'#'; 1 << 20]).map(|text| text.len()), Ok(1 << 20));
        assert_eq!(of(&vec![b'#'; (1 << 20) + 1]), refused("larger than 1 MiB"));
        let utf_16 = "begins with the byte order mark of UTF-16; save it as UTF-8";
        assert_eq!(of(b"\xff\xfea\0"), refused(utf_16));
        assert_eq!(of(b"\xfe\xff\0a"), refused(utf_16));
        assert_eq!(of(b"a\xff"), refused("not UTF-8 text"));
        assert_eq!(
            of("[".repeat(200_000).as_bytes()),
            refused("nested more than 128 levels deep")
        );
        for special in ["/dev/zero", "/dev", "/proc/self/fd"] {
            let error = text(Path::new(special)).unwrap_err().to_string();
            assert_eq!(error, "not a regular file", "{special}");
        }
    }
}
