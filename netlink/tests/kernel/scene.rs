//! A network namespace for a test.
use std::any::type_name_of_val;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, panic, thread};

use flatnet_netlink::request::Veth;
use flatnet_netlink::{Link, MacAddr, Request, Route, netns};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};

/// Passes only when something is wrong.
pub(crate) const LONG: Duration = Duration::from_secs(20);
/// Set for a test that runs in a user namespace already.
const INSIDE: &str = "FLATNET_NETLINK_TEST_INSIDE";

/// Runs a test in a fresh network namespace: on a thread of its own where that is allowed, in a process of its own in
/// a user namespace otherwise.
#[track_caller]
pub(crate) fn alone(test: impl FnOnce(&mut Route) + Send) {
    // `kernel::links::a_bridge::{{closure}}` says which test to run again.
    let closure = type_name_of_val(&test);
    let name = closure
        .trim_end_matches("::{{closure}}")
        .split_once("::")
        .map_or("", |(_, name)| name)
        .to_owned();
    let entered = thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name(name.clone())
            .spawn_scoped(scope, || {
                unshare(CloneFlags::CLONE_NEWNET)?;
                let mut route = Route::open().unwrap();
                route.send(Request::set_up(1)).unwrap();
                test(&mut route);
                Ok(())
            });
        thread
            .unwrap()
            .join()
            .unwrap_or_else(|payload| panic::resume_unwind(payload))
    });
    match entered {
        Ok(()) => {}
        Err(Errno::EPERM) if env::var_os(INSIDE).is_none() => {
            again_as_root_of_a_user_namespace(&name)
        }
        Err(errno) => panic!("no network namespace of one's own: {errno}"),
    }
}

fn again_as_root_of_a_user_namespace(name: &str) {
    let run = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .output();
    let run = run.unwrap_or_else(|error| {
        panic!("unshare: {error}; without root these tests need util-linux")
    });
    let (out, errors) = (
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr),
    );
    assert!(
        run.status.success() && out.contains("1 passed"),
        "in a user namespace: {}\n{out}{errors}",
        run.status
    );
}

/// Another namespace, beside the one the test runs in; it ends with this value.
pub(crate) struct Namespace(File);

impl Namespace {
    pub(crate) fn new() -> Self {
        let open = || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            let file = File::open("/proc/thread-self/ns/net").unwrap();
            Route::open().unwrap().send(Request::set_up(1)).unwrap();
            Namespace(file)
        };
        thread::spawn(open).join().unwrap()
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    pub(crate) fn route(&self) -> Route {
        Route::open_in(self.fd()).unwrap()
    }

    /// Runs `work`, and what programs it starts, in there.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        netns::within(self.fd(), work).unwrap()
    }
}

/// A veth between the test's namespace and another (or, without one, within its own).
pub(crate) fn veth<'a>(
    name: &'a str,
    peer_name: &'a str,
    peer_ns: Option<&'a Namespace>,
) -> Veth<'a> {
    let peer_ns = peer_ns.map(Namespace::fd);
    Veth {
        name,
        master: None,
        mtu: None,
        mac: None,
        up: true,
        peer_name,
        peer_ns,
        peer_mac: None,
    }
}

pub(crate) fn mac(last: u8) -> MacAddr {
    MacAddr([0x0a, 0x58, 0, 0, 0, last])
}

/// The link of that name, which must be there.
#[track_caller]
pub(crate) fn link(route: &mut Route, name: &str) -> Link {
    route
        .link(name)
        .unwrap()
        .unwrap_or_else(|| panic!("no link {name}"))
}

/// A bridge that is up, for tests that need a device and no more.
#[track_caller]
pub(crate) fn device(route: &mut Route, name: &str) -> u32 {
    route
        .send(Request::add_bridge(name, mac(0xfe), 1500))
        .unwrap();
    let index = link(route, name).index;
    route.send(Request::set_addr_gen_none(index)).unwrap();
    route.send(Request::set_up(index)).unwrap();
    index
}

/// The kernel attaches a link's queue a moment after its carrier; packets sent before are lost.
#[track_caller]
pub(crate) fn wait_until_up(route: &mut Route, name: &str) {
    let started = Instant::now();
    let mut last = link(route, name).operstate;
    while last != "UP" {
        assert!(started.elapsed() < LONG, "{name} does not come up: {last}");
        thread::yield_now();
        last = link(route, name).operstate;
    }
}
