//! Copies of a frame at other ports of a bridge.
use flatnet_model::kernel::FdbEntry;
use flatnet_model::probe::watch::Passing;

use super::routing::facts_of;
use super::{Ground, Scene, node, to_node2};

/// What is said of a port of node2's bridge behind which the server is not, at which the burst was seen.
fn told(scene: &mut Scene) -> Option<String> {
    let other = {
        let facts = facts_of(scene, "node2");
        let bridge = facts.link_named("cni0").unwrap().index;
        let ports = facts.links.iter().filter(|l| l.master == Some(bridge));
        let ports: Vec<String> = ports.map(|port| port.name.clone()).collect();
        let drawn = rows(scene);
        let free = ports
            .into_iter()
            .find(|port| !drawn.iter().any(|(name, _)| name == port));
        free.expect("a port off the way")
    };
    let (_, source) = scene.client();
    scene.request(50, &node("node2"), &other, Passing::Out, source);
    let mut drawn = rows(scene).into_iter();
    drawn.find(|(name, _)| *name == other).expect("a row").1
}

/// Devices of node2 and why packets are expected there.
fn rows(scene: &Scene) -> Vec<(String, Option<String>)> {
    let live = Ground::of(&scene.observations).live(&scene.followed);
    let rows = live.there.rows.into_iter();
    let of_node2 = rows.filter(|row| row.netns == node("node2"));
    of_node2.map(|row| (row.device, row.expected)).collect()
}

#[test]
fn a_copy_of_a_frame_that_a_bridge_floods_is_expected() {
    let copy = told(&mut to_node2());
    let wanted = "a copy: cni0 floods, as it has no forwarding entry";
    assert_eq!(copy.as_deref(), Some(wanted));
}

#[test]
fn where_the_bridge_knows_the_port_a_copy_is_not_expected() {
    let mut scene = to_node2();
    let server = scene.followed.dial.to.clone();
    let mut pods = scene.observations.pods.iter();
    let server = pods
        .find(|pod| pod.endpoint() == server)
        .expect("the server");
    let inside = server.facts.as_ref().expect("facts");
    let inside = inside.link_named("eth0").expect("its interface").clone();
    let facts = facts_of(&mut scene, "node2");
    let port = facts
        .links
        .iter()
        .find(|link| crate::checks::paired(&inside, link));
    let port = port.expect("the host end").clone();
    facts.fdb.push(FdbEntry {
        index: port.index,
        master: port.master,
        mac: inside.mac.expect("an address"),
        state: "REACHABLE".to_owned(),
        dst: None,
    });
    assert_eq!(told(&mut scene), None);
}
