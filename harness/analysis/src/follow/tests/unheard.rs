//! Answers that come to the client, which does not say that it had them.
use flatnet_model::cause::Cause;
use flatnet_model::follow::{Fate, Leg};
use flatnet_model::probe::watch::{Body, Passing, RuleVerdict};
use flatnet_model::reference::{Endpoint, Netns};

use super::{Ground, Scene, node, step, to_node2};

/// Requests come to the server, and answers to the client.
fn answered() -> Scene {
    let mut scene = to_node2();
    let ((client, source), to) = (scene.client(), scene.followed.dial.request.address);
    let Endpoint::Pod(server) = scene.followed.dial.to.clone() else {
        panic!("a pod is dialled");
    };
    let server = Netns::Pod(server);
    scene.request(50, &server, "eth0", Passing::In, source);
    for (at_ns, netns, device, way) in [
        (60, &server, "eth0", Passing::Out),
        (70, &node("node2"), "eth0", Passing::Out),
        (80, &node("node1"), "eth0", Passing::In),
        (90, &client, "eth0", Passing::In),
    ] {
        let before = scene.watched(netns).sightings.len();
        scene.request(at_ns, netns, device, way, source);
        for sighting in &mut scene.watched(netns).sightings[before..] {
            let packet = &mut sighting.packet;
            (packet.source, packet.destination) = (to, source);
            if let Body::Udp {
                source: from,
                destination,
                message: Some(message),
            } = &mut packet.body
            {
                (*from, *destination) = (*destination, *from);
                message.answer = true;
            }
        }
    }
    scene
}

fn fate(scene: &Scene) -> Option<Fate> {
    Ground::of(&scene.observations).judge(&scene.followed).fate
}

#[test]
fn a_rule_of_the_client_that_drops_answers_is_their_end() {
    let mut scene = answered();
    let ((client, source), to) = (scene.client(), scene.followed.dial.request.address);
    let drop = step(to, source, "iifname \"eth0\" drop", RuleVerdict::Drop);
    scene.watched(&client).rules = vec![drop];
    let fate = fate(&scene).expect("an end");
    assert_eq!((fate.leg, fate.packets), (Leg::Answer, 2));
    assert_eq!(fate.last.expect("a device").netns, client);
    let cause = fate.cause.expect("a cause").cause;
    assert!(matches!(cause, Cause::DroppedByRule { at, .. } if at == client));
}

#[test]
fn answers_that_came_later_than_the_client_waited_ended_nowhere() {
    assert_eq!(fate(&answered()), None);
}
