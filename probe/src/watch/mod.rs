//! Packets of probes, watched in this network namespace while the session goes on: what [`Watching`] and [`Watched`] tell.
mod filter;
mod packet;
mod packets;

use flatnet_model::probe::ask;
use flatnet_model::probe::watch::{Watched, Watching};

use crate::error::Result;
use packet::Wanted;
use packets::Packets;

/// A watch; dropping it ends it.
pub(crate) struct Watch {
    packets: Option<Packets>,
}

impl Watch {
    /// Begins to watch in the calling thread's namespace, as much as can be.
    pub(crate) fn start(asked: &ask::Watch) -> (Self, Watching) {
        let wanted = Wanted {
            ports: asked.ports.iter().copied().collect(),
        };
        let (packets, packets_said) = kept(Packets::start(wanted));
        let watching = Watching {
            packets: packets_said,
            rules: Err("not asked for".to_owned()),
            drops: Err("not asked for".to_owned()),
        };
        (Watch { packets }, watching)
    }

    /// Ends it. Blocks for as long as it takes to read what is queued.
    pub(crate) fn end(self) -> Watched {
        let seen = self.packets.map(Packets::end).unwrap_or_default();
        Watched {
            sightings: seen.kept,
            missed: seen.missed,
            ..Watched::default()
        }
    }
}

/// A part of the watch that runs, or why it does not.
fn kept<T>(started: Result<T>) -> (Option<T>, std::result::Result<(), String>) {
    match started {
        Ok(part) => (Some(part), Ok(())),
        Err(error) => (None, Err(error.to_string())),
    }
}
