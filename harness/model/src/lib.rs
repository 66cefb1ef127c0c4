//! What flatnet's parts say to each other, as data: no input or output, no cluster, nothing that runs.
//!
//! In the order of a run: [`reference`] names pods and nodes, [`naming`] finds the one that a person means, [`snapshot`] is what the API says of them, [`kernel`] what a
//! network namespace's kernel says, [`probe`] the questions that the probe answers. [`coverage`] says which pairs are dialled. Gathered, answers are [`observations`] (for the
//! checks; what died is [`follow`]ed), a [`view`] (for `inspect`) or [`symptoms`] (for `diagnose`). What is made of those is a [`verdict`] or
//! a [`diagnosis`], both with [`evidence`] that names [`cause`]s, or an [`inspection`]; two runs are compared by their [`fact`]s.
pub mod advice;
pub mod booted;
pub mod capabilities;
pub mod cause;
pub mod change;
pub mod cni;
pub mod components;
pub mod coverage;
pub mod covering;
pub mod diagnosis;
pub mod error;
pub mod evidence;
pub mod fact;
pub mod follow;
mod ids;
pub mod inspection;
pub mod kernel;
pub mod naming;
pub mod nearest;
pub mod network;
pub mod nodes_file;
pub mod observations;
#[cfg(test)]
mod pages;
pub mod probe;
pub mod quoting;
pub mod reference;
pub mod required;
pub mod reserved;
pub mod rule;
pub mod skip;
pub mod snapshot;
pub mod subject;
pub mod symptoms;
pub mod verdict;
pub mod view;

pub use error::{Error, Interrupt, Result, torn_down};
pub use network::{Family, IpFamily, Protocol, Transport, Underlay};
pub use reference::{Endpoint, Netns, PodRef, Target};
