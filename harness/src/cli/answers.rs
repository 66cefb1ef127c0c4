//! How answers about a cluster are printed, and what a person sees meanwhile.
use std::io::IsTerminal;
use std::time::Duration;

use clap::ValueEnum;
use indicatif::ProgressBar;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Tables.
    Table,
    /// JSON, described in docs/inspect-schema.md.
    Json,
    /// YAML of the same structure.
    Yaml,
    /// Markdown.
    Markdown,
}

/// Shown on a terminal only.
pub(super) fn progress() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner().with_message("connecting");
    bar.enable_steady_tick(Duration::from_millis(80));
    bar
}
