//! nftables through netlink: one transaction a call, no `nft` program needed.
mod interval;
mod masquerade;
mod model;
mod rule;
mod transaction;
mod uapi;

use std::os::fd::BorrowedFd;

use netlink_sys::protocols::NETLINK_NETFILTER;
use nix::errno::Errno;

pub use masquerade::masquerade_table;
pub use model::{Chain, ChainType, Expr, Hook, Set, Table};
use transaction::{INET, Transaction};

use crate::socket::Connection;
use crate::wire::Message;
use crate::{Error, Result, netns};

/// A blocking nfnetlink socket of one network namespace.
pub struct Nft {
    connection: Connection,
}

impl Nft {
    /// In the calling thread's namespace.
    pub fn open() -> Result<Self> {
        Ok(Nft {
            connection: Connection::open(NETLINK_NETFILTER)?,
        })
    }

    /// In the namespace behind `ns`.
    pub fn open_in(ns: BorrowedFd<'_>) -> Result<Self> {
        netns::within(ns, Nft::open)?
    }

    /// Makes the table exactly this, in one transaction (add, delete, add anew): no packet sees a state between.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a table that contradicts itself (a prefix in a set of the other family, a name too long
    /// to be one); otherwise the kernel's, of the first message that it refused. The old table is then still there.
    pub fn replace_table(&mut self, table: &Table) -> Result<()> {
        let mut transaction = Transaction::new();
        // Adding what is there already is no error, deleting what is not there would be.
        transaction.create_table(&table.name);
        transaction.delete_table(&table.name);
        transaction.create_table(&table.name);
        transaction.fill_table(table)?;
        transaction.commit(&mut self.connection)
    }

    /// Deletes the table; absent is fine.
    pub fn delete_table(&mut self, name: &str) -> Result<()> {
        let mut transaction = Transaction::new();
        transaction.delete_table(name);
        match transaction.commit(&mut self.connection) {
            Err(Error::Kernel {
                errno: Errno::ENOENT,
                ..
            }) => Ok(()),
            done => done,
        }
    }

    /// Whether an `inet` table of that name is there: one small request.
    pub fn has_table(&mut self, name: &str) -> Result<bool> {
        let mut message = Message::new(uapi::msg::GETTABLE, 0, &INET);
        message.attr_text(uapi::table::NAME, name);
        let what = format!("look up nftables table {name}");
        match self.connection.ask(message, &what, |_| Some(())) {
            Ok(_) => Ok(true),
            Err(Error::Kernel {
                errno: Errno::ENOENT,
                ..
            }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
