//! Users' calls that fail where following has seen what ends the run's own packets: the node is named, and its rule as what may be it.
use flatnet_model::cause::Cause;
use flatnet_model::evidence::Found;
use flatnet_model::follow::{Burst, Fate, Followed, FollowedTo, Leg, Outcomes, RuleRef, Wanted};
use flatnet_model::probe::{DialRequest, Resolved, Transport};
use flatnet_model::reference::Netns;

use super::*;
use crate::example::plane::{fail, from_node, had, ip, plane, real};

/// A rule of a node was seen to drop what a dial over `transport` sent.
fn drops_at(o: &mut Observations, node: &str, transport: Transport) {
    let request = DialRequest {
        address: ip("10.244.1.2"),
        transport,
        port: 7411,
    };
    let cause = Cause::DroppedByRule {
        at: Netns::Node(node.to_owned()),
        rule: RuleRef {
            family: "ip".to_owned(),
            table: "filter".to_owned(),
            chain: "FORWARD".to_owned(),
            handle: Some(7),
            text: None,
        },
    };
    let fate = Fate {
        leg: Leg::Syn,
        packets: 5,
        of: 5,
        last: None,
        unseen_at: None,
        cause: Some(Found::seen(cause)),
    };
    o.following.followed.push(Followed {
        dial: Wanted {
            from: pod_end("busybox-1"),
            to: pod_end("busybox-2"),
            request,
            burst: Burst::Few,
        },
        outcomes: Ok(Outcomes::Dials(Vec::new())),
        places: Vec::new(),
        routes: Vec::new(),
        found: Some(FollowedTo {
            fate: Some(fate),
            rewrites: Vec::new(),
        }),
    });
}

#[track_caller]
fn is_told(check: &str, o: &Observations) {
    let e = sole(check, o);
    assert_eq!(e.culprit.as_deref(), Some("node2"));
    assert_contains(
        &e.cause.unwrap(),
        "it may be that node2 drops them: rule handle 7",
    );
}

#[test]
fn calls_that_fail_at_a_node_whose_rule_was_seen_to_drop() {
    let all = real();
    let mut o = all.clone();
    let calls = &mut had(&mut plane(&mut o).services).shared.calls;
    fail(calls, |call| {
        from_node(call, &all, "node2") && matches!(call.from, Endpoint::Pod(_))
    });
    drops_at(&mut o, "node2", Transport::Tcp);
    is_told("service", &o);

    let mut o = all.clone();
    let there = o.nodes[1].object.internal_ips.clone();
    let ports = &mut had(&mut plane(&mut o).host_ports).calls;
    fail(ports, |call| there.contains(&call.request.address));
    drops_at(&mut o, "node2", Transport::Udp);
    is_told("hostport", &o);

    let mut o = all.clone();
    let port = &mut had(&mut had(&mut plane(&mut o).outside).node_port).calls;
    fail(port, |call| there.contains(&call.request.address));
    drops_at(&mut o, "node2", Transport::Tcp);
    is_told("nodeport", &o);

    let mut o = all.clone();
    let egress = &mut had(&mut plane(&mut o).outside).egress;
    fail(egress, |call| bare(&call.from) == "busybox-2");
    drops_at(&mut o, "node2", Transport::Tcp);
    is_told("egress", &o);
}

/// The server's pods are on node1; every pod asks them in vain.
#[test]
fn names_that_nobody_gets_where_the_servers_node_drops() {
    let mut o = real();
    for client in &mut had(&mut plane(&mut o).dns).clients {
        for (_, resolved) in client.answers.iter_mut().flatten() {
            *resolved = Resolved::Failed {
                kind: Failure::TimedOut,
                detail: "no answer within 1500 ms".to_owned(),
                attempts: 3,
            };
        }
    }
    let before = sole("dns", &o);
    assert_eq!(before.culprit, None);
    drops_at(&mut o, "node3", Transport::Udp);
    assert_eq!(sole("dns", &o).cause, before.cause, "not on the way");
    drops_at(&mut o, "node1", Transport::Udp);
    let e = sole("dns", &o);
    assert_eq!(e.culprit.as_deref(), Some("node1"));
    assert_contains(&e.cause.unwrap(), "it may be that node1 drops them");
}

/// Another transport's rule does not end them, nor one of a node that they do not pass.
#[test]
fn what_was_seen_elsewhere_is_not_told() {
    let mut o = real();
    let calls = &mut had(&mut plane(&mut o).outside).egress;
    fail(calls, |call| {
        bare(&call.from) == "busybox-2" && call.request.transport == Transport::Udp
    });
    let before = sole("egress", &o).cause;
    drops_at(&mut o, "node2", Transport::Tcp);
    drops_at(&mut o, "node1", Transport::Udp);
    assert_eq!(sole("egress", &o).cause, before);
}

/// Names that pods of two nodes do not get are not a matter of each of the two.
#[test]
fn names_that_some_nodes_do_not_get_blame_neither() {
    let mut o = real();
    let far: Vec<_> = o
        .pods
        .iter()
        .filter(|pod| pod.object.node != "node1")
        .map(|pod| pod.reference().clone())
        .collect();
    for client in &mut had(&mut plane(&mut o).dns).clients {
        for (_, resolved) in client.answers.iter_mut().flatten() {
            if far.contains(&client.pod) {
                *resolved = Resolved::Failed {
                    kind: Failure::TimedOut,
                    detail: "no answer within 1500 ms".to_owned(),
                    attempts: 3,
                };
            }
        }
    }
    for evidence in evidence("dns", &o) {
        assert_eq!(evidence.culprit, None);
    }
}

/// The one pod of a node that dials the peer: its node's fault, unless it reaches nobody where its neighbour does.
#[test]
fn a_pod_that_does_not_get_out_is_blamed_where_it_alone_is_cut_off() {
    let mut o = real();
    let calls = &mut had(&mut plane(&mut o).outside).egress;
    fail(calls, |call| bare(&call.from) == "busybox-2");
    assert_eq!(sole("egress", &o).culprit.as_deref(), Some("node2"));
    for dial in &mut o.dials {
        if bare(&dial.from) == "busybox-2" {
            dial.result = crate::example::plane::lost();
        }
    }
    let e = sole("egress", &o);
    assert_eq!(e.culprit.as_deref(), Some("pod busybox-2 on node2"));
}
