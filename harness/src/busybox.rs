//! Which busybox the pods get.
use std::path::{Path, PathBuf};

use crate::programs::{Linkage, linkage};
use crate::{Error, Result};

/// The busybox named by the user, or one found on this machine; `None`: pods get the host's own programs.
///
/// # Errors
/// [`Error::Input`] where a named file is missing, no program, or dynamic (a pod has no loader).
pub fn choose(named: Option<&Path>) -> Result<Option<PathBuf>> {
    let Some(path) = named else {
        let found = ["busybox", "busybox-static"]
            .iter()
            .filter_map(|name| find_in_path(name))
            .find(|path| is_static(path));
        return Ok(found);
    };
    let remedy = "give a static one (Debian: package busybox-static) or leave the option out";
    match linkage(path) {
        Ok(Linkage::Static) => path
            .canonicalize()
            .map(Some)
            .map_err(|e| Error::Input(format!("--busybox {}: {e}; {remedy}", path.display()))),
        Ok(Linkage::Dynamic { interpreter }) => Err(Error::Input(format!(
            "--busybox {}: dynamically linked (needs {interpreter}), which cannot run in a pod's root; {remedy}",
            path.display()
        ))),
        Err(e) => Err(Error::Input(format!(
            "--busybox {}: {e}; {remedy}",
            path.display()
        ))),
    }
}

fn is_static(path: &Path) -> bool {
    matches!(linkage(path), Ok(Linkage::Static))
}

fn find_in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    // An ordinary user's PATH often lacks the sbin folders.
    let extra = ["/bin", "/sbin", "/usr/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(extra)
        .map(|dir| dir.join(name))
        .find(|p| p.is_file())
}
