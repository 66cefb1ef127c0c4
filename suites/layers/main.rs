//! The layers of this workspace: each crate depends only on what the table in the root `Cargo.toml` allows, and the modules of a
//! crate form no cycle.
//!
//! A module uses another if an import leads there, or a path in code, in an attribute or in the arguments of a macro. Methods
//! are called without naming a module, so they do not count. Neither does code under `#[cfg(test)]`.
mod cycles;
mod dependencies;
mod modules;
mod names;
mod planted;

use std::path::Path;

use crate::dependencies::{Workspace, forbidden};
use crate::modules::Crate;

fn this_workspace() -> anyhow::Result<Workspace> {
    Workspace::read(Path::new(env!("CARGO_MANIFEST_DIR")))
}

#[test]
fn every_dependency_is_allowed_by_the_table() -> anyhow::Result<()> {
    let workspace = this_workspace()?;
    let found = forbidden(&workspace, &workspace.metadata.layers)?;
    assert!(found.is_empty(), "\n{}", found.join("\n"));
    Ok(())
}

#[test]
fn the_modules_of_a_crate_form_no_cycle() -> anyhow::Result<()> {
    let workspace = this_workspace()?;
    let mut found = Vec::new();
    for root_file in workspace.crate_roots() {
        let krate = Crate::read(root_file)?;
        found.extend(cycles::find(&krate, &workspace.workspace_root));
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
    Ok(())
}
