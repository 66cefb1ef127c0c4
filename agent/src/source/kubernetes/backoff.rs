//! The delay between attempts to reach the API.
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
/// kube's own back-off goes up to a minute; for that long a new node would have no route.
const LONGEST: Duration = Duration::from_secs(16);

/// Each delay is twice as long as the one before, up to 16 s, and shortened at random by up to half, so that the agents
/// of a large cluster, which all lose the API at once, do not all return at once.
#[derive(Debug)]
pub(super) struct Backoff {
    whole: Duration,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Backoff { whole: FIRST }
    }

    /// To be called when the API has answered: the next delay is short again.
    pub(super) fn reset(&mut self) {
        self.whole = FIRST;
    }

    pub(super) fn next(&mut self) -> Duration {
        let half = self.whole / 2;
        self.whole = (self.whole * 2).min(LONGEST);
        // The standard hasher's keys come from the system's random source, which is good enough for jitter.
        let random = RandomState::new().build_hasher().finish();
        half + half.mul_f64(random as f64 / u64::MAX as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_up_to_a_limit_and_start_over() {
        let mut backoff = Backoff::new();
        for whole in [1, 2, 4, 8, 16, 16, 16] {
            let whole = Duration::from_secs(whole);
            let delay = backoff.next();
            assert!(whole / 2 <= delay && delay <= whole, "{whole:?}: {delay:?}");
        }
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }

    #[test]
    fn two_agents_do_not_keep_step() {
        let (mut one, mut other) = (Backoff::new(), Backoff::new());
        assert!((0..4).any(|_| one.next() != other.next()));
    }
}
