//! The devices that packets pass.
use flatnet_model::Family;
use flatnet_model::fact::{Kind, Place, Value};
use flatnet_model::observations::{Observations, ObservedPod};

use super::collect::Collected;
use super::roles::Roles;
use super::whose::Whose;
use crate::trace::model::{Direction, Ending, Hop, Netns, Step};
use crate::trace::{Kernels, ObservedNetwork, Request, Trace, trace};

/// Clusters of more nodes have a path from each node to the next only: their number grows with the square of that of nodes.
const ALL_PATHS: usize = 12;

/// A cluster, indexed for any number of walks.
pub(crate) struct Paths<'a> {
    roles: Roles<'a>,
    whose: Whose<'a>,
    network: ObservedNetwork,
}

impl<'a> Paths<'a> {
    /// Of the observed cluster.
    pub(crate) fn of(observations: &'a Observations) -> Self {
        let roles = Roles::of(observations);
        let whose = Whose::of(observations, &roles);
        Paths::indexed(observations, roles, whose)
    }

    /// Of a cluster with an index of who is who.
    pub(super) fn indexed(
        observations: &'a Observations,
        roles: Roles<'a>,
        whose: Whose<'a>,
    ) -> Self {
        Paths {
            roles,
            whose,
            network: network(observations),
        }
    }

    pub(super) fn facts(&self, facts: &mut Collected) {
        let nodes: Vec<u32> = self.roles.nodes().map(|(number, _)| number).collect();
        for (at, from) in nodes.iter().enumerate() {
            let all = nodes.len() <= ALL_PATHS;
            let next = (at + 1) % nodes.len();
            let others = nodes.iter().enumerate().filter(|(n, _)| all || *n == next);
            for (_, to) in others {
                let Some((client, server)) = pair(*from, *to, &self.roles) else {
                    continue;
                };
                for family in [Family::V4, Family::V6] {
                    let Some(trace) = between(&self.network, client, server, family) else {
                        continue;
                    };
                    let about = (Kind::Path, family.to_string());
                    let nodes = (Place::Node(*from), Place::Node(*to));
                    let value = Value::List(hops(&trace, (*from, *to), &self.roles, &self.whose));
                    facts.add(about, nodes, value, None);
                }
            }
        }
    }

    /// The hops of a packet from one place to another, in that family; of nodes those of their first pods.
    pub(crate) fn hops(&self, from: Place, to: Place, family: Family) -> Option<Vec<String>> {
        let nodes = (from.node()?, to.node()?);
        let first = pair(nodes.0, nodes.1, &self.roles);
        let client = self.roles.at(from).or(first.map(|(client, _)| client))?;
        let server = self.roles.at(to).or(first.map(|(_, server)| server))?;
        let trace = between(&self.network, client, server, family)?;
        Some(hops(&trace, nodes, &self.roles, &self.whose))
    }
}

/// What a walk of packets is made of.
fn network(observations: &Observations) -> ObservedNetwork {
    ObservedNetwork {
        nodes: observations.nodes.clone(),
        pods: observations.pods.clone(),
        // It is looked at only where packets died.
        wire: None,
    }
}

/// The first pods of two nodes; of one node its first two.
fn pair<'a>(from: u32, to: u32, roles: &Roles<'a>) -> Option<(&'a ObservedPod, &'a ObservedPod)> {
    let client = roles.networked_on(from).next()?;
    let server = roles.networked_on(to).nth(usize::from(from == to))?;
    Some((client, server))
}

/// The walk of a packet of one pod to another, in that family.
fn between(
    network: &ObservedNetwork,
    client: &ObservedPod,
    server: &ObservedPod,
    family: Family,
) -> Option<Trace> {
    let mut ips = server.object.ips.iter();
    let destination = *ips.find(|ip| Family::of(**ip) == family)?;
    let request = Request {
        from: Netns::Pod(client.reference().clone()),
        destination,
        wanted: Some(Netns::Pod(server.reference().clone())),
        rewrite: None,
        carries: None,
        marks: Default::default(),
    };
    Some(trace(network, &Kernels::default(), &request).0)
}

fn hops(trace: &Trace, nodes: (u32, u32), roles: &Roles<'_>, whose: &Whose<'_>) -> Vec<String> {
    let hops = trace.hops.iter().map(|hop| {
        let way = match hop.direction {
            Direction::In => "in by",
            Direction::Out => "out by",
        };
        let device = device(hop, roles, whose);
        let tunnel = match &hop.step {
            Step::Encapsulated { vni, port, .. } => {
                format!(" (VXLAN, vni {vni}, port {port})")
            }
            _ => String::new(),
        };
        format!("{} {way} {device}{tunnel}", who(&hop.netns, nodes, roles))
    });
    let mut hops: Vec<String> = hops.collect();
    hops.push(match &trace.ending {
        Ending::Delivered { to, .. } => format!("delivered to {}", who(to, nodes, roles)),
        Ending::Unseen { .. } => "handed to the server's pod, which was not looked into".to_owned(),
        Ending::Left { .. } => "leaves the cluster".to_owned(),
        Ending::OutOfSight { at, .. } => {
            format!("beyond {} nobody looked", who(at, nodes, roles))
        }
        Ending::Stopped { at, .. } => format!("stopped at {}", who(at, nodes, roles)),
    });
    hops
}

fn device(hop: &Hop, roles: &Roles<'_>, whose: &Whose<'_>) -> String {
    let Netns::Node(name) = &hop.netns else {
        return hop.device.clone();
    };
    let node = roles.node(name).and_then(|number| {
        let facts = roles.numbered(number)?.inside.facts().ok()?;
        let link = facts.links.iter().find(|link| link.name == hop.device)?;
        whose.pod_behind(number, link)
    });
    match node {
        Some(_) => "a pod's host end".to_owned(),
        None => hop.device.clone(),
    }
}

/// By its part in the conversation.
fn who(netns: &Netns, (from, to): (u32, u32), roles: &Roles<'_>) -> String {
    match netns {
        Netns::Wire => "the wire".to_owned(),
        Netns::Node(name) => match roles.node(name) {
            Some(node) if node == from && from == to => "the node".to_owned(),
            Some(node) if node == from => "the client's node".to_owned(),
            Some(node) if node == to => "the server's node".to_owned(),
            Some(other) => Place::Node(other).to_string(),
            None => "a node".to_owned(),
        },
        Netns::Pod(pod) => match roles.pod(pod) {
            Some(Place::Pod { node, pod: 1 }) if node == from => "the client".to_owned(),
            Some(Place::Pod { node, .. }) if node == to => "the server".to_owned(),
            Some(other) => other.to_string(),
            None => "a pod".to_owned(),
        },
    }
}
