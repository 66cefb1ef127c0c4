//! How long a cluster lives beyond the run, and who ends it.
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::reaper::{Reap, Reaper};
use crate::{Error, Result};
use flatnet_cluster::Cluster;
use flatnet_cluster::lab::LabDeletion;

/// How long a run that was interrupted takes to delete its pods from a lab. The reaper goes on without it.
const HURRIED: Duration = Duration::from_secs(5);

/// Whose end comes with the run's.
pub enum Lifetime {
    /// The cluster's: the run booted it.
    Booted(ClusterDeletion),
    /// Only removing what the run put into an existing cluster; the reaper does it if the run is killed.
    Guest(Mutex<Reaper>),
    /// As [`Lifetime::Guest`], where nothing is put there that would outlive a run that is killed.
    Visitor,
}

/// Deletes a cluster. Only booting a cluster gives one.
pub struct ClusterDeletion(Deletion);

enum Deletion {
    Lab(LabDeletion),
    /// The reaper deletes it, even if the run is killed.
    Reaped(Mutex<Reaper>),
}

impl ClusterDeletion {
    /// Of a lab, which ends with the process that booted it.
    pub(super) fn of_lab(deletion: LabDeletion) -> Self {
        ClusterDeletion(Deletion::Lab(deletion))
    }

    /// Deleting a cluster that was registered with the reaper before it was booted.
    pub(super) fn by(reaper: Reaper) -> Self {
        ClusterDeletion(Deletion::Reaped(Mutex::new(reaper)))
    }

    async fn delete(self) -> Result<()> {
        match self.0 {
            Deletion::Lab(lab) => lab.delete().await,
            Deletion::Reaped(reaper) => {
                let reaper = reaper.into_inner().unwrap_or_else(PoisonError::into_inner);
                tokio::task::spawn_blocking(move || reaper.reap())
                    .await
                    .map_err(|e| Error::failed("wait for the reaper", e))?
            }
        }
    }
}

impl Lifetime {
    /// Of what the run is about to put into somebody else's cluster: the reaper, `flatnet` at `program`, knows of `thing` first.
    ///
    /// # Errors
    /// When the reaper does not start.
    pub(super) fn guest(program: &Path, thing: Reap) -> Result<Lifetime> {
        Ok(Lifetime::Guest(Mutex::new(Reaper::start(
            program,
            &[thing],
        )?)))
    }

    /// Something more that is to end with the run.
    ///
    /// # Errors
    /// If nothing else would do it.
    pub fn add(&self, thing: Reap) -> Result<()> {
        match self.reaper() {
            Some(reaper) => reaper
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .add(thing),
            None => Err(Error::Failed(format!(
                "nothing removes {thing:?} when the run is killed"
            ))),
        }
    }

    /// Whether the whole cluster ends with the run.
    pub(super) fn is_booted(&self) -> bool {
        matches!(self, Lifetime::Booted(_))
    }

    /// Ends what is to end, and waits for it. `hurried`, after a signal: not longer than [`HURRIED`] for a lab's pods.
    ///
    /// # Errors
    /// When it does not go.
    pub async fn end(self, cluster: &Arc<dyn Cluster>, hurried: bool) -> Result<()> {
        match self {
            Lifetime::Booted(deletion) => deletion.delete().await,
            Lifetime::Guest(mut reaper) => {
                let is_lab = reaper
                    .get_mut()
                    .unwrap_or_else(PoisonError::into_inner)
                    .is_of_lab();
                let limit = match hurried && is_lab {
                    true => HURRIED,
                    false => Duration::MAX,
                };
                // What fails here, the reaper tries once more as it is dropped.
                tokio::time::timeout(limit, cluster.withdraw())
                    .await
                    .unwrap_or_else(|_| {
                        Err(Error::Failed(format!(
                            "the run's pods in lab {} were not deleted within {} s: it hangs or is busy; they are still being deleted in the background, and flatnet list shows whether the lab answers",
                            cluster.name(),
                            HURRIED.as_secs()
                        )))
                    })?;
                spare_cluster(&reaper)
            }
            Lifetime::Visitor => cluster.withdraw().await,
        }
    }

    /// Leaves everything as it is, for inspection.
    ///
    /// # Errors
    /// When the reaper or the lab is gone.
    pub async fn keep(self, cluster: &Arc<dyn Cluster>) -> Result<()> {
        cluster.keep().await?;
        match self {
            Lifetime::Booted(ClusterDeletion(Deletion::Lab(lab))) => lab.keep().await,
            Lifetime::Booted(ClusterDeletion(Deletion::Reaped(reaper)))
            | Lifetime::Guest(reaper) => spare_cluster(&reaper),
            Lifetime::Visitor => Ok(()),
        }
    }

    fn reaper(&self) -> Option<&Mutex<Reaper>> {
        match self {
            Lifetime::Booted(ClusterDeletion(Deletion::Reaped(reaper)))
            | Lifetime::Guest(reaper) => Some(reaper),
            Lifetime::Booted(ClusterDeletion(Deletion::Lab(_))) | Lifetime::Visitor => None,
        }
    }
}

/// The reaper ends, and is waited for, as it is dropped after this.
fn spare_cluster(reaper: &Mutex<Reaper>) -> Result<()> {
    reaper
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .spare_cluster()
}
