//! Rules that refuse packets with a reset or change their addresses: the rule is the end, whoever got what came of it.
use super::*;

const SYN: u8 = 2;
const RST_ACK: u8 = 4 | 16;

fn segment(source: IpAddr, destination: IpAddr, numbers: (u32, u32), flags: u8) -> Packet {
    let mut packet = packet(source, destination, 0);
    packet.body = Body::Tcp {
        source: 40_000,
        destination: 7411,
        sequence: numbers.0,
        acknowledgement: numbers.1,
        flags,
        payload: 0,
    };
    packet
}

fn sees(scene: &mut Scene, at_ns: u64, netns: &Netns, device: &str, way: Passing, packet: Packet) {
    scene.watched(netns).sightings.push(Sighting {
        at_ns,
        device: device.to_owned(),
        direction: way,
        frame: None,
        outer: Vec::new(),
        packet,
    });
}

fn changing(mut step: RuleStep, field: AddressField) -> RuleStep {
    step.met = Met::Rule {
        handle: 9,
        text: None,
        rewrites: vec![field],
    };
    step
}

/// The place and the handle of the rule that ended the packets.
fn ended_by(scene: &Scene) -> (Netns, Option<u64>) {
    let found = Ground::of(&scene.observations).judge(&scene.followed);
    let cause = found.fate.and_then(|fate| fate.cause).expect("a cause");
    assert_eq!(cause.basis, Basis::Seen);
    match cause.cause {
        Cause::DroppedByRule { at, rule } | Cause::RewrittenByRule { at, rule } => {
            (at, rule.handle)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_reset_that_a_rule_sent_is_not_the_answer_of_who_was_dialled() {
    let mut scene = Scene::new();
    scene.followed.dial.request.transport = Transport::Tcp;
    let ((pod, source), to) = (scene.client(), scene.followed.dial.request.address);
    let here = node("node1");
    for burst in 0..BURST as u32 {
        let (at, first) = (u64::from(burst), 1_000_000 * (burst + 1));
        let syn = segment(source, to, (first, 0), SYN);
        let reset = segment(to, source, (0, first + 1), RST_ACK);
        sees(&mut scene, at, &pod, "eth0", Passing::Out, syn.clone());
        sees(&mut scene, at + 10, &here, "veth1", Passing::In, syn);
        sees(
            &mut scene,
            at + 20,
            &here,
            "veth1",
            Passing::Out,
            reset.clone(),
        );
        sees(&mut scene, at + 30, &pod, "eth0", Passing::In, reset);
    }
    let text = "meta l4proto tcp reject with tcp reset";
    let mut reject = step(source, to, text, RuleVerdict::Drop);
    reject.packet = Some(segment(source, to, (1_000_000, 0), SYN));
    scene.watched(&here).rules = vec![reject];
    assert_eq!(ended_by(&scene), (here, Some(7)));
}

/// The answer goes to whom the source belongs that the request was given.
#[test]
fn a_source_that_is_changed_without_state_ends_the_answer() {
    let mut scene = Scene::new();
    let ((pod, source), to) = (scene.client(), scene.followed.dial.request.address);
    let mut pods = scene.observations.pods.iter();
    let other = pods.find(|pod| pod.object.node == "node3" && !pod.object.host_network);
    let other = other.expect("a pod of node3").clone();
    let (bystander, given) = (Netns::Pod(other.reference().clone()), other.object.ips[0]);
    let mut places = scene.followed.places.clone();
    let mut extra = places.pop().expect("a place");
    extra.netns = bystander.clone();
    scene.followed.places.push(extra);
    let server = scene.followed.dial.to.clone();
    let mut pods = scene.observations.pods.iter();
    let server = pods
        .find(|pod| pod.endpoint() == server)
        .expect("the server");
    let server = Netns::Pod(server.reference().clone());
    scene.request(10, &pod, "eth0", Passing::Out, source);
    scene.request(20, &node("node1"), "veth1", Passing::In, source);
    scene.request(30, &node("node1"), "eth0", Passing::Out, given);
    scene.request(40, &node("node2"), "eth0", Passing::In, given);
    scene.request(50, &server, "eth0", Passing::In, given);
    for nonce in 0..BURST as u64 {
        let mut answer = packet(to, given, nonce);
        answer.body = Body::Udp {
            source: 7411,
            destination: 40_000,
            message: Some(Message {
                nonce,
                answer: true,
            }),
        };
        let at = 60 + nonce;
        sees(
            &mut scene,
            at,
            &server,
            "eth0",
            Passing::Out,
            answer.clone(),
        );
        sees(&mut scene, at + 10, &bystander, "eth0", Passing::In, answer);
    }
    let set = step(given, to, "ip saddr set", RuleVerdict::Continue);
    scene.watched(&node("node1")).rules = vec![changing(set, AddressField::Source)];
    assert_eq!(ended_by(&scene), (node("node1"), Some(9)));
}

/// A masquerade that its node undoes has ended nothing, wherever the packet ends.
#[test]
fn a_source_of_the_nodes_own_is_not_the_end() {
    let mut scene = Scene::new();
    let (pod, source) = scene.client();
    let to = scene.followed.dial.request.address;
    let nodes = &scene.observations.nodes;
    let node1 = nodes.iter().find(|node| node.object.name == "node1");
    let masked = node1.expect("node1").object.internal_ips[0];
    scene.request(10, &pod, "eth0", Passing::Out, source);
    scene.request(20, &node("node1"), "veth1", Passing::In, source);
    scene.request(30, &node("node1"), "eth0", Passing::Out, masked);
    scene.request(40, &node("node2"), "eth0", Passing::In, masked);
    let masquerade = step(source, to, "masquerade", RuleVerdict::Accept);
    scene.watched(&node("node1")).rules = vec![changing(masquerade, AddressField::Source)];
    let found = Ground::of(&scene.observations).judge(&scene.followed);
    assert_eq!(found.fate.expect("an end").cause, None);
    assert_eq!(found.rewrites.len(), 1);
}

/// What a packet socket in the pod sees is changed already.
#[test]
fn an_address_that_changes_in_the_pod_itself_is_told_with_its_rule() {
    for (field, changed) in [
        (AddressField::Source, "10.9.9.9"),
        (AddressField::Destination, "10.9.9.8"),
    ] {
        let mut scene = Scene::new();
        let ((pod, source), to) = (scene.client(), scene.followed.dial.request.address);
        let changed: IpAddr = changed.parse().unwrap();
        let (from, goal) = match field {
            AddressField::Source => (changed, to),
            AddressField::Destination => (source, changed),
        };
        for nonce in 0..BURST as u64 {
            let sent = packet(from, goal, nonce);
            sees(
                &mut scene,
                10 + nonce,
                &pod,
                "eth0",
                Passing::Out,
                sent.clone(),
            );
            sees(
                &mut scene,
                20 + nonce,
                &node("node1"),
                "veth1",
                Passing::In,
                sent,
            );
        }
        let rule = step(source, to, "snat or dnat", RuleVerdict::Accept);
        scene.watched(&pod).rules = vec![changing(rule, field)];
        assert_eq!(ended_by(&scene), (pod, Some(9)), "{field:?}");
    }
}
