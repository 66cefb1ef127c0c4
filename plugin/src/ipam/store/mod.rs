//! Address reservations, in a directory that survives SIGKILL at any point.
//!
//! `<dataDir>/<network>/` holds
//! * a file per reserved address, named after it. It is created by link(2), which fails if the name exists: two owners
//!   cannot have the same address, without any lock, and the file is never empty;
//! * `owner@<container id>@<interface>`, the record of an attachment: the addresses it has *or is about to take*. It is
//!   written before the first address is linked, so an address without a record cannot be left behind, and DEL reads one
//!   file instead of all;
//! * `last@<n>`, the address of range set n assigned last: a hint where to search next, on which nothing depends;
//! * `adopted@`, empty, where addresses are reserved for nobody because something on the node has them that this store did not give:
//!   pods of a network with another name. They are released when nothing has them any more;
//! * `tmp@…`, a file about to be linked or renamed; GC removes those left by killed processes.
//!
//! There are two locks (flock(2), released when the holding process ends). A record's lock, held during ADD and DEL of that
//! attachment, distinguishes a crashed ADD from one in progress. The directory's lock is held while a reservation is checked
//! and deleted, so that two releases of the same address cannot delete a third process's new reservation.
mod inventory;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::files::{self, Found};
use super::{Record, hint};
use crate::error::{Error, Result};
use crate::owner::Owner;
use crate::validate::NetworkName;

const RECORD: &str = "owner@";
const HINT: &str = "last@";
const TEMPORARY: &str = "tmp@";
const ADOPTED: &str = "adopted@";

/// The reservations of one network on this node.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    /// The directory itself, for its lock.
    directory: File,
}

/// The locked record of an attachment: no other process works on that attachment while this value exists.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) owner: Owner,
    /// The owner's addresses; in a record just claimed, those it is about to take.
    pub(crate) addresses: Vec<IpAddr>,
    _lock: File,
}

/// What to do if another process holds a record's lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Wait until that process is done or dead.
    Forever,
    /// Fail with [`Error::Busy`].
    No,
}

impl Store {
    /// Opens the store of a network, creating its directory if necessary.
    pub(crate) fn open(data_dir: &Path, network: &NetworkName) -> Result<Self> {
        let path = data_dir.join(network.as_str());
        fs::create_dir_all(&path).map_err(Error::io(format!("create {}", path.display())))?;
        Self::find(data_dir, network)?.ok_or_else(|| {
            Error::io(format!("open {}", path.display()))(io::Error::from(ErrorKind::NotFound))
        })
    }

    /// Opens the store of a network, if its directory exists.
    pub(crate) fn find(data_dir: &Path, network: &NetworkName) -> Result<Option<Self>> {
        let path = data_dir.join(network.as_str());
        match File::open(&path) {
            Ok(directory) => Ok(Some(Store { path, directory })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(format!("open {}", path.display()))(error)),
        }
    }

    /// Locks and reads the record of `owner`; `None` if there is none.
    pub(crate) fn record(&self, owner: &Owner, wait: Wait) -> Result<Option<Held>> {
        let path = self.record_path(owner);
        let failed = |error| Error::io(format!("read {}", path.display()))(error);
        loop {
            let file = match files::open_to_read(&path).map_err(failed)? {
                Found::Regular(file) => file,
                Found::Nothing => return Ok(None),
                Found::Foreign => {
                    // As good as lost. What cannot be unlinked, a directory, is reported when the record is to be made.
                    let _ = fs::remove_file(&path);
                    return Ok(None);
                }
            };
            match (wait, file.try_lock()) {
                (_, Ok(())) => {}
                (Wait::Forever, Err(TryLockError::WouldBlock)) => file.lock().map_err(failed)?,
                (Wait::No, Err(TryLockError::WouldBlock)) => {
                    return Err(Error::Busy {
                        owner: owner.clone(),
                    });
                }
                (_, Err(TryLockError::Error(error))) => return Err(failed(error)),
            }
            // The previous holder may have deleted or replaced the record, and then this lock is on the wrong file.
            if !is_current(&path, &file).map_err(failed)? {
                continue;
            }
            let content = files::content(&file).map_err(failed)?;
            let record = content.and_then(|bytes| Record::decode(&bytes));
            let addresses = match record {
                Some(record) if record.owner == *owner => self.owned(&record)?,
                _ => self.scan(owner)?,
            };
            return Ok(Some(Held {
                owner: owner.clone(),
                addresses,
                _lock: file,
            }));
        }
    }

    /// Creates and locks the record of `owner`, which is about to take `intent`.
    pub(super) fn claim(&self, owner: &Owner, intent: &[IpAddr]) -> Result<Held> {
        let (temporary, lock) = self.write_temporary(owner, intent)?;
        let path = self.record_path(owner);
        let linked = fs::hard_link(&temporary, &path);
        let removed = fs::remove_file(&temporary);
        match linked {
            Ok(()) => {}
            Err(error)
                if error.kind() == ErrorKind::AlreadyExists
                    && !fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir()) =>
            {
                return Err(Error::Busy {
                    owner: owner.clone(),
                });
            }
            Err(error) => return Err(Error::io(format!("create {}", path.display()))(error)),
        }
        removed.map_err(Error::io(format!("remove {}", temporary.display())))?;
        Ok(Held {
            owner: owner.clone(),
            addresses: intent.to_vec(),
            _lock: lock,
        })
    }

    /// Records different addresses before they are taken.
    pub(super) fn amend(&self, held: &mut Held, intent: &[IpAddr]) -> Result<()> {
        let (temporary, lock) = self.write_temporary(&held.owner, intent)?;
        let path = self.record_path(&held.owner);
        fs::rename(&temporary, &path).map_err(Error::io(format!("replace {}", path.display())))?;
        *held = Held {
            owner: held.owner.clone(),
            addresses: intent.to_vec(),
            _lock: lock,
        };
        Ok(())
    }

    /// Reserves an address that the record lists; `false` if it is taken.
    pub(super) fn take(&self, held: &Held, address: IpAddr) -> Result<bool> {
        let path = self.address_path(address);
        match fs::hard_link(self.record_path(&held.owner), &path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(Error::io(format!("reserve {}", path.display()))(error)),
        }
    }

    /// Releases every address of the record, then deletes the record.
    pub(crate) fn release(&self, held: Held) -> Result<()> {
        self.free(&held.owner, &held.addresses)?;
        let path = self.record_path(&held.owner);
        remove(&path)
    }

    /// Releases those of `addresses` that belong to `owner`.
    pub(crate) fn free(&self, owner: &Owner, addresses: &[IpAddr]) -> Result<()> {
        let _lock = self.lock()?;
        for address in addresses {
            if self.owner_of(*address)?.as_ref() == Some(owner) {
                remove(&self.address_path(*address))?;
            }
        }
        Ok(())
    }

    /// Releases an address whose file names no owner, because of a power failure or another program.
    pub(crate) fn free_unowned(&self, address: IpAddr) -> Result<()> {
        let _lock = self.lock()?;
        match self.owner_of(address)? {
            None => remove(&self.address_path(address)),
            Some(_) => Ok(()),
        }
    }

    /// The address of range set `set` assigned last.
    pub(super) fn hint(&self, set: usize) -> Option<IpAddr> {
        hint::read(&self.hint_path(set))
    }

    /// Stores where to search next.
    pub(super) fn set_hint(&self, set: usize, address: IpAddr) -> Result<()> {
        let path = self.hint_path(set);
        hint::write(&path, address).map_err(Error::io(format!("write {}", path.display())))
    }

    /// Checks that an ADD could reserve an address of each of `sets` range sets, by making as many files and names as it does: a file
    /// system may lack space, or inodes (which links take as well in a tmpfs).
    pub(crate) fn probe(&self, sets: usize) -> Result<()> {
        let (mut made, mut locks) = (Vec::new(), Vec::new());
        let outcome = self.rehearse(sets, &mut made, &mut locks);
        // All are removed, whichever fails.
        let removed: Vec<Result<()>> = made.iter().map(|path| remove(path)).collect();
        outcome.and(removed.into_iter().collect())
    }

    fn rehearse(&self, sets: usize, made: &mut Vec<PathBuf>, locks: &mut Vec<File>) -> Result<()> {
        let hints = (0..sets).filter(|set| self.hint(*set).is_none()).count();
        for _ in 0..=hints {
            let (path, mut file) = self.temporary()?;
            made.push(path.clone());
            let written = file.write_all(inventory::NOBODY);
            locks.push(file);
            written.map_err(Error::io(format!("write {}", path.display())))?;
        }
        let record = made[0].clone();
        // The record's own name is the first; each address is one more.
        for number in 0..sets {
            let path = record.with_added_extension(format!("link{number}"));
            remove(&path)?;
            fs::hard_link(&record, &path)
                .map_err(Error::io(format!("create {}", path.display())))?;
            made.push(path);
        }
        Ok(())
    }

    /// Removes the temporary files of killed processes; those of running ones are locked.
    pub(crate) fn sweep(&self) -> Result<()> {
        for name in self
            .names()?
            .iter()
            .filter(|name| name.starts_with(TEMPORARY))
        {
            let path = self.path.join(name);
            match files::open_to_read(&path) {
                Ok(Found::Regular(file)) if file.try_lock().is_ok() => remove(&path)?,
                // A directory stays: it is harmless.
                Ok(Found::Foreign) => drop(fs::remove_file(&path)),
                _ => {}
            }
        }
        Ok(())
    }

    fn lock(&self) -> Result<Unlock<'_>> {
        self.directory
            .lock()
            .map_err(Error::io(format!("lock {}", self.path.display())))?;
        Ok(Unlock(&self.directory))
    }

    fn write_temporary(&self, owner: &Owner, addresses: &[IpAddr]) -> Result<(PathBuf, File)> {
        let bytes = Record::encode(owner, addresses).map_err(io::Error::from);
        let (path, mut file) = self.temporary()?;
        bytes
            .and_then(|bytes| file.write_all(&bytes))
            .map_err(Error::io(format!("write {}", path.display())))?;
        Ok((path, file))
    }

    /// A new, empty, locked file.
    fn temporary(&self) -> Result<(PathBuf, File)> {
        let process = std::process::id();
        for attempt in 0_u32.. {
            let path = self.path.join(format!("{TEMPORARY}{process}.{attempt}"));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => {
                    file.lock()
                        .map_err(Error::io(format!("lock {}", path.display())))?;
                    return Ok((path, file));
                }
                // From a killed process with the same pid, or from another thread.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io(format!("create {}", path.display()))(error)),
            }
        }
        unreachable!("the loop above ends only by returning")
    }

    /// `IpAddr` formats each address in exactly one way (RFC 5952 for IPv6), so names are unique.
    fn address_path(&self, address: IpAddr) -> PathBuf {
        self.path.join(address.to_string())
    }

    fn record_path(&self, owner: &Owner) -> PathBuf {
        self.path
            .join(format!("{RECORD}{}@{}", owner.container, owner.ifname))
    }

    fn hint_path(&self, set: usize) -> PathBuf {
        self.path.join(format!("{HINT}{set}"))
    }
}

/// Unlocks the directory on drop.
struct Unlock<'a>(&'a File);

impl Drop for Unlock<'_> {
    fn drop(&mut self) {
        // Cannot fail for a locked file, and the lock ends with the process in any case.
        let _ = self.0.unlock();
    }
}

/// Whether `path` still refers to the open file.
fn is_current(path: &Path, file: &File) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes a file if it exists.
fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Error::io(format!("remove {}", path.display()))(error))
        }
        _ => Ok(()),
    }
}
