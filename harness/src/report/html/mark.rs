//! Verdicts as marks: a sign and a word, so that colour is never the only difference.
use flatnet_model::verdict::Verdict;

use super::markup::{Element, el};
use crate::report::CheckReport;

/// How something came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Pass,
    Fail,
    Report,
    Skip,
    Broken,
}

impl Mark {
    /// Of a check; one that was skipped and must not be has failed.
    pub(super) fn of(check: &CheckReport) -> Self {
        match &check.verdict {
            Verdict::Pass { .. } => Mark::Pass,
            Verdict::Report { .. } => Mark::Report,
            Verdict::Fail { .. } => Mark::Fail,
            Verdict::Skip { .. } if check.required => Mark::Fail,
            Verdict::Skip { .. } => Mark::Skip,
            Verdict::Broken { .. } => Mark::Broken,
        }
    }

    /// The class of the style sheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Mark::Pass => "pass",
            Mark::Fail => "fail",
            Mark::Report => "report",
            Mark::Skip => "skip",
            Mark::Broken => "broken",
        }
    }

    pub(super) fn sign(self) -> &'static str {
        match self {
            Mark::Pass => "✓",
            Mark::Fail => "✗",
            Mark::Report => "i",
            Mark::Skip => "–",
            Mark::Broken => "!",
        }
    }

    /// The sign and a word.
    pub(super) fn badge(self, word: &str) -> Element {
        let sign = el("b").attr("aria-hidden", "true").text(self.sign());
        let badge = el("span").class(format_args!("badge {}", self.class()));
        badge.child(sign).text(" ").text(word)
    }
}
