//! Medians: what one slow round on a busy machine does not move.
use std::time::{Duration, Instant};

/// The middle value, or zero of none.
pub(crate) fn median(samples: &[Duration]) -> Duration {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// The same for rates.
pub(crate) fn median_rate(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// How often something is measured: so many rounds, or fewer if the time is up, but at least two.
pub(crate) struct Rounds {
    left: std::ops::Range<usize>,
    until: Instant,
}

impl Rounds {
    pub(crate) fn new(rounds: usize, limit: Duration) -> Rounds {
        Rounds {
            left: 0..rounds,
            until: Instant::now() + limit,
        }
    }
}

impl Iterator for Rounds {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.left.start >= 2 && Instant::now() >= self.until {
            None
        } else {
            self.left.next()
        }
    }
}
