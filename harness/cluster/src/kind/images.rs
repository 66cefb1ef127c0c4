//! Images onto the nodes, without a registry.
use std::path::Path;

use super::engine::Engine;
use super::program::{WORKS_WITHIN, run, run_within};
use crate::{Error, Result};

/// Puts images from `docker save` archives onto every node.
///
/// # Errors
/// When kind refuses one.
pub async fn load_archive(engine: &Engine, cluster: &str, archive: &Path) -> Result<()> {
    let mut load = engine.kind();
    load.args(["load", "image-archive", "--name", cluster])
        .arg(archive);
    loaded(&mut load, &archive.display().to_string()).await
}

/// Whether this machine's engine has an image.
///
/// # Errors
/// When the engine's client does not start.
pub async fn in_engine(engine: &Engine, image: &str) -> Result<bool> {
    let mut inspect = engine.engine();
    inspect.args(["image", "inspect", "--format", "{{.Id}}", image]);
    let said = run(&mut inspect, "look for an image").await?;
    Ok(said.code == 0)
}

/// Puts an image of this machine's engine onto every node that does not have it yet.
///
/// # Errors
/// When kind refuses it.
pub async fn load(engine: &Engine, cluster: &str, image: &str) -> Result<()> {
    let mut load = engine.kind();
    load.args(["load", "docker-image", "--name", cluster, image]);
    loaded(&mut load, image).await
}

async fn loaded(load: &mut tokio::process::Command, what: &str) -> Result<()> {
    let said = run_within(WORKS_WITHIN, load, &format!("kind load {what}")).await?;
    if said.code == 0 {
        Ok(())
    } else {
        Err(Error::Failed(format!(
            "kind load {what}: {}",
            said.stderr.trim()
        )))
    }
}
