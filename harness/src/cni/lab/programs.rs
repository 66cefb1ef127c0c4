//! Programs for nodes of a lab.
use std::path::Path;

use flatnet_cluster::lab::LabCluster;

use crate::{Error, Result};

/// A program of this machine.
///
/// # Errors
/// [`Error::Missing`] where it cannot be read.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| Error::Missing {
        what: format!("{}: {e}", path.display()),
        remedy: "name a program that can be read".to_owned(),
    })
}

/// Puts it into the directory of plugins, under `name`.
///
/// # Errors
/// As [`read`]; where it cannot be written.
pub(super) async fn install(lab: &LabCluster, node: &str, name: &str, path: &Path) -> Result<()> {
    let content = read(path)?;
    lab.write_program(node, &format!("/opt/cni/bin/{name}"), content)
        .await
}
