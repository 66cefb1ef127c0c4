//! Facts of the whole cluster.
use flatnet_model::Family;
use flatnet_model::fact::{Kind, Place, Value};
use flatnet_model::observations::Observations;

use super::collect::Collected;

pub(super) fn facts(observations: &Observations, facts: &mut Collected) {
    let nodes = observations.nodes.len();
    let ips = observations
        .nodes
        .iter()
        .flat_map(|node| &node.object.internal_ips);
    let mut families: Vec<String> = ips.map(|ip| Family::of(*ip).to_string()).collect();
    families.sort();
    families.dedup();
    let nodes = format!("{nodes} node{}", if nodes == 1 { "" } else { "s" });
    let shape = [vec![nodes], families].concat();
    facts.add((Kind::Shape, ""), Place::Cluster, shape, None);
    let mut ranges: Vec<String> = observations
        .pod_network
        .iter()
        .map(ToString::to_string)
        .collect();
    ranges.sort();
    facts.add(
        (Kind::PodNetwork, ""),
        Place::Cluster,
        Value::List(ranges),
        None,
    );
}
