//! ICMP errors that name an MTU which no device has: it is a route's.
use flatnet_model::follow::KernelRoute;
use flatnet_model::kernel::LearnedMtu;
use flatnet_model::probe::RouteOutcome;

use super::routing::facts_of;
use super::*;

const MTU: u32 = 1300;

/// node1 answers requests with an error that names [`MTU`]; its kernel says that MTU of its route, for as long as is told.
fn refused(expires_s: Option<u32>) -> Scene {
    let mut scene = Scene::new();
    let (pod, source) = scene.client();
    let to = scene.followed.dial.request.address;
    scene.request(10, &pod, "eth0", Passing::Out, source);
    scene.request(20, &node("node1"), "veth1", Passing::In, source);
    let facts = facts_of(&mut scene, "node1");
    let own = facts.addresses.iter().map(|address| address.net.addr());
    let own: Vec<IpAddr> = own.filter(|own| !own.is_loopback()).collect();
    let mut route = facts.routes[0].clone();
    let via = facts.routes.iter().find(|route| route.dst.contains(&to));
    let via = via.expect("a route to node2's pods").clone();
    (route.oif, route.gateway, route.dst) = (via.oif, via.gateway, to.into());
    (route.mtu, route.mtu_expires_s) = (Some(MTU), expires_s);
    let mut error = packet(own[0], source, 0);
    error.body = Body::Error {
        kind: 3,
        code: 4,
        mtu: Some(MTU),
        within: Vec::new(),
        about: Some(Box::new(packet(source, to, 0))),
    };
    scene.watched(&node("node1")).sightings.push(Sighting {
        at_ns: 30,
        device: "veth1".to_owned(),
        direction: Passing::Out,
        frame: None,
        outer: Vec::new(),
        packet: error,
    });
    let asked = Ground::of(&scene.observations).questions(&scene.followed);
    let of_node1 = asked.into_iter().filter(|(at, _)| *at == node("node1"));
    scene.followed.routes = of_node1
        .map(|(netns, flow)| KernelRoute {
            netns,
            flow,
            outcome: RouteOutcome::Found(route.clone()),
        })
        .collect();
    scene
}

fn cause(scene: &Scene) -> Option<Cause> {
    let found = Ground::of(&scene.observations).judge(&scene.followed);
    Some(found.fate?.cause?.cause)
}

#[test]
fn an_mtu_that_a_node_has_learned_is_told_from_one_of_its_route() {
    let scene = refused(Some(90));
    let (at, to) = (node("node1"), scene.followed.dial.request.address);
    let learned = LearnedMtu {
        mtu: MTU,
        expires_s: 90,
    };
    let expected = Cause::PathMtuLearned { at, to, learned };
    assert_eq!(cause(&scene), Some(expected));
    let scene = refused(None);
    let found = cause(&scene).expect("a cause");
    assert!(
        matches!(&found, Cause::RouteMtu { at, mtu: MTU, .. } if *at == node("node1")),
        "{found:?}"
    );
}

#[test]
fn an_mtu_that_no_route_has_stays_the_nodes() {
    let mut scene = refused(Some(90));
    scene.followed.routes.clear();
    let expected = Cause::TooBigForDevice {
        at: node("node1"),
        device: None,
        mtu: MTU,
    };
    assert_eq!(cause(&scene), Some(expected));
}
