//! What was seen of packets, put together by hand.
mod blind;
mod copies;
mod drops;
mod path_mtu;
mod rewriting;
mod routing;
mod ttl;
mod unheard;

use std::net::IpAddr;

use flatnet_model::cause::Cause;
use flatnet_model::evidence::Basis;
use flatnet_model::follow::{Burst, Followed, Leg, Outcomes, Place, Wanted};
use flatnet_model::kernel::{AddressField, Neighbour};
use flatnet_model::network::Transport;
use flatnet_model::observations::Observations;
use flatnet_model::probe::watch::{
    Body, Frame, Message, Met, Outer, OuterKind, Packet, Passing, RuleStep, RuleVerdict, Sighting,
    Watched, Watching,
};
use flatnet_model::probe::{DialOutcome, DialRequest, Failure};
use flatnet_model::reference::Netns;

use super::Ground;
use crate::example::build::{Style, healthy};

const BURST: usize = 2;

/// A pod of node1 dials one of node2, and every namespace between is watched.
struct Scene {
    observations: Observations,
    followed: Followed,
}

impl Scene {
    fn new() -> Scene {
        let observations = healthy(Style::Direct);
        let of = |node: &str| {
            let mut pods = observations.pods.iter();
            let pod = pods.find(|pod| pod.object.node == node && !pod.object.host_network);
            pod.expect("a pod there")
        };
        let (from, to) = (of("node1"), of("node2"));
        let dial = Wanted {
            from: from.endpoint(),
            to: to.endpoint(),
            request: DialRequest {
                address: to.object.ips[0],
                transport: Transport::Udp,
                port: 7411,
            },
            burst: Burst::Few,
        };
        let ground = Ground::of(&observations);
        let watching = Watching {
            packets: Ok(()),
            rules: Ok(()),
            no_device_rules: None,
            legacy: Ok(()),
            drops: Ok(()),
        };
        let place = |netns| Place {
            netns,
            watching: Ok(watching.clone()),
            watched: Ok(Watched::default()),
        };
        let lost = DialOutcome::Failed {
            kind: Failure::TimedOut,
            detail: "no answer".to_owned(),
            attempts: 1,
        };
        let followed = Followed {
            places: ground.places(&dial).into_iter().map(place).collect(),
            dial,
            outcomes: Ok(Outcomes::Dials(vec![lost; BURST])),
            routes: Vec::new(),
            found: None,
        };
        Scene {
            observations,
            followed,
        }
    }

    fn client(&self) -> (Netns, IpAddr) {
        let mut pods = self.observations.pods.iter();
        let pod = pods.find(|pod| pod.endpoint() == self.followed.dial.from);
        let pod = pod.expect("the client");
        (Netns::Pod(pod.reference().clone()), pod.object.ips[0])
    }

    fn watched(&mut self, netns: &Netns) -> &mut Watched {
        let mut places = self.followed.places.iter_mut();
        let place = places.find(|place| place.netns == *netns);
        place.expect("watched").watched.as_mut().expect("watched")
    }

    /// Every request of the burst passes a device, from `source`.
    fn request(&mut self, at_ns: u64, netns: &Netns, device: &str, way: Passing, source: IpAddr) {
        let destination = self.followed.dial.request.address;
        for nonce in 0..BURST as u64 {
            self.watched(netns).sightings.push(Sighting {
                at_ns: at_ns + nonce,
                device: device.to_owned(),
                direction: way,
                frame: None,
                outer: Vec::new(),
                packet: packet(source, destination, nonce),
            });
        }
    }
}

fn packet(source: IpAddr, destination: IpAddr, nonce: u64) -> Packet {
    Packet {
        source,
        destination,
        ttl: 64,
        bytes: 60,
        dont_fragment: true,
        fragment: false,
        body: Body::Udp {
            source: 40_000,
            destination: 7411,
            message: Some(Message {
                nonce,
                answer: false,
            }),
        },
    }
}

fn node(name: &str) -> Netns {
    Netns::Node(name.to_owned())
}

/// Up to node2's uplink.
fn to_node2() -> Scene {
    let mut scene = Scene::new();
    let (pod, source) = scene.client();
    scene.request(10, &pod, "eth0", Passing::Out, source);
    scene.request(20, &node("node1"), "veth1", Passing::In, source);
    scene.request(30, &node("node1"), "eth0", Passing::Out, source);
    scene.request(40, &node("node2"), "eth0", Passing::In, source);
    scene
}

fn step(source: IpAddr, destination: IpAddr, text: &str, verdict: RuleVerdict) -> RuleStep {
    RuleStep {
        id: 1,
        family: "ip".to_owned(),
        table: "filter".to_owned(),
        chain: "FORWARD".to_owned(),
        met: Met::Rule {
            handle: 7,
            text: Some(text.to_owned()),
            rewrites: Vec::new(),
        },
        verdict,
        iif: Some("eth0".to_owned()),
        oif: None,
        mark: None,
        packet: Some(packet(source, destination, 0)),
    }
}

#[test]
fn the_rule_that_met_the_packet_where_it_was_last_seen_is_its_end() {
    let mut scene = to_node2();
    let ((_, source), to) = (scene.client(), scene.followed.dial.request.address);
    let other = step(to, "10.9.9.9".parse().unwrap(), "drop", RuleVerdict::Drop);
    let drop = step(source, to, "udp dport 7411 drop", RuleVerdict::Drop);
    scene.watched(&node("node2")).rules = vec![other, drop];
    let found = Ground::of(&scene.observations).judge(&scene.followed);
    let fate = found.fate.expect("an end");
    assert_eq!((fate.leg, fate.packets, fate.of), (Leg::Request, 2, 2));
    let last = fate.last.expect("a device");
    assert_eq!(
        (&last.netns, last.device.as_str()),
        (&node("node2"), "eth0")
    );
    assert!(matches!(fate.unseen_at, Some(Netns::Pod(_))));
    let cause = fate.cause.expect("a cause");
    assert_eq!(cause.basis, Basis::Seen);
    match cause.cause {
        Cause::DroppedByRule { at, rule } => {
            assert_eq!((at, rule.handle), (node("node2"), Some(7)));
            assert_eq!(rule.text.as_deref(), Some("udp dport 7411 drop"));
        }
        other => panic!("{other:?}"),
    }
}

/// Netfilter's trace shows the addresses of the packet around it.
#[test]
fn a_rule_that_met_the_tunnels_packet_is_the_packets_end() {
    let mut scene = to_node2();
    let [one, two]: [IpAddr; 2] = ["172.18.0.2", "172.18.0.3"].map(|ip| ip.parse().unwrap());
    let outer = Outer {
        source: one,
        destination: two,
        kind: OuterKind::Vxlan { port: 8472, vni: 1 },
    };
    for sighting in &mut scene.watched(&node("node2")).sightings {
        sighting.outer = vec![outer];
    }
    let other = step(two, one, "oif eth0 drop", RuleVerdict::Drop);
    let drop = step(one, two, "udp dport 8472 drop", RuleVerdict::Drop);
    scene.watched(&node("node2")).rules = vec![other, drop];
    let found = Ground::of(&scene.observations).judge(&scene.followed);
    let cause = found.fate.and_then(|fate| fate.cause).expect("a cause");
    let Cause::DroppedByRule { at, rule } = cause.cause else {
        panic!("{cause:?}");
    };
    assert_eq!(at, node("node2"));
    assert_eq!(rule.text.as_deref(), Some("udp dport 8472 drop"));
}

#[test]
fn a_rule_elsewhere_and_counters_of_fewer_packets_end_nothing() {
    let mut scene = to_node2();
    let ((_, source), to) = (scene.client(), scene.followed.dial.request.address);
    let drop = step(source, to, "drop", RuleVerdict::Drop);
    scene.watched(&node("node3")).rules = vec![drop];
    let moved = ("TcpExt.IPReversePathFilter".to_owned(), 1);
    scene.watched(&node("node2")).counters = [moved].into();
    let found = Ground::of(&scene.observations).judge(&scene.followed);
    let fate = found.fate.expect("an end");
    assert_eq!(fate.last.expect("a device").netns, node("node2"));
    assert_eq!(fate.cause, None);
}

#[test]
fn a_counter_that_moved_as_often_as_packets_were_lost_names_its_setting() {
    let mut scene = to_node2();
    let moved = ("TcpExt.IPReversePathFilter".to_owned(), BURST as u64);
    scene.watched(&node("node2")).counters = [moved].into();
    let found = Ground::of(&scene.observations).judge(&scene.followed);
    let cause = found.fate.and_then(|fate| fate.cause).expect("a cause");
    assert!(
        matches!(&cause.cause, Cause::ReversePathFilter { device, .. } if device == "eth0"),
        "{cause:?}"
    );
}

#[test]
fn a_copy_that_a_bridge_floods_is_not_where_the_packet_ended() {
    let mut scene = to_node2();
    let (pod, source) = scene.client();
    scene.request(50, &pod, "eth0", Passing::InForOther, source);
    let found = Ground::of(&scene.observations).judge(&scene.followed);
    let last = found.fate.and_then(|fate| fate.last).expect("a device");
    assert_eq!(last.netns, node("node2"));
}

/// node2's uplink is down: what joins the nodes floods the frame, and node3 sees it.
#[test]
fn a_copy_that_the_underlay_floods_to_another_node_is_not_where_the_packet_ended() {
    let mut scene = Scene::new();
    let (pod, source) = scene.client();
    let mut nodes = scene.observations.nodes.iter();
    let node2 = nodes.find(|node| node.object.name == "node2").unwrap();
    let uplink = node2.inside.facts().unwrap().link_named("eth0").unwrap();
    let frame = Frame {
        source: "02:00:5e:20:00:01".parse().unwrap(),
        destination: uplink.mac.unwrap(),
    };
    scene.request(10, &pod, "eth0", Passing::Out, source);
    scene.request(20, &node("node1"), "veth1", Passing::In, source);
    scene.request(30, &node("node1"), "eth0", Passing::Out, source);
    scene.request(40, &node("node3"), "eth0", Passing::InForOther, source);
    let copies = scene.watched(&node("node3")).sightings.iter_mut();
    copies.for_each(|seen| seen.frame = Some(frame));
    let found = Ground::of(&scene.observations).judge(&scene.followed);
    let fate = found.fate.expect("an end");
    assert_eq!(fate.last.expect("a device").netns, node("node1"));
    assert_eq!(fate.cause, None);
    // For an address that is nobody's on the way it went astray.
    let copies = scene.watched(&node("node3")).sightings.iter_mut();
    let wrong = Frame {
        destination: "02:00:5e:20:00:3f".parse().unwrap(),
        ..frame
    };
    copies.for_each(|seen| seen.frame = Some(wrong));
    let found = Ground::of(&scene.observations).judge(&scene.followed);
    let cause = found.fate.and_then(|fate| fate.cause).expect("a cause");
    assert!(
        matches!(&cause.cause, Cause::FrameMisdirected { at, .. } if *at == node("node3")),
        "{cause:?}"
    );
}

#[test]
fn a_source_that_changes_is_told_with_the_rule_that_did_it() {
    let mut scene = Scene::new();
    let ((pod, source), to) = (scene.client(), scene.followed.dial.request.address);
    let masked: IpAddr = "172.18.0.2".parse().unwrap();
    scene.request(10, &pod, "eth0", Passing::Out, source);
    scene.request(20, &node("node1"), "veth1", Passing::In, source);
    scene.request(30, &node("node1"), "eth0", Passing::Out, masked);
    let mut rule = step(source, to, "masquerade", RuleVerdict::Accept);
    rule.met = Met::Rule {
        handle: 7,
        text: None,
        rewrites: vec![AddressField::Source],
    };
    let named_so = step(
        source,
        to,
        "jump MASQUERADE comment \"masquerade\"",
        RuleVerdict::Jump("MASQUERADE".to_owned()),
    );
    scene.watched(&node("node1")).rules = vec![rule, named_so];
    let found = Ground::of(&scene.observations).judge(&scene.followed);
    let [rewrite] = &found.rewrites[..] else {
        panic!("{:?}", found.rewrites);
    };
    assert_eq!((rewrite.from, rewrite.to), (source, masked));
    assert_eq!(rewrite.at, node("node1"));
    assert_eq!(rewrite.by.as_ref().and_then(|by| by.handle), Some(7));
}

/// Rules that only jump to a chain called after what it may do have not done it.
#[test]
fn a_rule_that_changes_no_address_is_not_told_as_the_end() {
    let mut scene = to_node2();
    let ((_, source), to) = (scene.client(), scene.followed.dial.request.address);
    let chain = "CNI-HOSTPORT-DNAT";
    let jump = step(
        source,
        to,
        &format!("jump {chain}"),
        RuleVerdict::Jump(chain.to_owned()),
    );
    scene.watched(&node("node2")).rules = vec![jump.clone()];
    let found = Ground::of(&scene.observations).judge(&scene.followed);
    assert_eq!(found.fate.expect("an end").cause, None);
    let mut redirect = jump;
    redirect.verdict = RuleVerdict::Accept;
    redirect.met = Met::Rule {
        handle: 8,
        text: None,
        rewrites: vec![AddressField::Destination],
    };
    scene.watched(&node("node2")).rules.push(redirect);
    let found = Ground::of(&scene.observations).judge(&scene.followed);
    let cause = found.fate.and_then(|fate| fate.cause).expect("a cause");
    assert!(
        matches!(&cause.cause, Cause::RewrittenByRule { rule, .. } if rule.handle == Some(8)),
        "{cause:?}"
    );
}

/// The gateway's address is its node's, and that of every hostNetwork pod there.
#[test]
fn a_frame_to_a_wrong_address_is_its_senders_whoever_else_uses_the_nodes_network() {
    let mut scene = Scene::new();
    let (pod, source) = scene.client();
    let wrong = "02:00:5e:20:00:3f".parse().unwrap();
    let mut pods = scene.observations.pods.iter_mut();
    let client = pods.find(|pod| pod.endpoint() == scene.followed.dial.from);
    let facts = client.expect("the client").facts.as_mut().expect("facts");
    let (gateway, device) = facts
        .routes
        .iter()
        .find_map(|route| Some((route.gateway?, route.oif?)))
        .expect("a gateway");
    facts.neighbours.retain(|entry| entry.address != gateway);
    facts.neighbours.push(Neighbour {
        index: device,
        address: gateway,
        mac: Some(wrong),
        state: "PERMANENT".to_owned(),
    });
    scene.request(10, &pod, "eth0", Passing::Out, source);
    let of_client = scene.watched(&pod).sightings.iter_mut();
    let frame = Frame {
        source: "0a:58:0a:f4:00:02".parse().unwrap(),
        destination: wrong,
    };
    of_client.for_each(|seen| seen.frame = Some(frame));
    scene.request(20, &node("node1"), "cni0", Passing::InForOther, source);
    let of_node = scene.watched(&node("node1")).sightings.iter_mut();
    of_node.for_each(|seen| seen.frame = Some(frame));
    let found = Ground::of(&scene.observations).judge(&scene.followed);
    let cause = found.fate.and_then(|fate| fate.cause).expect("a cause");
    assert!(
        matches!(&cause.cause, Cause::NeighbourWrong { at, hop, .. } if (at, *hop) == (&pod, gateway)),
        "{cause:?}"
    );
}
