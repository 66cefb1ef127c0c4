//! Sysctls of the calling thread's network namespace, under /proc/sys.
use std::fs;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use nix::errno::Errno;

use crate::error::{Error, Result};
use crate::ipam::Pools;

/// IPv4 forwarding of the whole node.
const FORWARD_V4: &str = "net/ipv4/ip_forward";
/// IPv6 forwarding of the whole node.
const FORWARD_V6: &str = "net/ipv6/conf/all/forwarding";

/// Sets a sysctl. Reads it first, because a file that is right already may be read-only.
pub(super) fn ensure(key: &str, value: &str) -> Result<()> {
    if read(key).map_err(Error::io(format!("read sysctl {key}")))? == value {
        return Ok(());
    }
    fs::write(path(key), value).map_err(|error| {
        let read_only = error.raw_os_error() == Some(Errno::EROFS as i32);
        let hint = if read_only {
            " (/proc/sys is read-only here: set it on the host)"
        } else {
            ""
        };
        Error::io(format!("set sysctl {key} to {value}{hint}"))(error)
    })
}

/// The forwarding sysctl of each family of the network, and whether it is on.
pub(crate) fn forwarding(pools: &Pools) -> Result<Vec<(&'static str, bool)>> {
    let keys = [(FORWARD_V4, false), (FORWARD_V6, true)];
    let wanted = keys
        .into_iter()
        .filter(|(_, v6)| pools.ranges().any(|range| range.is_v6() == *v6));
    wanted
        .map(|(key, _)| match read(key) {
            Ok(value) => Ok((key, value != "0")),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok((key, false)),
            Err(error) => Err(Error::io(format!("read sysctl {key}"))(error)),
        })
        .collect()
}

/// Enables routing between the node's pods. Packets leave through the bridge by which they came in, on purpose, so ICMP
/// redirects are disabled: they would make pods resolve each other. (IPv6 has no such sysctl; it sends redirects only from
/// link-local addresses, and the bridge has none.)
pub(super) fn ensure_router(bridge: &str, pools: &Pools) -> Result<()> {
    ensure("net/ipv4/conf/all/send_redirects", "0")?;
    ensure(&format!("net/ipv4/conf/{bridge}/send_redirects"), "0")?;
    forwarding(pools)?
        .into_iter()
        .filter(|(_, on)| !on)
        .try_for_each(|(key, _)| ensure(key, "1"))
}

fn read(key: &str) -> io::Result<String> {
    Ok(fs::read_to_string(path(key))?.trim_end().to_owned())
}

/// Keys use slashes, because interface names may contain dots.
fn path(key: &str) -> PathBuf {
    PathBuf::from("/proc/sys").join(key)
}
