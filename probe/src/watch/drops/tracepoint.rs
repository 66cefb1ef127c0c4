//! The tracepoint `skb:kfree_skb`: its number, where its fields lie, and the names of reasons, as tracefs tells them.
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::error::{Error, Result};

/// Where tracefs is mounted usually.
const USUAL: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
/// Folders that it can be mounted over where nobody else sees that.
const PRIVATE: [&str; 4] = ["/sys/kernel/tracing", "/mnt", "/tmp", "/run"];
const EVENT: &str = "events/skb/kfree_skb";

/// What is known of the tracepoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tracepoint {
    /// Its number, for perf_event_open(2).
    pub(super) id: u64,
    /// Offset of the address in the kernel's code where the packet was dropped, 8 bytes.
    pub(super) place: usize,
    /// Offset of the reason, 4 bytes.
    pub(super) reason: usize,
    /// Names of reasons.
    pub(super) reasons: BTreeMap<u32, String>,
}

/// Reads it from tracefs, which is mounted for a moment in a mount namespace of a thread's own where it is not mounted yet.
pub(super) fn read() -> Result<Tracepoint> {
    if let Some(found) = USUAL.iter().find_map(|path| read_in(Path::new(path))) {
        return found;
    }
    let thread = std::thread::spawn(|| {
        let target = mounted().map_err(|errno| Error::system("mount tracefs", errno))?;
        read_in(Path::new(target)).unwrap_or(Err(Error::Kernel("it has no skb:kfree_skb")))
    });
    thread
        .join()
        .unwrap_or(Err(Error::Kernel("tracefs could not be read")))
}

/// Seen by the calling thread only, and gone with it.
fn mounted() -> nix::Result<&'static str> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    let target = PRIVATE.iter().find(|path| Path::new(path).is_dir());
    let target = *target.ok_or(nix::errno::Errno::ENOENT)?;
    mount(
        Some("tracefs"),
        target,
        Some("tracefs"),
        MsFlags::empty(),
        none,
    )?;
    Ok(target)
}

/// `None` where nothing is there.
fn read_in(tracefs: &Path) -> Option<Result<Tracepoint>> {
    let event = tracefs.join(EVENT);
    let format = fs::read_to_string(event.join("format")).ok()?;
    let id = fs::read_to_string(event.join("id"))
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(parse(id, &format).ok_or(Error::Kernel(
        "it tells no reasons for dropped packets (Linux 5.17 and later do)",
    )))
}

/// Lines such as `field:void * location; offset:16; size:8; signed:0;`, and `__print_symbolic(REC->reason, { 2, "NOT_SPECIFIED" }, …)`.
fn parse(id: u64, format: &str) -> Option<Tracepoint> {
    let offset = |field: &str, size: usize| -> Option<usize> {
        let line = format.lines().find(|line| {
            let declared = line
                .trim()
                .strip_prefix("field:")
                .and_then(|rest| rest.split(';').next());
            declared.is_some_and(|declared| declared.ends_with(&format!(" {field}")))
        })?;
        let number = |key: &str| -> Option<usize> {
            line.split(';')
                .find_map(|part| part.trim().strip_prefix(key)?.parse().ok())
        };
        (number("size:")? == size).then(|| number("offset:"))?
    };
    let (_, names) = format.split_once("REC->reason, ")?;
    let reasons = names.split('{').filter_map(|entry| {
        let (number, rest) = entry.split_once(',')?;
        let (_, rest) = rest.split_once('"')?;
        let (name, _) = rest.split_once('"')?;
        Some((number.trim().parse().ok()?, name.to_owned()))
    });
    Some(Tracepoint {
        id,
        place: offset("location", 8)?,
        reason: offset("reason", 4)?,
        reasons: reasons.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: &str = "name: kfree_skb\nID: 2310\nformat:\n\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n\
        \tfield:void * location;\toffset:16;\tsize:8;\tsigned:0;\n\
        \tfield:enum skb_drop_reason reason;\toffset:36;\tsize:4;\tsigned:0;\n\n\
        print fmt: \"location=%pS reason: %s\", REC->location, __print_symbolic(REC->reason, { 2, \"NOT_SPECIFIED\" }, { 16, \"IP_RPFILTER\" })\n";

    #[test]
    fn a_format_tells_offsets_and_names() {
        let read = parse(7, FORMAT).unwrap();
        assert_eq!((read.id, read.place, read.reason), (7, 16, 36));
        let reasons: Vec<_> = read.reasons.into_iter().collect();
        assert_eq!(
            reasons,
            [
                (2, "NOT_SPECIFIED".to_owned()),
                (16, "IP_RPFILTER".to_owned())
            ]
        );
    }

    #[test]
    fn a_kernel_without_reasons_is_not_misread() {
        let before = FORMAT.replace("reason", "protocol");
        assert_eq!(parse(7, &before), None);
        assert_eq!(parse(7, ""), None);
    }
}
