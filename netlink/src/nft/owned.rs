//! A table that lasts as long as a socket.
use netlink_sys::protocols::NETLINK_NETFILTER;

use super::model::Table;
use super::transaction::Transaction;
use crate::Result;
use crate::socket::Connection;

/// A table that belongs to a socket: the kernel removes it when this is dropped, or when this process ends in whatever way.
pub struct OwnedTable {
    _owner: Connection,
}

impl OwnedTable {
    /// Creates the table in the calling thread's namespace.
    ///
    /// # Errors
    /// As for [`Nft::replace_table`](super::Nft::replace_table); EPERM if another socket owns a table of that name, EEXIST if none does,
    /// EOPNOTSUPP or EINVAL before Linux 5.12, which knows no tables that go with their socket.
    pub fn create(table: &Table) -> Result<Self> {
        let mut owner = Connection::open(NETLINK_NETFILTER)?;
        let mut transaction = Transaction::about(table);
        transaction.create_owned_table(&table.name);
        transaction.fill_table(table)?;
        transaction.commit(&mut owner)?;
        Ok(OwnedTable { _owner: owner })
    }
}
