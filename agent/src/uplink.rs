//! The interface that connects this node to the others.
use std::net::IpAddr;

use flatnet_netlink::route::Family;
use flatnet_netlink::{Address, Link};
use ipnet::IpNet;

use crate::valid_node::ValidNode;
use crate::{Error, Result};

/// The interface that holds this node's InternalIP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Uplink {
    pub(crate) index: u32,
    pub(crate) name: String,
    /// Bytes.
    pub(crate) mtu: u32,
    /// This node's InternalIP on it: IPv4 where the node has one, else IPv6.
    pub(crate) address: IpAddr,
    /// The prefixes of its addresses, that is, what is on-link.
    pub(crate) connected: Vec<IpNet>,
}

impl Uplink {
    /// Finds the interface, other than loopback, that holds this node's IPv4 address, or its IPv6 address if it has no
    /// IPv4 one.
    ///
    /// # Errors
    /// No interface does; the error names the address and the interfaces that were searched.
    pub(crate) fn find(own: &ValidNode, links: &[Link], addresses: &[Address]) -> Result<Uplink> {
        let wanted = own.address(Family::V4).or_else(|| own.address(Family::V6));
        let candidates = || {
            let link = |a: &Address| links.iter().find(|l| l.index == a.index && l.name != "lo");
            addresses.iter().filter_map(move |a| Some((link(a)?, a)))
        };
        let found = candidates().find(|(_, a)| Some(a.net.addr()) == wanted);
        let Some((link, held)) = found else {
            return Err(Error::NoUplink {
                wanted: own.addresses().to_vec(),
                seen: candidates()
                    .filter(|(_, a)| a.scope != "link")
                    .map(|(l, a)| format!("{} {}", l.name, a.net.addr()))
                    .collect(),
            });
        };
        let on_it = addresses.iter().filter(|a| a.index == link.index);
        Ok(Uplink {
            index: link.index,
            name: link.name.clone(),
            mtu: link.mtu,
            address: held.net.addr(),
            connected: on_it
                .filter(|a| a.scope != "link")
                .map(|a| a.net.trunc())
                .collect(),
        })
    }

    /// Whether `address` is within a prefix of this interface, so that it can be the next hop of a plain route.
    pub(crate) fn on_link(&self, address: IpAddr) -> bool {
        self.connected.iter().any(|net| net.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Cluster;
    use crate::node::{Node, NodesFile};

    fn own(addresses: &[&str]) -> ValidNode {
        let node = Node {
            name: "a".into(),
            addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
            pod_cidrs: vec!["10.244.1.0/24".parse().unwrap()],
        };
        Cluster::new(
            &NodesFile {
                pod_network: vec![],
                nodes: vec![node],
            },
            "a",
        )
        .unwrap()
        .0
        .own
    }

    fn link(index: u32, name: &str) -> Link {
        Link {
            index,
            name: name.into(),
            kind: String::new(),
            mac: None,
            mtu: 1500,
            up: true,
            lower_up: true,
            operstate: "UP".into(),
            master: None,
            link: None,
            link_netnsid: None,
            port: None,
            vxlan: None,
            vrf: None,
            stats: Default::default(),
        }
    }

    fn address(index: u32, net: &str, scope: &str) -> Address {
        Address {
            index,
            net: net.parse().unwrap(),
            scope: scope.into(),
            dad_failed: false,
        }
    }

    #[test]
    fn the_interface_with_the_ipv4_address_is_it_and_its_prefixes_are_on_link() {
        let links = [link(1, "lo"), link(2, "eth0"), link(3, "eth1")];
        let addresses = [
            address(1, "172.18.0.2/32", "host"),
            address(2, "10.0.0.1/24", "global"),
            address(3, "fe80::1/64", "link"),
            address(3, "172.18.0.2/16", "global"),
            address(3, "fd00:18::2/64", "global"),
        ];
        let uplink = Uplink::find(&own(&["fd00:18::2", "172.18.0.2"]), &links, &addresses).unwrap();
        assert_eq!(uplink.name, "eth1");
        assert_eq!(uplink.address, "172.18.0.2".parse::<IpAddr>().unwrap());
        assert!(uplink.on_link("172.18.255.9".parse().unwrap()));
        assert!(uplink.on_link("fd00:18::9".parse().unwrap()));
        assert!(
            !uplink.on_link("10.0.0.9".parse().unwrap()),
            "on link of another interface"
        );
        assert!(!uplink.on_link("fe80::9".parse().unwrap()));
    }

    #[test]
    fn a_host_prefix_has_no_neighbours_on_link() {
        let uplink = Uplink::find(
            &own(&["192.168.122.177"]),
            &[link(3, "eth0")],
            &[address(3, "192.168.122.177/32", "global")],
        )
        .unwrap();
        assert!(!uplink.on_link("192.168.122.178".parse().unwrap()));
    }

    #[test]
    fn without_an_interface_the_error_names_the_address_and_what_was_looked_at() {
        let links = [link(1, "lo"), link(2, "eth0")];
        let addresses = [
            address(1, "172.18.0.2/32", "host"),
            address(2, "10.0.0.1/24", "global"),
        ];
        let error = Uplink::find(&own(&["172.18.0.2"]), &links, &addresses).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no interface holds this node's address 172.18.0.2 (looked at eth0 10.0.0.1)"
        );
        assert_eq!(error.exit_code(), 3);
    }
}
