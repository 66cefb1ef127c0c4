//! Faults of the lab. Node and pod numbers count from 1; with the default pods, busybox-N is on node ((N-1) mod nodes)+1.
mod addresses;
mod devices;
mod files;
mod filters;
mod holders;
mod iptables;
mod neighbours;
mod next_hops;
mod packets;
mod pod_filters;
mod rewrites;
mod routes;
mod settings;
mod sizes;
mod wire;
mod wiring;

use ipnet::IpNet;

use super::lab_context::host;
use super::says::{may_be, seen};
use super::{ANY, DUAL, Fault, Moment, ROUTED_IPV6, ROUTES, Recipe, Step, VXLAN, Who};

const BRIDGE: &str = "cni0";
const UPLINK: &str = "eth0";

/// All of them, in the order of the catalogue of checks.
pub(super) fn faults() -> impl Iterator<Item = &'static Fault> + Clone {
    let of_netlink = [addresses::FAULTS, packets::FAULTS, wiring::FAULTS];
    let of_shell = [
        holders::FAULTS,
        filters::FAULTS,
        pod_filters::FAULTS,
        iptables::FAULTS,
        rewrites::FAULTS,
        sizes::FAULTS,
        devices::FAULTS,
        wire::FAULTS,
        routes::FAULTS,
        next_hops::FAULTS,
        neighbours::FAULTS,
        settings::FAULTS,
        files::FAULTS,
    ];
    of_netlink.into_iter().chain(of_shell).flatten()
}

fn same_family(a: &IpNet, b: &IpNet) -> bool {
    a.addr().is_ipv4() == b.addr().is_ipv4()
}
