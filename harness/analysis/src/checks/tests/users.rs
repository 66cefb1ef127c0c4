//! The checks about those who use a real cluster: each mutation turns exactly its check red.
use flatnet_model::probe::{ReceivedRequest, Transport};

use super::*;
use crate::example::plane::{PEER, fail, had, ip, plane, real, seen_as};
use flatnet_model::observations::{Availability, Call, Denied, Forbidden};

#[test]
fn a_healthy_real_cluster_passes_every_check() {
    let o = real();
    assert_red(&o, &[], &[]);
    assert_eq!(with("skip", &o), BTreeSet::new());
    assert_eq!(
        facts("service", &o)[0],
        "12 of 12 clients reach 10.96.0.20:7411 over tcp, udp; 6 of 6 backends answered"
    );
    assert!(facts("dns", &o)[0].starts_with("6 of 6 pods get the addresses of "));
    assert_eq!(
        facts("hostport", &o),
        [
            "3 of 3 nodes answer on hostPort 20001 over tcp, udp",
            "dialled from another node, and from outside"
        ]
    );
    assert!(
        facts("egress", &o).contains(
            &"pods are seen outside as their node (masqueraded): busybox-1, busybox-2, busybox-3"
                .to_owned()
        )
    );
    assert_eq!(
        facts("daemonset", &o),
        ["kube-system/agent: 3 of 3 pods ready"]
    );
}

#[test]
fn a_control_plane_survives_json() {
    let text = serde_json::to_string(&real()).unwrap();
    let back: Observations = serde_json::from_str(&text).unwrap();
    assert_red(&back, &[], &[]);
    assert_eq!(with("skip", &back), BTreeSet::new());
}

#[test]
fn without_a_control_plane_they_are_skipped_and_say_so() {
    let o = healthy(Style::Vxlan);
    for id in REAL_ONLY {
        match judge(id, &o) {
            Verdict::Skip { reason } => {
                let reason = Words::of_report(Some(&o), None).skip(&reason);
                assert_contains(&reason, "provider lab has no control plane");
            }
            other => panic!("{id}: {other:?}"),
        }
    }
}

#[test]
fn what_is_absent_skips_and_what_got_lost_breaks() {
    let mut o = real();
    plane(&mut o).outside = Availability::Absent {
        why: "no peer".to_owned(),
    };
    plane(&mut o).agents = Availability::Lost {
        error: "boom".to_owned(),
    };
    assert_eq!(with("skip", &o), BTreeSet::from(["nodeport", "egress"]));
    assert_red(&o, &[], &["daemonset"]);
    assert_contains(&facts("hostport", &o)[1], "not from outside: no peer");
}

#[test]
fn pods_that_do_not_get_out_of_the_cluster() {
    let mut o = real();
    let pods = |call: &Call| bare(&call.from) == "busybox-2";
    fail(&mut had(&mut plane(&mut o).outside).egress, pods);
    assert_red(&o, &["egress"], &[]);
    let e = sole("egress", &o);
    assert_eq!(e.culprit.as_deref(), Some("node2"));
    assert!(e.look.ends_with(PEER), "{}", e.look);
}

#[test]
fn a_routed_pod_is_fine_and_a_strange_source_is_not() {
    let mut o = real();
    let own = pod(&mut o, "busybox-2").object.ips[0].to_string();
    let calls = &mut had(&mut plane(&mut o).outside).egress;
    seen_as(calls, |call| bare(&call.from) == "busybox-2", &own);
    assert_red(&o, &[], &[]);
    assert!(
        facts("egress", &o)
            .contains(&"pods are seen outside as themselves (routed): busybox-2".to_owned())
    );

    let other = o.nodes[0].object.internal_ips[0].to_string();
    let calls = &mut had(&mut plane(&mut o).outside).egress;
    seen_as(calls, |call| bare(&call.from) == "busybox-2", &other);
    let e = sole("egress", &o);
    assert_contains(&e.observed, &format!("seen as {other}, node1"));
}

#[test]
fn a_source_to_which_no_answer_comes_back_is_known_from_the_peer() {
    let mut o = real();
    let other = o.nodes[0].object.internal_ips[0];
    let outside = had(&mut plane(&mut o).outside);
    fail(&mut outside.egress, |call| bare(&call.from) == "busybox-2");
    outside.received = Ok(vec![ReceivedRequest {
        copies: 0,
        transport: Transport::Udp,
        from: pod_end("busybox-2").to_string(),
        source: other,
        destination: ip(PEER),
        count: 2,
    }]);
    let e = sole("egress", &o);
    assert_contains(&e.observed, &format!("the peer saw busybox-2 as {other}"));
    assert_contains(&e.cause.unwrap(), "rewrites the source");
}

#[test]
fn agents_missing_not_ready_or_twice_on_a_node() {
    let mut o = real();
    had(&mut plane(&mut o).agents)[0].pods.remove(2);
    assert_red(&o, &["daemonset"], &[]);
    let e = sole("daemonset", &o);
    assert_eq!(e.culprit.as_deref(), Some("node3"));
    assert_contains(&e.what, "no network agent is on node3");

    let mut o = real();
    had(&mut plane(&mut o).agents)[0].pods[1].ready = false;
    assert_contains(&sole("daemonset", &o).what, "on node2 is not ready");

    let mut o = real();
    let pods = &mut had(&mut plane(&mut o).agents)[0].pods;
    let mut twin = pods[0].clone();
    twin.name = "agent-twin".to_owned();
    pods.push(twin);
    assert_contains(
        &sole("daemonset", &o).what,
        "2 pods of DaemonSet agent are ready on node1",
    );
}

#[test]
fn one_agent_for_each_kind_of_node_is_enough() {
    let mut o = real();
    let sets = had(&mut plane(&mut o).agents);
    let mut other = sets[0].clone();
    other.name = "agent-arm64".to_owned();
    other.pods = sets[0].pods.split_off(2);
    sets.push(other);
    assert_red(&o, &[], &[]);
}

/// A service account that may only make pods: nodes are not to be looked at, and that is nobody's failure.
#[test]
fn without_rights_on_nodes_pods_are_judged_all_the_same() {
    let mut o = real();
    let denied = Denied {
        who: Forbidden::Nodes,
        what: "create pod flatnet-node-1".to_owned(),
        rule: "violates PodSecurity \"restricted\"".to_owned(),
    };
    o.denied = vec![denied];
    let is_node = |end: &Endpoint| matches!(end, Endpoint::Node(_));
    for node in &mut o.nodes {
        node.inside.facts = Some(Err("not allowed".to_owned()));
        node.inside.cni = Some(Err("not allowed".to_owned()));
    }
    o.pods.retain(|pod| !pod.object.host_network);
    let known: Vec<Endpoint> = o.pods.iter().map(ObservedPod::endpoint).collect();
    o.dials.retain(|dial| {
        !is_node(&dial.from)
            && !is_node(&dial.to)
            && [&dial.from, &dial.to].iter().all(|end| known.contains(end))
    });
    o.received
        .retain(|end, _| is_node(end) || known.contains(end));
    for (end, seen) in &mut o.received {
        if is_node(end) {
            *seen = Err("not allowed".to_owned());
        } else if let Ok(seen) = seen {
            seen.retain(|request| known.iter().any(|end| end.is_called(&request.from)));
        }
    }
    let services = &mut had(&mut plane(&mut o).services).shared;
    services.calls.retain(|call| known.contains(&call.from));
    had(&mut plane(&mut o).outside)
        .egress
        .retain(|call| !is_node(&call.from));

    assert_red(&o, &[], &[]);
    assert_eq!(
        with("skip", &o),
        BTreeSet::from(["gateway", "node-routes", "bridge", "cni-config"])
    );
    match judge("gateway", &o) {
        Verdict::Skip { reason } => {
            assert_contains(
                &Words::of_report(Some(&o), None).skip(&reason),
                "PodSecurity",
            );
        }
        other => panic!("{other:?}"),
    }
    for id in ["same-node", "cross-node", "no-nat", "service"] {
        let said = facts(id, &o);
        assert!(
            said.iter().any(|fact| fact.contains("nodes took no part")),
            "{id}: {said:?}"
        );
    }
    assert_fact("mtu", &o, "not read");
}
