//! Who is named, and who is not.
use flatnet_model::cause::{Basis, Cause, Found};
use flatnet_model::follow::{
    Burst, Fate, Followed, FollowedTo, Leg, Outcomes, Rewrite, Sight, Wanted,
};
use flatnet_model::kernel::AddressField;
use flatnet_model::network::Transport;
use flatnet_model::probe::watch::Passing;
use flatnet_model::reference::Netns;
use flatnet_model::rule::RouteChoice;

use super::*;
use crate::example::build::{Style, healthy};

/// A dial of `from` to `to` that was followed to that cause.
fn followed_to(o: &mut Observations, from: &str, to: &str, cause: Cause) {
    let found = FollowedTo {
        fate: Some(fate(None, Some(Found::seen(cause)))),
        rewrites: Vec::new(),
    };
    followed(o, from, to, found);
}

fn fate(last: Option<Sight>, cause: Option<Found>) -> Fate {
    Fate {
        leg: Leg::Request,
        packets: 5,
        of: 5,
        last,
        unseen_at: None,
        cause,
    }
}

/// A dial of `from` to `to` that was followed.
fn followed(o: &mut Observations, from: &str, to: &str, found: FollowedTo) {
    let mut dials = o.dials.iter();
    let dial = dials.find(|dial| {
        let ends = dial.from == pod_end(from) && dial.to == pod_end(to);
        // Of the transports it is the one that is followed first.
        ends && dial.request.transport == Transport::Udp
    });
    let dial = dial.expect("such a dial");
    o.following.followed.push(Followed {
        dial: Wanted {
            from: dial.from.clone(),
            to: dial.to.clone(),
            request: dial.request,
            burst: Burst::Few,
        },
        outcomes: Ok(Outcomes::Dials(Vec::new())),
        places: Vec::new(),
        routes: Vec::new(),
        found: Some(found),
    });
}

/// What ended packets at node1 says nothing of pairs between other nodes: they are told apart, and followed next.
#[test]
fn a_cause_seen_at_one_node_explains_its_pairs_only() {
    let mut o = healthy(Style::Direct);
    lost(&mut o, |e| e.from_node != e.to_node && !e.from_host);
    let cause = Cause::LinkDown {
        at: Netns::Node("node1".to_owned()),
        device: "eth0".to_owned(),
        admin: false,
    };
    followed_to(&mut o, "busybox-1", "busybox-2", cause.clone());

    let told = |o: &Observations| -> Vec<(Found, Vec<String>)> {
        let Verdict::Fail { evidence } = judge("cross-node", o) else {
            panic!("pairs are red");
        };
        let each = evidence.iter().map(|e| {
            let subjects = e.deviation.subjects.iter().flat_map(|s| s.nodes());
            let found = e.deviation.finding.found().unwrap().clone();
            (found, subjects.map(str::to_owned).collect())
        });
        each.collect()
    };
    let seen = told(&o);
    assert_eq!(seen.len(), 2, "{seen:#?}");
    assert_eq!(seen[0], (Found::seen(cause), vec!["node1".to_owned()]));
    assert_eq!(seen[1].0.basis, Basis::Inferred);
    assert_eq!(seen[1].1, ["node2", "node3"]);
    let next = crate::follow::wanted(&o, 1).dials;
    let ends: Vec<&Endpoint> = next.iter().flat_map(|d| [&d.from, &d.to]).collect();
    let of_node1 = [pod_end("busybox-1"), pod_end("busybox-4")];
    assert_eq!(ends.len(), 2);
    assert!(!ends.iter().any(|end| of_node1.contains(end)), "{ends:?}");

    // Followed too, each has its own.
    let elsewhere = Cause::LinkDown {
        at: Netns::Node("node3".to_owned()),
        device: "eth0".to_owned(),
        admin: false,
    };
    followed_to(&mut o, "busybox-2", "busybox-3", elsewhere.clone());
    let seen = told(&o);
    assert_eq!(seen.len(), 2, "{seen:#?}");
    assert_eq!(seen[1].0, Found::seen(elsewhere));
}

/// busybox-1 reaches nobody, its gateway included.
fn cut_off() -> Observations {
    let mut o = healthy(Style::Direct);
    lost(&mut o, |e| e.involves("busybox-1") && !e.itself());
    o
}

#[test]
fn a_pod_without_an_answer_from_its_gateway_is_not_to_blame_for_that_alone() {
    let o = cut_off();
    let told = sole("gateway", &o);
    assert_eq!(told.culprit, None);
    assert_contains(&told.cause.unwrap(), "it may be that");
}

#[test]
fn a_route_of_the_node_that_leads_its_packets_away_is_the_nodes() {
    let mut o = cut_off();
    let cause = Cause::RoutedAway {
        at: Netns::Node("node1".to_owned()),
        to: "10.244.1.2".parse().unwrap(),
        device: "eth0".to_owned(),
        by: RouteChoice::Main {
            route: "10.244.1.2 via 172.18.0.3 dev eth0".to_owned(),
        },
    };
    followed_to(&mut o, "busybox-2", "busybox-1", cause);
    let told = sole("gateway", &o);
    assert_eq!(told.culprit.as_deref(), Some("node1"));
    assert_contains(&told.cause.unwrap(), "10.244.1.2 via 172.18.0.3 dev eth0");
}

/// What ended packets at another node did not keep a pod from its gateway.
#[test]
fn what_was_seen_elsewhere_says_nothing_of_a_gateway() {
    let mut o = cut_off();
    let cause = Cause::NeighbourUnresolved {
        at: Netns::Node("node2".to_owned()),
        hop: "172.18.0.2".parse().unwrap(),
        device: "eth0".to_owned(),
        entry: None,
    };
    followed_to(&mut o, "busybox-2", "busybox-1", cause);
    assert_eq!(sole("gateway", &o).culprit, None);
}

#[test]
fn who_gets_a_frame_for_another_is_not_named() {
    let mut o = healthy(Style::Direct);
    lost(&mut o, |e| {
        e.from_node == "node1" && e.to_node == "node2" && !e.from_host
    });
    let cause = Cause::FrameMisdirected {
        at: Netns::Node("node3".to_owned()),
        device: "eth0".to_owned(),
        frame: "02:00:5e:20:00:3f".parse().unwrap(),
        own: None,
    };
    followed_to(&mut o, "busybox-1", "busybox-2", cause);
    assert_eq!(sole("cross-node", &o).culprit, None);
}

/// Who gets packets that are given its address has not called for them, though it is where they were last seen.
#[test]
fn who_gets_what_is_redirected_is_not_named() {
    let mut o = healthy(Style::Direct);
    lost(&mut o, |e| {
        e.from_node == "node1" && e.involves("busybox-2") && !e.from_host
    });
    let Endpoint::Pod(other) = pod_end("busybox-5") else {
        panic!("a pod");
    };
    let last = Sight {
        netns: Netns::Pod(other),
        device: "eth0".to_owned(),
        passing: Passing::In,
        tunnelled: false,
    };
    let redirected = Rewrite {
        leg: Leg::Request,
        field: AddressField::Destination,
        from: "10.244.1.2".parse().unwrap(),
        to: "10.244.1.3".parse().unwrap(),
        at: Netns::Node("node1".to_owned()),
        by: None,
    };
    let found = FollowedTo {
        fate: Some(fate(Some(last), None)),
        rewrites: vec![redirected],
    };
    followed(&mut o, "busybox-1", "busybox-2", found);
    let told = sole("cross-node", &o);
    assert_eq!(told.culprit.as_deref(), Some("node1"));
    assert_contains(
        &told.cause.unwrap(),
        "may be that the destination is translated on node1",
    );
    assert_contains(
        &told.observed,
        "changed from 10.244.1.2 to 10.244.1.3 on node1",
    );
}

/// Two nodes lose what is for one pod, each for itself: the pod is not reached from anywhere, and not to blame.
#[test]
fn a_pod_that_several_nodes_keep_others_from_is_not_named() {
    let mut o = healthy(Style::Direct);
    lost(&mut o, |e| {
        let is_to_node2 = bare(&e.dial.to) == "busybox-2" || bare(&e.dial.to) == "busybox-5";
        let from_node1 = e.from_node == "node1" && bare(&e.dial.to) == "busybox-2";
        is_to_node2 && (from_node1 || e.from_node == "node3")
    });
    let named = |o: &Observations| -> Vec<Option<String>> {
        let all = evidence("cross-node", o).into_iter();
        all.map(|told| told.culprit).collect()
    };
    assert_eq!(named(&o)[0].as_deref(), Some("pod busybox-2 on node2"));
    let refused = |node: &str| Cause::RouteRefuses {
        at: Netns::Node(node.to_owned()),
        to: "10.244.1.2".parse().unwrap(),
        by: None,
    };
    followed_to(&mut o, "busybox-1", "busybox-2", refused("node1"));
    assert_eq!(named(&o), [Some("node1".to_owned()), None]);
    followed_to(&mut o, "busybox-3", "busybox-5", refused("node3"));
    assert_eq!(
        named(&o),
        ["node1", "node3"].map(|name| Some(name.to_owned()))
    );
}
