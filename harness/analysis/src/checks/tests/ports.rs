//! Ports of nodes: each mutation turns exactly its check red.
use flatnet_model::probe::{DialOutcome, Transport};
use rstest::rstest;

use super::*;
use crate::example::plane::{HOST_PORT, fail, had, plane, real};
use flatnet_model::observations::Call;

#[rstest]
#[case::from_another_node(false)]
#[case::from_outside(true)]
fn a_host_port_that_does_not_answer_blames_its_node(#[case] outside: bool) {
    let mut o = real();
    let at = o.nodes[2].object.internal_ips[0];
    let tcp = |call: &Call| call.request.address == at && call.request.transport == Transport::Tcp;
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
        if let DialOutcome::Answered { responder, .. } = result {
            *responder = Some(pod_end("busybox-1").to_string());
        }
    }
    assert_contains(&sole("hostport", &o).observed, "answered by busybox-1");
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
        let conf = &mut found(&mut node.inside.cni).conf[0].content;
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
    assert_contains(&broken("hostport", &o), "busybox-port-2");
}

#[test]
fn a_node_port_that_one_node_does_not_program() {
    let mut o = real();
    let at = o.nodes[1].object.internal_ips[0];
    let exposure = &mut had(&mut plane(&mut o).outside).node_port;
    fail(&mut had(exposure).calls, |call| call.request.address == at);
    assert_red(&o, &["nodeport"], &[]);
    let e = sole("nodeport", &o);
    assert_eq!(e.culprit.as_deref(), Some("node2"));
    assert_contains(&e.cause.unwrap(), "node2 does not send");
}

#[test]
fn node_ports_that_nobody_answers_blame_no_node() {
    let mut o = real();
    let exposure = &mut had(&mut plane(&mut o).outside).node_port;
    fail(&mut had(exposure).calls, |_| true);
    assert!(evidence("nodeport", &o).iter().all(|e| e.culprit.is_none()));
}
