//! Faults of the lab. Node and pod numbers count from 1; with the default pods, busybox-N is on node ((N-1) mod nodes)+1.
mod addresses;
mod packets;
mod wiring;

use std::net::IpAddr;

use ipnet::{IpAdd, IpNet};

use super::{Fault, Moment, Recipe, Step};
use crate::{Error, Result};

const BRIDGE: &str = "cni0";
const UPLINK: &str = "eth0";

/// All of them, in the order of the catalogue of checks.
pub(super) fn faults() -> impl Iterator<Item = &'static Fault> + Clone {
    [addresses::FAULTS, packets::FAULTS, wiring::FAULTS]
        .into_iter()
        .flatten()
}

fn same_family(a: &IpNet, b: &IpNet) -> bool {
    a.addr().is_ipv4() == b.addr().is_ipv4()
}

/// The address of that number in a range.
fn host(range: IpNet, number: u8) -> Result<IpAddr> {
    let address = match range.network() {
        IpAddr::V4(base) => IpAddr::V4(base.saturating_add(number.into())),
        IpAddr::V6(base) => IpAddr::V6(base.saturating_add(number.into())),
    };
    if range.contains(&address) {
        Ok(address)
    } else {
        Err(Error::Failed(format!(
            "{range} has no address number {number}"
        )))
    }
}
