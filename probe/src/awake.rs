//! When a task ran last: what came while it did not is not late because of the network.
use std::time::{Duration, SystemTime};

/// Time since the epoch, by the clock of the kernel's stamps.
pub(crate) fn now() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

/// As [`now`], microseconds.
pub(crate) fn now_us() -> u64 {
    micros(now())
}

/// Of a time since the epoch.
pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// A task's own beat, which is to come at a steady pace.
pub(crate) struct Awake {
    /// The last beat and the one before, microseconds since the epoch.
    last: u64,
    before: u64,
}

impl Awake {
    pub(crate) fn new() -> Self {
        let now = now_us();
        Awake {
            last: now,
            before: now,
        }
    }

    pub(crate) fn beat(&mut self) {
        (self.before, self.last) = (self.last, now_us());
    }

    /// What is read now came after that moment. The beat before the last: after a time in which the task did not run, a beat and what
    /// there is to read come in either order.
    pub(crate) fn not_before(&self) -> u64 {
        self.before
    }
}
