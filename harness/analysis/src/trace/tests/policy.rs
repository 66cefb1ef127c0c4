//! Policy rules and other tables: which of them decides about a packet.
use std::collections::BTreeMap;

use flatnet_model::kernel::{Carries, Flow, MarkMatch, RouteEntry, Rule, RuleAction};
use flatnet_model::probe::RouteOutcome;
use flatnet_model::rule::RouteChoice;
use nix::errno::Errno;
use rstest::rstest;

use super::super::lookup::{self, Decision};
use super::super::model::ChosenBy;
use super::super::policy::choice;
use super::*;
use crate::example::pieces::{empty_facts, policy_rule, usual_rules};

const TO: &str = "10.244.2.7";

fn route(dst: &str, kind: u8, oif: u32) -> RouteEntry {
    RouteEntry {
        dst: dst.parse().unwrap(),
        gateway: None,
        oif: (kind == 1).then_some(oif),
        src: None,
        onlink: false,
        protocol: 4,
        scope: "link".to_owned(),
        metric: None,
        kind,
        mtu: None,
        mtu_expires_s: None,
        more_hops: Vec::new(),
        nexthop_id: None,
    }
}

/// A node that knows the pods of another one by device 2, and has everything else of table 100 go out by device 9.
fn facts(rules: Vec<Rule>) -> Facts {
    let mut facts = empty_facts("node1");
    facts.rules = usual_rules();
    facts.rules.extend(rules);
    facts.rules.sort_by_key(|rule| rule.priority);
    facts.routes = vec![route("0.0.0.0/0", 1, 3), route("10.244.2.0/24", 1, 2)];
    facts.other_tables = vec![
        (100, route("0.0.0.0/0", 1, 9)),
        (101, route("10.244.0.0/16", 6, 0)),
        (102, route("10.244.0.0/16", 9, 0)),
    ];
    facts
}

fn flow() -> Flow {
    Flow {
        from: Some(ip("10.244.1.2")),
        carries: Some(Carries {
            protocol: 17,
            source: None,
            destination: Some(7411),
        }),
        ..Flow::to(ip(TO))
    }
}

/// The priority of the rule that decides, and the device of its route.
fn chosen(facts: &Facts, flow: &Flow) -> Option<(u32, Option<u32>)> {
    let choice = choice(facts, flow)?;
    Some((
        choice.rule.priority,
        choice.route.and_then(|route| route.oif),
    ))
}

fn to_table(table: u32) -> Rule {
    policy_rule(50, RuleAction::Lookup(table))
}

fn mark(value: u32, mask: u32) -> Option<MarkMatch> {
    Some(MarkMatch { value, mask })
}

const MAIN: Option<(u32, Option<u32>)> = Some((32766, Some(2)));
const OTHER: Option<(u32, Option<u32>)> = Some((50, Some(9)));

#[rstest]
#[case::no_condition(to_table(100), OTHER)]
#[case::empty_table(to_table(99), MAIN)]
#[case::throw(to_table(102), MAIN)]
#[case::source(Rule { from: Some("10.244.1.0/24".parse().unwrap()), ..to_table(100) }, OTHER)]
#[case::another_source(Rule { from: Some("10.244.9.0/24".parse().unwrap()), ..to_table(100) }, MAIN)]
#[case::inverted(Rule { from: Some("10.244.1.0/24".parse().unwrap()), inverted: true, ..to_table(100) }, MAIN)]
#[case::destination(Rule { to: Some("10.244.2.0/24".parse().unwrap()), ..to_table(100) }, OTHER)]
#[case::own(Rule { iif: Some("lo".to_owned()), ..to_table(100) }, OTHER)]
#[case::incoming(Rule { iif: Some("cni0".to_owned()), ..to_table(100) }, MAIN)]
#[case::bound(Rule { oif: Some("eth0".to_owned()), ..to_table(100) }, MAIN)]
#[case::not_marked(Rule { mark: mark(51820, u32::MAX), inverted: true, ..to_table(100) }, OTHER)]
#[case::marked(Rule { mark: mark(51820, u32::MAX), ..to_table(100) }, MAIN)]
#[case::bits(Rule { mark: mark(0, 0xff), ..to_table(100) }, OTHER)]
#[case::protocol(Rule { protocol: Some(17), ..to_table(100) }, OTHER)]
#[case::another_protocol(Rule { protocol: Some(6), ..to_table(100) }, MAIN)]
#[case::port(Rule { destination_ports: Some((7411, 7412)), ..to_table(100) }, OTHER)]
#[case::another_port(Rule { destination_ports: Some((80, 80)), ..to_table(100) }, MAIN)]
#[case::unknown_port(Rule { source_ports: Some((80, 80)), ..to_table(100) }, None)]
#[case::unknown_without_a_route(Rule { source_ports: Some((80, 80)), ..to_table(99) }, MAIN)]
#[case::user(Rule { users: Some((0, 5)), ..to_table(100) }, None)]
#[case::more(Rule { more: true, ..to_table(100) }, None)]
#[case::suppressed(Rule { suppress_prefix: Some(0), ..to_table(100) }, MAIN)]
#[case::not_suppressed(Rule { suppress_prefix: Some(0), ..to_table(254) }, Some((50, Some(2))))]
#[case::blackhole(to_table(101), Some((50, None)))]
#[case::nop(policy_rule(50, RuleAction::Nop), MAIN)]
#[case::goto(policy_rule(50, RuleAction::Goto(32767)), None)]
#[case::prohibit(policy_rule(50, RuleAction::Prohibit), Some((50, None)))]
#[case::no_vrf(policy_rule(50, RuleAction::LookupOfVrf), MAIN)]
#[case::v6(Rule { v6: true, ..policy_rule(50, RuleAction::Prohibit) }, MAIN)]
fn a_rule_decides_about_packets_that_match(
    #[case] rule: Rule,
    #[case] expected: Option<(u32, Option<u32>)>,
) {
    assert_eq!(chosen(&facts(vec![rule]), &flow()), expected);
}

#[test]
fn what_comes_in_by_a_vrf_is_looked_up_in_its_table() {
    let mut facts = facts(vec![policy_rule(50, RuleAction::LookupOfVrf)]);
    let mut vrf = crate::example::pieces::link(8, "blue", "vrf", [2; 6]);
    vrf.vrf = Some(100);
    let mut port = crate::example::pieces::link(7, "eth1", "", [3; 6]);
    port.master = Some(8);
    facts.links.extend([vrf, port]);
    let coming = Flow {
        iif: Some(7),
        ..flow()
    };
    assert_eq!(chosen(&facts, &coming), OTHER);
    assert_eq!(chosen(&facts, &flow()), MAIN);
}

#[test]
fn a_mark_that_a_packet_was_given_counts() {
    let facts = facts(vec![Rule {
        mark: mark(7, u32::MAX),
        ..to_table(100)
    }]);
    let marked = Flow {
        mark: Some(7),
        ..flow()
    };
    assert_eq!(chosen(&facts, &marked), OTHER);
}

fn found(oif: u32) -> RouteOutcome {
    RouteOutcome::Found(route("10.244.2.7/32", 1, oif))
}

fn refused(errno: Errno) -> RouteOutcome {
    RouteOutcome::Refused {
        errno: errno as i32,
        detail: "words".to_owned(),
    }
}

#[test]
fn a_rule_is_named_only_where_the_kernel_answers_as_it_says() {
    let facts = facts(vec![to_table(100)]);
    let by = |outcome| match lookup::decide(&facts, &flow(), Some(&outcome)) {
        Ok(Decision::Out(_, ChosenBy::Policy(policy))) => policy,
        other => panic!("{}", other.is_ok()),
    };
    let named = by(found(9)).expect("a rule");
    assert_eq!((named.rule.priority, named.main_covers), (50, true));
    assert_eq!(named.route, "default dev ?");
    assert_eq!(by(found(4)), None);
}

#[rstest]
#[case::rule(policy_rule(50, RuleAction::Prohibit), Errno::EACCES, true)]
#[case::rule_of_another_error(policy_rule(50, RuleAction::Prohibit), Errno::EINVAL, false)]
#[case::route(to_table(101), Errno::EINVAL, true)]
#[case::route_of_another_error(to_table(101), Errno::EACCES, false)]
fn a_refusal_is_a_rules_where_its_error_is_the_same(
    #[case] rule: Rule,
    #[case] errno: Errno,
    #[case] named: bool,
) {
    let facts = facts(vec![rule.clone()]);
    let by = match lookup::decide(&facts, &flow(), Some(&refused(errno))) {
        Err(Cause::Rejected { by }) => Some(by),
        Err(_) | Ok(_) => None,
    };
    let action = rule.action;
    let rule = Box::new(rule);
    let expected = match action {
        RuleAction::Lookup(_) => RouteChoice::Table {
            rule,
            route: "blackhole 10.244.0.0/16".to_owned(),
        },
        _ => RouteChoice::Rule { rule },
    };
    assert_eq!(by, named.then_some(expected));
}

#[test]
fn what_a_packet_carries_and_its_mark_are_part_of_the_question() {
    let mut observed = observed(Style::Vxlan);
    let links = &mut node_facts(&mut observed, "node1").links;
    let tunnel = links.iter_mut().find(|link| link.vxlan.is_some());
    tunnel.unwrap().link = Some(2);
    let mut asked = request(pod("busybox-1"), "10.244.2.2");
    asked.carries = flow().carries;
    asked.marks = BTreeMap::from([(node("node1"), 7)]);

    let (_, questions) = trace(&observed, &Kernels::new(), &asked);

    let of_node1: Vec<&Flow> = questions
        .iter()
        .filter(|(netns, _)| *netns == node("node1"))
        .map(|(_, flow)| flow)
        .collect();
    let [inner, outer] = of_node1[..] else {
        panic!("{of_node1:?}");
    };
    assert_eq!((inner.carries, inner.mark), (asked.carries, Some(7)));
    let port = outer.carries.and_then(|carries| carries.destination);
    assert_eq!((port, outer.mark), (Some(8472), None));
    // A forwarding entry without a device of its own leaves the choice of the device to routes.
    assert_eq!(outer.oif, None);
}
