//! Nodes and pods: what they have, and commands on them.
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use flatnet_analysis::words::all;
use flatnet_cluster::status;
use flatnet_model::Target;
use flatnet_model::snapshot::{NodeSnapshot, PodSnapshot};
use ipnet::IpNet;

use super::evidence::Output;
use super::inside::{Inside, or_panic};
use super::reach::{self, Reached};
use super::routes::{self, Route};
use super::streams::Streams;
use crate::Result;

/// A node of a cluster.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    inside: &'a Inside,
    object: &'a NodeSnapshot,
}

impl<'a> Node<'a> {
    pub(super) fn new(inside: &'a Inside, object: &'a NodeSnapshot) -> Self {
        Node { inside, object }
    }

    /// Its name.
    pub fn name(&self) -> &'a str {
        &self.object.name
    }

    /// Its InternalIPs, as the API has them.
    pub fn ips(&self) -> &'a [IpAddr] {
        &self.object.internal_ips
    }

    /// Its podCIDRs, as the API has them now: [`Cluster::change`](super::Cluster::change) may move them.
    ///
    /// # Panics
    /// Where the API does not answer, or the node is gone.
    #[track_caller]
    pub fn pod_cidrs(&self) -> Vec<IpNet> {
        let nodes = or_panic(self.inside.run(async |looked| {
            let nodes = looked.session.cluster().nodes().await?;
            nodes.iter().map(status::node).collect::<Result<Vec<_>>>()
        }));
        let own = nodes.into_iter().find(|node| node.name == self.name());
        match own {
            Some(node) => node.pod_cidrs,
            None => panic!("node {self} is not in the cluster any more"),
        }
    }

    /// The pods on it that have a network of their own.
    pub fn pods(&self) -> Vec<Pod<'a>> {
        let pods = self.inside.session.pods().iter();
        let own = pods.filter(|pod| !pod.host_network && pod.node == self.name());
        own.map(|pod| Pod::new(self.inside, pod)).collect()
    }

    /// The first of them is 1.
    ///
    /// # Panics
    /// Where there are not as many.
    #[track_caller]
    pub fn pod(&self, number: usize) -> Pod<'a> {
        let pods = self.pods();
        let there = match pods.len() {
            1 => "1 pod with a network of its own".to_owned(),
            count => format!("{count} pods with networks of their own"),
        };
        let found = pods.into_iter().nth(number.wrapping_sub(1));
        let Some(pod) = found else {
            panic!("{self} has {there}, and no pod {number}; the first is 1")
        };
        pod
    }

    /// Routes of its main table, as they are now.
    ///
    /// # Panics
    /// Where they cannot be read.
    #[track_caller]
    pub fn routes(&self) -> Vec<Route> {
        or_panic(routes::of(self.inside, &self.target()))
    }

    /// Fails unless it has a route to `to` by the next hop `via`.
    ///
    /// # Panics
    /// Where it has none, with those that it has.
    #[track_caller]
    pub fn has_route(&self, to: IpNet, via: IpAddr) {
        let routes = self.routes();
        if routes
            .iter()
            .any(|route| route.to == to && route.via == Some(via))
        {
            return;
        }
        let same: Vec<&Route> = routes.iter().filter(|route| route.to == to).collect();
        let observed = match same.is_empty() {
            false => all(same, "; "),
            true => format!("none to {to}; there are {}", all(&routes, "; ")),
        };
        let family = if to.addr().is_ipv6() { "-6 " } else { "" };
        panic!(
            "node {self} does not have the route\n  expected  {to} via {via}\n  observed  {observed}\n  look      flatnet exec {self} -- ip {family}route"
        )
    }

    /// Runs a line of shell on it; returns what that wrote to standard output.
    ///
    /// # Panics
    /// Where the line ends with another exit code than 0, with what it wrote.
    #[track_caller]
    pub fn exec(&self, line: &str) -> String {
        exec(self.inside, &self.target(), line)
    }

    /// As [`Node::exec`], for a line that may fail.
    ///
    /// # Panics
    /// Where no command runs there.
    #[track_caller]
    pub fn output(&self, line: &str) -> Output {
        output(self.inside, &self.target(), line)
    }

    fn target(&self) -> Target {
        Target::Node(self.object.name.clone())
    }
}

impl fmt::Display for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Node").field(&self.name()).finish()
    }
}

/// A pod of a cluster.
#[derive(Clone, Copy)]
pub struct Pod<'a> {
    inside: &'a Inside,
    object: &'a PodSnapshot,
}

impl<'a> Pod<'a> {
    pub(super) fn new(inside: &'a Inside, object: &'a PodSnapshot) -> Self {
        Pod { inside, object }
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
    ///
    /// # Panics
    /// Where that is none that can be looked at.
    #[track_caller]
    pub fn node(&self) -> Node<'a> {
        let mut nodes = self.inside.nodes.iter();
        let Some(node) = nodes.find(|node| node.name == self.object.node) else {
            panic!(
                "{self} is on {}, which cannot be looked at",
                self.object.node
            )
        };
        Node::new(self.inside, node)
    }

    /// Its addresses, as the API has them now.
    ///
    /// # Panics
    /// Where the pod is gone.
    #[track_caller]
    pub fn ips(&self) -> Vec<IpAddr> {
        let now = self.inside.run(async |looked| {
            let pod = looked
                .session
                .cluster()
                .wait_pod(&self.object.reference, Duration::ZERO);
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
        or_panic(routes::of(self.inside, &self.target()))
    }

    /// Fails unless `other` answers over TCP, UDP and ICMP at each of its addresses, and it is really `other` that answers.
    ///
    /// # Panics
    /// With what both ends saw, the cause where it was found, and the command that shows it; also where a probe could not run.
    #[track_caller]
    pub fn reaches(&self, other: &Pod<'a>) -> Reached<'a> {
        or_panic(reach::reaches(self.inside, self.object, other.object))
    }

    /// Opens streams to `other`: over TCP and UDP, to each of its addresses, a number every 10 ms that `other` sends back. They run until
    /// the first assertion about them: [`Changed::keeps`](super::Changed::keeps), [`Streams::are_kept`].
    ///
    /// # Panics
    /// Where one cannot be opened, with why.
    #[track_caller]
    pub fn streams_to(&self, other: &Pod<'_>) -> Streams<'a> {
        or_panic(Streams::open(self.inside, self.object, other.object))
    }

    /// Runs a line of shell in it; returns what that wrote to standard output.
    ///
    /// # Panics
    /// Where the line ends with another exit code than 0, with what it wrote.
    #[track_caller]
    pub fn exec(&self, line: &str) -> String {
        exec(self.inside, &self.target(), line)
    }

    /// As [`Pod::exec`], for a line that may fail.
    ///
    /// # Panics
    /// Where no command runs there.
    #[track_caller]
    pub fn output(&self, line: &str) -> Output {
        output(self.inside, &self.target(), line)
    }

    fn target(&self) -> Target {
        Target::Pod(self.object.reference.clone())
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
            .field(&self.object.reference.to_string())
            .finish()
    }
}

#[track_caller]
pub(super) fn output(inside: &Inside, target: &Target, line: &str) -> Output {
    let argv = ["sh", "-c", line].map(str::to_owned);
    let done = inside.run(async |looked| {
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
pub(super) fn exec(inside: &Inside, target: &Target, line: &str) -> String {
    let done = output(inside, target, line);
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
