//! flatnet proves that a cluster's pod network is as flat as Kubernetes promises.
//!
//! **For tests of your own: [`testing`]. It is the public surface of this crate, and everything else may change with any version.**
//!
//! The path of one run: [`session`] boots a cluster ([`flatnet_cluster`]), puts a CNI on it ([`cni`]), deploys pods, and has
//! probes gather what they see ([`flatnet_cluster::observe`]) into one value ([`flatnet_model::observations`]).
//! [`flatnet_analysis::checks`] are pure functions from it to a verdict; [`report`] shows them. [`plant`] holds the faults that
//! prove each check can fail; [`cli`] is the command line. [`compare`] puts two runs beside each other, [`sweep`] runs a table of configurations. [`route`] follows a packet on a cluster that runs, [`diagnose`] says
//! why a pod does not run.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod busybox;
pub mod change;
pub mod cli;
pub mod cni;
pub mod compare;
pub mod config;
pub mod consent;
pub mod diagnose;
pub mod events;
pub mod follow;
pub mod live;
pub mod plant;
pub mod programs;
pub mod report;
pub mod route;
pub mod run_id;
pub mod session;
pub mod sweep;
pub mod testing;

pub use flatnet_model::{Error, Interrupt, Result, torn_down};
