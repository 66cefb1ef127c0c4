//! Well-formed markup. What comes from a cluster gets into it as text or as an attribute's value only, and is escaped here and nowhere
//! else.
use std::fmt::{self, Display, Formatter, Write as _};

/// Elements without content and end tag (HTML, "Void elements").
const VOID: [&str; 2] = ["meta", "br"];
/// Elements that end a line, so that the source can be read. White space between them has no meaning.
const OWN_LINE: [&str; 20] = [
    "body", "dd", "details", "div", "dl", "dt", "figure", "footer", "g", "h1", "h2", "h3", "head",
    "header", "li", "main", "p", "section", "svg", "tr",
];

/// Any number of elements and texts, one after the other.
#[derive(Clone, Default)]
pub(super) struct Markup(String);

impl Markup {
    /// These, one after the other.
    pub(super) fn of<T: Into<Markup>>(parts: impl IntoIterator<Item = T>) -> Self {
        parts.into_iter().fold(Markup::default(), Markup::with)
    }

    /// Text that is shown as it is.
    pub(super) fn text(text: impl Display) -> Self {
        Markup(escaped(&text.to_string()))
    }

    /// Markup that is part of this program.
    pub(super) const fn ours(text: String) -> Self {
        Markup(text)
    }

    /// With this behind it.
    pub(super) fn with(mut self, part: impl Into<Markup>) -> Self {
        self.0.push_str(&part.into().0);
        self
    }

    /// Whether there is nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Display for Markup {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<T: Into<Markup>> From<Option<T>> for Markup {
    fn from(part: Option<T>) -> Self {
        part.map(Into::into).unwrap_or_default()
    }
}

/// An element.
pub(super) struct Element {
    name: &'static str,
    attributes: String,
    content: Markup,
}

/// An element without attributes and content.
pub(super) fn el(name: &'static str) -> Element {
    Element {
        name,
        attributes: String::new(),
        content: Markup::default(),
    }
}

impl Element {
    /// With an attribute.
    pub(super) fn attr(mut self, name: &'static str, value: impl Display) -> Self {
        // Writing to a String cannot fail.
        let _ = write!(
            self.attributes,
            " {name}=\"{}\"",
            escaped(&value.to_string())
        );
        self
    }

    /// With classes of the style sheet.
    pub(super) fn class(self, names: impl Display) -> Self {
        self.attr("class", names)
    }

    /// With text behind what is in it.
    pub(super) fn text(mut self, text: impl Display) -> Self {
        self.content = self.content.with(Markup::text(text));
        self
    }

    /// With markup behind what is in it.
    pub(super) fn child(mut self, part: impl Into<Markup>) -> Self {
        self.content = self.content.with(part);
        self
    }

    /// With each of these behind what is in it.
    pub(super) fn children<T: Into<Markup>>(self, parts: impl IntoIterator<Item = T>) -> Self {
        self.child(Markup::of(parts))
    }
}

impl From<Element> for Markup {
    fn from(element: Element) -> Self {
        let Element {
            name,
            attributes,
            content,
        } = element;
        let mut text = match VOID.contains(&name) {
            true => format!("<{name}{attributes}>"),
            false => format!("<{name}{attributes}>{content}</{name}>"),
        };
        if OWN_LINE.contains(&name) || VOID.contains(&name) {
            text.push('\n');
        }
        Markup(text)
    }
}

/// Neither markup nor the end of an attribute. Characters that HTML forbids are shown as what cannot be shown.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_values_are_never_markup() {
        let hostile = "\"><script>alert('x')</script>\u{0}&amp;";
        let element = el("p").attr("title", hostile).text(hostile);
        let shown = Markup::from(element).to_string();
        let same = "&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;\u{fffd}&amp;amp;";
        assert_eq!(shown, format!("<p title=\"{same}\">{same}</p>\n"));
    }

    #[test]
    fn elements_nest_in_order() {
        let list = el("ul").children(["a", "b"].map(|item| el("li").text(item)));
        assert_eq!(
            Markup::from(list.child(el("br"))).to_string(),
            "<ul><li>a</li>\n<li>b</li>\n<br>\n</ul>"
        );
        let none: Option<Element> = None;
        assert!(Markup::from(none).is_empty());
    }
}
