//! DEL: removes what an attachment has on the node, and only then releases its addresses.
//!
//! Deleting a veth pair takes 16 to 20 ms, nearly all of it an RCU barrier after the kernel has unlisted the devices and
//! sent RTM_DELLINK. The request blocks until its end, so a child process sends it, and the parent continues at the event.
use std::fs::File;
use std::net::IpAddr;
use std::os::fd::RawFd;
use std::time::{Duration, Instant};

use flatnet_netlink::{Link, LinkWatch, Request, Route};
use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, dup2_stderr, dup2_stdin, dup2_stdout, fork};

use super::living::{behind, living};
use super::names::HostEnd;
use crate::error::{Error, Result};
use crate::ipam::{Store, Wait};
use crate::owner::Owner;
use crate::types::NetConf;

/// Limit for a deletion to take effect; a host with a busy RTNL lock needs a second or two.
const LIMIT: Duration = Duration::from_secs(30);
/// How often to check the child while no event comes; only a failure takes that long.
const SLICE: Duration = Duration::from_millis(20);
/// Exit code of a child whose failure has no errno. Linux has none above 133.
const NO_ERRNO: i32 = 255;

/// Detaches a pod. Missing objects are not errors: DEL may be called several times, without an ADD, and after the namespace
/// has disappeared. The pod's end is deleted with the node's.
pub(crate) fn del(conf: &NetConf, owner: &Owner) -> Result<()> {
    let store = Store::find(&conf.data_dir, &conf.name)?;
    let held = store
        .as_ref()
        .map(|store| store.record(owner, Wait::Forever))
        .transpose()?
        .flatten();
    let addresses = match (&store, &held) {
        (_, Some(held)) => held.addresses.clone(),
        (Some(store), None) => store.scan(owner)?,
        (None, None) => Vec::new(),
    };
    // Opened before looking up the link, so that its event cannot be missed.
    let mut watch = LinkWatch::open()?;
    let mut host = Route::open()?;
    let end = HostEnd::of(&conf.name, owner);
    let mut unrecorded = Vec::new();
    if let Some(link) = host.link(&end.name)?.filter(|link| end.is(link)) {
        if held.is_none() {
            unrecorded = behind(&mut host, &link)?;
        }
        unlist(&mut watch, &link)?;
    }
    if !addresses.is_empty()
        && let Some(bridge) = host.link(conf.bridge.as_str())?
    {
        forget_neighbours(&mut host, bridge.index, &addresses)?;
    }
    let Some(store) = store else { return Ok(()) };
    match held {
        Some(held) => store.release(held)?,
        None => {
            for address in unrecorded {
                store.free_unowned(address)?;
            }
            store.free(owner, &addresses)?;
        }
    }
    store.release_adopted(|| living(&mut host))
}

/// Deletes the node's neighbour entries for these addresses, if they exist.
pub(crate) fn forget_neighbours(host: &mut Route, bridge: u32, addresses: &[IpAddr]) -> Result<()> {
    for address in addresses {
        match host.send(Request::del_neighbour(bridge, *address)) {
            Err(error) if !error.is_absent() => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

/// Deletes the link and returns as soon as no packet passes through it any more.
fn unlist(watch: &mut LinkWatch, link: &Link) -> Result<()> {
    // SAFETY: the plugin has only one thread here (those that entered namespaces have ended), so the child is a complete copy
    // of it; it runs only `delete_silently`, which does not return.
    let child = match unsafe { fork() } {
        Ok(ForkResult::Child) => delete_silently(link.index),
        Ok(ForkResult::Parent { child }) => child,
        Err(errno) => return Err(Error::io("fork")(errno.into())),
    };
    let started = Instant::now();
    while !watch.wait_deleted(link.index, SLICE)? {
        match ended(child)? {
            // The kernel answers after the event, so the link is deleted even if the event was lost.
            Some(0) => return Ok(()),
            Some(NO_ERRNO) => {
                return Err(Error::Deletion {
                    link: link.name.clone(),
                    errno: Errno::EIO,
                });
            }
            Some(code) => {
                return Err(Error::Deletion {
                    link: link.name.clone(),
                    errno: Errno::from_raw(code),
                });
            }
            None if started.elapsed() < LIMIT => {}
            None => {
                return Err(Error::DeletionPending {
                    link: link.name.clone(),
                    seconds: LIMIT.as_secs(),
                });
            }
        }
    }
    Ok(())
}

/// The child: sends the request and exits with the kernel's errno.
fn delete_silently(index: u32) -> ! {
    // The runtime reads our output until all holders of the pipe have closed it, and the parent's files, including its locks,
    // must not stay open here.
    let detached = detach();
    let outcome = detached.and_then(|()| {
        match Route::open().and_then(|mut host| host.send(Request::del_link(index))) {
            Err(error) if !error.is_absent() => Err(error.errno()),
            _ => Ok(()),
        }
    });
    let code = match outcome {
        Ok(()) => 0,
        Err(errno) => errno.map_or(NO_ERRNO, |errno| errno as i32),
    };
    // SAFETY: ends this copy of the process at once, without the parent's exit handlers.
    unsafe { libc::_exit(code) }
}

fn detach() -> std::result::Result<(), Option<Errno>> {
    const FIRST: RawFd = 3;
    let null = File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(|_| None)?;
    dup2_stdin(&null)
        .and_then(|()| dup2_stdout(&null))
        .and_then(|()| dup2_stderr(&null))
        .map_err(Some)?;
    // SAFETY: no inherited object uses a file from here on: the child opens its own socket and exits without running
    // destructors.
    let closed = unsafe { libc::close_range(FIRST as libc::c_uint, libc::c_uint::MAX, 0) };
    std::mem::forget(null);
    Errno::result(closed).map(drop).map_err(Some)
}

/// The child's exit code, if it has ended.
fn ended(child: Pid) -> Result<Option<i32>> {
    match waitpid(child, Some(WaitPidFlag::WNOHANG)) {
        Ok(WaitStatus::Exited(_, code)) => Ok(Some(code)),
        Ok(WaitStatus::StillAlive) => Ok(None),
        Ok(_) => Ok(Some(NO_ERRNO)),
        // The caller ignores SIGCHLD, so there is no exit code; the event or the limit decides.
        Err(Errno::ECHILD) => Ok(None),
        Err(errno) => Err(Error::io("waitpid")(errno.into())),
    }
}
