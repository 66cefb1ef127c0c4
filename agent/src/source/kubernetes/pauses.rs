//! How long to wait between attempts.
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
/// kube's own goes up to a minute: so long would a node that came meanwhile have no route.
const LONGEST: Duration = Duration::from_secs(16);

/// Each twice as long as the one before, up to 16 s, less up to a half of it by chance: the agents of a large cluster, who all lost
/// the API at once, do not all come back at once.
#[derive(Debug)]
pub(super) struct Pauses {
    whole: Duration,
}

impl Pauses {
    pub(super) fn new() -> Self {
        Pauses { whole: FIRST }
    }

    /// The API answered: the next pause is a short one.
    pub(super) fn start_over(&mut self) {
        self.whole = FIRST;
    }

    pub(super) fn next(&mut self) -> Duration {
        let half = self.whole / 2;
        self.whole = (self.whole * 2).min(LONGEST);
        // Keys of the standard hasher come from the system's source of chance; nothing here has to be unguessable.
        let chance = RandomState::new().build_hasher().finish();
        half + half.mul_f64(chance as f64 / u64::MAX as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_grow_up_to_a_limit_and_start_over() {
        let mut pauses = Pauses::new();
        for whole in [1, 2, 4, 8, 16, 16, 16] {
            let whole = Duration::from_secs(whole);
            let pause = pauses.next();
            assert!(whole / 2 <= pause && pause <= whole, "{whole:?}: {pause:?}");
        }
        pauses.start_over();
        assert!(pauses.next() <= FIRST);
    }

    #[test]
    fn two_agents_do_not_keep_step() {
        let (mut one, mut other) = (Pauses::new(), Pauses::new());
        assert!((0..4).any(|_| one.next() != other.next()));
    }
}
