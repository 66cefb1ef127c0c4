//! How long a cluster lives beyond the run, and who ends it.
use std::sync::{Arc, Mutex, PoisonError};

use super::reaper::{Reap, Reaper};
use crate::{Error, Result};
use flatnet_cluster::Cluster;

/// Whose end comes with the run's.
pub enum Lifetime {
    /// The cluster's own: it was booted in this process' keeping.
    Cluster,
    /// The cluster's, which the reaper ends even if the run is killed.
    Reaped(Mutex<Reaper>),
    /// Only that of what the run put into the cluster; the reaper sees to it if the run is killed.
    Contents(Mutex<Reaper>),
}

impl Lifetime {
    /// Something more that is to end with the run.
    ///
    /// # Errors
    /// When nobody would see to it.
    pub fn add(&self, thing: Reap) -> Result<()> {
        match self {
            Lifetime::Cluster => Err(Error::Failed(format!(
                "nobody takes {thing:?} away when the run is killed"
            ))),
            Lifetime::Reaped(reaper) | Lifetime::Contents(reaper) => reaper
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .add(thing),
        }
    }

    /// Ends what is to end, and waits for it.
    ///
    /// # Errors
    /// When it does not go.
    pub async fn end(self, cluster: &Arc<dyn Cluster>) -> Result<()> {
        match self {
            Lifetime::Cluster => cluster.destroy().await,
            Lifetime::Reaped(reaper) => {
                let reaper = reaper.into_inner().unwrap_or_else(PoisonError::into_inner);
                tokio::task::spawn_blocking(move || reaper.reap())
                    .await
                    .map_err(|e| Error::failed("wait for the reaper", e))?
            }
            Lifetime::Contents(reaper) => {
                // What fails here, the reaper tries once more as it is dropped.
                cluster.destroy().await?;
                spare_cluster(&reaper)
            }
        }
    }

    /// Leaves everything as it is, for somebody to look at.
    ///
    /// # Errors
    /// When the reaper is gone.
    pub async fn keep(self, cluster: &Arc<dyn Cluster>) -> Result<()> {
        cluster.keep().await?;
        match self {
            Lifetime::Cluster => Ok(()),
            Lifetime::Reaped(reaper) | Lifetime::Contents(reaper) => spare_cluster(&reaper),
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
