//! DEL.
use std::fs;

use serde_json::json;

use crate::world::isolated;

#[test]
fn del_removes_everything_and_may_come_again() {
    isolated("del::del_removes_everything_and_may_come_again", |world| {
        let (one, two, conf) = (world.pod(), world.pod(), world.dual(json!({})));
        world.add("c1", &one, &conf);
        let kept = world.add("c2", &two, &conf);
        assert!(world.cni("DEL", "c1", &one.path(), &conf).ok().is_null());
        assert_eq!(one.ip("link").as_array().unwrap().len(), 1);
        assert_eq!(
            world.reservations(),
            ["10.244.1.3", "fd00:10:244:1::3", "owner@c2@eth0"]
        );
        world.check("c2", &two, &conf, &kept).ok();
        world.del("c1", &conf);
        world.del("never-added", &conf);
        world.del("c2", &conf);
        world.assert_clean();
        // The same container may come back; its address rested meanwhile.
        assert_eq!(
            world.add("c1", &one, &conf)["ips"][0]["address"],
            "10.244.1.4/32"
        );
    });
}

#[test]
fn del_is_content_with_a_namespace_that_vanished() {
    isolated(
        "del::del_is_content_with_a_namespace_that_vanished",
        |world| {
            let (pod, conf) = (world.pod(), world.conf(json!({})));
            world.add("c1", &pod, &conf);
            let path = pod.path();
            drop(pod);
            world.cni("DEL", "c1", &path, &conf).ok();
            world.assert_clean();
        },
    );
}

#[test]
fn del_needs_no_more_of_the_configuration_than_it_uses() {
    isolated(
        "del::del_needs_no_more_of_the_configuration_than_it_uses",
        |world| {
            let (pod, conf) = (world.pod(), world.conf(json!({})));
            world.add("c1", &pod, &conf);
            world.del(
                "c1",
                &world.conf(json!({"mtu": 3, "ipam": {"type": "other", "ranges": "rubbish"}})),
            );
            world.assert_clean();
        },
    );
}

#[test]
fn del_reads_the_address_files_where_the_record_is_lost() {
    isolated(
        "del::del_reads_the_address_files_where_the_record_is_lost",
        |world| {
            let (pod, conf) = (world.pod(), world.conf(json!({})));
            world.add("c1", &pod, &conf);
            fs::remove_file(world.data_dir().join("net/owner@c1@eth0")).unwrap();
            world.del("c1", &conf);
            world.assert_clean();
        },
    );
}

#[test]
fn del_leaves_other_networks_alone() {
    isolated("del::del_leaves_other_networks_alone", |world| {
        let (pod, conf) = (world.pod(), world.conf(json!({})));
        let other = world.conf(json!({"name": "other", "bridge": "cni1", "ipam": {"ranges": [[{"subnet": "10.9.0.0/24"}]]}}));
        let result = world.add("c1", &pod, &conf);
        world.del("c1", &other);
        world.check("c1", &pod, &conf, &result).ok();
    });
}
