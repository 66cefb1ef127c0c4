//! For tests of others: a CNI's own repository boots a cluster, puts its CNI on it, and asserts what holds there.
//!
//! This module is the public surface of the crate, and what is said here stays. **Everything else in this crate may change with any
//! version**: it is for flatnet's own command line and suites.
//!
//! ```no_run
//! use flatnet::testing::Cluster;
//!
//! #[test]
//! fn pods_keep_their_ip() {
//!     let lab = Cluster::lab().nodes(2).cni("my.conflist").cni_bin("target/debug").boot();
//!     let (a, b) = (lab.node("node1").pod(1), lab.node("node2").pod(1));
//!     a.reaches(&b).without_nat();
//!     lab.check("pod-ip-unique");
//!     lab.matches_baseline("tests/my-cni.yaml");
//! }
//! ```
//!
//! * [`Options`] say which cluster: [`Cluster::lab`] (namespaces of this machine, ready in less than a second) or [`Cluster::kind`].
//!   What they leave open, `FLATNET_*` variables choose, with the names of `flatnet test`'s options.
//! * [`Cluster`] is deleted when it is dropped, also by a panic, a Ctrl-C, or a `kill -9` of the test program. `FLATNET_KEEP=true` keeps it for
//!   the commands that evidence names.
//! * [`Node`] and [`Pod`] tell what they have, and run commands.
//! * [`Cluster::change`] gives the cluster another CNI configuration while [`Streams`] run between its pods.
//! * Assertions panic with evidence: pods, nodes, what was expected and seen, the cause where it was found, the command that shows it.
//!
//! Everything is synchronous: plain `#[test]` functions, or a fixture of [rstest](https://docs.rs/rstest) that a test takes with `#[by_ref]`.
//! Clusters have names and addresses of their own, so tests run side by side.
//!
//! flatnet's programs (`flatnet-lab`, `flatnet-probe`, …) are looked for where `FLATNET_PROGRAMS` says, beside the test program, and
//! beside the `flatnet` on `PATH`; they must be of this crate's version.
mod change;
mod cluster;
mod evidence;
mod facts;
mod inside;
mod nodes_and_pods;
mod options;
mod reach;
mod routes;
mod streams;

pub use change::{Change, Changed};
pub use cluster::Cluster;
pub use evidence::Output;
pub use facts::Fact;
pub use ipnet::IpNet;
pub use nodes_and_pods::{Node, Pod};
pub use options::Options;
pub use reach::Reached;
pub use routes::Route;
pub use streams::Streams;
