//! The phases of a run: their events, and what ends them.
use std::future::Future;
use std::time::Instant;

use tracing::Instrument;

use super::interrupts::Interrupts;
use crate::Result;
use crate::events::{Event, Observer, Phase};

/// The phases of a run, each of which Ctrl-C, SIGTERM or SIGHUP ends.
#[derive(Clone, Copy)]
pub(super) struct Phases<'a> {
    pub(super) interrupts: &'a Interrupts,
    pub(super) observer: &'a Observer,
}

impl Phases<'_> {
    /// Runs one phase between its two events.
    pub(super) async fn run<T>(
        &self,
        phase: Phase,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        (self.observer)(&Event::PhaseStarted(phase));
        let start = Instant::now();
        let span = tracing::info_span!("phase", name = phase.name());
        let result = self.interrupts.guard(work).instrument(span).await;
        let took = start.elapsed();
        match &result {
            Ok(_) => tracing::info!(phase = phase.name(), ?took, "done"),
            Err(e) => tracing::warn!(phase = phase.name(), ?took, error = %e, "failed"),
        }
        if result.is_ok() {
            (self.observer)(&Event::PhaseEnded(phase, took));
        }
        result
    }
}
