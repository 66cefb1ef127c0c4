//! Lines of text that several reports share: the labelled lines of evidence, and colours.
use flatnet_analysis::words::Text;

pub(super) const RESET: &str = "\u{1b}[0m";
pub(super) const BOLD: &str = "\u{1b}[1m";
pub(super) const DIM: &str = "\u{1b}[2m";
pub(super) const RED: &str = "\u{1b}[1;31m";
pub(super) const GREEN: &str = "\u{1b}[1;32m";
pub(super) const YELLOW: &str = "\u{1b}[1;33m";
pub(super) const MAGENTA: &str = "\u{1b}[1;35m";

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
