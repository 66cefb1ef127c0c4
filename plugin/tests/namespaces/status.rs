//! STATUS.
use serde_json::json;

use crate::world::isolated;

#[test]
fn ready_before_the_first_pod_and_after() {
    isolated("status::ready_before_the_first_pod_and_after", |world| {
        let (pod, conf) = (world.pod(), world.dual(json!({})));
        assert!(world.cni("STATUS", "", "", &conf).ok().is_null());
        world.add("c1", &pod, &conf);
        assert!(world.cni("STATUS", "", "", &conf).ok().is_null());
        // A fault that ADD corrects is not a reason to refuse pods.
        world.ip("link set cni0 down");
        world.cni("STATUS", "", "", &conf).ok();
        world.ip("link del cni0");
        world.cni("STATUS", "", "", &conf).ok();
    });
}

#[test]
fn a_full_range_is_named_and_pods_that_run_are_fine() {
    isolated(
        "status::a_full_range_is_named_and_pods_that_run_are_fine",
        |world| {
            let conf = world.conf(json!({"ipam": {"ranges": [[{"subnet": "fd00::/64"}], [{"subnet": "10.244.1.0/30"}]]}}));
            let (one, two) = (world.pod(), world.pod());
            world.add("c1", &one, &conf);
            let details = world.cni("STATUS", "", "", &conf).error(50);
            assert_eq!(details, "no free addresses in 10.244.1.0/30 (1 reserved)");
            assert_eq!(
                world.cni("ADD", "c2", &two.path(), &conf).error(100),
                details
            );
            world.del("c1", &conf);
            world.cni("STATUS", "", "", &conf).ok();
            world.assert_clean();
        },
    );
}

#[test]
fn a_missing_bridge_that_cannot_be_made_affects_pods() {
    isolated(
        "status::a_missing_bridge_that_cannot_be_made_affects_pods",
        |world| {
            let (pod, conf) = (world.pod(), world.conf(json!({})));
            world.ip("link add cni0 type vxlan id 7 dstport 4789");
            assert_eq!(
                world.cni("STATUS", "", "", &conf).error(50),
                "cni0 is a vxlan device, not a bridge"
            );
            world.ip("link del cni0");
            world.add("c1", &pod, &conf);
            world.ip("link del cni0");
            world.ip("link add cni0 type vxlan id 7 dstport 4789");
            assert_eq!(
                world.cni("STATUS", "", "", &conf).error(51),
                "cni0 is a vxlan device, not a bridge"
            );
        },
    );
}

#[test]
fn reservations_that_cannot_be_written_are_a_reason() {
    isolated(
        "status::reservations_that_cannot_be_written_are_a_reason",
        |world| {
            let conf = world.conf(json!({"ipam": {"dataDir": "/proc/nowhere"}}));
            assert!(
                world
                    .cni("STATUS", "", "", &conf)
                    .error(50)
                    .contains("/proc/nowhere/net")
            );
        },
    );
}
