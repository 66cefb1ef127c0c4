//! How many labs this machine takes side by side.
use std::thread::available_parallelism;

/// A lab waits more than it works: probes for packets, pods for plugins.
const LABS_PER_CORE: usize = 3;
/// Memory of a lab, bytes: of the lab itself, and of each node and pod. Six labs of 8 to 25 nodes and pods were seen with 224 MiB.
const OF_LAB: u64 = 32 << 20;
const OF_END: u64 = 4 << 20;

/// Follows cores and free memory; `ends` is how many nodes and pods the largest lab has.
pub(super) fn fitting(ends: usize) -> usize {
    let cores = available_parallelism().map_or(1, usize::from);
    limited(cores, free_memory(), ends)
}

fn limited(cores: usize, free: Option<u64>, ends: usize) -> usize {
    let by_cores = cores * LABS_PER_CORE;
    // Half of it: others want some too.
    let by_memory = free.map(|free| free / 2 / (OF_LAB + OF_END * ends as u64));
    let by_memory = by_memory.map_or(by_cores, |labs| usize::try_from(labs).unwrap_or(by_cores));
    by_cores.min(by_memory).max(1)
}

/// `MemAvailable` of proc_meminfo(5), bytes.
fn free_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_limit_and_so_does_memory() {
        assert_eq!(limited(2, Some(16 << 30), 10), 6);
        assert_eq!(limited(16, Some(1 << 30), 10), 7);
        assert_eq!(limited(4, Some(0), 10), 1);
        assert_eq!(limited(4, None, 10), 12);
    }
}
