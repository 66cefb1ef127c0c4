//! Takes away what a run made on a cluster that outlives it, even when the run is killed: a process of its own that waits for the run to
//! end and then deletes.
//!
//! The run holds the write end of the reaper's standard input and sends it, line by line, what it must delete; the
//! kernel closes that end however the run dies. The reaper is in a process group of its own, so that neither Ctrl-C nor a
//! signal to the run's group reaches it.
mod remove;

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::{Error, Result, torn_down};
use flatnet_cluster::kube::NamespacePlan;
pub use remove::remove;

/// Between two looks at the reaper itself.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How long the end of a run waits for pods of a lab, which may hang; the reaper goes on without it.
const LAB_WITHIN: Duration = Duration::from_secs(2);

/// The hidden subcommand of `flatnet` that is the reaper.
pub const SUBCOMMAND: &str = "reap";

/// Something to delete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Reap {
    /// A process group that is still making things; before the things themselves.
    ProcessGroup {
        /// Its id: the process id of its leader, which has not been waited for.
        group: u32,
    },
    /// A kind cluster.
    KindCluster {
        /// kind's own path.
        kind: PathBuf,
        /// `docker` or `podman`.
        engine: String,
        /// The cluster's name.
        name: String,
    },
    /// A container beside the cluster.
    Container {
        /// The engine's own path.
        engine: PathBuf,
        /// The container's name.
        name: String,
    },
    /// A change of a lab's CNI that was not finished, which is undone.
    LabChange {
        /// The lab's name.
        lab: String,
    },
    /// A change of the CNI of a cluster behind an API that was not finished, which is undone.
    CniChange {
        /// The cluster.
        of: ClusterRef,
    },
    /// A run's pods in a lab that runs on.
    LabPods {
        /// The lab's name.
        lab: String,
        /// The namespace of the run's own.
        namespace: String,
    },
    /// A run's namespace, or its pods in an existing one.
    Namespace {
        /// The cluster it is in.
        of: ClusterRef,
        /// The namespace, which may never have been made.
        namespace: NamespacePlan,
    },
}

/// How the reaper finds a cluster again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum ClusterRef {
    /// As the user named it.
    Kubeconfig {
        /// `--kubeconfig`.
        file: Option<PathBuf>,
        /// `--context`.
        context: Option<String>,
    },
    /// Through kind.
    Kind {
        /// The cluster's name.
        name: String,
    },
}

/// A reaper at work. Dropping it lets it take everything away, and waits for that; for a lab's pods not longer than
/// [`LAB_WITHIN`].
pub struct Reaper {
    process: Child,
    orders: Option<ChildStdin>,
    /// The last order.
    things: Vec<Reap>,
}

impl Reaper {
    /// Starts `flatnet` at `program` as the reaper of `things`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(program: &Path, things: &[Reap]) -> Result<Self> {
        use std::os::unix::process::CommandExt;
        let doing = "start the reaper";
        let mut process = std::process::Command::new(program)
            .arg(SUBCOMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|e| Error::failed(doing, e))?;
        let orders = process.stdin.take();
        let mut reaper = Reaper {
            process,
            orders,
            things: Vec::new(),
        };
        reaper.order(things)?;
        Ok(reaper)
    }

    /// What to delete from now on; an empty list keeps everything.
    ///
    /// # Errors
    /// When the reaper is gone.
    pub fn order(&mut self, things: &[Reap]) -> Result<()> {
        let doing = "tell the reaper what to delete";
        let mut line = serde_json::to_vec(things).map_err(|e| Error::failed(doing, e))?;
        line.push(b'\n');
        let pipe = self
            .orders
            .as_mut()
            .ok_or_else(|| Error::Failed(format!("{doing}: it has ended")))?;
        pipe.write_all(&line).map_err(|e| Error::failed(doing, e))?;
        self.things = things.to_vec();
        Ok(())
    }

    /// One more thing to delete, before the others.
    ///
    /// # Errors
    /// When the reaper is gone.
    pub fn add(&mut self, thing: Reap) -> Result<()> {
        let mut things = vec![thing];
        things.append(&mut self.things.clone());
        self.order(&things)
    }

    /// Leaves the cluster and what is in it; what is beside it still goes.
    ///
    /// # Errors
    /// When the reaper is gone.
    pub fn spare_cluster(&mut self) -> Result<()> {
        let beside = |thing: &&Reap| matches!(thing, Reap::Container { .. });
        let things: Vec<Reap> = self.things.iter().filter(beside).cloned().collect();
        self.order(&things)
    }

    /// Lets it take everything away, and waits for that.
    ///
    /// # Errors
    /// When it could not; it has said why on standard error.
    pub fn reap(mut self) -> Result<()> {
        match self.end() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Error::Failed(format!(
                "not everything could be deleted (the reaper ended with {status})"
            ))),
            Err(e) => Err(Error::failed("wait for the reaper", e)),
        }
    }

    /// Whether all it deletes is in a lab.
    pub(super) fn is_of_lab(&self) -> bool {
        let in_lab = |thing| matches!(thing, &Reap::LabPods { .. } | &Reap::LabChange { .. });
        !self.things.is_empty() && self.things.iter().all(in_lab)
    }

    fn end(&mut self) -> std::io::Result<std::process::ExitStatus> {
        drop(self.orders.take());
        self.process.wait()
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        // Ended already after `reap`; else this is an early way out, whose error matters more.
        if !self.is_of_lab() {
            let _ = self.end();
            return;
        }
        drop(self.orders.take());
        let start = Instant::now();
        while start.elapsed() < LAB_WITHIN && matches!(self.process.try_wait(), Ok(None)) {
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}

/// The reaper's own life: reads orders until the run ends, then carries out the last.
///
/// # Errors
/// What could not be deleted.
pub fn serve() -> Result<()> {
    let mut last = String::new();
    let mut orders = std::io::stdin().lock();
    let mut line = String::new();
    while orders.read_line(&mut line).is_ok_and(|read| read > 0) {
        // A run that was killed while it wrote leaves half a line: the order before stands.
        if line.ends_with('\n') {
            last.clone_from(&line);
        }
        line.clear();
    }
    if last.is_empty() {
        return Ok(());
    }
    let things: Vec<Reap> =
        serde_json::from_str(&last).map_err(|e| Error::failed("read the reaper's requests", e))?;
    let mut outcome = Ok(());
    for thing in things {
        // The next one goes even where this one does not.
        outcome = torn_down(outcome, take_away(&thing));
    }
    outcome
}

/// Takes one thing away and waits until it is gone. Makes a runtime of its own.
///
/// # Errors
/// When it does not go.
pub fn take_away(thing: &Reap) -> Result<()> {
    super::runtime()?.block_on(remove(thing))
}
