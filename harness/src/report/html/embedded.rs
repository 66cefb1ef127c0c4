//! The report inside its page, so that a page is as good as a `report.json` for whoever compares runs.
use super::markup::{Markup, el};

/// The id of the element that holds it.
const ID: &str = "flatnet-report";

/// The element that holds a report's JSON. Nothing in it ends the element or begins markup: `<` is only in JSON's texts, and is written
/// there by its number.
pub(super) fn element(json: &str) -> Markup {
    let script = el("script")
        .attr("type", "application/json")
        .attr("id", ID)
        .child(Markup::ours(json.replace('<', "\\u003c")));
    Markup::from(script)
}

/// The JSON in a page of [`super::render`]; `None` for other pages.
pub fn json(page: &str) -> Option<&str> {
    let start = format!("<script type=\"application/json\" id=\"{ID}\">");
    let (_, rest) = page.split_once(&start)?;
    // A page that was cut short has its report up to there.
    let end = rest.find("</script>").unwrap_or(rest.len());
    Some(&rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_comes_back_and_ends_nothing_on_its_way() {
        let hostile = r#"{"a":"</script><!--<script>"}"#;
        let page = format!("<body>{}</body>", element(hostile));
        assert_eq!(page.matches("</script>").count(), 1, "{page}");
        let value = |text| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(json(&page).unwrap()), value(hostile));
        assert_eq!(json("<html><script>1</script></html>"), None);
    }
}
