//! The report as one page for a browser: no script, nothing loaded from elsewhere, readable from disk.
//!
//! [`page`] is what its parts are made from, [`markup`] escapes, [`mark`] gives verdicts a sign and a word, [`embedded`] holds the
//! report's JSON, so that a page can be compared. The parts, from top to bottom: [`headline`], [`failures`], [`diagnosis`],
//! [`changes`], [`cluster`] and [`drawing`], [`pairs`] and [`heat`], [`paths`], [`checks`], [`timing`]. Each bounds what it shows, and says
//! what it left out.
mod changes;
mod checks;
mod cluster;
mod diagnosis;
mod drawing;
mod embedded;
mod failures;
mod headline;
mod heat;
mod mark;
mod markup;
mod page;
mod pairs;
mod paths;
mod rule;
mod timing;

#[cfg(test)]
mod tests;

use super::{Report, ReportError, json};
pub use embedded::json as embedded_json;
use markup::{Element, Markup, el};
use page::Page;

/// The page of a report.
///
/// # Errors
/// [`ReportError::Json`].
pub fn render(report: &Report) -> Result<String, ReportError> {
    let page = Page::of(report);
    let sections = [
        ("failures", "Failures", failures::render(&page)),
        ("pods", "Why pods do not run", diagnosis::render(&page)),
        ("changes", "What changed", changes::render(&page)),
        ("cluster", "Cluster", drawing::render(&page)),
        ("pairs", "Pairs", heat::render(&page)),
        ("paths", "Paths", paths::render(&page)),
        ("checks", "Checks", checks::render(&page)),
        ("time", "Time", timing::render(&page)),
    ];
    let shown = sections
        .iter()
        .filter(|(_, _, content)| !content.is_empty());
    let links = shown
        .clone()
        .map(|(id, title, _)| el("a").attr("href", format_args!("#{id}")).text(title));
    let bodies = shown.map(|(id, title, content)| {
        el("section")
            .attr("id", id)
            .child(el("h2").text(title))
            .child(content.clone())
    });
    let main = el("main")
        .child(headline::render(&page))
        .child(el("nav").attr("aria-label", "Parts").children(links))
        .children(bodies)
        .child(footer());
    let body = el("body")
        .child(main)
        .child(embedded::element(&json::compact(report)?));
    let html = el("html").attr("lang", "en").child(head(&page)).child(body);
    Ok(format!("<!DOCTYPE html>\n{}\n", Markup::from(html)))
}

/// Nothing is fetched, and nothing runs: the browser is told so.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

fn head(page: &Page<'_>) -> Element {
    let meta =
        |name: &'static str, content: &str| el("meta").attr("name", name).attr("content", content);
    let style = include_str!("style.css").to_owned();
    let policy = el("meta").attr("http-equiv", "Content-Security-Policy");
    el("head")
        .child(el("meta").attr("charset", "utf-8"))
        .child(policy.attr("content", POLICY))
        .child(meta("viewport", "width=device-width, initial-scale=1"))
        .child(meta("color-scheme", "light dark"))
        .child(el("title").text(format_args!("flatnet: {}", headline::sentence(page))))
        .child(el("style").child(Markup::ours(style)))
}

fn footer() -> Element {
    el("footer")
        .text("The whole report is in this page as JSON: ")
        .child(el("code").text("flatnet diff BEFORE report.html"))
        .text(" compares it with another run.")
}
