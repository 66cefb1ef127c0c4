//! Texts of the catalogue, which are Markdown: links and code.
use super::markup::{Markup, el};

/// With its links.
pub(super) fn linked(text: &str) -> Markup {
    let mut markup = Markup::default();
    let mut rest = text;
    while let Some((label, target, before, after)) = link(rest) {
        let anchor = el("a")
            .attr("href", target)
            .attr("rel", "noreferrer")
            .child(coded(label));
        markup = markup.with(coded(before)).with(anchor);
        rest = after;
    }
    markup.with(coded(rest))
}

/// The first link of a text: its label and target, and the text around it. Only those of the web are links.
fn link(text: &str) -> Option<(&str, &str, &str, &str)> {
    let (before, rest) = text.split_once('[')?;
    let (label, rest) = rest.split_once("](")?;
    let (target, after) = rest.split_once(')')?;
    let web = target.starts_with("https://");
    web.then_some((label, target, before, after))
}

/// With what stands between backticks as code.
pub(super) fn coded(text: &str) -> Markup {
    let parts = text.split('`').enumerate();
    Markup::of(parts.map(|(at, part)| match at % 2 {
        0 => Markup::text(part),
        _ => el("code").text(part).into(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_code_are_markup_and_the_rest_is_text() {
        let text = "CNI, [section `ADD`](https://cni.dev/a?b=\"c\"), <b> and [x](javascript:alert)";
        assert_eq!(
            linked(text).to_string(),
            "CNI, <a href=\"https://cni.dev/a?b=&quot;c&quot;\" rel=\"noreferrer\">section <code>ADD</code></a>, \
             &lt;b&gt; and [x](javascript:alert)"
        );
    }
}
