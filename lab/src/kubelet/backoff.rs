//! Growing pauses between attempts.
use std::time::Duration;

/// The kubelet's pauses are 10 s to 5 min; a lab's life is shorter.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LAST_PAUSE: Duration = Duration::from_secs(10);

/// Doubles from `first` to `last`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    next: Duration,
    last: Duration,
}

impl Backoff {
    fn new(first: Duration, last: Duration) -> Self {
        Backoff { next: first, last }
    }

    /// The pause before the next attempt.
    pub(super) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (self.next * 2).min(self.last);
        pause
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff::new(FIRST_PAUSE, LAST_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_last() {
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(1));
        let pauses: Vec<u128> = (0..5).map(|_| backoff.pause().as_millis()).collect();
        assert_eq!(pauses, [200, 400, 800, 1000, 1000]);
    }
}
