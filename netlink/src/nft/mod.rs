//! nftables over netlink, without the `nft` program: one transaction per call.
mod compare;
mod interval;
mod listing;
mod masquerade;
mod model;
mod owned;
mod rule;
mod text;
mod trace;
mod transaction;
mod uapi;

use std::os::fd::BorrowedFd;

use netlink_sys::protocols::NETLINK_NETFILTER;
use nix::errno::Errno;

pub use listing::ListedRule;
pub use masquerade::masquerade_table;
pub use model::{Chain, ChainType, Expr, Hook, Set, Table};
pub use owned::OwnedTable;
pub use text::RuleText;
pub use trace::{Trace, TraceBy, TraceEvent, TracePacket};
use transaction::{INET, Transaction};

use crate::socket::Connection;
use crate::wire::{Message, find, text};
use crate::{Error, Result, netns};

/// A blocking nfnetlink socket in one network namespace.
pub struct Nft {
    connection: Connection,
}

impl Nft {
    /// Opens a socket in the calling thread's namespace.
    pub fn open() -> Result<Self> {
        Ok(Nft {
            connection: Connection::open(NETLINK_NETFILTER)?,
        })
    }

    /// Opens a socket in the namespace `ns`, from a short-lived thread.
    pub fn open_in(ns: BorrowedFd<'_>) -> Result<Self> {
        netns::within(ns, Nft::open)?
    }

    /// Replaces the table, or creates it, in one transaction (add, delete, add again): no packet sees an intermediate state.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a table that cannot be valid (a prefix in a set of the other family, an interface name that
    /// is too long); otherwise the kernel's, for the first message that it refused. The old table then stays.
    pub fn replace_table(&mut self, table: &Table) -> Result<()> {
        let mut transaction = Transaction::about(table);
        // Adding an existing table succeeds, deleting a missing one would not.
        transaction.create_table(&table.name);
        transaction.delete_table(&table.name);
        transaction.create_table(&table.name);
        transaction.fill_table(table)?;
        transaction.commit(&mut self.connection)
    }

    /// Deletes the table if it exists.
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

    /// Every table of every family, as `nft list tables` writes it: `inet flatnet`.
    ///
    /// # Errors
    /// The kernel's.
    pub fn tables(&mut self) -> Result<Vec<String>> {
        let message = Message::dump(uapi::msg::GETTABLE, &[uapi::nfproto::UNSPEC, 0, 0, 0]);
        let what = "list nftables tables";
        self.connection.dump(message, what, |payload, tables| {
            let family = uapi::nfproto::name(*payload.first()?);
            let name = text(find(payload.get(INET.len()..)?, uapi::table::NAME)?);
            tables.push(format!("{family} {name}"));
            Some(())
        })
    }

    /// Whether an `inet` table of that name exists. One small request.
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
