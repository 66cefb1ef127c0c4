//! The loop: a pass when the list changes, when a signal asks, and once in a while.
use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::args::Args;
use crate::install::missing_source;
use crate::node::NodesFile;
use crate::reconcile::{Pass, Reconciler};
use crate::source::{FileSource, NodeSource};
use crate::{Error, Result};

/// The first wait after a pass with failures; doubled each time.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// Runs the agent in the calling thread's namespaces until it is told to stop, or once.
///
/// # Errors
/// Something that the command line names is missing; with `--once` also whatever kept the node from being complete.
pub fn run(args: &Args) -> Result<()> {
    if let Some(source) = args
        .install_plugin
        .as_ref()
        .filter(|source| !source.exists())
    {
        return Err(missing_source(source));
    }
    let mut source = FileSource::open(&args.nodes_file)?;
    let mut reconciler = Reconciler::new(args.node.clone(), args.settings(), args.runtime());
    if args.once {
        once(&mut source, &mut reconciler)
    } else {
        keep(&mut source, &mut reconciler, args.resync())
    }
}

fn once(source: &mut dyn NodeSource, reconciler: &mut Reconciler) -> Result<()> {
    let Some(list) = source.changed()? else {
        return Ok(());
    };
    let mut pass = reconciler.pass(&list);
    // A single failure is what the program ends with; several are told and counted.
    let single = if pass.failures.len() == 1 {
        pass.failures.pop()
    } else {
        None
    };
    Log::default().pass(&pass);
    match (single, pass.failures.len()) {
        (Some(error), _) => Err(error),
        (None, 0) => Ok(()),
        (None, count) => Err(Error::Incomplete { count }),
    }
}

fn keep(source: &mut dyn NodeSource, reconciler: &mut Reconciler, resync: Duration) -> Result<()> {
    let mut signals = Signals::open()?;
    let mut log = Log::default();
    let mut list: Option<NodesFile> = None;
    let mut pace = Pace::new(resync);
    loop {
        match source.changed() {
            Ok(Some(new)) => {
                log.source(None);
                list = Some(new);
                pace.now();
            }
            Ok(None) => {}
            Err(error) => log.source(Some(error)),
        }
        if pace.is_due() {
            // Without a list there is nothing to do but to look for one.
            let done = list.as_ref().is_none_or(|list| {
                let pass = reconciler.pass(list);
                log.pass(&pass);
                pass.ready && pass.failures.is_empty()
            });
            pace.passed(done);
        }
        wait(&signals, source.wake(), pace.left())?;
        match signals.next()? {
            Some(Signal::SIGHUP) => pace.now(),
            Some(signal) => {
                log.line(format_args!("{signal}: ending; the node stays as it is"));
                return Ok(());
            }
            None => {}
        }
    }
}

/// When the next pass is due: after the resync time, and sooner (1 s, 2 s, 4 s, …) after one that failed.
struct Pace {
    resync: Duration,
    retry: Duration,
    due: Instant,
}

impl Pace {
    fn new(resync: Duration) -> Self {
        Pace {
            resync,
            retry: FIRST_RETRY,
            due: Instant::now(),
        }
    }

    fn now(&mut self) {
        self.due = Instant::now();
    }

    fn is_due(&self) -> bool {
        self.left().is_zero()
    }

    fn left(&self) -> Duration {
        self.due.saturating_duration_since(Instant::now())
    }

    fn passed(&mut self, done: bool) {
        let wait = if done {
            self.resync
        } else {
            self.retry.min(self.resync)
        };
        self.retry = if done {
            FIRST_RETRY
        } else {
            (self.retry * 2).min(self.resync.max(FIRST_RETRY))
        };
        self.due = Instant::now() + wait;
    }
}

/// One line a change; what is wrong is told when it comes and when it is gone, not at every pass between.
#[derive(Default)]
struct Log {
    wrong: BTreeSet<String>,
    source: Option<String>,
    ready: bool,
}

impl Log {
    fn line(&self, line: std::fmt::Arguments<'_>) {
        // Standard error is unbuffered; where nobody reads it, work goes on.
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "{line}");
    }

    fn pass(&mut self, pass: &Pass) {
        for change in &pass.changes {
            self.line(format_args!("{change}"));
        }
        let notices = pass.notices.iter().map(|e| {
            if e.is_waiting() {
                told(e)
            } else {
                format!("warning: {e}")
            }
        });
        let wrong: BTreeSet<String> = notices.chain(pass.failures.iter().map(told)).collect();
        for line in wrong.difference(&self.wrong) {
            self.line(format_args!("{line}"));
        }
        for line in self.wrong.difference(&wrong) {
            self.line(format_args!("no longer {line}"));
        }
        self.wrong = wrong;
        if pass.ready != self.ready {
            self.line(format_args!(
                "{}",
                if pass.ready {
                    "ready for pods"
                } else {
                    "not ready for pods"
                }
            ));
            self.ready = pass.ready;
        }
    }

    fn source(&mut self, error: Option<Error>) {
        let message = error.as_ref().map(told);
        if let Some(message) = message.as_ref().filter(|m| self.source.as_ref() != Some(m)) {
            self.line(format_args!("{message}"));
        }
        self.source = message;
    }
}

fn told(error: &Error) -> String {
    let kind = if error.is_waiting() {
        "waiting"
    } else {
        "error"
    };
    format!("{kind}: {error}")
}

/// Waits for a signal, a word from the source, or the time.
fn wait(signals: &Signals, source: BorrowedFd<'_>, left: Duration) -> Result<()> {
    // Rounded up, or the last millisecond would be spun through.
    let millis = left.as_millis().saturating_add(u128::from(!left.is_zero()));
    let timeout = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
    let mut fds = [
        PollFd::new(signals.fd.as_fd(), PollFlags::POLLIN),
        PollFd::new(source, PollFlags::POLLIN),
    ];
    match poll(&mut fds, timeout) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(cause) => Err(Error::System {
            action: "wait for events",
            cause,
        }),
    }
}

/// SIGTERM, SIGINT and SIGHUP as something to poll.
struct Signals {
    fd: SignalFd,
}

impl Signals {
    fn open() -> Result<Self> {
        let set = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]);
        set.thread_block().map_err(|cause| Error::System {
            action: "block signals",
            cause,
        })?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
            .map_err(|cause| Error::System {
                action: "receive signals",
                cause,
            })?;
        Ok(Signals { fd })
    }

    fn next(&mut self) -> Result<Option<Signal>> {
        match self.fd.read_signal() {
            Ok(Some(info)) => Ok(i32::try_from(info.ssi_signo)
                .ok()
                .and_then(|n| Signal::try_from(n).ok())),
            Ok(None) => Ok(None),
            Err(cause) => Err(Error::System {
                action: "receive signals",
                cause,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_slow_down_to_the_resync_time_and_start_over_after_success() {
        let mut pace = Pace::new(Duration::from_secs(5));
        let mut retries = Vec::new();
        for _ in 0..5 {
            let retry = pace.retry;
            pace.passed(false);
            retries.push(retry.as_secs());
        }
        assert_eq!(retries, [1, 2, 4, 5, 5]);
        pace.passed(true);
        assert_eq!(pace.retry, FIRST_RETRY);
        assert!(!pace.is_due());
        pace.now();
        assert!(pace.is_due());
    }
}
