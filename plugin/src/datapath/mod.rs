//! Configures the kernel: a veth pair between the pod and the bridge, addresses, routes and neighbours.
mod add;
mod bridge;
mod check;
mod del;
mod living;
mod names;
mod netns;
mod routes;
mod sysctl;

pub(crate) use add::add;
pub(crate) use bridge::{BRIDGE_KIND, masquerade, missing_gateways};
pub(crate) use check::check;
pub(crate) use del::{del, forget_neighbours};
pub(crate) use living::living;
pub(crate) use names::HostEnd;
pub(crate) use sysctl::forwarding;
