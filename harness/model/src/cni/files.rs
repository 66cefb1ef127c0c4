//! The files of a node's configuration directory: which of them a runtime reads.
use std::path::Path;

use super::{ListError, NetworkList};
use crate::probe::{CniFiles, ConfFile};

/// Whether a runtime takes a file of that name for a network configuration: libcni's `ConfFiles` takes these three endings.
pub fn is_configuration(name: &str) -> bool {
    [".conflist", ".conf", ".json"]
        .iter()
        .any(|ending| name.ends_with(ending))
}

/// Files that a runtime considers, by name, as it sorts them; it uses the first. Files that only set up loopback (CRI-O ships
/// one) configure no pod network unless they sort first.
pub fn configurations(files: &CniFiles) -> Vec<&ConfFile> {
    let mut found: Vec<&ConfFile> = files
        .conf
        .iter()
        .filter(|file| is_configuration(&file.name))
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    let loopback_only = |file: &ConfFile| {
        let network = file.network();
        network.is_ok_and(|network| network.kinds().all(|kind| kind == "loopback"))
    };
    let mut at = 0;
    found.retain(|file| {
        at += 1;
        at == 1 || !loopback_only(file)
    });
    found
}

/// The network that a runtime with these files uses; none where there is no configuration, or the first is not usable.
pub fn in_use(files: &CniFiles) -> Option<NetworkList> {
    configurations(files).first()?.network().ok()
}

/// Why a file's network cannot be used, as far as one can see.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It could not be read here, which says nothing of what the runtime can.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// No runtime can use it.
    #[error(transparent)]
    Malformed(#[from] ListError),
}

impl ConfFile {
    /// The network it configures.
    ///
    /// # Errors
    /// It could not be read, or no runtime can use it.
    pub fn network(&self) -> Result<NetworkList, Unusable> {
        let text = self.content.as_ref();
        let text = text.map_err(|why| Unusable::Unreadable(why.clone()))?;
        Ok(NetworkList::parse(text.as_bytes(), Path::new(&self.name))?)
    }
}
