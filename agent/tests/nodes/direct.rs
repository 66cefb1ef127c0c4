//! Nodes that share a segment.
use flatnet_agent::desired::Backend;
use flatnet_agent::reconcile::{Reconciler, Runtime};
use flatnet_agent::sysctl::Sysctl;
use serde_json::json;

use crate::wire::{Families, OUTSIDE, Wire, as_root, list, talk};

#[test]
fn pods_reach_each_other_by_plain_routes_under_their_own_addresses() {
    as_root(|| {
        let mut wire = Wire::new();
        let [a, b] = [2, 3].map(|n| wire.on_segment(n, Families::V4));
        let list = list([&a, &b]);
        for node in [&a, &b] {
            node.pass(&mut node.agent(Backend::Auto), &list);
        }
        assert_eq!(a.ns.our_routes(), ["10.244.3.0/24 via 172.18.0.3 dev eth0"]);
        assert!(!a.ns.has_device("flatnet.1"));
        let (pod_a, pod_b) = (a.pod(), b.pod());
        assert_eq!(talk(&pod_a, &pod_b, "10.244.3.2").to_string(), "10.244.2.2");
        assert_eq!(talk(&pod_b, &pod_a, "10.244.2.2").to_string(), "10.244.3.2");
        assert_eq!(
            talk(&pod_a, &b.ns, "172.18.0.3").to_string(),
            "10.244.2.2",
            "nodes see the pod's address"
        );
        assert_eq!(
            talk(&b.ns, &pod_a, "10.244.2.2").to_string(),
            "172.18.0.3",
            "and pods the node's"
        );
    });
}

#[test]
fn both_families_at_once() {
    as_root(|| {
        let mut wire = Wire::new();
        let [a, b] = [2, 3].map(|n| wire.on_segment(n, Families::Dual));
        let list = list([&a, &b]);
        for node in [&a, &b] {
            node.pass(&mut node.agent(Backend::Auto), &list);
        }
        assert_eq!(
            a.ns.our_routes(),
            [
                "10.244.3.0/24 via 172.18.0.3 dev eth0",
                "fd00:10:244:3::/64 via fd00:18::3 dev eth0"
            ]
        );
        assert_eq!(
            a.ns.addresses("cni0"),
            ["10.244.2.1/24", "fd00:10:244:2::1/64"]
        );
        assert_eq!(
            a.ns.sysctl("ipv6/conf/eth0/accept_ra"),
            "2",
            "a router's advertisements still count"
        );
        let (pod_a, pod_b) = (a.pod(), b.pod());
        assert_eq!(talk(&pod_a, &pod_b, "10.244.3.2").to_string(), "10.244.2.2");
        assert_eq!(
            talk(&pod_a, &pod_b, "fd00:10:244:3::2").to_string(),
            "fd00:10:244:2::2"
        );
        assert_eq!(
            talk(&pod_b, &a.ns, "fd00:18::2").to_string(),
            "fd00:10:244:3::2"
        );
    });
}

#[test]
fn the_bridge_is_there_before_the_first_pod_as_the_plugin_would_make_it() {
    as_root(|| {
        let mut wire = Wire::new();
        let a = wire.on_segment(2, Families::V4);
        a.ns.run("ip link set eth0 mtu 1420");
        a.pass(&mut a.agent(Backend::Auto), &list([&a]));
        let bridge = a.ns.device("cni0");
        assert_eq!(bridge["address"], "0a:58:0a:f4:02:01");
        assert_eq!(bridge["mtu"], 1420);
        assert_eq!(bridge["inet6_addr_gen_mode"], "none");
        assert!(bridge["flags"].as_array().unwrap().contains(&json!("UP")));
        assert_eq!(a.ns.addresses("cni0"), ["10.244.2.1/24"]);
        assert_eq!(a.ns.sysctl("ipv4/ip_forward"), "1");
        assert_eq!(a.ns.sysctl("ipv4/conf/cni0/send_redirects"), "0");
        assert_eq!(a.ns.sysctl("ipv4/conf/all/send_redirects"), "0");
        // The MTU is the bridge's own: a port that comes with another does not change it.
        a.ns.run("ip link add name odd mtu 1300 type veth peer name other");
        a.ns.run("ip link set odd master cni0");
        assert_eq!(a.ns.device("cni0")["mtu"], 1420);
    });
}

#[test]
fn the_conflist_says_what_the_plugin_needs() {
    as_root(|| {
        let mut wire = Wire::new();
        let a = wire.on_segment(2, Families::Dual);
        let mut agent = a.agent(Backend::Auto);
        a.pass(&mut agent, &list([&a]));
        let flatnet = json!({
            "type": "flatnet-cni", "bridge": "cni0", "mtu": 1500,
            "isGateway": true, "isDefaultGateway": true, "hairpinMode": true, "ipMasq": false,
            "ipam": {"ranges": [[{"subnet": "10.244.2.0/24"}], [{"subnet": "fd00:10:244:2::/64"}]]},
            "podNetwork": ["10.244.0.0/16", "fd00:10:244::/48"],
        });
        assert_eq!(
            a.conflist(),
            json!({"cniVersion": "1.1.0", "name": "flatnet", "plugins": [flatnet]})
        );
        // Host ports, from the moment there is a plugin for them.
        flatnet_agent::install::ensure_file(&a.dir.path().join("bin/portmap"), b"", 0o755).unwrap();
        assert_eq!(a.pass(&mut agent, &list([&a])).len(), 1);
        let portmap = json!({"type": "portmap", "capabilities": {"portMappings": true}});
        assert_eq!(a.conflist()["plugins"], json!([flatnet, portmap]));
        // Taken out of the chain while the program stays for the pods that have it.
        let runtime = Runtime {
            hairpin: false,
            portmap: false,
            ..a.runtime()
        };
        let settings = crate::wire::settings();
        let name = a.entry.name.clone();
        let mut agent = Reconciler::new(name, settings, runtime, Sysctl::default());
        assert_eq!(a.pass(&mut agent, &list([&a])).len(), 1);
        let mut without = flatnet;
        without["hairpinMode"] = json!(false);
        assert_eq!(a.conflist()["plugins"], json!([without]));
        assert!(a.dir.path().join("bin/portmap").exists());
    });
}

#[test]
fn the_outside_sees_the_nodes_address_unless_the_masquerade_is_off() {
    as_root(|| {
        let mut wire = Wire::new();
        let [a, b] = [2, 3].map(|n| wire.on_segment(n, Families::V4));
        let list = list([&a, &b]);
        a.pass(&mut a.agent(Backend::Auto), &list);
        let pod = a.pod();
        assert_eq!(talk(&pod, wire.ns(), OUTSIDE).to_string(), "172.18.0.2");
        let mut settings = crate::wire::settings();
        settings.masquerade = false;
        let mut agent = a.agent_with(settings);
        assert_eq!(
            a.pass(&mut agent, &list),
            ["nftables table inet flatnet: removed"]
        );
        wire.ns().run("ip route add 10.244.2.0/24 via 172.18.0.2");
        let other = a.ns.run("nft list tables");
        assert_eq!(other, "");
        assert_eq!(talk(&pod, wire.ns(), OUTSIDE).to_string(), "10.244.2.2");
    });
}

#[test]
fn routes_forced_across_a_router_are_an_error_of_that_node_alone() {
    as_root(|| {
        let mut wire = Wire::new();
        let [a, b] = [2, 3].map(|n| wire.on_segment(n, Families::V4));
        let far = wire.behind_router(7, Families::V4);
        let pass = a.any_pass(&mut a.agent(Backend::Routes), &list([&a, &far, &b]));
        assert_eq!(
            pass.failures
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>(),
            [
                "node \"node7\" cannot be reached by a plain route: 172.30.7.2 is not on link of eth0 (172.18.0.0/16)"
            ]
        );
        assert!(
            pass.ready,
            "one node out of reach does not keep pods from this one"
        );
        assert_eq!(a.ns.our_routes(), ["10.244.3.0/24 via 172.18.0.3 dev eth0"]);
    });
}
