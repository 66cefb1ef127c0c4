//! `--log`: what is done and how long it took, on standard error. Reports and data go to standard output, which `--log` does not
//! change.
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, registry};

/// What our own crates' targets begin with.
const OURS: &str = "flatnet";

/// `debug` of our own parts, or `TARGET=LEVEL,…` of any.
///
/// # Errors
/// What is wrong with it, and which values are allowed.
pub(super) fn filter(text: &str) -> Result<Targets, String> {
    if let Ok(level) = text.parse::<LevelFilter>() {
        return Ok(Targets::new().with_target(OURS, level));
    }
    let wrong = "choose off, error, warn, info, debug or trace, or TARGET=LEVEL,… (flatnet=debug,kube=info)";
    if !text.contains('=') {
        return Err(wrong.to_owned());
    }
    text.parse().map_err(|e| format!("{e}; {wrong}"))
}

/// Logs what this process does from now on.
pub(super) fn start(filter: Targets) {
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_timer(fmt::time::uptime());
    // This process sets no other subscriber.
    let _ = registry().with(lines.with_filter(filter)).try_init();
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn a_level_is_for_our_own_parts_and_targets_are_as_said() {
        let ours = filter("info").unwrap();
        assert!(ours.would_enable("flatnet_cluster::lab", &Level::INFO));
        assert!(!ours.would_enable("flatnet_cluster::lab", &Level::DEBUG));
        assert!(!ours.would_enable("hyper", &Level::ERROR));
        let said = filter("flatnet=debug,kube=info").unwrap();
        assert!(said.would_enable("flatnet::session", &Level::DEBUG));
        assert!(said.would_enable("kube_client::client", &Level::INFO));
        assert!(filter("chatty").unwrap_err().contains("debug or trace"));
        assert!(filter("a=b=c").unwrap_err().contains("TARGET=LEVEL"));
    }
}
