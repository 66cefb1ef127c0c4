//! The processes of a lab: `flatnet-lab serve` enters namespaces and watches; its child is init of the pid namespace; init's
//! child is the server. Whichever of them dies, and however, the others follow: the kernel kills a pid namespace with its
//! init, init with its parent (PR_SET_PDEATHSIG), and init ends with the server.
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::UnixListener;
use std::process::ExitCode;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use rustix::process::{PidfdFlags, Resource, pidfd_open};

use crate::address::Address;
use crate::protocol::{BootReply, BootRequest, RELEASE};
use crate::{Error, Result, mounts, refusal, server};

/// Signals that end a lab in good order.
const ENDING: [Signal; 4] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
];

/// The whole life of a lab; the boot request comes on standard input, the reply goes to standard output.
pub(crate) fn serve() -> ExitCode {
    match start() {
        Ok(code) => code,
        Err(error) => {
            report(&BootReply::Failed(error));
            ExitCode::FAILURE
        }
    }
}

fn start() -> Result<ExitCode> {
    // A session of its own: the terminal's Ctrl-C is for the process that started the lab. It fails only for a group leader, who has
    // been given a group of its own already.
    let _ = nix::unistd::setsid();
    let request = read_boot_request()?;
    request.spec.validate()?;
    let listener = bind(&request.spec.name)?;
    raise_file_limit()?;
    std::env::set_current_dir("/").map_err(|e| Error::failed("change to /", e))?;
    // Blocked before there is anything to leave half done; the server and what it starts get them back.
    let ending: SigSet = ENDING.into_iter().collect();
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&ending), None)
        .map_err(|e| Error::failed("block signals", e))?;
    let signals = SignalFd::with_flags(&ending, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .map_err(|e| Error::failed("signalfd", e))?;
    let myself = rustix::process::getpid();
    let outer =
        pidfd_open(myself, PidfdFlags::empty()).map_err(|e| Error::failed("pidfd_open", e))?;
    let pid = std::process::id();
    let null = dev_null()?;
    enter_namespaces()?;
    // SAFETY: this process has a single thread, so the child may do what it likes.
    match unsafe { fork() }
        .map_err(|e| refusal::explain("start the first process of a pid namespace", e))?
    {
        ForkResult::Child => init(outer, signals, request, listener, pid, null),
        ForkResult::Parent { child } => {
            drop(listener);
            redirect_output(&null, request.detached)?;
            watch(child, &signals, std::io::stdin().as_fd())
        }
    }
}

fn read_boot_request() -> Result<BootRequest> {
    // Nothing follows that line before the reply: the rest of standard input is the lifeline.
    let mut line = String::new();
    std::io::stdin()
        .read_line(&mut line)
        .map_err(|e| Error::failed("read the boot request", e))?;
    serde_json::from_str(&line).map_err(|e| {
        Error::invalid(format!(
            "the boot request on standard input is malformed: {e}"
        ))
    })
}

fn bind(name: &str) -> Result<UnixListener> {
    let failed = |e: std::io::Error| Error::failed(format!("bind the socket of the lab {name}"), e);
    let address = Address::mine(name).socket().map_err(failed)?;
    debug_assert!(address.as_abstract_name().is_some());
    UnixListener::bind_addr(&address).map_err(|e| match e.kind() {
        std::io::ErrorKind::AddrInUse => Error::invalid(format!(
            "a lab named {name} is already running; delete it with `flatnet down {name}`, or choose another --name"
        )),
        _ => failed(e),
    })
}

/// Every pod takes a handful of descriptors.
fn raise_file_limit() -> Result<()> {
    let mut limit = rustix::process::getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    rustix::process::setrlimit(Resource::Nofile, limit)
        .map_err(|e| Error::failed("raise the limit of open files", e))
}

/// Whether this process may create namespaces and mounts without its own user namespace.
fn is_capable() -> bool {
    const CAP_NET_ADMIN: u64 = 1 << 12;
    const CAP_SYS_CHROOT: u64 = 1 << 18;
    const CAP_SYS_ADMIN: u64 = 1 << 21;
    let needed = CAP_NET_ADMIN | CAP_SYS_CHROOT | CAP_SYS_ADMIN;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = effective
        .and_then(|text| u64::from_str_radix(text.trim(), 16).ok())
        .unwrap_or(0);
    rustix::process::geteuid().is_root() && bits & needed == needed
}

fn enter_namespaces() -> Result<()> {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    if !is_capable() {
        unshare(CloneFlags::CLONE_NEWUSER)
            .map_err(|e| refusal::explain("create a user namespace", e))?;
        let write = |file: &str, text: &str| {
            std::fs::write(file, text).map_err(|e| {
                refusal::explain(
                    &format!("write {file}"),
                    Errno::from_raw(e.raw_os_error().unwrap_or_default()),
                )
            })
        };
        // Without it the kernel takes no gid_map from an unprivileged process (user_namespaces(7)).
        write("/proc/self/setgroups", "deny")?;
        write("/proc/self/uid_map", &format!("0 {} 1", uid.as_raw()))?;
        write("/proc/self/gid_map", &format!("0 {} 1", gid.as_raw()))?;
    }
    let namespaces = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWPID;
    unshare(namespaces)
        .map_err(|e| refusal::explain("create mount, net, uts, ipc and pid namespaces", e))?;
    mounts::own_root()
}

/// Waits for init; ends it on a signal, or when the lifeline does without a release.
fn watch(init: Pid, signals: &SignalFd, lifeline: BorrowedFd<'_>) -> Result<ExitCode> {
    let pidfd = rustix::process::Pid::from_raw(init.as_raw()).ok_or(Errno::ESRCH);
    let pidfd = pidfd.and_then(|pid| {
        pidfd_open(pid, PidfdFlags::empty()).map_err(|e| Errno::from_raw(e.raw_os_error()))
    });
    let pidfd = pidfd.map_err(|e| Error::failed("pidfd_open", e))?;
    let mut fds = vec![
        PollFd::new(pidfd.as_fd(), PollFlags::POLLIN),
        PollFd::new(signals.as_fd(), PollFlags::POLLIN),
        PollFd::new(lifeline, PollFlags::POLLIN),
    ];
    loop {
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) => {
                let only_lifeline = fds[..2].iter().all(|fd| fd.any() != Some(true));
                if only_lifeline && is_released(lifeline) {
                    fds.truncate(2);
                } else {
                    break;
                }
            }
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::failed("wait for the lab", errno)),
        }
    }
    // With its init the kernel kills the whole pid namespace; an init that has already ended is not an error.
    let _ = kill(init, Signal::SIGKILL);
    match waitpid(init, None) {
        Ok(WaitStatus::Exited(_, code)) => Ok(ExitCode::from(u8::try_from(code).unwrap_or(1))),
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(errno) => Err(Error::failed("wait for the lab", errno)),
    }
}

/// Whether the parent let the lab outlive it; else it has ended, or wrote what is not known.
fn is_released(lifeline: BorrowedFd<'_>) -> bool {
    let mut said = [0; RELEASE.len()];
    rustix::io::read(lifeline, &mut said).is_ok_and(|bytes| &said[..bytes] == RELEASE)
}

/// Process 1 of the pid namespace: reaps orphans, and ends with the server.
fn init(
    outer: OwnedFd,
    signals: SignalFd,
    request: BootRequest,
    listener: UnixListener,
    pid: u32,
    null: File,
) -> ! {
    drop(signals);
    if let Err(error) =
        prctl::set_pdeathsig(Signal::SIGKILL).map_err(|e| Error::failed("PR_SET_PDEATHSIG", e))
    {
        report(&BootReply::Failed(error));
        std::process::exit(1);
    }
    // The parent may have died before the line above; a pid namespace hides the change of getppid().
    let mut fds = [PollFd::new(outer.as_fd(), PollFlags::POLLIN)];
    if !matches!(poll(&mut fds, PollTimeout::ZERO), Ok(0)) {
        std::process::exit(1);
    }
    drop(outer);
    // SAFETY: still a single thread.
    match unsafe { fork() } {
        Ok(ForkResult::Child) => {
            let unblocked = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
            let result = unblocked
                .map_err(|e| Error::failed("unblock signals", e))
                .and_then(|()| {
                    detach_stdin(&null)?;
                    server::run(request.spec, pid, listener, || {
                        report(&BootReply::Ready);
                        redirect_output(&null, request.detached)
                    })
                });
            if let Err(error) = result {
                report(&BootReply::Failed(error));
                std::process::exit(1);
            }
            std::process::exit(0);
        }
        Ok(ForkResult::Parent { child }) => {
            drop(listener);
            let closed =
                detach_stdin(&null).and_then(|()| redirect_output(&null, request.detached));
            // Its name in `ps`, for a person who looks; nothing depends on it.
            let _ = prctl::set_name(c"flatnet-lab-init");
            std::process::exit(if closed.is_ok() { reap(child) } else { 1 });
        }
        Err(errno) => {
            report(&BootReply::Failed(Error::failed("start the server", errno)));
            std::process::exit(1);
        }
    }
}

/// Reaps whatever ends here until the server does; its exit code.
fn reap(server: Pid) -> i32 {
    loop {
        match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, code)) if pid == server => return code,
            Ok(WaitStatus::Signaled(pid, ..)) if pid == server => return 1,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return 1,
        }
    }
}

fn report(reply: &BootReply) {
    // Nothing reads it any more where the parent is gone, or where standard output was redirected.
    if let Ok(line) = serde_json::to_string(reply) {
        use std::io::Write;
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}

/// What standard streams are redirected to. Opened while this is the host's root still.
fn dev_null() -> Result<File> {
    let file = File::options().read(true).write(true).open("/dev/null");
    file.map_err(|e| Error::failed("open /dev/null", e))
}

/// The reader of the boot reply waits for the end of file; a detached lab keeps none of its parent's streams.
fn redirect_output(null: &File, detached: bool) -> Result<()> {
    nix::unistd::dup2_stdout(null).map_err(|e| Error::failed("redirect standard output", e))?;
    if detached {
        nix::unistd::dup2_stderr(null).map_err(|e| Error::failed("redirect standard error", e))?;
    }
    Ok(())
}

/// The lifeline is the outer process's alone.
fn detach_stdin(null: &File) -> Result<()> {
    nix::unistd::dup2_stdin(null).map_err(|e| Error::failed("redirect standard input", e))
}
