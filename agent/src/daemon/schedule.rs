//! When the next pass is due.
use std::time::{Duration, Instant};

/// Delay after the first failed pass; it doubles with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// Schedules the next pass: after the resync time, or sooner (1 s, 2 s, 4 s, …) after failed ones.
pub(super) struct Schedule {
    resync: Duration,
    retry: Duration,
    due: Instant,
}

impl Schedule {
    pub(super) fn new(resync: Duration) -> Self {
        Schedule {
            resync,
            retry: FIRST_RETRY,
            due: Instant::now(),
        }
    }

    pub(super) fn run_now(&mut self) {
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
        let mut schedule = Schedule::new(Duration::from_secs(5));
        let mut retries = Vec::new();
        for _ in 0..5 {
            let retry = schedule.retry;
            schedule.passed(false);
            retries.push(retry.as_secs());
        }
        assert_eq!(retries, [1, 2, 4, 5, 5]);
        schedule.passed(true);
        assert_eq!(schedule.retry, FIRST_RETRY);
        assert!(!schedule.is_due());
        schedule.run_now();
        assert!(schedule.is_due());
    }
}
