//! What is counted before and after: the kernel's counters, devices, legacy iptables.
use std::collections::BTreeMap;

use flatnet_model::kernel::LinkStats;
use flatnet_netlink::Route;

use super::legacy::{self, Counted};
use crate::counters;

/// Counters at one moment, in the calling thread's namespace.
pub(super) struct Snapshot {
    counters: BTreeMap<String, u64>,
    devices: BTreeMap<String, LinkStats>,
    pub(super) legacy: Result<Counted, String>,
}

impl Snapshot {
    /// Devices whose counters cannot be read have none.
    pub(super) async fn take() -> Self {
        let links = Route::open().and_then(|mut route| route.links());
        let devices = links.unwrap_or_default().into_iter();
        Snapshot {
            counters: counters::all(),
            devices: devices.map(|link| (link.name, link.stats)).collect(),
            legacy: legacy::read().await,
        }
    }

    /// Counters that moved since.
    pub(super) fn counters_to(&self, after: &Snapshot) -> BTreeMap<String, u64> {
        counters::moved(&self.counters, &after.counters)
    }

    /// Devices whose counters moved since. One that is new has counted from 0.
    pub(super) fn devices_to(&self, after: &Snapshot) -> BTreeMap<String, LinkStats> {
        let moved = after.devices.iter().filter_map(|(name, stats)| {
            let before = self.devices.get(name).copied().unwrap_or_default();
            let grown = grown(&before, stats);
            (grown != LinkStats::default()).then(|| (name.clone(), grown))
        });
        moved.collect()
    }
}

/// A counter that is lower than before belongs to another device of that name.
fn grown(before: &LinkStats, after: &LinkStats) -> LinkStats {
    LinkStats {
        rx_packets: after.rx_packets.saturating_sub(before.rx_packets),
        tx_packets: after.tx_packets.saturating_sub(before.tx_packets),
        rx_bytes: after.rx_bytes.saturating_sub(before.rx_bytes),
        tx_bytes: after.tx_bytes.saturating_sub(before.tx_bytes),
        rx_dropped: after.rx_dropped.saturating_sub(before.rx_dropped),
        tx_dropped: after.tx_dropped.saturating_sub(before.tx_dropped),
        rx_errors: after.rx_errors.saturating_sub(before.rx_errors),
        tx_errors: after.tx_errors.saturating_sub(before.tx_errors),
    }
}
