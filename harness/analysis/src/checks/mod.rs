//! The checks: pure functions from observations to a verdict, one file each, and their catalogue.
//!
//! A check reads [`Observations`](flatnet_model::observations::Observations) through [`topology::Topology`], collects what it finds in
//! [`findings::Findings`], and never talks to a cluster. [`catalogue`] lists them all; nothing else names a check's file.
pub mod catalogue;

mod allocation;
mod bridge;
mod callers;
mod calls;
mod changed;
mod cni_config;
mod cross_node;
mod daemonset;
mod dns;
mod duplicates;
mod egress;
mod findings;
mod first_packet;
mod followed;
mod gateway;
mod hairpin;
mod hostport;
mod limits;
mod mtu;
mod no_nat;
mod node_facts;
mod node_routes;
mod nodeport;
mod pod_ip_present;
mod pod_ip_unique;
mod reachability;
pub mod required;
mod same_node;
mod series;
mod service;
mod settings;
mod subnet;
mod topology;
mod veth;

#[cfg(test)]
pub mod tests;

pub use catalogue::{Check, UnknownCheck, all, find};
pub use mtu::{FRAGMENT_COUNTERS, oversized};
pub use no_nat::rewritten;
pub use reachability::{outcomes, representatives, touches};
pub use required::Required;
pub use series::lossy;
pub use topology::{device, device_of, ip_command, is_link_local, own_addresses, route_words};
pub use veth::{BEYOND_MTU, paired};

use flatnet_model::evidence::Deviation;

/// What a check finds, before the catalogue adds which promise it is about.
type Verdict = flatnet_model::verdict::Verdict<Deviation>;
