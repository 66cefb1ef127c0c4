//! Healthy clusters.
use rstest::rstest;

use super::*;

const DIRECT: &[&str] = &[
    "busybox-1 eth0 out",
    "node1 veth0 in",
    "node1 cni0 in",
    "node1 eth0 out",
    "node2 eth0 in",
    "node2 cni0 out",
    "node2 veth0 out",
    "busybox-2 eth0 in",
];
const TUNNEL: &[&str] = &[
    "busybox-1 eth0 out",
    "node1 veth0 in",
    "node1 cni0 in",
    "node1 flatnet.1 out",
    "node1 eth0 out",
    "node2 eth0 in",
    "node2 flatnet.1 in",
    "node2 cni0 out",
    "node2 veth0 out",
    "busybox-2 eth0 in",
];
const ROUTED_ON_NODE: &[&str] = &[
    "busybox-1 eth0 out",
    "node1 veth0 in",
    "node1 cni0 in",
    "node1 cni0 out",
    "node1 veth1 out",
    "busybox-4 eth0 in",
];
const SWITCHED_ON_NODE: &[&str] = &[
    "busybox-1 eth0 out",
    "node1 veth0 in",
    "node1 veth1 out",
    "busybox-4 eth0 in",
];

#[rstest]
#[case::plain_routes(Style::Direct, "10.244.2.2", DIRECT)]
#[case::plain_routes_v6(Style::Direct, "fd00:244:0:2::2", DIRECT)]
#[case::vxlan(Style::Vxlan, "10.244.2.2", TUNNEL)]
#[case::vxlan_v6(Style::Vxlan, "fd00:244:0:2::2", TUNNEL)]
#[case::reference(Style::Reference, "10.244.2.2", DIRECT)]
#[case::same_node_routed(Style::Direct, "10.244.1.3", ROUTED_ON_NODE)]
#[case::same_node_switched(Style::Reference, "10.244.1.3", SWITCHED_ON_NODE)]
#[case::same_node_switched_v6(Style::Reference, "fd00:244:0:1::3", SWITCHED_ON_NODE)]
fn a_pod_is_reached_by_these_devices_and_answers_by_the_same(
    #[case] style: Style,
    #[case] to: &str,
    #[case] expected: &[&str],
) {
    let observed = observed(style);

    let there = follow(&observed, pod("busybox-1"), to);
    let Ending::Delivered { to: holder, .. } = &there.ending else {
        panic!("{:?}", there.ending);
    };
    let source = there.source.unwrap();
    let back = follow(&observed, holder.clone(), &source.to_string());

    assert_eq!(devices(&there), expected);
    assert!(there.mirrors(&back), "{:?}", devices(&back));
}

#[test]
fn the_narrowest_device_sets_the_path_mtu_and_a_tunnel_takes_its_headers() {
    let mut observed = observed(Style::Vxlan);
    let plain = follow(&observed, pod("busybox-1"), "10.244.2.2");
    let uplink = node_facts(&mut observed, "node2");
    uplink
        .links
        .iter_mut()
        .find(|l| l.name == "eth0")
        .unwrap()
        .mtu = 1400;

    let narrow = follow(&observed, pod("busybox-1"), "10.244.2.2");

    assert_eq!(plain.path_mtu().map(|(bytes, _)| bytes), Some(1450));
    let (bytes, hop) = narrow.path_mtu().unwrap();
    assert_eq!(
        (bytes, hop.netns.clone(), hop.device.as_str()),
        (1350, node("node2"), "eth0")
    );
}

#[test]
fn a_host_network_pod_is_its_node() {
    let observed = observed(Style::Direct);

    let trace = follow(&observed, node("node1"), "172.18.0.3");

    assert_eq!(devices(&trace), ["node1 eth0 out", "node2 eth0 in"]);
    assert!(matches!(&trace.ending, Ending::Delivered { to, .. } if *to == node("node2")));
}

#[test]
fn an_address_of_its_own_stays_on_loopback() {
    let observed = observed(Style::Direct);

    let trace = follow(&observed, pod("busybox-1"), "10.244.1.2");

    assert_eq!(devices(&trace), ["busybox-1 lo out"]);
    assert!(trace.arrives());
}

#[test]
fn what_is_no_part_of_the_cluster_leaves_by_the_default_route() {
    let mut observed = observed(Style::Direct);
    let facts = node_facts(&mut observed, "node1");
    let mut default = facts.routes[0].clone();
    default.dst = "0.0.0.0/0".parse().unwrap();
    default.gateway = Some(ip("172.18.0.1"));
    facts.routes.push(default);

    let outside = follow(&observed, pod("busybox-1"), "192.0.2.1");
    // An address of a podCIDR to which node1 has lost its route.
    node_facts(&mut observed, "node1")
        .routes
        .retain(|route| route.dst.to_string() != "10.244.2.0/24");
    let inside = follow(&observed, pod("busybox-1"), "10.244.2.2");

    let left = Ending::Left {
        by: node("node1"),
        device: "eth0".to_owned(),
        via: Some(ip("172.18.0.1")),
    };
    assert_eq!(outside.ending, left);
    let Ending::OutOfSight { at, what } = &inside.ending else {
        panic!("{:?}", inside.ending);
    };
    assert_eq!(*at, node("node1"));
    assert_contains(what, "172.18.0.1, which is not a node");
    let note = inside.hops.last().unwrap().note.as_deref().unwrap();
    assert_contains(note, "the podCIDR 10.244.2.0/24 of node2");
}

#[test]
fn a_service_is_rewritten_by_the_first_node() {
    let mut observed = observed(Style::Direct);
    let mut asked = request(pod("busybox-1"), "10.96.0.10");
    asked.rewrite = Some(super::super::Rewrite {
        service: ip("10.96.0.10"),
        endpoint: Some(ip("10.244.2.2")),
    });

    let rewritten = trace(&observed, &Kernels::new(), &asked).0;
    asked.rewrite.as_mut().unwrap().endpoint = None;
    let refused = trace(&observed, &Kernels::new(), &asked).0;
    // Without a default route the pod does not even get to the node that would rewrite.
    pod_facts(&mut observed, "busybox-1")
        .routes
        .retain(|route| route.dst.prefix_len() > 0);
    let lost = trace(&observed, &Kernels::new(), &asked).0;

    assert_eq!(devices(&rewritten), DIRECT);
    let out = &rewritten.hops[3];
    assert_eq!(
        out.note.as_deref(),
        Some("kube-proxy made 10.244.2.2 of 10.96.0.10")
    );
    assert_eq!(stopped(&refused), (&node("node1"), &Cause::NoEndpoint));
    assert_eq!(stopped(&lost), (&pod("busybox-1"), &Cause::NoRoute));
}

#[test]
fn a_pod_that_nobody_could_look_into_is_where_the_api_has_it() {
    let mut observed = observed(Style::Direct);
    let hidden = observed
        .pods
        .iter_mut()
        .find(|pod| pod.object.reference.name == "busybox-2");
    hidden.unwrap().facts = Err("no shell".to_owned());

    let trace = follow(&observed, pod("busybox-1"), "10.244.2.2");

    let Ending::Unseen { pod, error } = &trace.ending else {
        panic!("{:?}", trace.ending);
    };
    assert_eq!(
        (pod.name.as_str(), error.as_str()),
        ("busybox-2", "no shell")
    );
    assert_eq!(devices(&trace).last().unwrap(), "node2 cni0 out");
}
