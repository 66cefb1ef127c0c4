//! A process without a copy of this one's memory.
//!
//! What has to be done between fork and exec (a session, `/proc` of a new pid namespace) keeps `std::process::Command` from
//! vfork. A fork copies every mapping of a lab that has a thread for each pod and command: with 2,000 of them that alone takes
//! 10 ms, under a lock on which all its other threads wait.
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::ptr;

use nix::errno::Errno;
use nix::sched::{CloneFlags, clone};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, pthread_sigmask};
use nix::unistd::Pid;
use rustix::process::{PidfdFlags, pidfd_open};

/// For the few calls until exec, of an unoptimized build too.
const STACK: usize = 64 << 10;
/// The exit code of one that could not be executed, and is reaped before anybody sees it.
const NOT_EXECUTED: isize = 127;

/// What is executed, and with what around it. The session is a new one.
pub(crate) struct Program<'a> {
    pub(crate) path: &'a CStr,
    pub(crate) argv: &'a [CString],
    /// `KEY=value` each.
    pub(crate) env: &'a [CString],
    pub(crate) directory: &'a CStr,
    /// Its standard streams. None of them may be a standard stream of this process.
    pub(crate) streams: [&'a OwnedFd; 3],
    /// The first process of its pid namespace covers /proc with its own.
    pub(crate) mount_proc: bool,
}

/// A process that was started. Dropping it neither ends nor reaps it.
#[derive(Debug)]
pub(crate) struct Child {
    pid: Pid,
    /// Once it is reaped: its number may be another's then.
    status: Option<ExitStatus>,
}

impl Program<'_> {
    /// Starts it with the calling thread's namespaces, root and identity.
    ///
    /// # Errors
    /// As of clone(2), or what kept it from being executed.
    pub(crate) fn spawn(&self) -> io::Result<Child> {
        let null_ended = |strings: &[CString]| -> Vec<*const libc::c_char> {
            let each = strings.iter().map(|string| string.as_ptr());
            each.chain([ptr::null()]).collect()
        };
        let (argv, env) = (null_ended(self.argv), null_ended(self.env));
        let mut stack = vec![0; STACK];
        let mut failed = None;
        let run = || {
            failed = Some(self.exec(&argv, &env));
            NOT_EXECUTED
        };
        // A handler of this process must not run in the child, whose memory is this process's.
        let mut mask = SigSet::empty();
        pthread_sigmask(
            SigmaskHow::SIG_SETMASK,
            Some(&SigSet::all()),
            Some(&mut mask),
        )?;
        // SAFETY: this thread waits until the child has executed the program or ended (CLONE_VFORK), so the closure, what it
        // borrows and the stack outlive their use. The child only makes system calls: no allocation, no lock, no panic.
        let cloned = unsafe {
            clone(
                Box::new(run),
                &mut stack,
                CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK,
                Some(libc::SIGCHLD),
            )
        };
        let restored = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&mask), None);
        let mut child = Child {
            pid: cloned?,
            status: None,
        };
        let failed = failed.or(restored.err());
        let Some(errno) = failed else {
            return Ok(child);
        };
        child.kill()?;
        child.wait()?;
        Err(errno.into())
    }

    /// In the child: everything between clone and exec. Returns only what failed.
    fn exec(&self, argv: &[*const libc::c_char], env: &[*const libc::c_char]) -> Errno {
        match self.prepare() {
            // SAFETY: both lists are NUL-terminated strings, and end with a null pointer.
            Ok(()) => unsafe {
                libc::execve(self.path.as_ptr(), argv.as_ptr(), env.as_ptr());
                Errno::last()
            },
            Err(errno) => errno,
        }
    }

    fn prepare(&self) -> nix::Result<()> {
        for (stream, number) in self.streams.iter().zip(0..) {
            // SAFETY: closes nothing that anybody else owns: the child's table of descriptors is a copy.
            Errno::result(unsafe { libc::dup2(stream.as_raw_fd(), number) })?;
        }
        // SAFETY: plain system calls; the path is NUL-terminated.
        unsafe {
            Errno::result(libc::chdir(self.directory.as_ptr()))?;
            libc::setsid();
            // A terminal that is given becomes the controlling one unless another session has it (a new pty has none).
            libc::ioctl(0, libc::TIOCSCTTY, 0);
        }
        if self.mount_proc {
            let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
            let kind = c"proc".as_ptr();
            // SAFETY: the strings are NUL-terminated, and there are no data.
            let mounted = unsafe { libc::mount(kind, c"/proc".as_ptr(), kind, flags, ptr::null()) };
            Errno::result(mounted)?;
        }
        reset_handlers();
        pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
    }
}

/// In the child, whose table of handlers is its own: none of this process's may run in its memory once signals are let in. What is
/// ignored stays so over exec, besides SIGPIPE, which Rust ignores in this process.
fn reset_handlers() {
    for number in 1..=libc::SIGRTMAX() {
        // SAFETY: an action of zeros is valid, and overwritten by the kernel's; no handler is set.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            // Refused for the two signals that the C library keeps to itself; nothing sends them to the child.
            let known = libc::sigaction(number, ptr::null(), &raw mut action) == 0;
            let ignored = action.sa_sigaction == libc::SIG_IGN && number != libc::SIGPIPE;
            if known && !ignored && action.sa_sigaction != libc::SIG_DFL {
                libc::signal(number, libc::SIG_DFL);
            }
        }
    }
}

impl Child {
    /// Its process id, which is also that of its session and process group.
    pub(crate) fn id(&self) -> Pid {
        self.pid
    }

    /// A descriptor that is readable once it has ended.
    pub(crate) fn pidfd(&self) -> io::Result<OwnedFd> {
        let pid = rustix::process::Pid::from_raw(self.pid.as_raw()).ok_or(Errno::ESRCH)?;
        Ok(pidfd_open(pid, PidfdFlags::empty())?)
    }

    /// SIGKILL; nothing for one that is reaped.
    pub(crate) fn kill(&self) -> io::Result<()> {
        match self.status {
            Some(_) => Ok(()),
            None => Ok(kill(self.pid, Signal::SIGKILL)?),
        }
    }

    /// Waits until it has ended, and reaps it.
    pub(crate) fn wait(&mut self) -> io::Result<ExitStatus> {
        if let Some(status) = self.status {
            return Ok(status);
        }
        let mut raw = 0;
        loop {
            // SAFETY: `raw` is a valid place for the status.
            match Errno::result(unsafe { libc::waitpid(self.pid.as_raw(), &raw mut raw, 0) }) {
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
                Ok(_) => break,
            }
        }
        let status = ExitStatus::from_raw(raw);
        self.status = Some(status);
        Ok(status)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;

    use super::*;

    fn strings(each: &[&str]) -> Vec<CString> {
        each.iter()
            .map(|text| CString::new(*text).unwrap())
            .collect()
    }

    fn spawn(path: &str, argv: &[&str]) -> (io::Result<Child>, io::PipeReader) {
        let (reader, writer) = io::pipe().unwrap();
        let null: OwnedFd = File::open("/dev/null").unwrap().into();
        let writer = writer.into();
        let program = Program {
            path: &CString::new(path).unwrap(),
            argv: &strings(argv),
            env: &strings(&["WORD=value"]),
            directory: c"/proc",
            streams: [&null, &writer, &writer],
            mount_proc: false,
        };
        (program.spawn(), reader)
    }

    #[test]
    fn it_has_what_it_was_given_and_nothing_of_ours() {
        // Read by the shell itself: it blocks signals while it starts a program.
        let script = "echo $0 $1 $WORD; pwd; read a && echo input; echo to stderr >&2; cut -d' ' -f1,6 /proc/$$/stat; \
                      while IFS= read -r line; do case $line in SigBlk*|SigIgn*) echo \"$line\";; esac; done </proc/$$/status; exit 3";
        let (child, mut output) = spawn("/bin/sh", &["sh", "-c", script, "zero", "one"]);
        let mut child = child.unwrap();
        let mut words = String::new();
        output.read_to_string(&mut words).unwrap();
        let id = child.id();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let ignored = status
            .lines()
            .find_map(|line| line.strip_prefix("SigIgn:\t"));
        let ignored = u64::from_str_radix(ignored.unwrap(), 16).unwrap();
        let sigpipe = 1 << (libc::SIGPIPE - 1);
        assert_ne!(ignored & sigpipe, 0);
        assert_eq!(
            words,
            format!(
                "zero one value\n/proc\nto stderr\n{id} {id}\nSigBlk:\t{:016x}\nSigIgn:\t{:016x}\n",
                0,
                ignored & !sigpipe
            )
        );
        assert_eq!(child.wait().unwrap().code(), Some(3));
        assert_eq!(child.wait().unwrap().code(), Some(3), "once reaped");
    }

    #[test]
    fn what_cannot_be_executed_is_said_and_leaves_no_process() {
        let (failed, mut output) = spawn("/proc/no-such", &["no-such"]);
        assert_eq!(failed.unwrap_err().raw_os_error(), Some(libc::ENOENT));
        let (failed, _) = spawn("/proc/version", &["version"]);
        assert_eq!(failed.unwrap_err().raw_os_error(), Some(libc::EACCES));
        // Nobody has the other end any more.
        assert_eq!(output.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn it_is_ended_and_reaped() {
        let (child, _output) = spawn("/bin/sleep", &["sleep", "600"]);
        let mut child = child.unwrap();
        let pidfd = child.pidfd().unwrap();
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
        child.kill().unwrap();
        let gone = rustix::process::pidfd_send_signal(&pidfd, rustix::process::Signal::KILL);
        assert_eq!(gone, Err(rustix::io::Errno::SRCH));
    }
}
