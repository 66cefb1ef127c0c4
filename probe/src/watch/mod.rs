//! Packets of probes, watched in this network namespace while the session goes on: what [`Watching`] and [`Watched`] tell.
mod background;
mod devices;
mod drops;
mod filter;
mod legacy;
mod packet;
mod packets;
mod rules;
mod snapshot;

use flatnet_model::probe::ask;
use flatnet_model::probe::watch::{Watched, Watching};

use crate::error::Result;
use drops::Drops;
use packet::Wanted;
use packets::Packets;
use rules::Rules;
use snapshot::Snapshot;

/// A watch; dropping it ends it.
pub(crate) struct Watch {
    packets: Option<Packets>,
    rules: Option<Rules>,
    drops: Option<Drops>,
    before: Snapshot,
}

impl Watch {
    /// Begins to watch in the calling thread's namespace, as much as can be.
    pub(crate) async fn start(asked: &ask::Watch) -> (Self, Watching) {
        let wanted = Wanted {
            ports: asked.ports.iter().copied().collect(),
        };
        let (packets, packets_said) = kept(Some(Packets::start(wanted.clone())));
        let rules = asked.rules.as_deref();
        let (rules, rules_said) = kept(rules.map(|table| Rules::start(table, wanted)));
        let (drops, drops_said) = kept(asked.drops.then(Drops::start));
        let before = Snapshot::take().await;
        let watching = Watching {
            packets: packets_said,
            rules: rules_said,
            no_device_rules: rules.as_ref().and_then(Rules::blind_at_devices),
            legacy: before.legacy.as_ref().map(|_| ()).map_err(Clone::clone),
            drops: drops_said,
        };
        let watch = Watch {
            packets,
            rules,
            drops,
            before,
        };
        (watch, watching)
    }

    /// Ends it. Blocks for as long as it takes to read what is queued.
    pub(crate) async fn end(self) -> Watched {
        let after = Snapshot::take().await;
        let drops = self.drops.map(Drops::end).unwrap_or_default();
        let met = self.rules.map(Rules::end).unwrap_or_default();
        let seen = self.packets.map(Packets::end).unwrap_or_default();
        let legacy = match (&self.before.legacy, &after.legacy) {
            (Ok(before), Ok(after)) => legacy::moved(before, after),
            _ => Vec::new(),
        };
        Watched {
            sightings: seen.kept,
            missed: seen.missed + met.missed,
            rules: met.steps,
            counters: self.before.counters_to(&after),
            devices: self.before.devices_to(&after),
            legacy,
            drops,
        }
    }
}

/// A part of the watch that runs, or why it does not.
fn kept<T>(started: Option<Result<T>>) -> (Option<T>, std::result::Result<(), String>) {
    match started {
        Some(Ok(part)) => (Some(part), Ok(())),
        Some(Err(error)) => (None, Err(error.to_string())),
        None => (None, Err("not asked for".to_owned())),
    }
}
