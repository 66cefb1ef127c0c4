//! Lines of text that several reports share: the labelled lines of evidence, and colours.
use anstyle::{AnsiColor, Reset, Style};
use flatnet_analysis::words::Text;

pub(super) const RESET: Reset = Reset;
pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const RED: Style = AnsiColor::Red.on_default().bold();
pub(super) const GREEN: Style = AnsiColor::Green.on_default().bold();
pub(super) const BLUE: Style = AnsiColor::Blue.on_default().bold();
pub(super) const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
pub(super) const MAGENTA: Style = AnsiColor::Magenta.on_default().bold();

pub(super) const LABELS: [&str; 6] = ["expected", "observed", "culprit", "cause", "look", "fix"];
pub(super) const LABEL_WIDTH: usize = 10;

/// What is wrong, then one labelled line for each thing that is known about it.
pub(super) fn evidence_lines(evidence: &Text) -> Vec<String> {
    let lines = labelled(evidence).map(|(label, value)| format!("{label:<LABEL_WIDTH$}{value}"));
    std::iter::once(evidence.what.clone())
        .chain(lines)
        .collect()
}

/// Each thing that is known about it, with its label.
pub(super) fn labelled(evidence: &Text) -> impl Iterator<Item = (&'static str, &str)> {
    let values = [
        Some(evidence.expected.as_str()),
        Some(&evidence.observed),
        evidence.culprit.as_deref(),
        evidence.cause.as_deref(),
        Some(&evidence.look),
        evidence.fix.as_deref(),
    ];
    let labelled = LABELS.into_iter().zip(values);
    labelled.filter_map(|(label, value)| Some((label, value?)))
}
