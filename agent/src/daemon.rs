//! The loop: a pass when the list changes, when a signal asks, and once in a while.
use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use crate::args::Args;
use crate::install::missing_source;
use crate::node::NodesFile;
use crate::ready::ReadySocket;
use crate::reconcile::{Pass, Reconciler, Runtime};
use crate::source::NodeSource;
use crate::{Error, Result};

mod log;
mod pace;
mod signals;

use log::{Log, told};
use pace::Pace;
use signals::Signals;

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
    let reconciler = Reconciler::new(
        args.node.clone(),
        args.settings(),
        args.runtime(),
        args.sysctl(),
    );
    if args.once {
        return once(args.source()?, reconciler);
    }
    // Before the source, which may start a thread: a signal goes to whichever does not block it.
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

struct Daemon {
    source: Box<dyn NodeSource>,
    reconciler: Reconciler,
    runtime: Runtime,
    signals: Signals,
    ready: Option<ReadySocket>,
    log: Log,
    list: Option<NodesFile>,
    /// What the last pass left undone of this node's own; `Err`: there was none, and why.
    last: std::result::Result<Vec<String>, String>,
}

impl Daemon {
    fn keep(mut self, resync: Duration) -> Result<()> {
        let mut pace = Pace::new(resync);
        loop {
            self.hear(&mut pace);
            if pace.is_due() {
                // Without a list there is nothing to do but to look for one.
                let done = self.list.is_none() || self.pass();
                pace.passed(done);
            }
            self.answer(&mut pace);
            self.wait(pace.left())?;
            match self.signals.next()? {
                Some(Signal::SIGHUP) => pace.now(),
                Some(signal) => {
                    self.log
                        .line(format_args!("{signal}: ending; the node stays as it is"));
                    return Ok(());
                }
                None => {}
            }
        }
    }

    /// What the source has to say.
    fn hear(&mut self, pace: &mut Pace) {
        match self.source.changed() {
            Ok(Some(new)) => {
                self.log.source(None);
                self.list = Some(new);
                pace.now();
            }
            Ok(None) => {}
            Err(error) => {
                // Of a source that is silent for a while nothing follows: the list that there is still holds.
                if self.last.is_err() {
                    self.last = Err(told(&error));
                }
                self.log.source(Some(error));
            }
        }
    }

    /// Whether everything could be done.
    fn pass(&mut self) -> bool {
        let Some(list) = &self.list else { return false };
        let pass = self.reconciler.pass(list);
        self.log.pass(&pass);
        self.last = Ok(own_faults(&pass));
        pass.failures.is_empty()
    }

    /// Tells who asks whether the node can network pods. What may have been taken away since the last pass is looked
    /// at now, and put back at once.
    fn answer(&mut self, pace: &mut Pace) {
        let Some(ready) = &self.ready else { return };
        let (last, runtime) = (&self.last, &self.runtime);
        ready.answer(|| match last {
            Err(why) => vec![why.clone()],
            Ok(faults) => {
                let missing = runtime.complete().err();
                if missing.is_some() {
                    pace.now();
                }
                let missing = missing.iter().map(told).filter(|m| !faults.contains(m));
                faults.iter().cloned().chain(missing).collect()
            }
        });
    }

    /// For a signal, a word from the source, a question, or the time.
    fn wait(&self, left: Duration) -> Result<()> {
        let ready = self.ready.as_ref().map(ReadySocket::wake);
        let fds = [self.signals.wake(), self.source.wake()];
        wait(fds.into_iter().chain(ready), Some(left))
    }
}

/// What keeps the node from networking pods, if anything does.
fn own_faults(pass: &Pass) -> Vec<String> {
    let own = pass.failures.iter().filter(|e| !e.is_elsewhere());
    own.map(told).collect()
}

/// Until one of them is readable; `None`: however long that takes.
fn wait<'fd>(fds: impl IntoIterator<Item = BorrowedFd<'fd>>, left: Option<Duration>) -> Result<()> {
    let mut fds: Vec<_> = fds
        .into_iter()
        .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
        .collect();
    let timeout = left.map_or(PollTimeout::NONE, |left| {
        // Rounded up, or the last millisecond would be spun through.
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
