//! Changes made to a namespace of the lab by hand: how faults are planted.
use std::net::IpAddr;

use flatnet_netlink::{MacAddr, nft::Table};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// One change; devices are named as in that namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
#[expect(
    missing_docs,
    reason = "fields are those of the `ip` command each variant stands for"
)]
pub enum Change {
    /// `ip addr add`
    AddAddress { dev: String, net: IpNet },
    /// `ip addr del`
    DelAddress { dev: String, net: IpNet },
    /// `ip route replace`
    ReplaceRoute {
        dst: IpNet,
        gateway: Option<IpAddr>,
        dev: String,
        onlink: bool,
    },
    /// `ip route del`
    DelRoute { dst: IpNet },
    /// `ip link set address`
    SetMac { dev: String, mac: MacAddr },
    /// `ip link set mtu`
    SetMtu { dev: String, mtu: u32 },
    /// `ip link set master` / `nomaster`
    SetMaster { dev: String, master: Option<String> },
    /// `ip link set up` / `down`
    SetUp { dev: String, up: bool },
    /// `ip neigh replace … nud permanent`
    SetNeighbour {
        dev: String,
        address: IpAddr,
        mac: MacAddr,
    },
    /// Writes `/proc/sys/net/KEY` of that namespace.
    SetSysctl { key: String, value: String },
    /// Makes the nftables table exactly this.
    Nft { table: Table },
}
