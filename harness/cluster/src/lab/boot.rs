//! A lab's beginning and end.
use std::path::PathBuf;

use flatnet_lab::{Lab, LabSpec};

use super::{LabCluster, failure_of_found_lab};
use crate::{Error, Result};

/// Deletes a lab. Only booting one gives it; dropped without [`LabDeletion::keep`], as by a Ctrl-C, it ends the lab too.
pub struct LabDeletion {
    lab: Option<LabCluster>,
}

impl LabDeletion {
    /// Ends the lab and waits until it is gone.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn delete(mut self) -> Result<()> {
        match self.lab.take() {
            Some(lab) => lab.call(Lab::shutdown).await,
            None => Ok(()),
        }
    }

    /// Lets the lab outlive this process.
    ///
    /// # Errors
    /// It has ended.
    pub async fn keep(mut self) -> Result<()> {
        match self.lab.take() {
            Some(lab) => lab.call(Lab::release).await,
            None => Ok(()),
        }
    }
}

impl Drop for LabDeletion {
    fn drop(&mut self) {
        if let Some(lab) = self.lab.take() {
            // The receiver is gone.
            let _ = lab.lab.shutdown();
        }
    }
}

/// A booted lab whose caller may be gone: it ends unless it is taken.
struct Untaken(Option<Lab>);

impl Untaken {
    fn take(mut self) -> Result<Lab> {
        let lab = self.0.take();
        lab.ok_or_else(|| Error::Failed("the lab was taken already".to_owned()))
    }
}

impl Drop for Untaken {
    fn drop(&mut self) {
        if let Some(lab) = self.0.take() {
            // An interrupted boot: the receiver is gone.
            let _ = lab.shutdown();
        }
    }
}

impl LabCluster {
    /// Boots a lab with `program` (flatnet-lab); `detached`: it can be kept. Whoever stops waiting has it end.
    ///
    /// # Errors
    /// What keeps it from coming up.
    pub async fn boot(
        program: PathBuf,
        spec: LabSpec,
        detached: bool,
    ) -> Result<(LabCluster, LabDeletion)> {
        let name = spec.name.clone();
        let booting = tokio::task::spawn_blocking(move || {
            Lab::boot(&program, &spec, detached).map(|lab| Untaken(Some(lab)))
        });
        let lab = booting
            .await
            .map_err(|e| Error::failed(format!("boot lab {name}"), e))??;
        let lab = LabCluster::new(lab.take()?, &name);
        let deletion = LabDeletion {
            lab: Some(lab.clone()),
        };
        Ok((lab, deletion))
    }

    /// A lab of this user that was found running.
    ///
    /// # Errors
    /// [`Error::Failed`] where it has ended since, or does not answer.
    pub async fn connect(name: &str) -> Result<LabCluster> {
        let lab = reach(name).await?.map_err(failure_of_found_lab)?;
        Ok(LabCluster::new(lab, name))
    }

    /// Whether a lab that was found running has ended since.
    pub async fn has_ended(name: &str) -> bool {
        let reached = reach(name).await;
        matches!(reached, Ok(Err(flatnet_lab::Error::Absent { .. })))
    }
}

async fn reach(name: &str) -> Result<flatnet_lab::Result<Lab>> {
    let wanted = name.to_owned();
    let connecting = tokio::task::spawn_blocking(move || Lab::connect(&wanted));
    let reached = connecting.await;
    reached.map_err(|e| Error::failed(format!("connect to lab {name}"), e))
}
