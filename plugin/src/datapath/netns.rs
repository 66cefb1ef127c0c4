//! CNI_NETNS: the pod's network namespace.
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use flatnet_netlink::{Route, netns};
use nix::sys::statfs::{NSFS_MAGIC, fstatfs};

use super::sysctl;
use crate::error::{Error, Result};

/// A pod's network namespace, held open: it cannot vanish while we work in it.
#[derive(Debug)]
pub(crate) struct PodNs {
    path: PathBuf,
    file: File,
}

impl PodNs {
    /// Opens it. A path that is not there means that the container is gone ([`Error::NoNamespace`]); one that is no
    /// network namespace, or is the node's own, is a mistake of the runtime's.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let wrong = |why: &str| Error::Environment {
            problems: vec![format!("CNI_NETNS {} {why}", path.display())],
        };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Error::NoNamespace {
                    path: path.to_owned(),
                });
            }
            Err(error) => {
                return Err(Error::io(format!("open CNI_NETNS {}", path.display()))(
                    error,
                ));
            }
        };
        let kind = fstatfs(&file)
            .map_err(|errno| Error::io(format!("statfs {}", path.display()))(errno.into()))?;
        if kind.filesystem_type() != NSFS_MAGIC {
            return Err(wrong("is no namespace (it is not on nsfs)"));
        }
        let identity = |meta: fs::Metadata| (meta.dev(), meta.ino());
        let ours = fs::metadata("/proc/thread-self/ns/net")
            .map_err(Error::io("stat /proc/thread-self/ns/net"))?;
        let theirs = file
            .metadata()
            .map_err(Error::io(format!("stat {}", path.display())))?;
        if identity(ours) == identity(theirs) {
            return Err(wrong("is the node's own namespace"));
        }
        Ok(PodNs {
            path: path.to_owned(),
            file,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// A netlink socket inside. `v6`: interfaces made from now on shall take IPv6 addresses; runtimes without IPv6 of
    /// their own switch it off in the sandbox.
    pub(crate) fn route(&self, v6: bool) -> Result<Route> {
        netns::within(self.fd(), || {
            if v6 {
                sysctl::ensure("net/ipv6/conf/default/disable_ipv6", "0")?;
            }
            Ok(Route::open()?)
        })?
    }
}
