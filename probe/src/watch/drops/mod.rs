//! The kernel's reasons for packets that it drops, anywhere on the machine: the tracepoint `skb:kfree_skb`, read as a perf event.
mod perf;
mod places;
mod tracepoint;

use std::collections::BTreeMap;
use std::time::Duration;

use flatnet_model::probe::watch::Drop as Dropped;

use super::background::{Background, Ending};
use crate::error::Result;
use perf::Samples;
use tracepoint::Tracepoint;

/// How often the samples are taken out of the kernel's buffers.
const PERIOD: Duration = Duration::from_millis(20);

/// More of one kind are the machine's own traffic, not the packets of a burst: how many they are is still counted.
const MOST_TIMES: usize = 128;

/// Packets by reason and address. Under a flood of drops the kernel's buffers may have had no room for some.
type Counted = BTreeMap<(u32, u64), Times>;

/// How many, and when the first of them were dropped.
#[derive(Default)]
struct Times {
    packets: u64,
    at_ns: Vec<u64>,
}

impl Times {
    fn add(&mut self, packets: u64, at_ns: &[u64]) {
        self.packets += packets;
        let room = MOST_TIMES.saturating_sub(self.at_ns.len());
        self.at_ns.extend(at_ns.iter().take(room));
    }
}

/// Drops are being counted; dropping it ends that.
pub(super) struct Drops {
    thread: Background<Counted>,
    tracepoint: Tracepoint,
}

/// Functions that hand copies of packets to packet sockets, such as this probe's own: a copy that finds no room is no packet that ended.
const COPIES: [&str; 3] = ["packet_rcv", "tpacket_rcv", "packet_rcv_fanout"];

impl Drops {
    /// Begins. Needs root on the machine itself.
    pub(super) fn start() -> Result<Self> {
        let tracepoint = tracepoint::read()?;
        let samples = Samples::open(tracepoint.id)?;
        let (reason, place) = (tracepoint.reason, tracepoint.place);
        let thread = Background::start("drops", move |ending| {
            count(samples, reason, place, &ending)
        })?;
        Ok(Drops { thread, tracepoint })
    }

    /// Ends it. Copies of packets are left out.
    pub(super) fn end(self) -> Vec<Dropped> {
        let counted = self.thread.end();
        let places = places::names(counted.keys().map(|(_, place)| *place));
        // Several addresses may be in one function.
        let mut drops: BTreeMap<(String, String), Times> = BTreeMap::new();
        for ((reason, place), times) in counted {
            let name = self.tracepoint.reasons.get(&reason).cloned();
            let key = (
                name.unwrap_or_else(|| reason.to_string()),
                places.get(&place).cloned().unwrap_or_default(),
            );
            drops
                .entry(key)
                .or_default()
                .add(times.packets, &times.at_ns);
        }
        drops.retain(|(_, place), _| !COPIES.contains(&place.as_str()));
        let drops = drops.into_iter().map(|((reason, place), mut times)| {
            // Each processor has its own order.
            times.at_ns.sort_unstable();
            Dropped {
                reason,
                place,
                packets: times.packets,
                at_ns: times.at_ns,
            }
        });
        drops.collect()
    }
}

fn count(mut samples: Samples, reason: usize, place: usize, ending: &Ending) -> Counted {
    let mut counted = Counted::new();
    loop {
        let over = ending.within(PERIOD);
        samples.read(|at_ns, fields| {
            let reason = fields.get(reason..).and_then(|rest| rest.first_chunk());
            let place = fields.get(place..).and_then(|rest| rest.first_chunk());
            if let (Some(reason), Some(place)) = (reason, place) {
                let key = (u32::from_ne_bytes(*reason), u64::from_ne_bytes(*place));
                counted.entry(key).or_default().add(1, &[at_ns]);
            }
        });
        if over {
            return counted;
        }
    }
}
