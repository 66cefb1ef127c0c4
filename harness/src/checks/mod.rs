//! The checks: pure functions from observations to a verdict, one file each, and their catalogue.
//!
//! A check reads [`Observations`](crate::observe::Observations) through [`topology::Topology`], collects what it finds in
//! [`findings::Findings`], and never talks to a cluster. [`catalogue`] lists them all; nothing else names a check's file.
pub mod catalogue;

mod bridge;
mod calls;
mod cni_config;
mod cross_node;
mod daemonset;
mod dns;
mod egress;
mod findings;
mod gateway;
mod hairpin;
mod hostport;
mod mtu;
mod no_nat;
mod node_routes;
mod nodeport;
mod pod_ip_present;
mod pod_ip_unique;
mod reachability;
mod same_node;
mod service;
mod subnet;
mod topology;
mod veth;

#[cfg(test)]
pub(crate) mod tests;

use serde::{Deserialize, Serialize};

pub use catalogue::{Check, UnknownCheck, all, find};
pub(crate) use findings::{count, listed, look};
pub(crate) use reachability::outcomes;
pub(crate) use topology::{
    device, device_of, ip_command, is_link_local, own_addresses, route_words,
};
pub(crate) use veth::paired;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// The promise holds; what was seen, in short lines.
    Pass {
        /// For example `72 of 72 ordered pairs over tcp, udp, icmp`.
        facts: Vec<String>,
    },
    /// The promise is broken.
    Fail {
        /// At least one.
        evidence: Vec<Evidence>,
    },
    /// The question does not arise here.
    Skip {
        /// Why, in words a reader can act on.
        reason: String,
    },
    /// It could not be measured: neither pass nor fail.
    Broken {
        /// What went wrong while measuring, with causes.
        error: String,
    },
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Who and what: names pods, nodes, addresses, transports.
    pub what: String,
    /// What should have been seen.
    pub expected: String,
    /// What was.
    pub observed: String,
    /// The node whose row or column is red, or whose configuration is wrong, where the observations single one out.
    pub culprit: Option<String>,
    /// The likely cause, in one sentence.
    pub cause: Option<String>,
    /// The command a person types to see it; works with busybox alone (`flatnet exec busybox-1 -- ip route`).
    pub look: String,
}

impl Verdict {
    /// `pass`, `fail`, `skip` or `broken`: the tag of the JSON form.
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Pass { .. } => "pass",
            Verdict::Fail { .. } => "fail",
            Verdict::Skip { .. } => "skip",
            Verdict::Broken { .. } => "broken",
        }
    }
}
