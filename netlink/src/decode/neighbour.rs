//! RTM_NEWNEIGH, of the neighbour tables and of forwarding databases; RTM_NEWNEIGHTBL.
use crate::uapi::{nda, ndta};
use crate::wire::{find, ip, mac, text, u8_at, u16_at, u32_at, u64_at};
use crate::{FdbEntry, Neighbour, NeighbourTable};

/// Length of `struct ndmsg`.
const NDMSG: usize = 12;
/// Length of `struct ndtmsg`.
const NDTMSG: usize = 4;

/// Skips what `ip neigh` hides: NOARP entries (multicast, loopback) and unused ones.
pub(crate) fn neighbour(payload: &[u8], family: u8, entries: &mut Vec<Neighbour>) -> Option<()> {
    let state = u16_at(payload, 8)?;
    if u8_at(payload, 0)? != family || state == nda::STATE_NONE || state & nda::STATE_NOARP != 0 {
        return Some(());
    }
    let attributes = payload.get(NDMSG..)?;
    entries.push(Neighbour {
        index: u32_at(payload, 4)?,
        address: ip(find(attributes, nda::DST)?)?,
        mac: find(attributes, nda::LLADDR).and_then(mac),
        state: state_name(state),
    });
    Some(())
}

/// Skips entries without an Ethernet address.
pub(crate) fn forwarding(payload: &[u8], entries: &mut Vec<FdbEntry>) -> Option<()> {
    let attributes = payload.get(NDMSG..)?;
    let Some(mac) = find(attributes, nda::LLADDR).and_then(mac) else {
        return Some(());
    };
    entries.push(FdbEntry {
        index: u32_at(payload, 4)?,
        mac,
        dst: find(attributes, nda::DST).and_then(ip),
        master: find(attributes, nda::MASTER).and_then(|value| u32_at(value, 0)),
        state: state_name(u16_at(payload, 8)?),
    });
    Some(())
}

/// Skips the parameters that each interface has for itself: they come without statistics.
pub(crate) fn table(payload: &[u8], tables: &mut Vec<NeighbourTable>) -> Option<()> {
    let attributes = payload.get(NDTMSG..)?;
    let Some(statistics) = find(attributes, ndta::STATS) else {
        return Some(());
    };
    tables.push(NeighbourTable {
        name: text(find(attributes, ndta::NAME)?),
        overflows: u64_at(statistics, ndta::TABLE_FULLS)?,
    });
    Some(())
}

/// NUD_* bits in the words of `ip neigh`; an entry has one of them.
fn state_name(state: u16) -> String {
    let name = match state {
        nda::STATE_NONE => "NONE",
        0x01 => "INCOMPLETE",
        0x02 => "REACHABLE",
        0x04 => "STALE",
        0x08 => "DELAY",
        0x10 => "PROBE",
        0x20 => "FAILED",
        nda::STATE_NOARP => "NOARP",
        nda::STATE_PERMANENT => "PERMANENT",
        other => return format!("{other:#x}"),
    };
    name.to_owned()
}
