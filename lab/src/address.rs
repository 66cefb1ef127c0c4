//! Where a lab is reached: an abstract socket, whose name the kernel frees with the process that holds it.
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;

/// `flatnet-lab/UID/NAME`: labs of different users may share a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Effective user id of who booted it, as seen outside the lab.
    pub(crate) uid: u32,
    /// The lab's name.
    pub(crate) name: String,
}

impl Address {
    /// That lab of the calling user.
    pub(crate) fn mine(name: &str) -> Self {
        Address {
            uid: rustix::process::geteuid().as_raw(),
            name: name.to_owned(),
        }
    }

    pub(crate) fn socket(&self) -> io::Result<SocketAddr> {
        SocketAddr::from_abstract_name(format!("flatnet-lab/{}/{}", self.uid, self.name))
    }

    /// Names of the labs of `uid` in the text of `/proc/net/unix`, in order, once each (an open connection carries the
    /// name of the socket that accepted it).
    fn names_in(table: &str, uid: u32) -> Vec<String> {
        let prefix = format!("@flatnet-lab/{uid}/");
        let mut names: Vec<String> = table
            .lines()
            .filter_map(|line| line.split_whitespace().last()?.strip_prefix(&prefix))
            .map(str::to_owned)
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// Every lab of the calling user that listens in this network namespace.
    pub(crate) fn all_mine() -> io::Result<Vec<Address>> {
        let uid = rustix::process::geteuid().as_raw();
        let table = std::fs::read_to_string("/proc/self/net/unix")?;
        Ok(Self::names_in(&table, uid)
            .into_iter()
            .map(|name| Address { uid, name })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labs_are_found_in_the_table_once_and_for_their_user_only() {
        let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 2561 @flatnet-lab/1000/demo\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 2562 @flatnet-lab/1000/demo\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 2563 @flatnet-lab/10/other\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 2564\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 2565 /run/@flatnet-lab/1000/no\n";
        assert_eq!(Address::names_in(table, 1000), ["demo"]);
        assert_eq!(Address::names_in(table, 10), ["other"]);
        assert!(Address::names_in(table, 1).is_empty());
    }
}
