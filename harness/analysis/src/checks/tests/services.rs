//! Services: each mutation turns exactly its check red.
use flatnet_model::probe::{DialOutcome, Transport};

use super::*;
use crate::example::plane::{SHARED, fail, from_node, had, plane, real};

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
    assert_contains(&e.cause.unwrap(), "kube-proxy");
    assert!(e.look.starts_with("flatnet exec node2 -- "));
}

#[test]
fn a_service_that_one_pod_does_not_reach_is_that_pods() {
    let mut o = real();
    let calls = &mut had(&mut plane(&mut o).services).shared.calls;
    fail(calls, |call| {
        bare(&call.from) == "busybox-2" && call.request.transport == Transport::Udp
    });
    let e = sole("service", &o);
    assert_eq!(e.culprit.as_deref(), Some("pod busybox-2 on node2"));
    assert!(e.what.ends_with("over udp"), "{}", e.what);
}

#[test]
fn a_service_that_nobody_reaches_blames_no_node() {
    let mut o = real();
    let calls = &mut had(&mut plane(&mut o).services).shared.calls;
    fail(calls, |_| true);
    let e = sole("service", &o);
    assert_eq!(e.culprit, None);
    assert_contains(&e.what, "cannot be reached from any node");
}

#[test]
fn a_service_answered_by_a_stranger_or_by_nobody() {
    let mut o = real();
    let calls = &mut had(&mut plane(&mut o).services).shared.calls;
    for result in &mut calls[0].results[..1] {
        if let DialOutcome::Answered { responder, .. } = result {
            *responder = Some("host-1".to_owned());
        }
    }
    assert_contains(
        &sole("service", &o).observed,
        "answered by host-1, which is not a backend (1 of 6)",
    );
    let mut o = real();
    had(&mut plane(&mut o).services)
        .shared
        .service
        .backends
        .clear();
    assert_contains(&sole("service", &o).what, "no ready backend");
}

#[test]
fn a_pod_that_does_not_reach_itself_through_its_service() {
    let mut o = real();
    fail(&mut had(&mut plane(&mut o).services).single.calls, |_| true);
    assert_red(&o, &["service"], &[]);
    let e = sole("service", &o);
    assert_eq!(e.culprit.as_deref(), Some("pod busybox-1 on node1"));
    assert_contains(&e.cause.unwrap(), "hairpin");
}

#[test]
fn a_client_that_dialled_no_service_is_not_measured() {
    let mut o = real();
    let calls = &mut had(&mut plane(&mut o).services).shared.calls;
    calls.retain(|call| bare(&call.from) != "busybox-3");
    assert_contains(&broken("service", &o), "busybox-3 did not dial");
}
