//! The checks about those who use a real cluster: each mutation turns exactly its check red.
use flatnet_probe::{Dialled, Resolved, Sighting, Transport};
use rstest::rstest;

use super::plane::{HOST_PORT, PEER, SHARED, had, ip, lost, plane, real, told_of};
use super::*;
use crate::observe::{Barred, Call, Denied, Sought};

fn from_node(call: &Call, o: &Observations, node: &str) -> bool {
    call.from.name() == node
        || o.pods
            .iter()
            .any(|pod| pod.name == call.from.name() && pod.node == node)
}

/// These dials get no answer.
fn fail(calls: &mut [Call], which: impl Fn(&Call) -> bool) {
    for call in calls.iter_mut().filter(|call| which(call)) {
        call.results.iter_mut().for_each(|result| *result = lost());
    }
}

/// The peer, or whoever answered, saw this source.
fn seen_as(calls: &mut [Call], which: impl Fn(&Call) -> bool, source: &str) {
    for call in calls.iter_mut().filter(|call| which(call)) {
        for result in &mut call.results {
            if let Dialled::Answered { seen_as, .. } = result {
                *seen_as = Some(ip(source));
            }
        }
    }
}

#[test]
fn a_healthy_real_cluster_passes_every_check() {
    let o = real();
    assert_red(&o, &[], &[]);
    assert_eq!(with("skip", &o), BTreeSet::new());
    assert_eq!(
        facts("service", &o)[0],
        "12 of 12 clients reach 10.96.0.20:7411 over tcp, udp; 6 of 6 backends answered"
    );
    assert!(facts("dns", &o)[0].starts_with("6 of 6 pods told "));
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
    for id in [
        "service",
        "dns",
        "hostport",
        "nodeport",
        "egress",
        "daemonset",
    ] {
        match judge(id, &o) {
            Verdict::Skip { reason } => {
                assert!(
                    reason.contains("provider lab has no control plane"),
                    "{reason}"
                );
            }
            other => panic!("{id}: {other:?}"),
        }
    }
}

#[test]
fn what_is_absent_skips_and_what_got_lost_breaks() {
    let mut o = real();
    plane(&mut o).outside = Sought::Absent {
        why: "no peer".to_owned(),
    };
    plane(&mut o).agents = Sought::Lost {
        error: "boom".to_owned(),
    };
    assert_eq!(with("skip", &o), BTreeSet::from(["nodeport", "egress"]));
    assert_red(&o, &[], &["daemonset"]);
    assert!(facts("hostport", &o)[1].contains("not from outside: no peer"));
}

#[test]
fn a_service_that_one_node_does_not_program() {
    let mut o = real();
    let all = o.clone();
    let calls = &mut had(&mut plane(&mut o).services).shared.calls;
    fail(calls, |call| from_node(call, &all, "node2"));
    assert_red(&o, &["service"], &[]);
    let e = sole("service", &o);
    assert_eq!(e.culprit.as_deref(), Some("node2"));
    assert!(
        e.what.contains(SHARED) && e.what.contains("tcp, udp"),
        "{}",
        e.what
    );
    assert!(e.cause.unwrap().contains("kube-proxy"));
    assert!(e.look.starts_with("flatnet exec node2 -- "));
}

#[test]
fn a_service_that_one_pod_does_not_reach_is_that_pods() {
    let mut o = real();
    let calls = &mut had(&mut plane(&mut o).services).shared.calls;
    fail(calls, |call| {
        call.from.name() == "busybox-2" && call.transport == Transport::Udp
    });
    let e = sole("service", &o);
    assert_eq!(e.culprit.as_deref(), Some("busybox-2 on node2"));
    assert!(e.what.ends_with("over udp"), "{}", e.what);
}

#[test]
fn a_service_that_nobody_reaches_blames_no_node() {
    let mut o = real();
    let calls = &mut had(&mut plane(&mut o).services).shared.calls;
    fail(calls, |_| true);
    let e = sole("service", &o);
    assert_eq!(e.culprit, None);
    assert!(e.what.contains("reached by nobody"), "{}", e.what);
}

#[test]
fn a_service_answered_by_a_stranger_or_by_nobody() {
    let mut o = real();
    let calls = &mut had(&mut plane(&mut o).services).shared.calls;
    for result in &mut calls[0].results[..1] {
        if let Dialled::Answered { responder, .. } = result {
            *responder = Some("host-1".to_owned());
        }
    }
    assert!(
        sole("service", &o)
            .observed
            .contains("answered by host-1, which is no backend (1 of 6)")
    );
    let mut o = real();
    had(&mut plane(&mut o).services)
        .shared
        .service
        .backends
        .clear();
    assert!(sole("service", &o).what.contains("no ready backend"));
}

#[test]
fn a_pod_that_does_not_reach_itself_through_its_service() {
    let mut o = real();
    fail(&mut had(&mut plane(&mut o).services).single.calls, |_| true);
    assert_red(&o, &["service"], &[]);
    let e = sole("service", &o);
    assert_eq!(e.culprit.as_deref(), Some("pod busybox-1 on node1"));
    assert!(e.cause.unwrap().contains("hairpin"));
}

#[test]
fn a_client_that_dialled_no_service_is_not_measured() {
    let mut o = real();
    let calls = &mut had(&mut plane(&mut o).services).shared.calls;
    calls.retain(|call| call.from.name() != "busybox-3");
    assert!(broken("service", &o).contains("busybox-3 did not dial"));
}

/// Answers of the pods on node2 become these.
fn answers(o: &mut Observations, over: &[flatnet_probe::Carrier], with: &Resolved) {
    let there: Vec<String> = o
        .pods
        .iter()
        .filter(|pod| pod.node == "node2")
        .map(|pod| pod.name.clone())
        .collect();
    for client in &mut had(&mut plane(o).dns).clients {
        for (lookup, resolved) in client.answers.iter_mut().flatten() {
            if there.contains(&client.pod) && over.contains(&lookup.over) {
                *resolved = with.clone();
            }
        }
    }
}

#[test]
fn questions_lost_on_one_node_blame_it_and_the_way_they_travel() {
    let mut o = real();
    let lost = Resolved::Failed {
        kind: Failure::TimedOut,
        detail: "no answer within 1000 ms".to_owned(),
        attempts: 2,
    };
    answers(&mut o, &[flatnet_probe::Carrier::Udp], &lost);
    assert_red(&o, &["dns"], &[]);
    let e = sole("dns", &o);
    assert_eq!(e.culprit.as_deref(), Some("node2"));
    assert!(e.what.ends_with("asked over udp"), "{}", e.what);
    assert!(
        e.observed.contains("kubernetes.default.svc.cluster.local"),
        "{}",
        e.observed
    );
    assert!(e.cause.unwrap().contains("packet filter on node2"));
}

#[test]
fn a_wrong_address_and_an_unknown_name_are_told() {
    let both = [flatnet_probe::Carrier::Udp, flatnet_probe::Carrier::Tcp];
    let mut o = real();
    answers(&mut o, &both, &told_of(vec![ip("192.0.2.1")]));
    let e = sole("dns", &o);
    assert!(e.observed.contains("192.0.2.1, expected"), "{}", e.observed);
    assert!(e.cause.unwrap().contains("the server answers"));
    let mut o = real();
    let unknown = Resolved::Answered {
        code: "NXDOMAIN".to_owned(),
        addresses: Vec::new(),
        truncated: false,
        rtt_us: 1,
        attempts: 1,
    };
    answers(&mut o, &both, &unknown);
    assert!(sole("dns", &o).observed.contains("NXDOMAIN"));
}

#[test]
fn a_dns_service_without_pods_is_the_cause() {
    let mut o = real();
    let dns = had(&mut plane(&mut o).dns);
    dns.servers = Ok(0);
    for client in &mut dns.clients {
        for (_, resolved) in client.answers.iter_mut().flatten() {
            *resolved = Resolved::Failed {
                kind: Failure::Refused,
                detail: "connection refused".to_owned(),
                attempts: 2,
            };
        }
    }
    let e = sole("dns", &o);
    assert_eq!(e.culprit, None);
    assert!(e.cause.unwrap().contains("kube-dns is ready"));
}

#[test]
fn pods_without_the_clusters_resolver_are_skipped() {
    let mut o = real();
    for client in &mut had(&mut plane(&mut o).dns).clients {
        client.answers = Ok(Vec::new());
    }
    assert!(with("skip", &o).contains("dns"));
}

#[rstest]
#[case::from_another_node(false)]
#[case::from_outside(true)]
fn a_host_port_that_does_not_answer_blames_its_node(#[case] outside: bool) {
    let mut o = real();
    let at = o.nodes[2].internal_ips[0];
    let tcp = |call: &Call| call.address == at && call.transport == Transport::Tcp;
    if outside {
        fail(&mut had(&mut plane(&mut o).outside).host_ports, tcp);
    } else {
        fail(&mut had(&mut plane(&mut o).host_ports).calls, tcp);
    }
    assert_red(&o, &["hostport"], &[]);
    let e = sole("hostport", &o);
    assert_eq!(e.culprit.as_deref(), Some("node3"));
    let from = if outside { "peer" } else { "node1" };
    assert!(
        e.what.contains(&format!("{HOST_PORT} of node3")) && e.what.ends_with(from),
        "{}",
        e.what
    );
}

#[test]
fn a_host_port_answered_by_another_pod_is_wrong() {
    let mut o = real();
    for result in &mut had(&mut plane(&mut o).host_ports).calls[0].results {
        if let Dialled::Answered { responder, .. } = result {
            *responder = Some("busybox-1".to_owned());
        }
    }
    assert!(
        sole("hostport", &o)
            .observed
            .contains("answered by busybox-1")
    );
}

/// portmap is chained without `capabilities` in the synthetic configurations: nothing asks for mappings.
#[test]
fn no_port_mapping_is_promised_where_no_plugin_asks_for_it() {
    let all_fail = |o: &mut Observations| {
        fail(&mut had(&mut plane(o).host_ports).calls, |_| true);
        fail(&mut had(&mut plane(o).outside).host_ports, |_| true);
    };
    let mut o = real();
    all_fail(&mut o);
    assert!(with("skip", &o).contains("hostport"));
    let mut o = real();
    for node in &mut o.nodes {
        let conf = &mut node.cni.as_mut().unwrap().conf[0].content;
        let text = conf.as_mut().unwrap();
        *text = text.replace(
            r#"{"type":"portmap"}"#,
            r#"{"type":"portmap","capabilities":{"portMappings":true}}"#,
        );
    }
    all_fail(&mut o);
    assert_red(&o, &["hostport"], &[]);
    assert_eq!(evidence("hostport", &o).len(), 3);
}

#[test]
fn a_pod_with_a_host_port_that_does_not_run_is_not_measured() {
    let mut o = real();
    had(&mut plane(&mut o).host_ports).pods[1].phase = "Pending".to_owned();
    assert!(broken("hostport", &o).contains("busybox-port-2"));
}

#[test]
fn a_node_port_that_one_node_does_not_program() {
    let mut o = real();
    let at = o.nodes[1].internal_ips[0];
    let exposure = &mut had(&mut plane(&mut o).outside).node_port;
    fail(&mut had(exposure).calls, |call| call.address == at);
    assert_red(&o, &["nodeport"], &[]);
    let e = sole("nodeport", &o);
    assert_eq!(e.culprit.as_deref(), Some("node2"));
    assert!(e.cause.unwrap().contains("node2 does not send"));
}

#[test]
fn node_ports_that_nobody_answers_blame_no_node() {
    let mut o = real();
    let exposure = &mut had(&mut plane(&mut o).outside).node_port;
    fail(&mut had(exposure).calls, |_| true);
    assert!(evidence("nodeport", &o).iter().all(|e| e.culprit.is_none()));
}

#[test]
fn pods_that_do_not_get_out_of_the_cluster() {
    let mut o = real();
    let pods = |call: &Call| call.from.name() == "busybox-2";
    fail(&mut had(&mut plane(&mut o).outside).egress, pods);
    assert_red(&o, &["egress"], &[]);
    let e = sole("egress", &o);
    assert_eq!(e.culprit.as_deref(), Some("busybox-2 on node2"));
    assert!(e.look.ends_with(PEER), "{}", e.look);
}

#[test]
fn a_routed_pod_is_fine_and_a_strange_source_is_not() {
    let mut o = real();
    let own = pod(&mut o, "busybox-2").ips[0].to_string();
    let calls = &mut had(&mut plane(&mut o).outside).egress;
    seen_as(calls, |call| call.from.name() == "busybox-2", &own);
    assert_red(&o, &[], &[]);
    assert!(
        facts("egress", &o)
            .contains(&"pods are seen outside as themselves (routed): busybox-2".to_owned())
    );

    let other = o.nodes[0].internal_ips[0].to_string();
    let calls = &mut had(&mut plane(&mut o).outside).egress;
    seen_as(calls, |call| call.from.name() == "busybox-2", &other);
    let e = sole("egress", &o);
    assert!(
        e.observed.contains(&format!("seen as {other}, node1")),
        "{}",
        e.observed
    );
}

#[test]
fn a_source_to_which_no_answer_comes_back_is_known_from_the_peer() {
    let mut o = real();
    let other = o.nodes[0].internal_ips[0];
    let outside = had(&mut plane(&mut o).outside);
    fail(&mut outside.egress, |call| call.from.name() == "busybox-2");
    outside.sightings = Ok(vec![Sighting {
        transport: Transport::Udp,
        from: "busybox-2".to_owned(),
        source: other,
        destination: ip(PEER),
        count: 2,
    }]);
    let e = sole("egress", &o);
    assert!(
        e.observed
            .contains(&format!("the peer saw busybox-2 as {other}")),
        "{}",
        e.observed
    );
    assert!(e.cause.unwrap().contains("rewrites the source"));
}

#[test]
fn agents_missing_not_ready_or_twice_on_a_node() {
    let mut o = real();
    had(&mut plane(&mut o).agents)[0].pods.remove(2);
    assert_red(&o, &["daemonset"], &[]);
    let e = sole("daemonset", &o);
    assert_eq!(e.culprit.as_deref(), Some("node3"));
    assert!(e.what.contains("no network agent is on node3"));

    let mut o = real();
    had(&mut plane(&mut o).agents)[0].pods[1].ready = false;
    assert!(sole("daemonset", &o).what.contains("on node2 is not ready"));

    let mut o = real();
    let pods = &mut had(&mut plane(&mut o).agents)[0].pods;
    let mut twin = pods[0].clone();
    twin.name = "agent-twin".to_owned();
    pods.push(twin);
    assert!(
        sole("daemonset", &o)
            .what
            .contains("2 pods of DaemonSet agent are ready on node1")
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
        who: Barred::Nodes,
        what: "create pod flatnet-node-1".to_owned(),
        rule: "violates PodSecurity \"restricted\"".to_owned(),
    };
    o.denied = vec![denied];
    let is_node = |end: &Endpoint| matches!(end, Endpoint::Node(_));
    for node in &mut o.nodes {
        node.facts = Err("not allowed".to_owned());
        node.cni = Err("not allowed".to_owned());
    }
    o.pods.retain(|pod| !pod.host_network);
    let known: Vec<String> = o.pods.iter().map(|pod| pod.name.clone()).collect();
    o.dials.retain(|dial| {
        !is_node(&dial.from)
            && !is_node(&dial.to)
            && [&dial.from, &dial.to]
                .iter()
                .all(|end| known.iter().any(|pod| pod == end.name()))
    });
    o.sightings
        .retain(|end, _| is_node(end) || known.iter().any(|pod| pod == end.name()));
    for (end, seen) in &mut o.sightings {
        if is_node(end) {
            *seen = Err("not allowed".to_owned());
        } else if let Ok(seen) = seen {
            seen.retain(|sighting| known.contains(&sighting.from));
        }
    }
    let services = &mut had(&mut plane(&mut o).services).shared;
    services
        .calls
        .retain(|call| known.iter().any(|pod| pod == call.from.name()));
    had(&mut plane(&mut o).outside)
        .egress
        .retain(|call| !is_node(&call.from));

    assert_red(&o, &[], &[]);
    assert_eq!(
        with("skip", &o),
        BTreeSet::from(["gateway", "node-routes", "bridge", "cni-config"])
    );
    match judge("gateway", &o) {
        Verdict::Skip { reason } => assert!(reason.contains("PodSecurity"), "{reason}"),
        other => panic!("{other:?}"),
    }
    for id in ["same-node", "cross-node", "no-nat", "service"] {
        let said = facts(id, &o);
        assert!(
            said.iter().any(|fact| fact.contains("nodes took no part")),
            "{id}: {said:?}"
        );
    }
    assert!(
        facts("mtu", &o)
            .iter()
            .any(|fact| fact.contains("not read"))
    );
}
