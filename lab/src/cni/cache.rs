//! Results of earlier ADDs, kept where libcni keeps them: `/var/lib/cni/results/NETWORK-CONTAINERID-IFNAME`.
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use flatnet_model::cni::NetworkList;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Error, conf};
use crate::node_root::NodeRoot;

/// The longest record that is kept, bytes: more than the longest configuration and result need.
const MOST: u64 = 4 << 20;

/// What DEL and CHECK need to know of an ADD: "the runtime must use the configuration of the ADD" (spec section 3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cached {
    pub(super) network_name: String,
    pub(super) container_id: String,
    pub(super) if_name: String,
    pub(super) netns: String,
    pub(super) cni_args: Vec<(String, String)>,
    pub(super) capability_args: BTreeMap<String, Value>,
    /// Version that was used.
    pub(super) cni_version: String,
    /// File that the configuration came from, and its text.
    pub(super) config_file: PathBuf,
    pub(super) config: Value,
    pub(super) result: Value,
}

impl Cached {
    fn path(dir: &Path, network: &str, container: &str, ifname: &str) -> PathBuf {
        dir.join("results")
            .join(format!("{network}-{container}-{ifname}"))
    }

    pub(super) fn save(&self, root: &NodeRoot, dir: &Path) -> Result<(), Error> {
        let path = Self::path(dir, &self.network_name, &self.container_id, &self.if_name);
        let what = format!("write {}", path.display());
        let bytes = serde_json::to_vec(self).map_err(|e| Error::Io {
            what: what.clone(),
            cause: e.into(),
        })?;
        // Said now: a record that is not read again would keep DEL from ever succeeding.
        if bytes.len() as u64 > MOST {
            return Err(Error::Io {
                what,
                cause: io::ErrorKind::FileTooLarge.into(),
            });
        }
        root.write(&path, &bytes, 0o600).map_err(Error::io(what))
    }

    /// All of them; a file that is not ours to read is passed over.
    pub(super) fn all(root: &NodeRoot, dir: &Path) -> Result<Vec<Cached>, Error> {
        let dir = dir.join("results");
        let names = match root.list(&dir) {
            Ok(names) => names,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => {
                return Err(Error::Io {
                    what: format!("list {}", dir.display()),
                    cause: e,
                });
            }
        };
        let read =
            |name: String| serde_json::from_slice(&root.read(&dir.join(name), MOST).ok()?).ok();
        Ok(names
            .into_iter()
            .filter(|name| !name.starts_with('.'))
            .filter_map(read)
            .collect())
    }

    /// That of one attachment, whatever network it was made with.
    pub(super) fn of(
        root: &NodeRoot,
        dir: &Path,
        container: &str,
        ifname: &str,
    ) -> Result<Option<Cached>, Error> {
        let of_attachment = format!("-{container}-{ifname}");
        let names = match root.list(&dir.join("results")) {
            Ok(names) => names,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => {
                return Err(Error::Io {
                    what: format!("list {}", dir.display()),
                    cause: e,
                });
            }
        };
        let Some(name) = names
            .into_iter()
            .find(|name| name.ends_with(&of_attachment) && !name.starts_with('.'))
        else {
            return Ok(None);
        };
        let path = dir.join("results").join(name);
        let bytes = root
            .read(&path, MOST)
            .map_err(Error::io(format!("read {}", path.display())))?;
        let cached: Cached = serde_json::from_slice(&bytes).map_err(|e| Error::Io {
            what: format!("read {}", path.display()),
            cause: e.into(),
        })?;
        Ok((cached.container_id == container && cached.if_name == ifname).then_some(cached))
    }

    pub(super) fn remove(&self, root: &NodeRoot, dir: &Path) -> Result<(), Error> {
        let path = Self::path(dir, &self.network_name, &self.container_id, &self.if_name);
        root.remove(&path)
            .map_err(Error::io(format!("remove {}", path.display())))
    }

    /// The network as it was at ADD, with the version that was used.
    pub(super) fn network(&self) -> Result<NetworkList, Error> {
        let bytes = serde_json::to_vec(&self.config).map_err(|e| Error::Config(e.to_string()))?;
        let mut list = conf::parse(&bytes, &self.config_file)?;
        if let Ok(version) = self.cni_version.parse() {
            list.versions = vec![version];
        }
        Ok(list)
    }
}
