//! What a node has: everything of it that a network plugin may make, change or forget.
//!
//! Read from the kernel and the file system by this process, in the namespaces that it is in and those under /run/netns.
mod difference;
mod files;
mod network;
mod processes;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::Path;

use flatnet_netlink::netns;
use serde::{Deserialize, Serialize};

pub use difference::{Change, difference};

/// Where `ip netns` keeps namespaces.
pub const NAMESPACES: &str = "/run/netns";
/// The namespace that is the node's own.
pub const NODE: &str = "node";

/// One thing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Item {
    /// [`NODE`], or the name of a namespace.
    pub place: String,
    /// `link`, `address`, `route`, `rule`, `neighbour`, `fdb`, `nftables`, `qdisc`, `sysctl`, `netns`, `file`, `process`.
    pub kind: String,
    /// What it is, in the words of the program that lists it.
    pub name: String,
}

/// Everything there is, each with what may change about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    items: BTreeMap<Item, String>,
}

/// A namespace or folder that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {what}: {cause}")]
pub struct Unreadable {
    what: String,
    cause: String,
}

impl Ledger {
    /// As things are now. Files that hold one of the `names` say so.
    ///
    /// # Errors
    /// [`Unreadable`] for the node itself; a namespace that goes away meanwhile is left out.
    pub fn take(names: &[String]) -> Result<Ledger, Unreadable> {
        let mut ledger = Ledger::default();
        let unreadable = |e: flatnet_netlink::Error| Unreadable {
            what: "the network of this node".to_owned(),
            cause: e.to_string(),
        };
        network::read(NODE, &mut ledger).map_err(unreadable)?;
        for (name, path) in namespaces() {
            ledger.add(NODE, "netns", name.clone(), "");
            // A file that is left of one is a name and nothing else.
            if let Ok(file) = File::open(&path) {
                let read = netns::within(file.as_fd(), || {
                    let mut inner = Ledger::default();
                    network::read(&name, &mut inner).map(|()| inner)
                });
                if let Ok(Ok(inner)) = read {
                    ledger.items.extend(inner.items);
                }
            }
        }
        files::read(names, &mut ledger);
        processes::read(&mut ledger);
        Ok(ledger)
    }

    fn add(
        &mut self,
        place: &str,
        kind: &str,
        name: impl Into<String>,
        details: impl Into<String>,
    ) {
        let item = Item {
            place: place.to_owned(),
            kind: kind.to_owned(),
            name: name.into(),
        };
        self.items.insert(item, details.into());
    }

    /// All of a kind at a place.
    pub fn of<'a>(
        &'a self,
        place: &'a str,
        kind: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        let items = self.items.iter();
        items
            .filter(move |(item, _)| item.place == place && item.kind == kind)
            .map(|(item, details)| (item.name.as_str(), details.as_str()))
    }

    /// Everything, for who looks for something.
    pub fn items(&self) -> impl Iterator<Item = (&Item, &str)> {
        self.items
            .iter()
            .map(|(item, details)| (item, details.as_str()))
    }
}

/// Names and paths under [`NAMESPACES`].
fn namespaces() -> Vec<(String, std::path::PathBuf)> {
    let entries = fs::read_dir(Path::new(NAMESPACES)).into_iter().flatten();
    let named = entries.filter_map(Result::ok).map(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        (name, entry.path())
    });
    named.collect()
}
