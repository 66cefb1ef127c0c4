//! When to look again.
use std::time::{Duration, Instant};

/// The first wait after a pass with failures; doubled each time.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// When the next pass is due: after the resync time, and sooner (1 s, 2 s, 4 s, …) after one that failed.
pub(super) struct Pace {
    resync: Duration,
    retry: Duration,
    due: Instant,
}

impl Pace {
    pub(super) fn new(resync: Duration) -> Self {
        Pace {
            resync,
            retry: FIRST_RETRY,
            due: Instant::now(),
        }
    }

    pub(super) fn now(&mut self) {
        self.due = Instant::now();
    }

    pub(super) fn is_due(&self) -> bool {
        self.left().is_zero()
    }

    pub(super) fn left(&self) -> Duration {
        self.due.saturating_duration_since(Instant::now())
    }

    pub(super) fn passed(&mut self, done: bool) {
        let wait = if done {
            self.resync
        } else {
            self.retry.min(self.resync)
        };
        self.retry = if done {
            FIRST_RETRY
        } else {
            (self.retry * 2).min(self.resync.max(FIRST_RETRY))
        };
        self.due = Instant::now() + wait;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_slow_down_to_the_resync_time_and_start_over_after_success() {
        let mut pace = Pace::new(Duration::from_secs(5));
        let mut retries = Vec::new();
        for _ in 0..5 {
            let retry = pace.retry;
            pace.passed(false);
            retries.push(retry.as_secs());
        }
        assert_eq!(retries, [1, 2, 4, 5, 5]);
        pace.passed(true);
        assert_eq!(pace.retry, FIRST_RETRY);
        assert!(!pace.is_due());
        pace.now();
        assert!(pace.is_due());
    }
}
