//! pod-ip-present, pod-ip-unique, hairpin, subnet, and what is broken rather than wrong.
use flatnet_model::probe::DialOutcome;

use super::*;
use crate::example::build::{ETH0, Style, healthy};
use crate::example::pieces::{address, gateway, ip, net};

#[test]
fn a_pod_that_does_not_run_fails_with_its_warning_and_the_rest_is_judged() {
    let mut o = healthy(Style::Vxlan);
    let warning = "Failed to create pod sandbox: plugin type=\"flatnet-cni\" failed (add): no free address in 10.244.2.0/24";
    let stuck = pod(&mut o, "busybox-2");
    stuck.status = "Pending".to_owned();
    stuck.object.ips.clear();
    stuck.facts = Err("no probe runs there".to_owned());
    stuck.warnings = vec!["FailedCreatePodSandBox: ".to_owned() + warning];
    o.dials
        .retain(|dial| bare(&dial.from) != "busybox-2" && bare(&dial.to) != "busybox-2");
    o.received.remove(&pod_end("busybox-2"));
    o.mtu
        .retain(|run| bare(&run.from) != "busybox-2" && bare(&run.to) != "busybox-2");
    assert_red(&o, &["pod-ip-present"], &[]);
    let evidence = sole("pod-ip-present", &o);
    assert_contains(&evidence.what, "busybox-2 on node2");
    assert_contains(&evidence.observed, "no free address in 10.244.2.0/24");
    assert_eq!(evidence.culprit.as_deref(), Some("node2"));
    assert_fact("same-node", &o, "busybox-2 on node2 (Pending)");
}

#[test]
fn when_no_pod_runs_only_its_absence_fails() {
    let mut o = healthy(Style::Vxlan);
    for pod in &mut o.pods {
        pod.status = "Pending".to_owned();
        pod.object.ips.clear();
        pod.facts = Err("does not run".to_owned());
    }
    o.dials.clear();
    o.received.clear();
    o.mtu.clear();
    assert_red(
        &o,
        &["pod-ip-present"],
        &[
            "pod-ip-unique",
            "same-node",
            "cross-node",
            "no-nat",
            "gateway",
            "bridge",
            "mtu",
            "hairpin",
            "first-packet",
            "duplicates",
        ],
    );
    assert_eq!(evidence("pod-ip-present", &o).len(), 9);
}

#[test]
fn an_address_the_pod_does_not_hold_is_named_and_explains_the_rest() {
    let mut o = healthy(Style::Vxlan);
    let facts = pod_facts(&mut o, "busybox-1");
    facts.addresses.retain(|a| a.index != ETH0);
    facts.addresses.push(address(ETH0, ip("10.244.1.200"), 32));
    unanswered(&mut o, |ends| {
        ends.involves("busybox-1") && ends.dial.to == pod_end("busybox-1")
    });
    assert_red(
        &o,
        &["pod-ip-present", "same-node", "cross-node", "hairpin"],
        &["mtu"],
    );
    let present = sole("pod-ip-present", &o);
    assert_contains(
        &present.what,
        "busybox-1 on node1 does not hold the IP 10.244.1.2",
    );
    assert_contains(&present.observed, "10.244.1.200");
    let cross = sole("cross-node", &o);
    assert_eq!(cross.culprit.as_deref(), Some("pod busybox-1 on node1"));
    assert_contains(&cross.cause.unwrap(), "does not hold the IP");
}

#[test]
fn dual_stack_needs_both_families() {
    let mut o = Cluster::new(Style::Direct, 2, 2).dual().observe();
    pod(&mut o, "busybox-3")
        .object
        .ips
        .retain(|ip| ip.is_ipv4());
    let evidence = sole("pod-ip-present", &o);
    assert_contains(&evidence.what, "busybox-3 on node1 has no IPv6 address");
}

#[test]
fn a_host_network_pod_must_have_an_address_of_its_node() {
    let mut o = healthy(Style::Vxlan);
    pod(&mut o, "host-2").object.ips = vec![ip("172.18.0.4")];
    let evidence = sole("pod-ip-present", &o);
    assert!(
        evidence.what.contains("host-2") && evidence.observed.contains("node3 (eth0)"),
        "{evidence:?}"
    );
}

/// busybox-4 is on node1 too, and gets busybox-1's address; busybox-1 answers for both.
#[test]
fn two_pods_with_one_ip_are_both_named() {
    let mut o = healthy(Style::Vxlan);
    let shared = ip("10.244.1.2");
    pod(&mut o, "busybox-4").object.ips = vec![shared];
    let facts = pod_facts(&mut o, "busybox-4");
    facts.addresses.retain(|a| a.index != ETH0);
    facts.addresses.push(address(ETH0, shared, 32));
    for dial in &mut o.dials {
        if dial.to == pod_end("busybox-4") {
            dial.request.address = shared;
            if let DialOutcome::Answered {
                responder,
                reply_from,
                ..
            } = &mut dial.result
            {
                *reply_from = shared;
                *responder = responder
                    .is_some()
                    .then(|| pod_end("busybox-1").to_string());
            }
        }
        if dial.from == pod_end("busybox-4")
            && let DialOutcome::Answered { local, seen_as, .. } = &mut dial.result
        {
            *local = shared;
            *seen_as = seen_as.map(|seen| {
                if seen == ip("10.244.1.3") {
                    shared
                } else {
                    seen
                }
            });
        }
    }
    for seen in o.received.values_mut().flatten().flatten() {
        if seen.source == ip("10.244.1.3") {
            seen.source = shared;
        }
    }
    o.received.insert(pod_end("busybox-4"), Ok(Vec::new()));
    // Between the two no path was measured.
    assert_red(&o, &["pod-ip-unique", "same-node", "cross-node"], &["mtu"]);
    for id in ["same-node", "cross-node"] {
        assert_contains(&evidence(id, &o)[0].cause.clone().unwrap(), "share the IP");
    }
    let mut flaky = o.clone();
    unanswered(&mut flaky, |e| {
        bare(&e.dial.from) == "host-3" && bare(&e.dial.to) == "busybox-1"
    });
    for found in evidence("cross-node", &flaky) {
        assert_contains(&found.cause.unwrap(), "share the IP 10.244.1.2");
    }
    let evidence = sole("pod-ip-unique", &o);
    assert!(
        evidence.what.contains("busybox-1 on node1")
            && evidence.what.contains("busybox-4 on node1"),
        "{evidence:?}"
    );
    assert_contains(&evidence.observed, "busybox-1 answered");
    assert_eq!(evidence.culprit.as_deref(), Some("node1"));
}

/// The API sees nothing wrong: only the pod's own interface tells.
#[test]
fn an_address_added_by_hand_in_another_pod_is_seen() {
    let mut o = healthy(Style::Vxlan);
    pod_facts(&mut o, "busybox-2")
        .addresses
        .push(address(ETH0, ip("10.244.1.2"), 32));
    // Packets between the two never leave the one that dials.
    assert_red(&o, &["pod-ip-unique"], &["mtu"]);
    let what = sole("pod-ip-unique", &o).what;
    assert!(
        what.contains("busybox-1 on node1") && what.contains("busybox-2 on node2"),
        "{what}"
    );
}

#[test]
fn a_pod_with_a_node_or_gateway_address_is_named() {
    let mut o = healthy(Style::Vxlan);
    pod_facts(&mut o, "busybox-2")
        .addresses
        .push(address(ETH0, gateway(2, false), 32));
    let evidence = sole("pod-ip-unique", &o);
    assert_contains(
        &evidence.what,
        "busybox-2 has the IP 10.244.2.1 of node node2",
    );
    assert_contains(&evidence.observed, "cni0 of node2");
}

#[test]
fn hairpin_blames_the_pod_and_sees_a_loopback_that_is_down() {
    let mut o = healthy(Style::Vxlan);
    pod_facts(&mut o, "busybox-1").links[0].up = false;
    unanswered(&mut o, |e| e.itself() && e.involves("busybox-1"));
    assert_red(&o, &["hairpin"], &[]);
    let evidence = sole("hairpin", &o);
    assert_eq!(evidence.culprit.as_deref(), Some("pod busybox-1 on node1"));
    assert_contains(&evidence.cause.unwrap(), "loopback interface");
    o.dials.retain(|dial| dial.from != dial.to);
    assert_contains(
        &broken("hairpin", &o),
        "busybox-1 on node1 did not dial itself",
    );
}

#[test]
fn subnet_reports_what_is_outside_and_never_fails() {
    let mut o = healthy(Style::Vxlan);
    pod(&mut o, "busybox-4").object.ips = vec![ip("10.32.0.5")];
    assert!(facts("subnet", &o).contains(
        &"node1: podCIDR 10.244.1.0/24, 2 pods, 1 outside: busybox-4 10.32.0.5".to_owned()
    ));
    for node in &mut o.nodes {
        node.object.pod_cidrs.clear();
    }
    o.pod_network = vec![net("10.32.0.0/12")];
    let told = facts("subnet", &o);
    assert!(
        told.contains(&"node1: no podCIDR, 2 pods at 10.244.1.2, 10.32.0.5".to_owned()),
        "{told:?}"
    );
    for pod in &mut o.pods {
        pod.object.ips.clear();
    }
    assert_eq!(judge("subnet", &o).name(), "skip");
}

#[test]
fn facts_that_cannot_be_read_are_broken_never_pass() {
    let mut o = healthy(Style::Vxlan);
    pod(&mut o, "busybox-3").facts = Err("probe killed".to_owned());
    assert_red(
        &o,
        &[],
        &["pod-ip-present", "pod-ip-unique", "gateway", "bridge"],
    );
    assert_contains(&broken("gateway", &o), "probe killed");
    // Evidence outweighs what could not be seen.
    pod_facts(&mut o, "busybox-1")
        .routes
        .retain(|r| r.dst.prefix_len() != 0);
    assert_eq!(judge("gateway", &o).name(), "fail");
}

#[test]
fn where_every_pod_uses_its_nodes_network_what_cannot_be_judged_is_skipped_and_not_broken() {
    let mut o = healthy(Style::Vxlan);
    o.pods.retain(|pod| pod.object.host_network);
    assert!(!o.pods.is_empty());
    let known: Vec<Endpoint> = o.pods.iter().map(ObservedPod::endpoint).collect();
    let takes_part = |end: &Endpoint| matches!(end, Endpoint::Node(_)) || known.contains(end);
    o.dials
        .retain(|dial| takes_part(&dial.from) && takes_part(&dial.to));
    o.received.retain(|end, _| takes_part(end));
    o.received.values_mut().flatten().for_each(|seen| {
        seen.retain(|request| {
            known.iter().any(|end| end.is_called(&request.from)) || request.from.starts_with("node")
        });
    });
    o.mtu.clear();
    assert_red(&o, &[], &[]);
    let without = [
        "pod-ip-unique",
        "no-nat",
        "gateway",
        "bridge",
        "hairpin",
        "mtu",
    ];
    let skipped = skipped(&o);
    assert!(without.iter().all(|id| skipped.contains(id)), "{skipped:?}");
    // Pods that should have an address, and do not run, are another matter.
    let mut waiting = healthy(Style::Vxlan);
    waiting.pods.iter_mut().for_each(|pod| {
        pod.status = "Pending".to_owned();
        pod.facts = Err("no probe runs there".to_owned());
    });
    waiting.dials.clear();
    assert_eq!(judge("hairpin", &waiting).name(), "broken");
}
