//! GC.
use std::fs;

use serde_json::{Value, json};

use crate::world::isolated;

fn valid(ids: &[&str]) -> Value {
    let list: Vec<Value> = ids
        .iter()
        .map(|id| json!({"containerID": id, "ifname": "eth0"}))
        .collect();
    json!({"cni.dev/valid-attachments": list})
}

#[test]
fn gc_removes_the_stale_and_leaves_the_valid() {
    isolated("gc::gc_removes_the_stale_and_leaves_the_valid", |world| {
        let conf = world.dual(json!({}));
        let other = world.conf(json!({"name": "other", "bridge": "cni1", "ipam": {"ranges": [[{"subnet": "10.9.0.0/24"}]]}}));
        let (stale, kept, foreign) = (world.pod(), world.pod(), world.pod());
        world.add("stale", &stale, &conf);
        let result = world.add("kept", &kept, &conf);
        let foreign_result = world.add("stale", &foreign, &other);
        // A process killed in the middle, and a file cut short by a power failure.
        fs::write(world.data_dir().join("net/tmp@1.0"), "{").unwrap();
        fs::write(world.data_dir().join("net/10.244.1.77"), "").unwrap();
        world.ip("neigh add 10.244.1.77 dev cni0 lladdr 02:00:00:00:00:77 nud permanent");

        world.cni("GC", "", "", &world.dual(valid(&["kept"]))).ok();
        assert_eq!(
            world.reservations(),
            ["10.244.1.3", "fd00:10:244:1::3", "owner@kept@eth0"]
        );
        assert_eq!(stale.ip("link").as_array().unwrap().len(), 1);
        assert_eq!(world.ip("neigh show dev cni0").as_array().unwrap().len(), 2);
        world.check("kept", &kept, &conf, &result).ok();
        world.check("stale", &foreign, &other, &foreign_result).ok();

        world.cni("GC", "", "", &world.dual(valid(&[]))).ok();
        assert_eq!(world.reservations(), Vec::<String>::new());
        assert_eq!(
            world
                .ip("neigh show dev cni0")
                .as_array()
                .map_or(0, Vec::len),
            0
        );
        world.check("stale", &foreign, &other, &foreign_result).ok();
    });
}

#[test]
fn an_intention_never_acted_on_is_harmless() {
    isolated("gc::an_intention_never_acted_on_is_harmless", |world| {
        let (pod, conf) = (world.pod(), world.dual(json!({})));
        let result = world.add("c1", &pod, &conf);
        // As processes leave it that died before they took the addresses they had written down.
        for id in ["dead1", "dead2", "dead3"] {
            let record = json!({"containerID": id, "ifname": "eth0", "addresses": ["10.244.1.2", "fd00:10:244:1::2"]});
            fs::write(
                world.data_dir().join(format!("net/owner@{id}@eth0")),
                record.to_string(),
            )
            .unwrap();
        }
        let other = world.pod();
        world.del("dead1", &conf);
        world.check("c1", &pod, &conf, &result).ok();
        world.add("dead2", &other, &conf);
        world.check("c1", &pod, &conf, &result).ok();
        world
            .cni("GC", "", "", &world.dual(valid(&["c1", "dead2"])))
            .ok();
        world.check("c1", &pod, &conf, &result).ok();
    });
}

/// Whatever became of its file: an address that an interface has is not given away.
#[test]
fn an_address_of_a_living_pod_is_not_given_away() {
    isolated(
        "gc::an_address_of_a_living_pod_is_not_given_away",
        |world| {
            let conf = world.dual(json!({}));
            let (one, two, three) = (world.pod(), world.pod(), world.pod());
            world.add("c1", &one, &conf);
            world.add("c2", &two, &conf);
            let network = world.data_dir().join("net");
            // Cut short by a power failure, and of another program that used the folder before: both without a record.
            fs::write(network.join("10.244.1.2"), "").unwrap();
            fs::write(network.join("10.244.1.3"), "c2\r\neth0").unwrap();
            for id in ["c1", "c2"] {
                fs::remove_file(network.join(format!("owner@{id}@eth0"))).unwrap();
            }
            world
                .cni("GC", "", "", &world.dual(valid(&["c1", "c2"])))
                .ok();
            for address in ["10.244.1.2", "10.244.1.3"] {
                assert!(
                    world.reservations().contains(&address.to_owned()),
                    "{address}"
                );
            }

            // The whole store lost.
            fs::remove_dir_all(&network).unwrap();
            let result = world.add("c3", &three, &conf);
            assert_eq!(result["ips"][0]["address"], "10.244.1.4/32");
            assert_eq!(result["ips"][1]["address"], "fd00:10:244:1::4/128");
            // DEL frees what the pod has though there is no record, GC what nothing has any more.
            world.del("c1", &conf);
            assert!(!world.reservations().contains(&"10.244.1.2".to_owned()));
            drop(two);
            world.ip(&format!(
                "link del {}",
                world.ip("link show type veth")[0]["ifname"]
                    .as_str()
                    .unwrap()
            ));
            world.cni("GC", "", "", &world.dual(valid(&["c3"]))).ok();
            assert_eq!(
                world.reservations(),
                ["10.244.1.4", "fd00:10:244:1::4", "owner@c3@eth0"]
            );
        },
    );
}

#[test]
fn gc_without_a_list_removes_nothing() {
    isolated("gc::gc_without_a_list_removes_nothing", |world| {
        let (pod, conf) = (world.pod(), world.conf(json!({})));
        let result = world.add("c1", &pod, &conf);
        assert!(
            world
                .cni("GC", "", "", &conf)
                .error(7)
                .contains("cni.dev/valid-attachments")
        );
        world.check("c1", &pod, &conf, &result).ok();
    });
}

#[test]
fn gc_goes_on_after_an_error_and_reports_it() {
    isolated("gc::gc_goes_on_after_an_error_and_reports_it", |world| {
        let (one, two, conf) = (world.pod(), world.pod(), world.conf(json!({})));
        world.add("c1", &one, &conf);
        world.add("c2", &two, &conf);
        // A directory where a reservation should be: it cannot be read, nor unlinked.
        fs::remove_file(world.data_dir().join("net/10.244.1.2")).unwrap();
        fs::create_dir(world.data_dir().join("net/10.244.1.2")).unwrap();
        let details = world.cni("GC", "", "", &world.conf(valid(&[]))).error(106);
        assert!(
            details.contains("10.244.1.2") && !details.contains("10.244.1.3"),
            "{details}"
        );
        assert_eq!(world.reservations(), ["10.244.1.2"]);
        for pod in [&one, &two] {
            assert_eq!(pod.ip("link").as_array().unwrap().len(), 1);
        }
    });
}

#[test]
fn a_record_that_is_a_directory_costs_its_attachment_nothing() {
    isolated(
        "gc::a_record_that_is_a_directory_costs_its_attachment_nothing",
        |world| {
            let (pod, conf) = (world.pod(), world.conf(json!({})));
            world.add("c1", &pod, &conf);
            fs::remove_file(world.data_dir().join("net/owner@c1@eth0")).unwrap();
            fs::create_dir(world.data_dir().join("net/owner@c1@eth0")).unwrap();
            world.cni("GC", "", "", &world.conf(valid(&[]))).ok();
            assert_eq!(world.reservations(), ["owner@c1@eth0"]);
            assert_eq!(pod.ip("link").as_array().unwrap().len(), 1);
        },
    );
}

#[test]
fn gc_of_a_network_that_never_was_is_fine() {
    isolated("gc::gc_of_a_network_that_never_was_is_fine", |world| {
        world.cni("GC", "", "", &world.conf(valid(&["c1"]))).ok();
        assert!(!world.data_dir().exists());
    });
}
