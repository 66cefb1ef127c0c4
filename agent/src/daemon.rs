//! The loop: a pass when the list changes, at SIGHUP, and at regular intervals.
use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use crate::args::Args;
use crate::install::missing_source;
use crate::node::NodesFile;
use crate::pass::Pass;
use crate::ready::ReadySocket;
use crate::reconcile::{Reconciler, Runtime};
use crate::source::NodeSource;
use crate::{Error, Result};

mod log;
mod schedule;
mod signals;

use log::{Log, line};
use schedule::Schedule;
use signals::Signals;

/// Runs the agent in the calling thread's namespaces until a signal ends it, or for one pass (`--once`).
///
/// # Errors
/// Something that the command line names is missing; with `--once` also anything that could not be applied.
pub(crate) fn run(args: &Args) -> Result<()> {
    if let Some(source) = args
        .install_plugin
        .as_ref()
        .filter(|source| !source.exists())
    {
        return Err(missing_source(source));
    }
    let reconciler = Reconciler::new(
        args.node.clone(),
        args.settings(),
        args.runtime(),
        args.sysctl(),
    );
    if args.once {
        return once(args.source()?, reconciler);
    }
    // Before the source, which may start a thread: the kernel delivers a signal to any thread that does not block it.
    let signals = Signals::open()?;
    let ready = args
        .ready_socket
        .as_deref()
        .map(ReadySocket::open)
        .transpose()?;
    Daemon {
        source: args.source()?,
        reconciler,
        runtime: args.runtime(),
        signals,
        ready,
        log: Log::default(),
        list: None,
        last: Err("no node list has come yet".to_owned()),
    }
    .keep(args.resync())
}

fn once(mut source: Box<dyn NodeSource>, mut reconciler: Reconciler) -> Result<()> {
    let list = loop {
        if let Some(list) = source.changed()? {
            break list;
        }
        wait([source.wake()], None)?;
    };
    let mut pass = reconciler.pass(&list);
    // The program ends with a single failure as its error; several are logged and counted.
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

struct Daemon {
    source: Box<dyn NodeSource>,
    reconciler: Reconciler,
    runtime: Runtime,
    signals: Signals,
    ready: Option<ReadySocket>,
    log: Log,
    list: Option<NodesFile>,
    /// This node's own faults after the last pass; `Err` with the reason before the first.
    last: std::result::Result<Vec<String>, String>,
}

impl Daemon {
    fn keep(mut self, resync: Duration) -> Result<()> {
        let mut schedule = Schedule::new(resync);
        loop {
            self.poll_source(&mut schedule);
            if schedule.is_due() {
                // Without a list there is nothing to do.
                let done = self.list.is_none() || self.pass();
                schedule.passed(done);
            }
            self.answer(&mut schedule);
            self.wait(schedule.left())?;
            match self.signals.next()? {
                Some(Signal::SIGHUP) => schedule.run_now(),
                Some(signal) => {
                    self.log
                        .line(format_args!("{signal}: ending; the node stays as it is"));
                    return Ok(());
                }
                None => {}
            }
        }
    }

    /// Takes in a new list or an error from the source.
    fn poll_source(&mut self, schedule: &mut Schedule) {
        match self.source.changed() {
            Ok(Some(new)) => {
                self.log.source(None);
                self.list = Some(new);
                schedule.run_now();
            }
            Ok(None) => {}
            Err(error) => {
                // Only before the first list: later the previous one remains valid.
                if self.last.is_err() {
                    self.last = Err(line(&error));
                }
                self.log.source(Some(error));
            }
        }
    }

    /// Returns whether nothing failed.
    fn pass(&mut self) -> bool {
        let Some(list) = &self.list else { return false };
        let pass = self.reconciler.pass(list);
        self.log.pass(&pass);
        self.last = Ok(own_faults(&pass));
        pass.failures.is_empty()
    }

    /// Answers readiness probes. Checks now for files that may have been removed since the last pass, and restores them at
    /// once.
    fn answer(&mut self, schedule: &mut Schedule) {
        let Some(ready) = &self.ready else { return };
        let (last, runtime) = (&self.last, &self.runtime);
        ready.answer(|| match last {
            Err(why) => vec![why.clone()],
            Ok(faults) => {
                let missing = runtime.complete().err();
                if missing.is_some() {
                    schedule.run_now();
                }
                let missing = missing.iter().map(line).filter(|m| !faults.contains(m));
                faults.iter().cloned().chain(missing).collect()
            }
        });
    }

    /// Waits for a signal, the source, a readiness probe, or until `left` has passed.
    fn wait(&self, left: Duration) -> Result<()> {
        let ready = self.ready.as_ref().map(ReadySocket::wake);
        let fds = [self.signals.wake(), self.source.wake()];
        wait(fds.into_iter().chain(ready), Some(left))
    }
}

/// The failures that keep this node from being ready.
fn own_faults(pass: &Pass) -> Vec<String> {
    let own = pass.failures.iter().filter(|e| !e.is_elsewhere());
    own.map(line).collect()
}

/// Waits until one of them is readable, at most for `left`.
fn wait<'fd>(fds: impl IntoIterator<Item = BorrowedFd<'fd>>, left: Option<Duration>) -> Result<()> {
    let mut fds: Vec<_> = fds
        .into_iter()
        .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
        .collect();
    let timeout = left.map_or(PollTimeout::NONE, |left| {
        // Rounded up, or the loop would spin through the last millisecond.
        let left = left + Duration::from_micros(999);
        PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
    });
    match poll(&mut fds, timeout) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(cause) => Err(Error::System {
            action: "wait for events",
            cause,
        }),
    }
}
