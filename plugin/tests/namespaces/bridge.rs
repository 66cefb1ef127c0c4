//! What ADD does to the bridge and the rest of the node: finds, creates and corrects it.
use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::world::{addresses, isolated, names, neighbours, triple};

#[test]
fn the_masquerade_is_one_table_a_network() {
    isolated("bridge::the_masquerade_is_one_table_a_network", |world| {
        let conf = world.conf(json!({"ipMasq": true, "podNetwork": ["10.244.0.0/16"]}));
        let (one, two) = (world.pod(), world.pod());
        world.add("c1", &one, &conf);
        let table = world.nft("list table inet flatnet_net");
        let text = table.to_string();
        assert!(
            text.contains("masquerade")
                && text.contains("10.244.1.0")
                && text.contains("10.244.0.0"),
            "{text}"
        );
        world.add("c2", &two, &conf);
        assert_eq!(world.nft("list table inet flatnet_net"), table);
        assert_eq!(
            world.nft("list tables")["nftables"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
    });
}

#[test]
fn many_at_once_share_one_bridge_and_no_address() {
    isolated(
        "bridge::many_at_once_share_one_bridge_and_no_address",
        |world| {
            let (conf, pods) = (
                world.dual(json!({"ipMasq": true})),
                (0..12).map(|_| world.pod()).collect::<Vec<_>>(),
            );
            let results: Vec<Value> = std::thread::scope(|scope| {
                let adds: Vec<_> = pods
                    .iter()
                    .enumerate()
                    .map(|(id, pod)| {
                        let conf = &conf;
                        scope.spawn(move || world.add(&format!("c{id}"), pod, conf))
                    })
                    .collect();
                adds.into_iter().map(|add| add.join().unwrap()).collect()
            });
            let unique: BTreeSet<String> = results
                .iter()
                .map(|result| result["ips"][0]["address"].to_string())
                .collect();
            assert_eq!(unique.len(), pods.len());
            assert_eq!(names(&world.ip("link show type bridge")), ["cni0"]);
            for (id, (pod, result)) in pods.iter().zip(&results).enumerate() {
                world.check(&format!("c{id}"), pod, &conf, result).ok();
            }
            std::thread::scope(|scope| {
                for id in 0..pods.len() {
                    let conf = &conf;
                    scope.spawn(move || world.del(&format!("c{id}"), conf));
                }
            });
            world.assert_clean();
        },
    );
}

#[test]
fn a_bridge_that_was_left_unfinished_is_finished() {
    isolated(
        "bridge::a_bridge_that_was_left_unfinished_is_finished",
        |world| {
            let (pod, conf) = (world.pod(), world.conf(json!({"mtu": 1400})));
            world.ip("link add cni0 type bridge");
            let result = world.add("c1", &pod, &conf);
            let mac = &world.ip("link show cni0")[0]["address"];
            assert_eq!(&result["interfaces"][0]["mac"], mac);
            assert_eq!(addresses(&world.ip("addr"), "cni0"), ["10.244.1.1/24"]);
            assert_eq!(
                neighbours(&pod.ip("neigh")),
                [triple("10.244.1.1", mac.as_str().unwrap(), "PERMANENT")].into()
            );

            // The gateway of a range that was added later, a bridge taken down, and another MTU.
            world.ip("link set cni0 down");
            let (other, conf) = (world.pod(), world.dual(json!({"mtu": 1300})));
            world.add("c2", &other, &conf);
            let bridge = &world.ip("addr show cni0")[0];
            assert_eq!(
                (&bridge["mtu"], &bridge["operstate"]),
                (&json!(1300), &json!("UP"))
            );
            assert_eq!(
                addresses(&world.ip("addr"), "cni0"),
                ["10.244.1.1/24", "fd00:10:244:1::1/64"]
            );
        },
    );
}

#[test]
fn a_bridge_of_others_gets_a_mac_that_stays() {
    isolated(
        "bridge::a_bridge_of_others_gets_a_mac_that_stays",
        |world| {
            world.ip("link add cni0 type bridge");
            world.ip("link add low type vxlan id 7 dstport 4789");
            world.ip("link set low address 02:00:00:00:00:02 master cni0 up");
            world.ip("link set cni0 up");
            world.ip("addr add 10.244.1.1/24 dev cni0");
            let (one, two, conf) = (world.pod(), world.pod(), world.conf(json!({})));
            let result = world.add("c1", &one, &conf);
            assert_eq!(result["interfaces"][0]["mac"], "0a:58:0a:f4:01:01");
            // A port with a lower MAC would otherwise become the bridge's, and the pod's entry wrong.
            world.ip("link add lower type vxlan id 8 dstport 4790");
            world.ip("link set lower address 02:00:00:00:00:01 master cni0 up");
            assert_eq!(
                world.ip("link show cni0")[0]["address"],
                "0a:58:0a:f4:01:01"
            );
            world.check("c1", &one, &conf, &result).ok();

            // Another network on the same bridge leaves it alone.
            let other = world
                .conf(json!({"name": "other", "ipam": {"ranges": [[{"subnet": "10.9.0.0/24"}]]}}));
            let second = world.add("c2", &two, &other);
            assert_eq!(second["interfaces"][0]["mac"], "0a:58:0a:f4:01:01");
            world.check("c1", &one, &conf, &result).ok();
            world.check("c2", &two, &other, &second).ok();
        },
    );
}

#[test]
fn a_bridge_that_forgot_its_pods_learns_them_again() {
    isolated(
        "bridge::a_bridge_that_forgot_its_pods_learns_them_again",
        |world| {
            let (one, two, conf) = (world.pod(), world.pod(), world.dual(json!({})));
            let result = world.add("c1", &one, &conf);
            world.ip("link set cni0 down");
            assert_eq!(neighbours(&world.ip("neigh")).len(), 0);
            world.add("c2", &two, &conf);
            world.check("c1", &one, &conf, &result).ok();
        },
    );
}

#[test]
fn a_device_that_is_no_bridge_is_refused() {
    isolated("bridge::a_device_that_is_no_bridge_is_refused", |world| {
        let (pod, conf) = (world.pod(), world.conf(json!({})));
        world.ip("link add cni0 type vxlan id 7 dstport 4789");
        let details = world.cni("ADD", "c1", &pod.path(), &conf).error(103);
        assert_eq!(details, "cni0 is a vxlan device, not a bridge");
        world.assert_clean();
    });
}
