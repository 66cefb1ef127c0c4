//! The report inside its page, so that a page is as good as a `report.json` for whoever compares runs.
use std::io::{self, Read, Write as _};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use base64::read::DecoderReader;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use super::markup::{Element, Markup, el};

/// The id of the element that holds it.
const ID: &str = "flatnet-report";
/// Longer JSON is packed, bytes: a page is sent around, and opened on phones.
const LONGEST: usize = 4 << 20;
/// No more than this is unpacked, bytes.
const LARGEST: u64 = 4 << 30;

/// What a page holds cannot be unpacked.
#[derive(Debug, thiserror::Error)]
#[error("the report in it cannot be unpacked: it was cut short or changed; make it again")]
struct Unpacked;

/// The element that holds a report's JSON. Nothing in it ends the element or begins markup: `<` is only in JSON's texts, and is written
/// there by its number.
pub(super) fn element(json: &str) -> Element {
    let (kind, text) = match packed(json) {
        Some(packed) => ("application/gzip", packed),
        None => ("application/json", json.replace('<', "\\u003c")),
    };
    el("script")
        .attr("type", kind)
        .attr("id", ID)
        .child(Markup::ours(text))
}

/// As gzip in base64, where it is long.
fn packed(json: &str) -> Option<String> {
    if json.len() <= LONGEST {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(json.as_bytes()).ok()?;
    Some(BASE64_STANDARD.encode(encoder.finish().ok()?))
}

/// The JSON in a page of [`super::render`], unpacked as it is read; `None` for other pages. Where the page was cut short or changed,
/// the reader says so, or the JSON ends in the middle.
pub fn json(page: &str) -> Option<Box<dyn Read + '_>> {
    let content = |kind: &str| {
        let start = format!("<script type=\"{kind}\" id=\"{ID}\">");
        let (_, rest) = page.split_once(&start)?;
        // A page that was cut short has its report up to there.
        Some(&rest[..rest.find("</script>").unwrap_or(rest.len())])
    };
    if let Some(json) = content("application/json") {
        return Some(Box::new(json.as_bytes()));
    }
    let packed = DecoderReader::new(content("application/gzip")?.as_bytes(), &BASE64_STANDARD);
    Some(Box::new(Unpacking(GzDecoder::new(packed).take(LARGEST))))
}

/// Says of any damage what it comes from.
struct Unpacking<R>(R);

impl<R: Read> Read for Unpacking<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer);
        read.map_err(|_| io::Error::other(Unpacked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(json: &str) -> String {
        format!("<body>{}</body>", Markup::from(element(json)))
    }

    fn read(page: &str) -> io::Result<String> {
        let mut text = String::new();
        json(page)
            .expect("a report")
            .read_to_string(&mut text)
            .map(|_| text)
    }

    #[test]
    fn json_comes_back_and_ends_nothing_on_its_way() {
        let hostile = r#"{"a":"</script><!--<script>"}"#;
        let page = page(hostile);
        assert_eq!(page.matches("</script>").count(), 1, "{page}");
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&read(&page).unwrap()), value(hostile));
        assert!(json("<html><script>1</script></html>").is_none());
    }

    #[test]
    fn what_is_long_is_packed_and_comes_back() {
        let long = format!("[{}0]", "\"</script>\",".repeat(LONGEST / 12 + 1));
        let page = page(&long);
        assert!(page.len() < long.len() / 50, "{} bytes", page.len());
        assert_eq!(read(&page).unwrap(), long);
        let cut = read(&page[..page.len() / 2]).unwrap_err();
        assert!(cut.to_string().contains("cut short"), "{cut}");
    }
}
