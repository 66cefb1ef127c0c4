//! A node without a lab: namespaces and a root of its own for one process, which end with it.
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;

use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{ForkResult, fork};

use crate::roots::{Base, Identity};
use crate::spec::{IpFamily, LabSpec, Underlay};
use crate::{Error, Result, process, refusal};

/// The host name there.
const NAME: &str = "node1";

/// Whether this process would need a user namespace for it.
pub fn needs_user_namespace() -> bool {
    !process::is_capable()
}

/// Runs `work` as the first process of pid, mount, net, uts and ipc namespaces, in a node's root: the host's programs read-only, empty
/// /run, /tmp, /var/lib/cni and /etc/cni. The host's directories `shown` are there at their paths. Nothing of it outlives that process,
/// which ends when `work` does, or with the other end of this process's standard input.
///
/// # Errors
/// [`Error::Missing`] where the machine forbids namespaces; in the new process an error is the argument of `work`.
///
/// Call it while this process has a single thread.
pub fn run(shown: &[PathBuf], work: impl FnOnce(Result<()>) -> ExitCode) -> Result<ExitCode> {
    let ending: SigSet = process::ENDING.into_iter().collect();
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&ending), None)
        .map_err(|e| Error::failed("block signals", e))?;
    let signals = SignalFd::with_flags(&ending, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .map_err(|e| Error::failed("signalfd", e))?;
    process::enter_namespaces()?;
    // SAFETY: this process has a single thread, so the child may do what it likes.
    let forked = unsafe { fork() };
    match forked.map_err(|e| refusal::explain("start the first process of a pid namespace", e))? {
        ForkResult::Parent { child } => process::watch(child, &signals, io::stdin().as_fd()),
        ForkResult::Child => {
            drop(signals);
            let code = work(enter(shown));
            // Without the exit code of a panic that was caught above.
            std::process::exit(i32::from(code != ExitCode::SUCCESS))
        }
    }
}

fn enter(shown: &[PathBuf]) -> Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(|e| Error::failed("PR_SET_PDEATHSIG", e))?;
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
        .map_err(|e| Error::failed("unblock signals", e))?;
    nix::unistd::setsid().map_err(|e| Error::failed("setsid", e))?;
    let base = Base::prepare(&LabSpec {
        name: NAME.to_owned(),
        nodes: Vec::new(),
        underlay: Underlay::L2,
        mtu: 1500,
        family: IpFamily::Ipv4,
        busybox: None,
        programs: Vec::new(),
        labels: Default::default(),
    })?;
    unshare(CloneFlags::CLONE_NEWNS)
        .map_err(|e| Error::failed("create a mount namespace", e.desc()))?;
    nix::unistd::sethostname(NAME).map_err(|e| Error::failed("set the host name", e.desc()))?;
    let hosts = format!("127.0.0.1\tlocalhost {NAME}\n::1\tlocalhost\n");
    base.node(
        &Identity {
            hostname: NAME,
            hosts: &hosts,
        },
        shown,
    )
}
