//! Namespaces to measure in: nothing that happens there touches the machine, and all of it is gone with this process.
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use flatnet_netlink::{Request, Route, netns};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{getgid, getuid};

use crate::outcome::{Failure, Result};

/// The loopback device has this index in every namespace (LOOPBACK_IFINDEX).
const LOOPBACK: u32 = 1;

/// Takes this process, which must have one thread still, into user, mount and net namespaces of its own, with an empty
/// `/run`. Orphans of programs it starts become its children, so that [`settle`] can wait for them.
pub(crate) fn enter() -> Result<()> {
    let (uid, gid) = (getuid(), getgid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).map_err(|errno| {
        Failure::missing(
            format!("cannot create user, mount and net namespaces: {errno}"),
            "allow them (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, or Ubuntu's kernel.apparmor_restrict_unprivileged_userns=0)",
        )
    })?;
    let map = || -> io::Result<()> {
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
        fs::write("/proc/self/gid_map", format!("0 {gid} 1"))
    };
    map().map_err(Failure::broken("map the user into the new namespace"))?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .map_err(Failure::broken("make mounts private"))?;
    // iptables keeps its lock there, and we the pods' namespaces.
    mount(
        none,
        "/run",
        Some("tmpfs"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        none,
    )
    .map_err(Failure::broken("mount an empty /run"))?;
    prctl::set_child_subreaper(true).map_err(Failure::broken("become the parent of orphans"))
}

/// Waits until every process that was started here has ended, those included that programs left behind on purpose.
/// Only for moments when no thread waits for a child of its own.
pub(crate) fn settle() -> Result<()> {
    loop {
        match waitpid(None, Some(WaitPidFlag::empty())) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(Errno::ECHILD) => return Ok(()),
            Err(errno) => return Err(Failure::Broken(format!("wait for orphans: {errno}"))),
        }
    }
}

/// A network namespace, its loopback up.
pub(crate) struct Netns {
    file: File,
}

impl Netns {
    pub(crate) fn new() -> Result<Netns> {
        Netns::made(|| File::open("/proc/thread-self/ns/net"))
    }

    /// One that programs find at `path`, as a container runtime makes it.
    pub(crate) fn at(path: &Path) -> Result<Netns> {
        Netns::made(|| {
            File::create(path)?;
            mount(
                Some("/proc/thread-self/ns/net"),
                path,
                None::<&str>,
                MsFlags::MS_BIND,
                None::<&str>,
            )?;
            File::open(path)
        })
    }

    fn made(open: impl FnOnce() -> io::Result<File> + Send) -> Result<Netns> {
        let file = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                unshare(CloneFlags::CLONE_NEWNET)?;
                open()
            });
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        let ns = Netns {
            file: file.map_err(Failure::broken("create a network namespace"))?,
        };
        ns.route()?
            .send(Request::set_up(LOOPBACK))
            .map_err(Failure::broken("set the loopback up"))?;
        Ok(ns)
    }

    /// Takes the calling thread into it, for good: it has to be a short-lived one.
    pub(crate) fn join(&self) -> Result<()> {
        setns(&self.file, CloneFlags::CLONE_NEWNET)
            .map_err(Failure::broken("enter a network namespace"))
    }

    /// Does the work on a short-lived thread inside.
    pub(crate) fn within<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        netns::within(self.fd(), work).map_err(Failure::broken("work in a network namespace"))?
    }

    pub(crate) fn route(&self) -> Result<Route> {
        Route::open_in(self.fd()).map_err(Failure::broken("open a netlink socket"))
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// A folder for one run, on the disk where the build is (as /var/lib is on a node's), removed with the value.
pub(crate) fn folder() -> Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .prefix("datapath-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .map_err(Failure::broken(format!(
            "create a folder in {}",
            env!("CARGO_TARGET_TMPDIR")
        )))
}

/// A program by its name, in PATH or where an ordinary user's PATH does not look.
pub(crate) fn program(name: &str, package: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places =
        std::env::split_paths(&path).chain(["/usr/sbin", "/sbin", "/bin"].map(PathBuf::from));
    places
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
        .ok_or_else(|| {
            Failure::missing(
                format!("the program {name} is not installed"),
                format!("install it (Debian: package {package})"),
            )
        })
}
