//! What the kernel is told: a veth pair, its far end inside the pod, its near end on the bridge.
mod add;
mod bridge;
mod check;
mod del;
mod names;
mod netns;
mod sysctl;

pub(crate) use add::add;
pub(crate) use bridge::{BRIDGE_KIND, missing_gateways};
pub(crate) use check::check;
pub(crate) use del::{del, forget_neighbours};
pub(crate) use names::HostEnd;
pub(crate) use sysctl::forwarding;
