//! A node on which pods run: whatever changes, none is cut without a word, and what others made stays.
use flatnet_agent::desired::{Backend, Settings};

use crate::wire::{Families, OUTSIDE, Wire, as_root, list, settings, talk};

fn texts(errors: &[flatnet_agent::Error]) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn one_entry_that_the_kernel_refuses_is_told_and_the_others_are_installed() {
    as_root(|| {
        let mut wire = Wire::new();
        let [a, mut bad, c] = [2, 3, 4].map(|n| wire.on_segment(n, Families::V4));
        // The segment's broadcast address: no next hop.
        bad.entry.addresses = vec!["172.18.255.255".parse().unwrap()];
        let pass = a.any_pass(&mut a.agent(Backend::Auto), &list([&a, &bad, &c]));
        assert!(pass.ready, "{:?}", texts(&pass.failures));
        let told = texts(&pass.failures);
        assert_eq!(told.len(), 1);
        assert!(
            told[0].starts_with("node \"node3\": add route 10.244.3.0/24"),
            "{told:?}"
        );
        assert_eq!(a.ns.our_routes(), ["10.244.4.0/24 via 172.18.0.4 dev eth0"]);
        assert_eq!(a.conflist()["name"], "flatnet");
    });
}

#[test]
fn pods_of_the_podcidr_before_keep_their_gateway_until_they_are_gone() {
    as_root(|| {
        let mut wire = Wire::new();
        let [mut a, mut b] = [2, 3].map(|n| wire.on_segment(n, Families::Dual));
        let mut agent = a.agent(Backend::Auto);
        a.pass(&mut agent, &list([&a, &b]));
        let pod = a.pod();
        a.entry.pod_cidrs = vec![
            "10.244.20.0/24".parse().unwrap(),
            "fd00:10:244:20::/64".parse().unwrap(),
        ];
        let pass = a.any_pass(&mut agent, &list([&a, &b]));
        assert!(pass.ready && pass.failures.is_empty());
        let notices = texts(&pass.notices);
        for kept in ["10.244.2.1/24", "fd00:10:244:2::1/64"] {
            let told = format!(
                "bridge cni0 keeps {kept}: 1 of the pods on this node has an address of the podCIDR that it had before"
            );
            assert!(
                notices.iter().any(|notice| notice.starts_with(&told)),
                "{notices:?}"
            );
        }
        // It is reached from its node, reaches its gateway, and leaves the pod network with the node's address.
        assert_eq!(talk(&a.ns, &pod, "10.244.2.2").to_string(), "10.244.2.1");
        assert_eq!(talk(&pod, &a.ns, "10.244.2.1").to_string(), "10.244.2.2");
        assert_eq!(
            talk(&pod, &a.ns, "fd00:10:244:2::1").to_string(),
            "fd00:10:244:2::2"
        );
        assert_eq!(talk(&pod, wire.ns(), OUTSIDE).to_string(), "172.18.0.2");
        let ranges = &a.conflist()["plugins"][0]["ipam"]["ranges"];
        assert_eq!(ranges[0][0]["subnet"], "10.244.20.0/24");
        let again = a.any_pass(&mut agent, &list([&a, &b]));
        assert_eq!(
            (again.changes, again.notices.len()),
            (Vec::<String>::new(), notices.len())
        );

        // Another node has it now: told, and not installed over the pod.
        b.entry.pod_cidrs[0] = "10.244.2.0/24".parse().unwrap();
        let pass = a.any_pass(&mut agent, &list([&a, &b]));
        assert!(pass.ready);
        assert_eq!(
            texts(&pass.failures),
            [
                "node \"node3\" is not reached at 10.244.2.0/24: pods of this node still have addresses of 10.244.2.0/24, the podCIDR that it had before"
            ]
        );
        assert_eq!(talk(&a.ns, &pod, "10.244.2.2").to_string(), "10.244.2.1");

        // DEL of the last pod removes its neighbour entries, and the next pass the rest.
        a.ns.run("ip neigh flush dev cni0 nud permanent");
        a.pass(&mut agent, &list([&a, &b]));
        assert_eq!(
            a.ns.addresses("cni0"),
            ["10.244.20.1/24", "fd00:10:244:20::1/64"]
        );
        assert!(
            a.ns.our_routes()
                .contains(&"10.244.2.0/24 via 172.18.0.3 dev eth0".to_owned())
        );
        let table = a.ns.run("nft list set inet flatnet pods4");
        assert!(!table.contains("10.244.2.0/24"), "{table}");
    });
}

#[test]
fn another_bridge_never_gets_the_gateway_of_pods_that_live() {
    as_root(|| {
        let mut wire = Wire::new();
        let a = wire.on_segment(2, Families::V4);
        a.pass(&mut a.agent(Backend::Auto), &list([&a]));
        let pod = a.pod();
        let (conflist, before) = (a.conflist(), a.ns.snapshot());
        let mut renamed = a.agent_with(Settings {
            bridge: "pods0".into(),
            ..settings()
        });
        let pass = a.any_pass(&mut renamed, &list([&a]));
        assert!(!pass.ready);
        assert_eq!(
            texts(&pass.failures),
            [
                "cni0 holds 10.244.2.1, the address of this node's pods' gateway, and pods0 cannot have it as well; it has 1 ports: name it with --bridge, or move their pods away and delete it"
            ]
        );
        assert_eq!((a.conflist(), a.ns.snapshot()), (conflist, before));
        assert_eq!(talk(&a.ns, &pod, "10.244.2.2").to_string(), "10.244.2.1");

        // Without pods the new bridge takes its place, and only one holds the gateway.
        a.ns.run("ip link del pod");
        let changes = a.pass(&mut renamed, &list([&a]));
        assert_eq!(
            changes[0],
            "bridge cni0: removed, no pod is on it and pods0 takes its place"
        );
        assert!(!a.ns.try_run("ip link show cni0").status.success());
        assert_eq!(a.ns.addresses("pods0"), ["10.244.2.1/24"]);
        assert_eq!(a.conflist()["plugins"][0]["bridge"], "pods0");

        // A device that no agent made stays, even without ports.
        a.ns.run("ip link del pods0");
        a.ns.run("ip link add name docker0 type bridge");
        a.ns.run("ip addr add 10.244.2.1/24 dev docker0");
        let pass = a.any_pass(&mut renamed, &list([&a]));
        assert!(!pass.ready);
        let told = texts(&pass.failures);
        assert!(
            told[0].ends_with("take it from docker0, or name docker0 with --bridge"),
            "{told:?}"
        );
        assert_eq!(a.ns.addresses("docker0"), ["10.244.2.1/24"]);
    });
}

#[test]
fn a_route_that_another_program_maintains_stays_and_is_told_where_it_is_in_the_way() {
    as_root(|| {
        let mut wire = Wire::new();
        let [a, b] = [2, 3].map(|n| wire.on_segment(n, Families::V4));
        let mut agent = a.agent(Backend::Auto);
        a.pass(&mut agent, &list([&a, &b]));
        a.ns.run("ip route add 10.244.3.0/24 via 172.18.0.66 proto bird metric 20");
        a.ns.run("ip route add 10.244.2.0/24 via 172.18.0.66 proto bird metric 20");
        assert_eq!(a.pass(&mut agent, &list([&a, &b])), Vec::<String>::new());
        assert_eq!(a.ns.routes_to("10.244.3.0/24").len(), 2);
        a.ns.run("ip route replace 10.244.3.0/24 via 172.18.0.66 proto bird");
        let pass = a.any_pass(&mut agent, &list([&a, &b]));
        assert!(pass.ready && pass.changes.is_empty());
        assert_eq!(
            texts(&pass.failures),
            [
                "node \"node3\": the route 10.244.3.0/24 via 172.18.0.66 of another program (protocol 12) stays, and is in the place of the right one; stop that program, or keep the range from it"
            ]
        );
        a.ns.run("ip route del 10.244.3.0/24 via 172.18.0.66 proto bird metric 0");
        a.pass(&mut agent, &list([&a, &b]));
        assert_eq!(a.ns.our_routes(), ["10.244.3.0/24 via 172.18.0.3 dev eth0"]);
    });
}
