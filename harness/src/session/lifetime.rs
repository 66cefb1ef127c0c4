//! How long a cluster lives beyond the run, and who ends it.
use std::sync::{Arc, Mutex, PoisonError};

use super::reaper::Reaper;
use crate::cluster::Cluster;
use crate::{Error, Result};

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
                order_nothing(&reaper)
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
            Lifetime::Reaped(reaper) | Lifetime::Contents(reaper) => order_nothing(&reaper),
        }
    }
}

fn order_nothing(reaper: &Mutex<Reaper>) -> Result<()> {
    reaper
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .order(&[])
}
