//! The pod's network namespace, CNI_NETNS.
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use flatnet_netlink::{Route, netns};
use nix::sys::statfs::{NSFS_MAGIC, fstatfs};

use super::sysctl;
use crate::error::{Error, Result};

/// A pod's network namespace, held open so that it cannot disappear during the command.
#[derive(Debug)]
pub(crate) struct PodNs {
    path: PathBuf,
    file: File,
}

impl PodNs {
    /// Opens `path`. A missing path means that the container is gone ([`Error::NoNamespace`]); a path that is not a network
    /// namespace, or is the node's own, is an error of the runtime.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let wrong = |why: &str| Error::Environment {
            problems: vec![format!("CNI_NETNS {} {why}", path.display())],
        };
        // A FIFO there would otherwise be waited for.
        let opened = File::options()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path);
        let file = match opened {
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
            return Err(wrong("is not a namespace (it is not on nsfs)"));
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

    /// Opens a netlink socket inside. `v6` enables IPv6 for new interfaces, because runtimes that do not use it disable it in
    /// the sandbox.
    pub(crate) fn route(&self, v6: bool) -> Result<Route> {
        netns::within(self.fd(), || {
            if v6 {
                sysctl::ensure("net/ipv6/conf/default/disable_ipv6", "0")?;
            }
            Ok(Route::open()?)
        })?
    }
}
