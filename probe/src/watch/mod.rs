//! Packets of probes, watched in this network namespace while the session goes on: what [`Watching`] and [`Watched`] tell.
mod background;
mod devices;
mod filter;
mod packet;
mod packets;
mod rules;

use flatnet_model::probe::ask;
use flatnet_model::probe::watch::{Watched, Watching};

use crate::error::Result;
use packet::Wanted;
use packets::Packets;
use rules::Rules;

/// A watch; dropping it ends it.
pub(crate) struct Watch {
    packets: Option<Packets>,
    rules: Option<Rules>,
}

impl Watch {
    /// Begins to watch in the calling thread's namespace, as much as can be.
    pub(crate) fn start(asked: &ask::Watch) -> (Self, Watching) {
        let wanted = Wanted {
            ports: asked.ports.iter().copied().collect(),
        };
        let (packets, packets_said) = kept(Some(Packets::start(wanted.clone())));
        let rules = asked.rules.as_deref();
        let (rules, rules_said) = kept(rules.map(|table| Rules::start(table, wanted)));
        let watching = Watching {
            packets: packets_said,
            rules: rules_said,
            drops: Err("not asked for".to_owned()),
        };
        (Watch { packets, rules }, watching)
    }

    /// Ends it. Blocks for as long as it takes to read what is queued.
    pub(crate) fn end(self) -> Watched {
        let met = self.rules.map(Rules::end).unwrap_or_default();
        let seen = self.packets.map(Packets::end).unwrap_or_default();
        Watched {
            sightings: seen.kept,
            missed: seen.missed + met.missed,
            rules: met.steps,
            ..Watched::default()
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
