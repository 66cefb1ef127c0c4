//! Interfaces, routes, pods.
use crate::example::pieces::found;
use flatnet_model::kernel::{FdbEntry, Neighbour};
use serde_json::json;

use super::{answered, build};
use crate::inspect::answers::{bridges, node_routes, nodes, pod_gateway};
use flatnet_model::inspection::Outcome;
use flatnet_model::observations::Availability;
use flatnet_model::snapshot::Condition;

#[test]
fn a_healthy_cluster_has_no_problem_and_every_question_an_answer() {
    let view = build::view();
    for question in crate::inspect::catalogue::all() {
        let answer = answered((question.answer)(&view));
        assert!(
            answer.problems.is_empty() && !answer.facts.is_empty(),
            "{}: {:?}",
            question.id,
            answer.problems
        );
    }
}

#[test]
fn the_interface_that_holds_the_internal_ip_is_found() {
    let mut view = build::view();
    let answer = answered(nodes::answer(&view));
    assert_eq!(
        answer.all("interface", "address"),
        ["172.18.0.2/16", "172.18.0.3/16"]
    );
    assert_eq!(answer.all("interface", "host-addresses"), [65534, 65534]);
    view.nodes[1].object.internal_ips = vec!["172.18.0.99".parse().unwrap()];
    view.nodes[1].object.ready = Some(Condition {
        kind: "Ready".to_owned(),
        status: "False".to_owned(),
        reason: "KubeletNotReady".to_owned(),
        message: "no CNI".to_owned(),
    });
    let answer = answered(nodes::answer(&view));
    answer.has_problem(&["w1", "172.18.0.99", "no interface"]);
    answer.has_problem(&["w1", "KubeletNotReady"]);
    assert_eq!(answer.one("node", "w1").values["status"], "NotReady");
}

#[test]
fn a_pod_behind_a_port_is_known_by_either_of_three_witnesses() {
    let mut view = build::view();
    let known = |view: &_| {
        let answer = answered(bridges::answer(view));
        let port = answer.one("port", "veth0").values.clone();
        (port["pod"].clone(), port["known-by"].clone())
    };
    assert_eq!(known(&view), (json!("default/a"), json!("veth pair")));
    // No sysfs in view of the pod's processes.
    found(&mut build::inside(&mut view, 0).namespaces)[0]
        .interfaces
        .clear();
    assert_eq!(known(&view), (json!(null), json!(null)));
    let mac = flatnet_model::kernel::MacAddr([2, 0, 0, 0, 9, 9]);
    let facts = found(&mut build::inside(&mut view, 0).facts);
    facts.neighbours.push(Neighbour {
        index: build::CNI0,
        address: "10.244.0.9".parse().unwrap(),
        mac: Some(mac),
        state: "STALE".to_owned(),
    });
    facts.fdb.push(FdbEntry {
        index: build::VETH,
        mac,
        dst: None,
        master: Some(build::CNI0),
        state: "REACHABLE".to_owned(),
    });
    assert_eq!(
        known(&view),
        (json!("default/a"), json!("neighbour and FDB"))
    );
    let result = r#"{"kind":"cniCacheV1","cniArgs":[["K8S_POD_NAMESPACE","default"],["K8S_POD_NAME","a"]],"result":{"interfaces":[{"name":"cni0"},{"name":"veth0"},{"name":"eth0","sandbox":"/run/netns/x"}]}}"#;
    let files = found(&mut build::inside(&mut view, 0).files);
    files.insert(
        "/var/lib/cni/results/cbr0-1-eth0".to_owned(),
        build::text("{ cut off"),
    );
    files.insert(
        "/var/lib/cni/results/cbr0-2-eth0".to_owned(),
        build::text(result),
    );
    // The bridge comes first in that result, and is no pod's.
    assert_eq!(known(&view), (json!("default/a"), json!("CNI result")));
}

/// On the lab every node's processes are in one /proc: interface numbers alone would take another node's pod.
#[test]
fn pods_of_other_nodes_are_not_mistaken_for_own_ones() {
    let mut view = build::view();
    let theirs = build::inside(&mut view, 1)
        .namespaces
        .clone()
        .unwrap()
        .unwrap();
    let here = found(&mut build::inside(&mut view, 0).namespaces);
    here.splice(0..0, theirs);
    let answer = answered(bridges::answer(&view));
    assert_eq!(answer.one("port", "veth0").values["pod"], "default/a");
}

#[test]
fn a_host_end_on_no_bridge_is_shown_as_routed() {
    let mut view = build::view();
    for at in [0, 1] {
        let links = &mut build::inside(&mut view, at)
            .facts
            .as_mut()
            .unwrap()
            .as_mut()
            .unwrap()
            .links;
        links.retain(|link| link.kind != "bridge");
        links.iter_mut().for_each(|link| link.master = None);
    }
    let answer = answered(bridges::answer(&view));
    assert_eq!(answer.all("port", "bridge"), [json!(null), json!(null)]);
    assert_eq!(answer.all("port", "pod"), ["default/a", "default/b"]);
    view.pods = Availability::Found(Vec::new());
    assert!(matches!(bridges::answer(&view), Outcome::Skipped { .. }));
}

#[test]
fn routes_say_whose_pods_they_lead_to_and_missing_ones_are_named() {
    let mut view = build::view();
    let answer = answered(node_routes::answer(&view));
    assert_eq!(
        answer.all("pod-route", "pods-of"),
        ["this node", "w1", "cp", "this node"]
    );
    assert_eq!(
        answer.all("pod-route", "device"),
        ["cni0", "flannel.1", "flannel.1", "cni0"]
    );
    let routes = &mut found(&mut build::inside(&mut view, 0).facts).routes;
    routes.remove(2);
    routes.remove(0);
    let answer = answered(node_routes::answer(&view));
    answer.has_problem(&["cp", "10.244.1.0/24", "no route", "w1"]);
    answer.has_problem(&["cp", "default route", "IPv4"]);
    // Weave's one route for all pods holds every podCIDR.
    let routes = &mut found(&mut build::inside(&mut view, 0).facts).routes;
    *routes = vec![
        build::route("0.0.0.0/0", Some("172.18.0.1"), build::ETH0),
        build::route("10.244.0.0/16", None, build::CNI0),
    ];
    let answer = answered(node_routes::answer(&view));
    assert!(answer.problems.is_empty(), "{:?}", answer.problems);
    assert!(answer.all("other-route", "device").is_empty());
}

#[test]
fn a_gateway_that_the_node_does_not_hold_is_named() {
    let mut view = build::view();
    let answer = answered(pod_gateway::answer(&view));
    assert_eq!(answer.one("pod", "default/a").values["agrees"], true);
    let gateway = |view: &mut flatnet_model::view::View, to: Option<&str>| {
        let namespaces = build::inside(view, 0)
            .namespaces
            .as_mut()
            .unwrap()
            .as_mut()
            .unwrap();
        namespaces[0].routes[0].gateway = to.map(|to| to.parse().unwrap());
        answered(pod_gateway::answer(view))
    };
    let answer = gateway(&mut view, Some("10.244.7.1"));
    assert_eq!(answer.one("pod", "default/a").values["agrees"], false);
    answer.has_problem(&[
        "cp",
        "default/a",
        "10.244.7.1",
        "not an address of the node",
    ]);
    let answer = gateway(&mut view, Some("169.254.1.1"));
    assert!(answer.problems.is_empty(), "{:?}", answer.problems);
    gateway(&mut view, None).has_problem(&["cp", "default/a", "no default route"]);
    build::inside(&mut view, 0).namespaces = Some(Ok(Vec::new()));
    answered(pod_gateway::answer(&view)).has_problem(&["cp", "default/a", "no network namespace"]);
}
