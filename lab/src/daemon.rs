//! Daemons of a node: agents of a CNI, mostly.
use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use crate::launch::{Launch, Streams, exit_code, node_env};
use crate::node_root::NodeRoot;
use crate::{Error, Result};

/// So much of the output is kept.
const LOG_BYTES: usize = 64 << 10;
/// Time for a daemon to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(2);

/// Those of one node, by name.
#[derive(Default)]
pub(crate) struct Daemons {
    running: Mutex<BTreeMap<String, Arc<Daemon>>>,
}

struct Daemon {
    /// Process group, which is also the session: its first process's id.
    group: Pid,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    log: VecDeque<u8>,
    exit: Option<i32>,
}

impl Daemons {
    pub(crate) fn start(
        &self,
        root: &NodeRoot,
        hostname: &str,
        name: &str,
        argv: &[String],
    ) -> Result<()> {
        self.stop(name)?;
        let failed = |e: std::io::Error| Error::failed(format!("start the daemon {name}"), e);
        let (reader, writer) = std::io::pipe().map_err(failed)?;
        let stderr = writer.try_clone().map_err(failed)?;
        let streams = Streams {
            stdin: None,
            stdout: writer.into(),
            stderr: stderr.into(),
        };
        let launch = Launch::new(argv, node_env(hostname));
        let mut child = root
            .enter(|| launch.start(streams))
            .map_err(failed)?
            .map_err(Error::invalid)?;
        let group = child.id();
        let daemon = Arc::new(Daemon {
            group,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let keeper = daemon.clone();
        std::thread::spawn(move || keeper.keep_log(reader));
        let keeper = daemon.clone();
        std::thread::spawn(move || {
            let code = child.wait().map_or(-1, exit_code);
            keeper.lock().exit = Some(code);
            keeper.changed.notify_all();
        });
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned(), daemon);
        Ok(())
    }

    pub(crate) fn stop(&self, name: &str) -> Result<()> {
        let Some(daemon) = self.find(name) else {
            return Ok(());
        };
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            let state = daemon.lock();
            if state.exit.is_some() {
                return Ok(());
            }
            // The process is not reaped while its exit is unknown, so its pid is not reused.
            killpg(daemon.group, signal)
                .map_err(|e| Error::failed(format!("end the daemon {name}"), e.desc()))?;
            let waited = daemon
                .changed
                .wait_timeout_while(state, GRACE, |state| state.exit.is_none());
            drop(waited);
        }
        Ok(())
    }

    pub(crate) fn log(&self, name: &str) -> Result<(String, Option<i32>)> {
        let daemon = self.required(name)?;
        let mut state = daemon.lock();
        Ok((
            String::from_utf8_lossy(state.log.make_contiguous()).into_owned(),
            state.exit,
        ))
    }

    /// The process id of one that is stopped by a signal.
    pub(crate) fn stopped(&self, name: &str) -> Result<Option<i32>> {
        let group = self.required(name)?.group;
        // What is asked stays to be asked again; who waits for the daemon's end waits on.
        let flags = WaitPidFlag::WSTOPPED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        Ok(match waitid(Id::Pid(group), flags) {
            Ok(WaitStatus::Stopped(..)) => Some(group.as_raw()),
            // One that has ended has been waited for.
            Ok(_) | Err(Errno::ECHILD) => None,
            Err(e) => {
                return Err(Error::failed(
                    format!("look at the daemon {name}"),
                    e.desc(),
                ));
            }
        })
    }

    fn required(&self, name: &str) -> Result<Arc<Daemon>> {
        self.find(name)
            .ok_or_else(|| Error::invalid(format!("no daemon {name} was started there")))
    }

    fn find(&self, name: &str) -> Option<Arc<Daemon>> {
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
    }
}

impl Daemon {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep_log(&self, mut output: impl Read) {
        let mut buffer = [0; 4096];
        // An error ends the log as the end of the output does: there is nothing more to read.
        while let Ok(bytes @ 1..) = output.read(&mut buffer) {
            let mut state = self.lock();
            state.log.extend(&buffer[..bytes]);
            let surplus = state.log.len().saturating_sub(LOG_BYTES);
            state.log.drain(..surplus);
        }
    }
}
