//! flatnet proves that a cluster's pod network is as flat as Kubernetes promises.
//!
//! The path of one run: [`session`] boots a cluster ([`cluster`]), puts a CNI on it ([`cni`]), deploys pods, starts one probe
//! in each, and gathers what they see into one value ([`observe`]). [`checks`] are pure functions from those observations to a
//! [`Verdict`]; [`report`] shows them. [`plant`] holds the faults that prove each check can fail; [`cli`] is the command line.
//! [`inspect`] answers questions about a cluster that runs, [`diagnose`] says why a pod does not run.
pub mod checks;
pub mod cli;
pub mod cluster;
pub mod cni;
pub mod diagnose;
mod error;
pub mod inspect;
mod nearest;
pub mod observe;
pub mod plant;
pub mod report;
pub mod session;

pub use checks::Verdict;
pub use error::{Error, Result};
