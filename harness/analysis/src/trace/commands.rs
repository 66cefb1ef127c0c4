//! Commands with which a person sees a hop for themselves, on the namespace where it is.
use std::net::IpAddr;

use crate::checks::ip_command;

/// The routing decision about a packet: its own kernel's, or that about one that comes in by `iif`.
pub(super) fn route_get(
    to: IpAddr,
    from: Option<IpAddr>,
    iif: Option<&str>,
    oif: Option<&str>,
) -> String {
    let mut command = format!("{} route get {to}", ip_command(to));
    if let (Some(from), Some(iif)) = (from, iif) {
        command.push_str(&format!(" from {from} iif {iif}"));
    }
    if let Some(oif) = oif {
        command.push_str(&format!(" oif {oif}"));
    }
    command
}

/// Neighbours on a device.
pub(super) fn neighbours(device: &str, of: IpAddr) -> String {
    format!("{} neigh show dev {device}", ip_command(of))
}

/// A device.
pub(super) fn link(device: &str) -> String {
    format!("ip link show {device}")
}

/// The forwarding database of a bridge.
pub(super) fn bridge_fdb(bridge: &str) -> String {
    format!("bridge fdb show br {bridge}")
}

/// The forwarding database of a VXLAN device.
pub(super) fn vxlan_fdb(device: &str) -> String {
    format!("bridge fdb show dev {device}")
}

/// The addresses of a namespace.
pub(super) fn addresses() -> String {
    "ip addr".to_owned()
}

/// The routes of a namespace, of the family of an address.
pub(super) fn routes(of: IpAddr) -> String {
    format!("{} route", ip_command(of))
}

/// A setting, by its path below `/proc/sys/net`. A small busybox has no `sysctl`.
pub(super) fn sysctl(path: &str) -> String {
    format!("cat /proc/sys/net/{path}")
}
