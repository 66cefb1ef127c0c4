//! A node.
use std::fmt;
use std::net::IpAddr;

use flatnet_analysis::words::all;
use flatnet_model::Target;
use flatnet_model::snapshot::NodeSnapshot;
use ipnet::IpNet;

use super::cluster::or_panic;
use super::pod::{self, Pod};
use super::{Cluster, Output, Route, routes};

/// A node of a [`Cluster`].
#[derive(Clone, Copy)]
pub struct Node<'a> {
    cluster: &'a Cluster,
    object: &'a NodeSnapshot,
}

impl<'a> Node<'a> {
    pub(super) fn new(cluster: &'a Cluster, object: &'a NodeSnapshot) -> Self {
        Node { cluster, object }
    }

    /// Its name.
    pub fn name(&self) -> &'a str {
        &self.object.name
    }

    /// Its InternalIPs, as the API has them.
    pub fn ips(&self) -> &'a [IpAddr] {
        &self.object.internal_ips
    }

    /// Its podCIDRs, as the API has them.
    pub fn pod_cidrs(&self) -> &'a [IpNet] {
        &self.object.pod_cidrs
    }

    /// The pods on it that have a network of their own.
    pub fn pods(&self) -> Vec<Pod<'a>> {
        let mut pods = self.cluster.pods();
        pods.retain(|pod| pod.node().name() == self.name());
        pods
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
        or_panic(routes::of(self.cluster, &self.target()))
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
        pod::exec(self.cluster, &self.target(), line)
    }

    /// As [`Node::exec`], for a line that may fail.
    ///
    /// # Panics
    /// Where no command runs there.
    #[track_caller]
    pub fn output(&self, line: &str) -> Output {
        pod::output(self.cluster, &self.target(), line)
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
