//! Choosing routes, and what the kernel's own word changes.
use flatnet_model::kernel::{Flow, NextHop, RouteEntry};
use flatnet_model::probe::RouteOutcome;
use nix::errno::Errno;
use rstest::rstest;

use super::super::lookup::{self, Decision};
use super::super::model::{ChosenBy, Step};
use super::*;

fn route(dst: &str, gateway: &str, metric: Option<u32>) -> RouteEntry {
    RouteEntry {
        dst: dst.parse().unwrap(),
        gateway: Some(ip(gateway)),
        oif: Some(2),
        src: None,
        onlink: false,
        protocol: 4,
        scope: "global".to_owned(),
        metric,
        kind: 1,
        mtu: None,
        mtu_expires_s: None,
        more_hops: Vec::new(),
        nexthop_id: None,
    }
}

/// The gateway and the number of next hops, by these routes alone.
fn chosen(routes: Vec<RouteEntry>, to: &str) -> (String, usize) {
    let mut facts = crate::example::pieces::empty_facts("node1");
    facts.routes = routes;
    match lookup::decide(&facts, &Flow::to(ip(to)), None) {
        Ok(Decision::Out(route, ChosenBy::MainTable { next_hops })) => {
            (route.gateway.unwrap().to_string(), next_hops)
        }
        Ok(_) => panic!("not by the main table"),
        Err(cause) => panic!("{cause:?}"),
    }
}

#[test]
fn the_longest_prefix_wins_then_the_lowest_metric_then_a_hash() {
    let routes = vec![
        route("0.0.0.0/0", "10.0.0.1", None),
        route("10.244.0.0/16", "10.0.0.2", Some(5)),
        route("10.244.2.0/24", "10.0.0.3", Some(100)),
        route("10.244.2.0/24", "10.0.0.4", Some(20)),
        RouteEntry {
            more_hops: vec![NextHop {
                gateway: Some(ip("10.0.0.6")),
                oif: Some(2),
                onlink: false,
            }],
            ..route("10.9.0.0/16", "10.0.0.5", None)
        },
    ];
    for (to, expected) in [
        ("8.8.8.8", ("10.0.0.1", 1)),
        ("10.244.7.7", ("10.0.0.2", 1)),
        ("10.244.2.7", ("10.0.0.4", 1)),
        ("10.9.0.1", ("10.0.0.5", 2)),
    ] {
        let (gateway, hops) = chosen(routes.clone(), to);
        assert_eq!((gateway.as_str(), hops), expected, "{to}");
    }
}

/// Follows a packet with one answer of node1's kernel about it.
fn answering(observed: &ObservedNetwork, outcome: RouteOutcome) -> Trace {
    let asked = request(pod("busybox-1"), "10.244.2.2");
    let (_, questions) = trace(observed, &Kernels::new(), &asked);
    let of_node1 = questions
        .into_iter()
        .find(|(netns, _)| *netns == node("node1"));
    let kernels = Kernels::from([(of_node1.unwrap(), outcome)]);
    trace(observed, &kernels, &asked).0
}

#[test]
fn every_decision_is_a_question_to_its_kernel() {
    let observed = observed(Style::Vxlan);
    let asked = request(pod("busybox-1"), "10.244.2.2");

    let (_, questions) = trace(&observed, &Kernels::new(), &asked);

    let namespaces: Vec<String> = questions
        .iter()
        .map(|(netns, _)| netns.exec_name())
        .collect();
    // node1 decides about the packet, and about the UDP packet around it.
    assert_eq!(namespaces, ["busybox-1", "node1", "node1", "node2"]);
    let of_node2 = &questions[3].1;
    assert_eq!(of_node2.from, Some(ip("10.244.1.2")));
    assert!(of_node2.iif.is_some());
}

#[test]
fn a_kernel_that_looks_into_another_table_is_followed() {
    let observed = observed(Style::Direct);
    let elsewhere = RouteEntry {
        dst: "10.244.2.2/32".parse().unwrap(),
        ..route("0.0.0.0/0", "172.18.0.4", None)
    };

    let trace = answering(&observed, RouteOutcome::Found(elsewhere));

    let by_rule = trace.hops.iter().any(|hop| {
        hop.netns == node("node1")
            && matches!(&hop.step, Step::Routed(routed) if matches!(routed.by, ChosenBy::Policy(_)))
    });
    assert!(by_rule, "{:?}", devices(&trace));
    assert!(devices(&trace).contains(&"node3 eth0 in".to_owned()));
}

#[rstest]
#[case::no_route(Errno::ENETUNREACH, Cause::NoRoute)]
#[case::not_forwarded(Errno::EHOSTUNREACH, Cause::ForwardingOff { sysctl: "ipv4/conf/cni0/forwarding".to_owned() })]
#[case::reverse_path(Errno::EXDEV, Cause::ReversePath { device: "cni0".to_owned() })]
#[case::martian(Errno::EINVAL, Cause::Refused { detail: "words".to_owned() })]
fn a_kernel_that_refuses_is_believed(#[case] errno: Errno, #[case] expected: Cause) {
    let observed = observed(Style::Direct);
    let refused = RouteOutcome::Refused {
        errno: errno as i32,
        detail: "words".to_owned(),
    };

    let trace = answering(&observed, refused);

    assert_eq!(stopped(&trace), (&node("node1"), &expected));
}

/// An `unreachable` route of another table refuses with the error of forwarding that is off.
#[test]
fn an_interface_that_forwards_is_not_told_not_to() {
    let mut observed = observed(Style::Direct);
    let key = "ipv4.conf.all.forwarding".to_owned();
    let settings = &mut node_facts(&mut observed, "node1").sysctls;
    settings.insert(key, "1".to_owned());
    let refused = RouteOutcome::Refused {
        errno: Errno::EHOSTUNREACH as i32,
        detail: "words".to_owned(),
    };

    let trace = answering(&observed, refused);

    let detail = "words".to_owned();
    assert_eq!(
        stopped(&trace),
        (&node("node1"), &Cause::Refused { detail })
    );
}
