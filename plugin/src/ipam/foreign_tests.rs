//! Things in the store that the plugin did not put there: each costs the file whose name it has, and nothing else.
use std::fs::{self, File};
use std::net::IpAddr;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::{Pools, Store, Wait, allocate_alone};
use crate::owner::Owner;
use crate::validate::{ContainerId, IfName, NetworkName};

/// What the decoys say, before and after.
const CONTENT: &str = "not the plugin's";
/// Far more than a store of three files needs, and less than a person waits.
const HUNG: Duration = Duration::from_secs(20);

type Plant = fn(&Path, &Path);

/// Puts something at a path; the second path is a decoy outside the store.
const KINDS: [(&str, Plant); 9] = [
    ("link to a file", |at, decoy| symlink(decoy, at).unwrap()),
    ("link to nothing", |at, _| {
        symlink("/nonexistent/x", at).unwrap()
    }),
    ("link to itself", |at, _| symlink(at, at).unwrap()),
    ("link to an endless device", |at, _| {
        symlink("/dev/zero", at).unwrap()
    }),
    ("second name of a file", |at, decoy| {
        fs::hard_link(decoy, at).unwrap()
    }),
    ("FIFO", |at, _| mkfifo(at, Mode::S_IRWXU).unwrap()),
    ("socket", |at, _| drop(UnixListener::bind(at).unwrap())),
    ("directory that is not empty", |at, _| {
        fs::create_dir_all(at.join("x")).unwrap()
    }),
    ("file without end", |at, _| {
        File::create(at).unwrap().set_len(1 << 40).unwrap();
    }),
];

fn owner(id: &str) -> Owner {
    Owner {
        container: ContainerId::new(id).unwrap(),
        ifname: IfName::new("eth0").unwrap(),
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Plants each kind at this name of a store whose first three addresses c1 to c3 have, and lets `work` go on there.
fn each(name: &str, work: fn(&Store, &Pools, &str)) {
    for (kind, plant) in KINDS {
        let dir = tempfile::tempdir().unwrap();
        let decoy = dir.path().join("decoy");
        fs::write(&decoy, CONTENT).unwrap();
        let store = Store::open(dir.path(), &NetworkName::new("net").unwrap()).unwrap();
        let pools =
            Pools::new(serde_json::from_str(r#"[[{"subnet":"10.1.0.0/24"}]]"#).unwrap()).unwrap();
        for id in ["c1", "c2", "c3"] {
            allocate_alone(&store, &owner(id), &pools).unwrap();
        }
        let at = dir.path().join("net").join(name);
        let _ = fs::remove_file(&at);
        plant(&at, &decoy);
        let (done, finished) = mpsc::channel();
        thread::spawn(move || {
            work(&store, &pools, kind);
            done.send(()).unwrap();
        });
        finished
            .recv_timeout(HUNG)
            .unwrap_or_else(|why| panic!("{kind} at {name}: {why}"));
        assert_eq!(
            fs::read_to_string(&decoy).unwrap(),
            CONTENT,
            "{kind} at {name}"
        );
    }
}

/// ADD and DEL of another container, a sweep, and the lists that GC and the agent's restart read.
fn others_go_on(store: &Store, pools: &Pools, kind: &str) {
    let added = allocate_alone(store, &owner("new"), pools).unwrap();
    let address = added.assigned[0].address;
    assert!(
        ![ip("10.1.0.2"), ip("10.1.0.3"), ip("10.1.0.4")].contains(&address),
        "{kind}: {address}"
    );
    drop(added);
    let held = store.record(&owner("new"), Wait::Forever).unwrap().unwrap();
    store.release(held).unwrap();
    store.sweep().unwrap();
    store.complete().unwrap();
    let held = store.record(&owner("c1"), Wait::Forever).unwrap().unwrap();
    assert_eq!(held.addresses, [ip("10.1.0.2")], "{kind}");
    store.release(held).unwrap();
}

#[test]
fn a_hint_that_is_not_a_file_of_the_store_is_not_followed() {
    each("last@0", others_go_on);
}

#[test]
fn an_address_that_is_not_a_file_of_the_store_stays_taken() {
    each("10.1.0.3", |store, pools, kind| {
        others_go_on(store, pools, kind);
        assert!(store.taken().unwrap().contains(&ip("10.1.0.3")), "{kind}");
        assert_eq!(store.owner_of(ip("10.1.0.3")).unwrap(), None, "{kind}");
    });
}

#[test]
fn a_record_that_is_not_a_file_of_the_store_is_as_good_as_lost() {
    each("owner@c2@eth0", |store, pools, kind| {
        others_go_on(store, pools, kind);
        let addresses = match store.record(&owner("c2"), Wait::Forever).unwrap() {
            Some(held) => held.addresses,
            None => store.scan(&owner("c2")).unwrap(),
        };
        assert_eq!(addresses, [ip("10.1.0.3")], "{kind}");
        store.free(&owner("c2"), &addresses).unwrap();
        assert!(!store.taken().unwrap().contains(&ip("10.1.0.3")), "{kind}");
    });
}

#[test]
fn a_record_that_cannot_be_made_is_said_where() {
    each("owner@c4@eth0", |store, pools, kind| {
        let _ = store.record(&owner("c4"), Wait::Forever).unwrap();
        match allocate_alone(store, &owner("c4"), pools) {
            Ok(_) => assert!(!kind.starts_with("directory")),
            Err(error) if kind.starts_with("directory") => {
                assert_eq!(error.code(), 5);
                assert!(error.to_string().contains("owner@c4@eth0"), "{error}");
            }
            // A record that another program wrote: DEL of that container removes it.
            Err(error) => assert_eq!(error.code(), 11, "{kind}: {error}"),
        }
        others_go_on(store, pools, kind);
    });
}

#[test]
fn a_temporary_file_that_is_none_is_passed_over() {
    let name = format!("tmp@{}.0", std::process::id());
    each(&name, others_go_on);
}
