//! Packets that a route or a policy rule leads away.
use flatnet_model::follow::KernelRoute;
use flatnet_model::kernel::{MarkMatch, Rule, RuleAction};
use flatnet_model::probe::{Facts, RouteOutcome};
use flatnet_model::rule::RouteChoice;
use ipnet::IpNet;

use super::*;
use crate::example::pieces::{address, link, neighbour, policy_rule};

pub(super) fn facts_of<'a>(scene: &'a mut Scene, name: &str) -> &'a mut Facts {
    let mut nodes = scene.observations.nodes.iter_mut();
    let node = nodes.find(|node| node.object.name == name).expect("a node");
    let facts = node.inside.facts.as_mut().expect("looked at");
    facts.as_mut().expect("facts")
}

/// node1's kernel sends requests out by a device of its own, as a rule and its table say.
fn by_a_table(rule: Rule) -> (Scene, Rule) {
    let mut scene = Scene::new();
    let (pod, source) = scene.client();
    let to = scene.followed.dial.request.address;
    let facts = facts_of(&mut scene, "node1");
    facts
        .links
        .push(link(99, "wg0", "dummy", [2, 0, 0, 0, 0, 99]));
    let mut default = facts.routes[0].clone();
    (default.dst, default.gateway, default.oif) = ("0.0.0.0/0".parse().unwrap(), None, Some(99));
    facts.other_tables.push((51820, default.clone()));
    facts.rules.push(rule.clone());
    facts.rules.sort_by_key(|rule| rule.priority);
    scene.request(10, &pod, "eth0", Passing::Out, source);
    scene.request(20, &node("node1"), "veth1", Passing::In, source);
    scene.request(30, &node("node1"), "wg0", Passing::Out, source);
    default.dst = IpNet::from(to);
    let ground = Ground::of(&scene.observations);
    let asked = ground.questions(&scene.followed);
    let of_node1 = asked
        .into_iter()
        .filter(|(netns, _)| *netns == node("node1"));
    scene.followed.routes = of_node1
        .map(|(netns, flow)| KernelRoute {
            netns,
            flow,
            outcome: RouteOutcome::Found(default.clone()),
        })
        .collect();
    (scene, rule)
}

#[test]
fn a_policy_rule_that_leads_a_packet_away_is_named_with_its_table() {
    let mark = Some(MarkMatch {
        value: 51820,
        mask: u32::MAX,
    });
    let (scene, rule) = by_a_table(Rule {
        mark,
        inverted: true,
        ..policy_rule(100, RuleAction::Lookup(51820))
    });
    let found = Ground::of(&scene.observations).judge(&scene.followed);
    let cause = found.fate.and_then(|fate| fate.cause).expect("a cause");
    let by = RouteChoice::Table {
        rule: Box::new(rule),
        route: "default dev wg0".to_owned(),
    };
    assert_eq!(
        cause.cause,
        Cause::RoutedAway {
            at: node("node1"),
            to: scene.followed.dial.request.address,
            device: "wg0".to_owned(),
            by,
        }
    );
}

/// How some CNIs reach pods: without the rule there is no way to them at all.
#[test]
fn a_policy_rule_by_which_pods_are_reached_is_not_to_blame() {
    let (mut scene, _) = by_a_table(policy_rule(100, RuleAction::Lookup(51820)));
    let to = scene.followed.dial.request.address;
    let routes = &mut facts_of(&mut scene, "node1").routes;
    routes.retain(|route| !route.dst.contains(&to));
    let found = Ground::of(&scene.observations).judge(&scene.followed);
    let cause = found.fate.and_then(|fate| fate.cause);
    let away = cause.is_some_and(|found| matches!(found.cause, Cause::RoutedAway { .. }));
    assert!(!away);
}

#[test]
fn a_node_that_sends_a_packet_to_the_wrong_node_is_to_blame_wherever_it_ends() {
    let mut scene = Scene::new();
    let (pod, source) = scene.client();
    let to = scene.followed.dial.request.address;
    let facts = facts_of(&mut scene, "node1");
    let mut wrong = facts
        .routes
        .iter()
        .find(|route| route.gateway.is_some())
        .cloned();
    let wrong = wrong.as_mut().expect("a route to another node");
    (wrong.dst, wrong.gateway) = (IpNet::from(to), Some("172.18.0.4".parse().unwrap()));
    facts.routes.push(wrong.clone());
    scene.request(10, &pod, "eth0", Passing::Out, source);
    scene.request(20, &node("node1"), "veth1", Passing::In, source);
    scene.request(30, &node("node1"), "eth0", Passing::Out, source);
    scene.request(40, &node("node3"), "eth0", Passing::In, source);
    let facts = facts_of(&mut scene, "node3");
    facts.routes.retain(|route| !route.dst.contains(&to));
    let found = Ground::of(&scene.observations).judge(&scene.followed);
    let cause = found.fate.and_then(|fate| fate.cause).expect("a cause");
    let Cause::RoutedAway { at, by, .. } = cause.cause else {
        panic!("{cause:?}");
    };
    assert_eq!(at, node("node1"));
    let route = format!("{} via 172.18.0.4 dev eth0", IpNet::from(to));
    assert_eq!(by, RouteChoice::Main { route });
}

/// The route is right: which of two holders of an address answers for it is not the sender's choice.
#[test]
fn a_node_whose_next_hop_two_nodes_hold_is_not_to_blame() {
    let mut scene = Scene::new();
    let (pod, source) = scene.client();
    let shared: IpAddr = "172.18.0.3".parse().unwrap();
    let facts = facts_of(&mut scene, "node3");
    let uplink = facts.link_named("eth0").expect("an uplink");
    let (index, mac) = (uplink.index, uplink.mac);
    facts.addresses.push(address(index, shared, 16));
    let facts = facts_of(&mut scene, "node1");
    let index = facts.link_named("eth0").expect("an uplink").index;
    let mac = mac.expect("an Ethernet address").0;
    facts.neighbours.retain(|entry| entry.address != shared);
    facts
        .neighbours
        .push(neighbour(index, shared, mac, "REACHABLE"));
    scene.request(10, &pod, "eth0", Passing::Out, source);
    scene.request(20, &node("node1"), "veth1", Passing::In, source);
    scene.request(30, &node("node1"), "eth0", Passing::Out, source);
    scene.request(40, &node("node3"), "eth0", Passing::In, source);
    let found = Ground::of(&scene.observations).judge(&scene.followed);
    let cause = found.fate.and_then(|fate| fate.cause);
    let away = cause.is_some_and(|found| matches!(found.cause, Cause::RoutedAway { .. }));
    assert!(!away);
}
