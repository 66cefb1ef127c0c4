//! STATUS.
use std::fs;
use std::os::unix::fs::symlink;

use nix::sched::{CloneFlags, unshare};
use serde_json::json;

use crate::world::{World, isolated, run_on_node};

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

/// A file system of its own for the store, in a mount namespace of its own.
fn mount_store(world: &World, options: &str) {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    run_on_node("mount", "--make-rprivate /");
    fs::create_dir_all(world.data_dir()).unwrap();
    let target = world.data_dir();
    run_on_node(
        "mount",
        &format!("-t tmpfs -o {options} tmpfs {}", target.display()),
    );
}

#[test]
fn a_store_without_inodes_or_space_is_a_reason_exactly_when_an_add_fails() {
    isolated(
        "status::a_store_without_inodes_or_space_is_a_reason_exactly_when_an_add_fails",
        |world| {
            let conf = world.dual(json!({}));
            mount_store(world, "nr_inodes=64,size=64k");
            world.cni("STATUS", "", "", &conf).ok();
            // Whatever is left, the two agree: each file that is taken away makes room for one more name.
            let fill = |name: &str| fs::write(world.data_dir().join(name), "");
            let mut filled = 0;
            while fill(&format!("fill{filled}")).is_ok() {
                filled += 1;
            }
            let mut served = 0;
            for file in 0..12 {
                let status = world.cni("STATUS", "", "", &conf);
                let pod = world.pod();
                let added = world.cni("ADD", "c1", &pod.path(), &conf);
                assert_eq!(
                    status.fine, added.fine,
                    "{file} free: {} {}",
                    status.json, added.json
                );
                if added.fine {
                    served += 1;
                    world.del("c1", &conf);
                    // The first ADD leaves its hints, which the next need not make.
                    break;
                }
                let details = status.error(50);
                assert!(details.contains("No space left on device"), "{details}");
                fs::remove_file(world.data_dir().join(format!("fill{file}"))).unwrap();
            }
            assert_eq!(served, 1);
            assert_eq!(world.reservations(), Vec::<String>::new());
            // No block, but inodes.
            for file in 0..filled {
                let _ = fs::remove_file(world.data_dir().join(format!("fill{file}")));
            }
            world.cni("STATUS", "", "", &conf).ok();
            let block = vec![0; 4096];
            let mut block_file = 0;
            while fs::write(world.data_dir().join(format!("block{block_file}")), &block).is_ok() {
                block_file += 1;
            }
            let details = world.cni("STATUS", "", "", &conf).error(50);
            assert!(details.contains("No space left on device"), "{details}");
            world.cni("ADD", "c1", &world.pod().path(), &conf).error(5);
        },
    );
}

#[test]
fn a_store_that_is_gone_or_read_only_is_a_reason() {
    isolated(
        "status::a_store_that_is_gone_or_read_only_is_a_reason",
        |world| {
            let conf = world.conf(json!({}));
            mount_store(world, "size=64k");
            world.add("c1", &world.pod(), &conf);
            let remount = |mode: &str| {
                run_on_node(
                    "mount",
                    &format!("-o remount,{mode} {}", world.data_dir().display()),
                );
            };
            remount("ro");
            let details = world.cni("STATUS", "", "", &conf).error(50);
            assert!(details.contains("Read-only file system"), "{details}");
            world.cni("ADD", "c2", &world.pod().path(), &conf).error(5);
            remount("rw");
            world.cni("STATUS", "", "", &conf).ok();
            // What is gone is made again by ADD, unless something is in its place.
            let store = world.data_dir().join("net");
            fs::remove_dir_all(&store).unwrap();
            world.cni("STATUS", "", "", &conf).ok();
            fs::remove_dir_all(&store).unwrap();
            symlink("/nowhere/at/all", &store).unwrap();
            for _ in 0..2 {
                let details = world.cni("STATUS", "", "", &conf).error(50);
                assert!(details.contains("networks/net"), "{details}");
                world.cni("ADD", "c2", &world.pod().path(), &conf).error(5);
                fs::remove_file(&store).unwrap();
                fs::write(&store, "a file").unwrap();
            }
        },
    );
}
