//! Netfilter's trace of probes' packets, read by a thread while the session goes on.
use std::collections::HashMap;

use flatnet_model::probe::watch::{Met, RuleStep};
use flatnet_netlink::nft::{RuleText, Trace, TraceBy, TraceEvent, TracePacket, family_name};
use flatnet_netlink::{Nft, Route};
use nix::errno::Errno;

use super::background::{Background, Ending};
use super::devices::Devices;
use super::packet::{Wanted, traced};
use crate::error::Result;
use crate::message::MAGIC;

/// Steps that are kept.
const MOST_STEPS: usize = 20_000;

/// Packets are being traced; dropping it ends that, and the table goes with it.
pub(super) struct Rules {
    thread: Background<(Vec<TraceEvent>, u64)>,
    wanted: Wanted,
    table: String,
    /// Why rules of devices are not traced, where they are not.
    blind_at_devices: Option<String>,
}

/// What packets met.
#[derive(Default)]
pub(super) struct Steps {
    pub(super) steps: Vec<RuleStep>,
    /// Messages of the kernel that found no room.
    pub(super) missed: u64,
}

impl Rules {
    /// Adds the table, and begins. Needs CAP_NET_ADMIN in this namespace.
    pub(super) fn start(table: &str, wanted: Wanted) -> Result<Self> {
        let ports: Vec<u16> = wanted.ports.iter().copied().collect();
        let mut route = Route::open()?;
        let devices = || {
            let links = route.links()?;
            Ok(links.into_iter().map(|link| link.name).collect())
        };
        let trace = Trace::start(table, &ports, *MAGIC, devices)?;
        let blind_at_devices = trace.at_devices().as_ref().err().map(ToString::to_string);
        let thread = Background::start("rules", |ending| read(trace, &ending))?;
        Ok(Rules {
            thread,
            wanted,
            table: table.to_owned(),
            blind_at_devices,
        })
    }

    /// Why rules of family `netdev` are not traced, where they are not although the kernel has them.
    pub(super) fn blind_at_devices(&self) -> Option<String> {
        self.blind_at_devices.clone()
    }

    /// Ends it; the table is gone then. Rules are told in words where they are still there.
    pub(super) fn end(self) -> Steps {
        let (events, missed) = self.thread.end();
        Steps {
            steps: steps(events, &self.table, &self.wanted),
            missed,
        }
    }
}

/// Reads until the end, and then what is there.
fn read(mut trace: Trace, ending: &Ending) -> (Vec<TraceEvent>, u64) {
    let (mut events, mut missed) = (Vec::new(), 0);
    loop {
        let over = ending.awaited(trace.as_fd());
        loop {
            match trace.receive() {
                Ok(more) => {
                    let room = MOST_STEPS - events.len();
                    missed += more.len().saturating_sub(room) as u64;
                    events.extend(more.into_iter().take(room));
                }
                Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => missed += 1,
                Err(_) => break,
            }
            if missed > MOST_STEPS as u64 {
                return (events, missed);
            }
        }
        if over {
            return (events, missed);
        }
    }
}

/// Those of the table that has packets traced only show what they are.
fn steps(events: Vec<TraceEvent>, own: &str, wanted: &Wanted) -> Vec<RuleStep> {
    let mut texts = Texts {
        nft: Nft::open().ok(),
        known: HashMap::new(),
    };
    let mut devices = Devices::default();
    // The headers come with the first rule of a base chain; a chain that ends in its policy may have none.
    let mut packets: HashMap<u32, TracePacket> = HashMap::new();
    let mut step = |event: TraceEvent| {
        if let Some(packet) = event.packet.clone() {
            packets.insert(event.id, packet);
        }
        if event.table == own {
            return None;
        }
        let packet = packets.get(&event.id);
        let mut device = |index: Option<u32>| index.map(|index| devices.name(index).to_owned());
        Some(RuleStep {
            id: event.id,
            family: family_name(event.family).into_owned(),
            met: match event.by {
                TraceBy::Rule(handle) => {
                    let said = texts.of(&event, handle);
                    Met::Rule {
                        handle,
                        rewrites: said.iter().flat_map(|said| said.rewrites.clone()).collect(),
                        text: said.map(|said| said.text),
                    }
                }
                TraceBy::Policy => Met::Policy,
                TraceBy::Return => Met::Return,
            },
            iif: device(packet.and_then(|packet| packet.iif)),
            oif: device(packet.and_then(|packet| packet.oif)),
            packet: packet.and_then(|packet| traced(&packet.network, &packet.transport, wanted)),
            mark: event.mark,
            table: event.table,
            chain: event.chain,
            verdict: event.verdict,
        })
    };
    events.into_iter().filter_map(&mut step).collect()
}

/// Rules in words, each asked for once.
struct Texts {
    nft: Option<Nft>,
    known: HashMap<(u8, String, String, u64), Option<RuleText>>,
}

impl Texts {
    fn of(&mut self, event: &TraceEvent, handle: u64) -> Option<RuleText> {
        let key = (
            event.family,
            event.table.clone(),
            event.chain.clone(),
            handle,
        );
        let nft = self.nft.as_mut();
        self.known
            .entry(key)
            .or_insert_with(|| {
                let text = nft?.rule_text(event.family, &event.table, &event.chain, handle);
                text.ok().flatten()
            })
            .clone()
    }
}
