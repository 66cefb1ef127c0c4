//! Traces over synthetic clusters: healthy ones arrive by the devices they should, broken ones end where they are broken.
mod ends;
mod kernels;
mod parties;
mod paths;
mod policy;

use std::net::IpAddr;

use flatnet_model::probe::Facts;

use super::model::{Cause, Direction, Ending, Netns, Trace};
use super::{Kernels, ObservedNetwork, Request, trace};
use crate::example::build::{Cluster, Style};
use crate::example::pieces::{assert_contains, found};
use flatnet_model::PodRef;

/// Three nodes with two pods each, both families.
fn observed(style: Style) -> ObservedNetwork {
    let cluster = Cluster::new(style, 3, 2).dual();
    let observations = cluster.observe();
    ObservedNetwork {
        nodes: observations.nodes,
        pods: observations.pods,
        wire: None,
    }
}

fn pod(name: &str) -> Netns {
    Netns::Pod(PodRef {
        namespace: "default".to_owned(),
        name: name.to_owned(),
    })
}

fn node(name: &str) -> Netns {
    Netns::Node(name.to_owned())
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn request(from: Netns, to: &str) -> Request {
    Request {
        from,
        destination: ip(to),
        wanted: None,
        rewrite: None,
        carries: None,
        marks: std::collections::BTreeMap::new(),
    }
}

/// Follows a packet by tables alone.
fn follow(observed: &ObservedNetwork, from: Netns, to: &str) -> Trace {
    trace(observed, &Kernels::new(), &request(from, to)).0
}

fn node_facts<'a>(observed: &'a mut ObservedNetwork, name: &str) -> &'a mut Facts {
    let node = observed
        .nodes
        .iter_mut()
        .find(|node| node.object.name == name);
    found(&mut node.unwrap().inside.facts)
}

fn pod_facts<'a>(observed: &'a mut ObservedNetwork, name: &str) -> &'a mut Facts {
    let pod = observed
        .pods
        .iter_mut()
        .find(|pod| pod.object.reference.name == name);
    pod.unwrap().facts.as_mut().unwrap()
}

/// `node1 eth0 out`, one per device.
fn devices(trace: &Trace) -> Vec<String> {
    let devices = trace.devices().into_iter();
    devices
        .map(|(netns, device, direction)| {
            let direction = match direction {
                Direction::In => "in",
                Direction::Out => "out",
            };
            format!("{} {device} {direction}", netns.exec_name())
        })
        .collect()
}

#[track_caller]
fn stopped(trace: &Trace) -> (&Netns, &Cause) {
    match &trace.ending {
        Ending::Stopped { at, cause } => (at, cause),
        other => panic!("it does not stop: {other:?}"),
    }
}
