//! The delays between attempts to reach the API.
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

/// kube's own back-off goes up to a minute; for that long a new node would have no route.
pub(super) const LONGEST: Duration = Duration::from_secs(16);

/// Endless. Each delay is twice as long as the one before, up to 16 s, and shortened at random by up to half, so that the
/// agents of a large cluster, which all lose the API at once, do not all return at once.
pub(super) fn delays() -> ExponentialBackoff {
    // Jitter adds up to the delay itself, so these are the lower bounds.
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(500))
        .with_max_delay(LONGEST / 2)
        .with_jitter()
        .without_max_times()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_up_to_a_limit_and_start_over() {
        let mut growing = delays();
        for whole in [1, 2, 4, 8, 16, 16, 16] {
            let whole = Duration::from_secs(whole);
            let delay = growing.next().unwrap();
            assert!(whole / 2 <= delay && delay <= whole, "{whole:?}: {delay:?}");
        }
        assert!(delays().next().unwrap() <= Duration::from_secs(1));
    }

    #[test]
    fn two_agents_do_not_keep_step() {
        let (mut one, mut other) = (delays(), delays());
        assert!((0..4).any(|_| one.next() != other.next()));
    }
}
