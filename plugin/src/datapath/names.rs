//! The name and MAC of the node's end of a pod's veth pair.
use flatnet_netlink::{Link, MacAddr};

use crate::owner::Owner;
use crate::validate::NetworkName;

/// Name and MAC of the node's end, both derived from network, container id and interface name: DEL and GC find it without a
/// record, and a link with the name but another MAC belongs to something else (the name has 32 bits of the hash, the MAC
/// the other 32).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostEnd {
    /// `veth` and eight hexadecimal digits.
    pub(crate) name: String,
    pub(crate) mac: MacAddr,
}

impl HostEnd {
    pub(crate) fn of(network: &NetworkName, owner: &Owner) -> Self {
        let parts = [
            network.as_str(),
            owner.container.as_str(),
            owner.ifname.as_str(),
        ];
        // FNV-1a, 64 bits; the parts hold no NUL, which therefore separates them.
        let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let [a, b, c, d, e, f, g, h] = hash.to_be_bytes();
        let name = format!("veth{:08x}", u32::from_be_bytes([a, b, c, d]));
        // Locally administered like those of pods (0a:58, 0a:5a), but distinct from them.
        HostEnd {
            name,
            mac: MacAddr([0x0a, 0x5c, e, f, g, h]),
        }
    }

    /// Whether a link with this name is this veth.
    pub(crate) fn is(&self, link: &Link) -> bool {
        link.kind == "veth" && link.mac == Some(self.mac)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::validate::{ContainerId, IfName};

    fn end(network: &str, container: &str, ifname: &str) -> HostEnd {
        let owner = Owner {
            container: ContainerId::new(container).unwrap(),
            ifname: IfName::new(ifname).unwrap(),
        };
        HostEnd::of(&NetworkName::new(network).unwrap(), &owner)
    }

    #[test]
    fn names_are_stable_and_fit_the_kernel() {
        let one = end("net", "c1", "eth0");
        assert_eq!(one, end("net", "c1", "eth0"));
        assert!(IfName::new(&one.name).is_some());
        assert_eq!(one.name.len(), 12);
    }

    #[test]
    fn each_part_of_an_attachment_counts() {
        let all = [
            end("net", "c1", "eth0"),
            end("net1", "c", "eth0"),
            end("net", "c1e", "th0"),
            end("net", "c1", "eth1"),
        ];
        let names: BTreeSet<&str> = all.iter().map(|end| end.name.as_str()).collect();
        assert_eq!(names.len(), all.len());
    }
}
