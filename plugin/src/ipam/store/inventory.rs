//! What is reserved, and for whom.
use std::collections::HashSet;
use std::fs;
use std::io::{ErrorKind, Write};
use std::net::IpAddr;

use super::{ADOPTED, RECORD, Store, remove};
use crate::error::{Error, Result};
use crate::ipam::files::{self, Found};
use crate::ipam::{Pools, Record};
use crate::owner::Owner;
use crate::validate::{ContainerId, IfName};

/// The content of an address file without an owner.
pub(super) const NOBODY: &[u8] = b"{}";

impl Store {
    /// The owner of an address; `None` if it is free or its file names no owner.
    pub(crate) fn owner_of(&self, address: IpAddr) -> Result<Option<Owner>> {
        let path = self.address_path(address);
        match files::read(&path).map_err(Error::io(format!("read {}", path.display())))? {
            Found::Regular(bytes) => Ok(Record::decode(&bytes).map(|record| record.owner)),
            Found::Foreign | Found::Nothing => Ok(None),
        }
    }

    pub(crate) fn is_taken(&self, address: IpAddr) -> Result<bool> {
        let path = self.address_path(address);
        files::exists(&path).map_err(Error::io(format!("look up {}", path.display())))
    }

    /// All reserved addresses: lists the directory without reading files.
    pub(crate) fn taken(&self) -> Result<HashSet<IpAddr>> {
        Ok(self
            .names()?
            .iter()
            .filter_map(|name| name.parse().ok())
            .collect())
    }

    /// All attachments that have a record.
    pub(crate) fn owners(&self) -> Result<Vec<Owner>> {
        let owner = |name: &String| {
            // An interface name may contain `@`, a container id cannot.
            let (container, ifname) = name.strip_prefix(RECORD)?.split_once('@')?;
            Some(Owner {
                container: ContainerId::new(container)?,
                ifname: IfName::new(ifname)?,
            })
        };
        Ok(self.names()?.iter().filter_map(owner).collect())
    }

    /// The records whose addresses are all reserved at this moment.
    pub(crate) fn complete(&self) -> Result<Vec<Record>> {
        let mut found = Vec::new();
        for name in self.names()?.iter().filter(|name| name.starts_with(RECORD)) {
            if let Ok(Found::Regular(bytes)) = files::read(&self.path.join(name))
                && let Some(record) = Record::decode(&bytes)
                && self.owned(&record)? == record.addresses
            {
                found.push(record);
            }
        }
        Ok(found)
    }

    /// The record's addresses that its owner really has; the others may be another's by now.
    pub(super) fn owned(&self, record: &Record) -> Result<Vec<IpAddr>> {
        let mut owned = Vec::new();
        for address in &record.addresses {
            if self.owner_of(*address)?.as_ref() == Some(&record.owner) {
                owned.push(*address);
            }
        }
        Ok(owned)
    }

    /// Finds the addresses of `owner` by reading all address files: slow, for when there is no record.
    pub(crate) fn scan(&self, owner: &Owner) -> Result<Vec<IpAddr>> {
        let mut found = Vec::new();
        for address in self.taken()? {
            if self.owner_of(address)?.as_ref() == Some(owner) {
                found.push(address);
            }
        }
        Ok(found)
    }

    /// Reserves for nobody those of `living` that a pod could be given: something on this node has them that the store does not know.
    /// [`Store::release_adopted`] and GC release them when nothing has.
    pub(crate) fn adopt(&self, pools: &Pools, living: &HashSet<IpAddr>) -> Result<()> {
        let given = |address: &IpAddr| {
            let range = pools.range_of(*address);
            range.is_some_and(|range| range.gateway() != *address)
        };
        let mut missing = Vec::new();
        for address in living.iter().copied().filter(given) {
            if !self.is_taken(address)? {
                missing.push(address);
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        // First: addresses that are adopted without it would stay until GC.
        let mark = self.path.join(ADOPTED);
        fs::write(&mark, []).map_err(Error::io(format!("write {}", mark.display())))?;
        let (temporary, mut file) = self.temporary()?;
        let written = file.write_all(NOBODY);
        written.map_err(Error::io(format!("write {}", temporary.display())))?;
        for address in missing {
            let path = self.address_path(address);
            match fs::hard_link(&temporary, &path) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                    return Err(Error::io(format!("reserve {}", path.display()))(error));
                }
                _ => {}
            }
        }
        remove(&temporary)
    }

    /// Releases what was adopted and is not `living` any more. Asks nothing where nothing was adopted.
    pub(crate) fn release_adopted(
        &self,
        living: impl FnOnce() -> Result<HashSet<IpAddr>>,
    ) -> Result<()> {
        let mark = self.path.join(ADOPTED);
        let looked_up = files::exists(&mark);
        if !looked_up.map_err(Error::io(format!("look up {}", mark.display())))? {
            return Ok(());
        }
        let living = living()?;
        let mut remain = false;
        for address in self.taken()? {
            if self.owner_of(address)?.is_some() {
                continue;
            }
            match living.contains(&address) {
                true => remain = true,
                false => self.free_unowned(address)?,
            }
        }
        match remain {
            true => Ok(()),
            false => remove(&mark),
        }
    }

    pub(super) fn names(&self) -> Result<Vec<String>> {
        let failed = |error| Error::io(format!("list {}", self.path.display()))(error);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            names.extend(entry.map_err(failed)?.file_name().into_string());
        }
        Ok(names)
    }
}
