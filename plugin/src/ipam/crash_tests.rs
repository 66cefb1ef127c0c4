//! SIGKILL at every system call of a reservation and of its release, and among concurrent processes.
use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, raise};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, pipe};

use super::{Pools, Record, Store, Wait, allocate_alone};
use crate::owner::Owner;
use crate::validate::{ContainerId, IfName, NetworkName};

fn owner(id: impl std::fmt::Display) -> Owner {
    Owner {
        container: ContainerId::new(&format!("c{id}")).unwrap(),
        ifname: IfName::new("eth0").unwrap(),
    }
}

/// More addresses than six processes take until their pipes, which nobody reads at first, are full.
fn pools() -> Pools {
    Pools::new(
        serde_json::from_str(r#"[[{"subnet":"10.1.0.0/16"}],[{"subnet":"fd00::/64"}]]"#).unwrap(),
    )
    .unwrap()
}

fn store(dir: &Path) -> Store {
    Store::open(dir, &NetworkName::new("net").unwrap()).unwrap()
}

fn release(store: &Store, owner: &Owner) {
    let held = store.record(owner, Wait::Forever).unwrap().unwrap();
    store.release(held).unwrap();
}

/// Forks; the child runs `work` and ends without unwinding into the test. Of the files of this process it keeps `keep`
/// only: tests run beside each other, and an inherited file would hold another test's lock. (Between fork and that
/// moment it does, which is why tests wait for locks.)
fn child(keep: Option<RawFd>, work: impl FnOnce()) -> Pid {
    // SAFETY: glibc makes its allocator usable in the child of a process with threads, and `work` uses files and that
    // allocator only; the child ends with _exit.
    match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            let keep = keep.map_or(2, RawFd::cast_unsigned);
            for (first, last) in [(3, keep - 1), (keep + 1, u32::MAX)]
                .into_iter()
                .filter(|(first, last)| first <= last)
            {
                // SAFETY: nothing of the parent's files is used here but `keep`.
                unsafe { libc::close_range(first, last, 0) };
            }
            let fine = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_ok();
            // SAFETY: ends the process at once; nothing of it is used afterwards.
            unsafe { libc::_exit(if fine { 0 } else { 1 }) }
        }
    }
}

fn ptrace(request: libc::c_uint, pid: libc::pid_t) {
    // SAFETY: these requests take neither address nor data.
    let done = unsafe { libc::ptrace(request, pid, std::ptr::null_mut::<libc::c_void>(), 0) };
    assert_eq!(done, 0, "ptrace: {}", Errno::last());
}

/// Runs `work` in a child that is killed at the `stops`-th entry into, or return from, a system call. `false`: it ended
/// before that.
fn killed_at(stops: usize, work: impl FnOnce()) -> bool {
    let child = child(None, || {
        ptrace(libc::PTRACE_TRACEME, 0);
        raise(Signal::SIGSTOP).unwrap();
        work();
    });
    for _ in 0..=stops {
        match waitpid(child, None).unwrap() {
            WaitStatus::Stopped(..) => ptrace(libc::PTRACE_SYSCALL, child.as_raw()),
            WaitStatus::Exited(_, 0) => return false,
            other => panic!("unexpected end: {other:?}"),
        }
    }
    kill(child, Signal::SIGKILL).unwrap();
    loop {
        match waitpid(child, None).unwrap() {
            WaitStatus::Signaled(..) => return true,
            WaitStatus::Exited(_, 0) => return false,
            WaitStatus::Stopped(..) => {}
            other => panic!("unexpected end: {other:?}"),
        }
    }
}

/// The invariant at any moment: each address has one identifiable owner, whose record lists it.
fn assert_sound(dir: &Path) {
    let store = store(dir);
    for address in store.taken().unwrap() {
        let owner = store
            .owner_of(address)
            .unwrap()
            .unwrap_or_else(|| panic!("{address} has no owner"));
        let path = dir.join(format!("net/owner@{}@{}", owner.container, owner.ifname));
        let record = Record::decode(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(record.owner, owner);
        assert!(
            record.addresses.contains(&address),
            "{address} is not in the record of {owner}"
        );
    }
}

/// Kills `work` at every point, on a store with three owners, and checks that its remains can be attributed and removed.
fn survives_a_kill_anywhere(prepare: impl Fn(&Store), work: impl Fn(&Store)) {
    for stops in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let others: Vec<(Owner, Vec<IpAddr>)> = (0..3)
            .map(|id| {
                (
                    owner(id),
                    allocate_alone(&store(dir.path()), &owner(id), &pools())
                        .unwrap()
                        .held
                        .addresses
                        .clone(),
                )
            })
            .collect();
        prepare(&store(dir.path()));
        let killed = killed_at(stops, || work(&store(dir.path())));

        assert_sound(dir.path());
        let store = store(dir.path());
        let before = store.taken().unwrap();
        let next = allocate_alone(&store, &owner("next"), &pools()).unwrap();
        assert!(
            next.held
                .addresses
                .iter()
                .all(|address| !before.contains(address))
        );
        drop(next);
        match store.record(&owner("victim"), Wait::Forever).unwrap() {
            Some(held) => store.release(held).unwrap(),
            None => assert!(
                store.scan(&owner("victim")).unwrap().is_empty(),
                "an address without a record"
            ),
        }
        assert!(
            store
                .record(&owner("victim"), Wait::Forever)
                .unwrap()
                .is_none()
        );
        release(&store, &owner("next"));
        store.sweep().unwrap();
        let expected: HashSet<IpAddr> = others
            .iter()
            .flat_map(|(_, addresses)| addresses.clone())
            .collect();
        assert_eq!(store.taken().unwrap(), expected);
        assert_eq!(store.owners().unwrap().len(), others.len());
        let rest = std::fs::read_dir(dir.path().join("net"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        assert!(
            rest.into_iter()
                .all(|name| !name.to_string_lossy().starts_with("tmp@"))
        );
        if !killed {
            assert!(
                stops > 20,
                "the work ended after {stops} stops: nothing was tried"
            );
            return;
        }
    }
}

#[test]
fn a_reservation_killed_anywhere_is_whole_or_can_be_taken_back() {
    survives_a_kill_anywhere(
        |_| {},
        |store| drop(allocate_alone(store, &owner("victim"), &pools()).unwrap()),
    );
}

#[test]
fn a_release_killed_anywhere_can_be_repeated() {
    survives_a_kill_anywhere(
        |store| drop(allocate_alone(store, &owner("victim"), &pools()).unwrap()),
        |store| release(store, &owner("victim")),
    );
}

#[test]
fn a_reservation_that_lost_a_race_is_safe_too() {
    survives_a_kill_anywhere(
        |_| {},
        |store| {
            let taken: IpAddr = "10.1.0.2".parse().unwrap();
            let free: IpAddr = "10.1.0.77".parse().unwrap();
            let mut held = store.claim(&owner("victim"), &[taken]).unwrap();
            assert!(!store.take(&held, taken).unwrap());
            store.amend(&mut held, &[free]).unwrap();
            assert!(store.take(&held, free).unwrap());
        },
    );
}

#[test]
fn processes_that_race_and_are_killed_share_nothing() {
    let dir = tempfile::tempdir().unwrap();
    // Each reports every address it keeps, one line each, and is killed after as many lines as `lives` says.
    let lives = [3_usize, 7, 11, 16, 22, 29];
    let workers: Vec<(usize, Pid, OwnedFd)> = lives
        .iter()
        .enumerate()
        .map(|(worker, lines)| {
            let (read, write) = pipe().unwrap();
            let pid = child(Some(write.as_raw_fd()), || {
                let (store, pools, mut out) = (
                    store(dir.path()),
                    pools(),
                    std::fs::File::from(write.try_clone().unwrap()),
                );
                for round in 0.. {
                    let kept = allocate_alone(&store, &owner(format!("{worker}-{round}")), &pools)
                        .unwrap();
                    let brief = owner(format!("{worker}-{round}-brief"));
                    drop(allocate_alone(&store, &brief, &pools).unwrap());
                    release(&store, &brief);
                    // In one write: killed in between, it would report half an address.
                    let line = format!("{}\n", kept.held.addresses[0]);
                    out.write_all(line.as_bytes()).unwrap();
                }
            });
            (*lines, pid, read)
        })
        .collect();

    let mut kept = Vec::new();
    for (lines, pid, read) in workers {
        let mut read = std::fs::File::from(read);
        let (mut text, mut byte) = (String::new(), [0]);
        while text.matches('\n').count() < lines {
            read.read_exact(&mut byte).unwrap();
            text.push(char::from(byte[0]));
        }
        kill(pid, Signal::SIGKILL).unwrap();
        waitpid(pid, None).unwrap();
        read.read_to_string(&mut text).unwrap();
        kept.extend(text.lines().map(|line| line.parse::<IpAddr>().unwrap()));
    }
    let unique: HashSet<IpAddr> = kept.iter().copied().collect();
    assert_eq!(unique.len(), kept.len(), "an address was given twice");
    assert_sound(dir.path());
    let store = store(dir.path());
    assert!(unique.is_subset(&store.taken().unwrap()));
    for owner in store.owners().unwrap() {
        release(&store, &owner);
    }
    store.sweep().unwrap();
    assert!(store.taken().unwrap().is_empty());
}
