//! The format of reservation files.
use std::iter;
use std::net::IpAddr;

use flatnet_netlink::MacAddr;
use serde::{Deserialize, Serialize};

use crate::owner::Owner;
use crate::validate::{ContainerId, IfName};

/// The content of a file of the store. An address file and its owner's record have the same content (they are hard links
/// to one inode, unless the record was amended since); only the record's list of addresses is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) owner: Owner,
    /// Addresses that are, or were about to be, reserved. The owner has no reservation that is not listed here.
    pub(crate) addresses: Vec<IpAddr>,
}

#[derive(Serialize, Deserialize)]
struct Text<'a> {
    #[serde(rename = "containerID")]
    container_id: std::borrow::Cow<'a, str>,
    ifname: std::borrow::Cow<'a, str>,
    #[serde(default)]
    addresses: Vec<IpAddr>,
}

impl Record {
    /// The pod's addresses and its MAC, which derives from the first, for the node's neighbour table.
    pub(crate) fn neighbours(&self) -> impl Iterator<Item = (IpAddr, MacAddr)> {
        let mac = self.addresses.first().map(|first| MacAddr::from_ip(*first));
        self.addresses
            .iter()
            .copied()
            .zip(iter::repeat(mac))
            .filter_map(|(address, mac)| Some((address, mac?)))
    }

    pub(super) fn encode(
        owner: &Owner,
        addresses: &[IpAddr],
    ) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&Text {
            container_id: owner.container.as_str().into(),
            ifname: owner.ifname.as_str().into(),
            addresses: addresses.to_vec(),
        })
    }

    /// `None` if the content names no owner: truncated by a power failure, or written by another program than host-local, whose files
    /// hold container id and interface name with CR LF between them (plugins/ipam/host-local/backend/disk).
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let Ok(text) = serde_json::from_slice::<Text<'_>>(bytes) else {
            let (container, ifname) = str::from_utf8(bytes).ok()?.trim_end().split_once("\r\n")?;
            let owner = Owner {
                container: ContainerId::new(container)?,
                ifname: IfName::new(ifname)?,
            };
            return Some(Record {
                owner,
                addresses: Vec::new(),
            });
        };
        let owner = Owner {
            container: ContainerId::new(&text.container_id)?,
            ifname: IfName::new(&text.ifname)?,
        };
        Some(Record {
            owner,
            addresses: text.addresses,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_read_back_and_garbage_has_no_owner() {
        let owner = Owner {
            container: ContainerId::new("c1").unwrap(),
            ifname: IfName::new("eth0").unwrap(),
        };
        let addresses: Vec<IpAddr> = vec!["10.1.0.2".parse().unwrap(), "fd00::2".parse().unwrap()];
        let bytes = Record::encode(&owner, &addresses).unwrap();
        assert_eq!(
            String::from_utf8(bytes.clone()).unwrap(),
            r#"{"containerID":"c1","ifname":"eth0","addresses":["10.1.0.2","fd00::2"]}"#
        );
        assert_eq!(Record::decode(&bytes), Some(Record { owner, addresses }));
        let host_local = Record::decode(b"c1\r\neth0").unwrap();
        assert_eq!(host_local.owner.to_string(), "container c1 interface eth0");
        assert!(host_local.addresses.is_empty());
        for garbage in [
            "",
            "c1\r\n",
            "../x\r\neth0",
            "c1\neth0",
            r#"{"containerID":"../x","ifname":"eth0"}"#,
        ] {
            assert_eq!(Record::decode(garbage.as_bytes()), None, "{garbage:?}");
        }
    }
}
