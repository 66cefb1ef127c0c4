//! The control plane, ranges, the add-on.
use crate::example::pieces::{assert_contains, found};
use flatnet_model::capabilities::Capabilities;
use flatnet_model::probe::Protocol;
use serde_json::json;

use super::{answered, build};
use crate::inspect::answers::{addon, etcd, listeners, ranges};
use flatnet_model::inspection::{Outcome, Source};
use flatnet_model::observations::Availability;
use flatnet_model::view::View;

/// As the lab is.
fn without_api(view: &mut View) {
    view.provider = "lab".to_owned();
    view.capabilities = Capabilities::lab();
    view.api = Availability::Absent {
        why: "no control plane".to_owned(),
    };
}

#[test]
fn ports_are_told_with_their_purpose() {
    let mut view = build::view();
    let bound = &mut found(&mut build::inside(&mut view, 0).sockets).bound;
    let mut tunnel = build::bound("0.0.0.0:8472", "x");
    (tunnel.owner, tunnel.protocol) = (None, Protocol::Udp);
    let mut resolver = build::bound("127.0.0.11:40000", "x");
    resolver.owner = None;
    bound.extend([tunnel, resolver, build::bound("0.0.0.0:8080", "ttyd")]);
    let answer = answered(listeners::answer(&view));
    let scheduler = answer.one("listener", "tcp 127.0.0.1:10259");
    assert_eq!(scheduler.values["program"], "kube-scheduler");
    assert_eq!(scheduler.values["bound-to"], "127.0.0.1 (this node only)");
    assert_contains(scheduler.values["purpose"].as_str().unwrap(), "scheduler");
    assert_eq!(
        answer.one("listener", "udp 0.0.0.0:8472").values["program"],
        "kernel"
    );
    assert_contains(
        answer.one("listener", "udp 0.0.0.0:8472").values["purpose"]
            .as_str()
            .unwrap(),
        "flannel.1",
    );
    assert_contains(
        answer.one("listener", "tcp 127.0.0.11:40000").values["purpose"]
            .as_str()
            .unwrap(),
        "resolver",
    );
    // A program that merely took a well-known port is not what the port is known for.
    assert_eq!(
        answer.one("listener", "tcp 0.0.0.0:8080").values["purpose"],
        json!(null)
    );
}

#[test]
fn clients_of_etcd_are_counted_by_program_and_place() {
    let mut view = build::view();
    found(&mut build::inside(&mut view, 0).sockets)
        .connections
        .extend([
            build::connection("127.0.0.1:2379", "127.0.0.1:40001", "etcd"),
            build::connection("127.0.0.1:40001", "127.0.0.1:2379", "kube-apiserver"),
            build::connection("172.18.0.2:2379", "172.18.0.3:50000", "etcd"),
            build::connection("172.18.0.2:2380", "172.18.0.9:50000", "etcd"),
        ]);
    found(&mut build::inside(&mut view, 1).sockets).connections = vec![build::connection(
        "172.18.0.3:50000",
        "172.18.0.2:2379",
        "etcdctl",
    )];
    let answer = answered(etcd::answer(&view));
    assert_eq!(
        answer.one("etcd-port", "2379").values["addresses"],
        json!(["127.0.0.1", "172.18.0.2"])
    );
    let local = answer.one("etcd-client", "kube-apiserver");
    assert_eq!(
        (
            &local.values["connections"],
            &local.values["from"],
            local.varies.as_slice()
        ),
        (
            &json!(2),
            &json!("this node"),
            &["connections".to_owned()][..]
        )
    );
    assert_eq!(answer.one("etcd-client", "etcdctl").values["from"], "w1");
    assert_eq!(
        answer.one("etcd-client", "unknown").values["from"],
        "172.18.0.9"
    );
}

#[test]
fn without_a_control_plane_its_questions_are_skipped() {
    let mut view = build::view();
    without_api(&mut view);
    assert!(
        matches!(etcd::answer(&view), Outcome::Skipped { reason } if reason == "no control plane")
    );
    answered(ranges::answer(&view)).has_problem(&["service ranges", "no control plane"]);
}

#[test]
fn overlapping_ranges_are_named_with_who_set_them() {
    let mut view = build::view();
    let answer = answered(ranges::answer(&view));
    assert_eq!(
        answer.one("ranges-of", "nodes, services, pods").values["overlap"],
        false
    );
    let files = found(&mut build::inside(&mut view, 0).files);
    let manifest = files
        .get_mut("/etc/kubernetes/manifests/kube-apiserver.yaml")
        .unwrap();
    *manifest = build::text(
        "apiVersion: v1\nkind: Pod\nspec: {containers: [{name: a, command: [/usr/local/bin/kube-apiserver, --service-cluster-ip-range, '172.18.0.0/20,nonsense']}]}\n",
    );
    let answer = answered(ranges::answer(&view));
    answer.has_problem(&[
        "nodes",
        "172.18.0.0/16",
        "overlaps",
        "172.18.0.0/20",
        "kube-apiserver --service-cluster-ip-range",
    ]);
    answer.has_problem(&["kube-apiserver.yaml", "nonsense"]);
    answer.has_problem(&[
        "10.96.0.0/16",
        "kube-apiserver --service-cluster-ip-range gives them 172.18.0.0/20",
    ]);
    assert_eq!(
        answer.one("ranges-of", "nodes, services, pods").values["overlap"],
        true
    );
}

#[test]
fn pod_cidrs_keep_apart_and_within_the_clusters_range() {
    let mut view = build::view();
    view.objects[1].pod_cidrs = vec![
        "10.244.0.0/25".parse().unwrap(),
        "192.168.0.0/24".parse().unwrap(),
    ];
    let answer = answered(ranges::answer(&view));
    answer.has_problem(&["pods of cp", "overlaps", "10.244.0.0/25", "pods of w1"]);
    answer.has_problem(&["192.168.0.0/24", "outside", "10.244.0.0/16"]);
}

#[test]
fn a_manifest_that_does_not_parse_leaves_what_runs() {
    let mut view = build::view();
    let inside = build::inside(&mut view, 0);
    found(&mut inside.files).insert(
        "/etc/kubernetes/manifests/kube-apiserver.yaml".to_owned(),
        build::text("a: ["),
    );
    found(&mut inside.processes).push(build::process(
        "kube-apiserver",
        &["kube-apiserver", "--service-cluster-ip-range=10.96.0.0/16"],
    ));
    let answer = answered(ranges::answer(&view));
    answer.has_problem(&["cp", "kube-apiserver.yaml", "not a pod's manifest"]);
    let read = answer.facts.iter().find(|fact| {
        fact.values
            .get("set-by")
            .is_some_and(|by| by == "kube-apiserver --service-cluster-ip-range")
    });
    assert_eq!(
        read.map(|fact| &fact.source),
        Some(&Source::command("ps -ww -o args -C kube-apiserver"))
    );
}

#[test]
fn an_agent_that_is_missing_or_not_ready_is_named() {
    let mut view = build::view();
    let set = &mut build::daemon_set(&mut view).set;
    set.pods.remove(1);
    (set.pods[0].ready, set.pods[0].phase) = (false, "CrashLoopBackOff".to_owned());
    let answer = answered(addon::answer(&view));
    answer.has_problem(&["w1", "kube-flannel-ds", "no agent pod"]);
    answer.has_problem(&["cp", "kube-flannel-cp", "CrashLoopBackOff"]);
    assert_eq!(
        answer
            .one("daemonset", "kube-flannel/kube-flannel-ds")
            .values["ready"],
        0
    );
}

#[test]
fn a_configuration_with_ranges_of_its_own_tells_them() {
    let mut view = build::view();
    view.nodes.truncate(1);
    let conf = &mut found(&mut build::inside(&mut view, 0).cni).conf[0];
    let subnets = |view: &View| {
        let answer = answered(addon::answer(view));
        let own = answer
            .facts
            .into_iter()
            .filter(|fact| fact.topic == "node-subnet" && fact.source.text().contains("net.d"));
        own.map(|fact| (fact.about, fact.values["pod-range"].clone()))
            .collect::<Vec<_>>()
    };
    conf.content = Ok(r#"{"name":"x","plugins":[{"type":"flatnet-cni","podNetwork":[],"ipam":{"ranges":[[{"subnet":"10.244.0.0/24"}],[{"subnet":"fd00::/64"}]]}}]}"#.to_owned());
    let whole = json!("the podCIDRs of all nodes");
    assert_eq!(
        subnets(&view),
        [
            ("10.244.0.0/24".to_owned(), whole.clone()),
            ("fd00::/64".to_owned(), whole)
        ]
    );
    let conf = &mut found(&mut build::inside(&mut view, 0).cni).conf[0];
    conf.content = Ok(r#"{"name":"x","plugins":[{"type":"bridge","ipam":{"type":"host-local","subnet":"10.22.0.0/16"}}]}"#.to_owned());
    assert_eq!(subnets(&view), [("10.22.0.0/16".to_owned(), json!(null))]);
}

#[test]
fn the_pod_range_is_read_from_where_each_add_on_keeps_it() {
    let mut view = build::view();
    let answer = answered(addon::answer(&view));
    assert_eq!(
        answer.one("pod-range", "10.244.0.0/16").values["backend"],
        "vxlan"
    );
    assert_eq!(
        answer.one("node-subnet", "10.244.1.1/24").values["mtu"],
        1450
    );
    assert_eq!(answer.all("tunnel", "vni"), [1, 1]);
    let agent = build::daemon_set(&mut view);
    if let Availability::Found(files) = &mut agent.config {
        files[0].text = "{".to_owned();
    }
    let log = "INFO: 2025/02/07 09:04:31.416680 Command line options: map[http-addr:127.0.0.1:6784 ipalloc-range:10.32.0.0/12 port:6783]\n";
    agent.weave_log = Some(Ok(("weave-net-1".to_owned(), log.to_owned())));
    found(&mut build::inside(&mut view, 0).files).remove("/run/flannel/subnet.env");
    let answer = answered(addon::answer(&view));
    answer.has_problem(&["kube-flannel-cfg net-conf.json", "does not parse"]);
    answer.has_problem(&["cp", "/run/flannel/subnet.env", "not there"]);
    assert_eq!(
        answer.one("pod-range", "10.32.0.0/12").values["told-by"],
        "weave's ipalloc-range"
    );
    build::daemon_set(&mut view).weave_log =
        Some(Ok(("weave-net-1".to_owned(), "rotated\n".to_owned())));
    answered(addon::answer(&view)).has_problem(&["log of pod kube-flannel/weave-net-1", "rotated"]);
}
