//! How answers about a cluster are printed, and what a person sees meanwhile.
use std::io::IsTerminal;
use std::time::Duration;

use clap::ValueEnum;
use indicatif::ProgressBar;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Table,
    /// For programs; docs/inspect-schema.md.
    Json,
    /// The same as YAML.
    Yaml,
    /// For a page.
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
