//! A pod.
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use flatnet_cluster::status;
use flatnet_model::snapshot::PodSnapshot;
use flatnet_model::{PodRef, Target};

use super::cluster::or_panic;
use super::reach::{self, Reached};
use super::{Cluster, Node, Output, Route, routes};

/// A pod of a [`Cluster`].
#[derive(Clone, Copy)]
pub struct Pod<'a> {
    cluster: &'a Cluster,
    object: &'a PodSnapshot,
}

impl<'a> Pod<'a> {
    pub(super) fn new(cluster: &'a Cluster, object: &'a PodSnapshot) -> Self {
        Pod { cluster, object }
    }

    /// Its name.
    pub fn name(&self) -> &'a str {
        &self.object.reference.name
    }

    /// Its namespace.
    pub fn namespace(&self) -> &'a str {
        &self.object.reference.namespace
    }

    /// The node that it is on.
    pub fn node(&self) -> Node<'a> {
        self.cluster.node(&self.object.node)
    }

    /// Its addresses, as the API has them now.
    ///
    /// # Panics
    /// Where the pod is gone.
    #[track_caller]
    pub fn ips(&self) -> Vec<IpAddr> {
        let now = self.cluster.run(async |looked| {
            let pod = looked
                .session
                .cluster()
                .wait_pod(self.reference(), Duration::ZERO);
            status::pod(&pod.await?)
        });
        or_panic(now).ips
    }

    /// Routes of its main table, as they are now.
    ///
    /// # Panics
    /// Where they cannot be read.
    #[track_caller]
    pub fn routes(&self) -> Vec<Route> {
        or_panic(routes::of(self.cluster, &self.target()))
    }

    /// Fails unless `other` answers over TCP, UDP and ICMP at each of its addresses, and it is really `other` that answers.
    ///
    /// # Panics
    /// With what both ends saw, the cause where it was found, and the command that shows it; also where a probe could not run.
    #[track_caller]
    pub fn reaches(&self, other: &Pod<'a>) -> Reached<'a> {
        or_panic(reach::reaches(self.cluster, *self, *other))
    }

    /// Runs a line of shell in it; returns what that wrote to standard output.
    ///
    /// # Panics
    /// Where the line ends with another exit code than 0, with what it wrote.
    #[track_caller]
    pub fn exec(&self, line: &str) -> String {
        exec(self.cluster, &self.target(), line)
    }

    /// As [`Pod::exec`], for a line that may fail.
    ///
    /// # Panics
    /// Where no command runs there.
    #[track_caller]
    pub fn output(&self, line: &str) -> Output {
        output(self.cluster, &self.target(), line)
    }

    pub(super) fn reference(&self) -> &'a PodRef {
        &self.object.reference
    }

    fn target(&self) -> Target {
        Target::Pod(self.reference().clone())
    }
}

impl fmt::Display for Pod<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Pod<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pod")
            .field(&self.reference().to_string())
            .finish()
    }
}

#[track_caller]
pub(super) fn output(cluster: &Cluster, target: &Target, line: &str) -> Output {
    let argv = ["sh", "-c", line].map(str::to_owned);
    let done = cluster.run(async |looked| {
        let handle = looked.session.cluster();
        handle.exec(target, &argv, b"").await
    });
    let done = or_panic(done);
    Output {
        code: done.code,
        stdout: done.stdout,
        stderr: done.stderr,
    }
}

#[track_caller]
pub(super) fn exec(cluster: &Cluster, target: &Target, line: &str) -> String {
    let done = output(cluster, target, line);
    if done.code != 0 {
        let Output {
            code,
            stdout,
            stderr,
        } = done;
        panic!("on {target}, {line:?} ended with exit code {code}\n{stdout}{stderr}")
    }
    done.stdout
}
