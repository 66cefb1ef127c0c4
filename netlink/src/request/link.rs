//! Links.
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

use super::Request;
use crate::MacAddr;
use crate::uapi::{af, ifla, nlm, rtm};
use crate::wire::Message;

/// A veth pair whose peer is created directly inside another namespace (moving it there afterwards costs an RCU grace
/// period of 16 to 20 ms).
pub struct Veth<'a> {
    /// Name of the end in the sender's namespace.
    pub name: &'a str,
    /// Index of the bridge that this end becomes a port of.
    pub master: Option<u32>,
    /// MTU of both ends, bytes.
    pub mtu: Option<u32>,
    /// MAC of this end; `None` lets the kernel choose.
    pub mac: Option<MacAddr>,
    /// Bring this end up at once.
    pub up: bool,
    /// Name of the peer.
    pub peer_name: &'a str,
    /// Namespace of the peer; the sender's own if absent. Must stay open until the request is answered.
    pub peer_ns: Option<BorrowedFd<'a>>,
    /// MAC of the peer; `None` lets the kernel choose.
    pub peer_mac: Option<MacAddr>,
}

/// A VXLAN device with learning off.
pub struct Vxlan<'a> {
    /// Interface name, at most 15 bytes.
    pub name: &'a str,
    /// VXLAN network identifier, 0 to 2^24-1.
    pub vni: u32,
    /// UDP destination port.
    pub port: u16,
    /// Outer source address; its family is the outer family.
    pub local: IpAddr,
    /// Index of the lower device.
    pub dev: u32,
    /// MAC of the device, by which remote VTEPs address it.
    pub mac: MacAddr,
    /// MTU in bytes.
    pub mtu: u32,
}

/// struct ifinfomsg; `change` selects the bits of `flags` that apply.
fn header(index: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut header = [0; 16];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..12].copy_from_slice(&flags.to_ne_bytes());
    header[12..16].copy_from_slice(&change.to_ne_bytes());
    header
}

/// Creates a link that must not exist yet.
fn create(what: String, name: &str, up: bool, fill: impl FnOnce(&mut Message)) -> Request {
    let flag = if up { ifla::FLAG_UP } else { 0 };
    Request::new(
        what,
        rtm::NEWLINK,
        nlm::CREATE | nlm::EXCL,
        &header(0, flag, flag),
        |m| {
            m.attr_text(ifla::IFNAME, name);
            fill(m);
        },
    )
}

fn set(what: String, index: u32, fill: impl FnOnce(&mut Message)) -> Request {
    Request::new(what, rtm::SETLINK, 0, &header(index, 0, 0), fill)
}

/// IFLA_LINKINFO with a kind and its data.
fn info(m: &mut Message, kind: &str, data: impl FnOnce(&mut Message)) {
    m.nest(ifla::LINKINFO, |m| {
        m.attr_text(ifla::INFO_KIND, kind)
            .nest(ifla::INFO_DATA, data);
    });
}

fn mac_and_mtu(m: &mut Message, mac: Option<MacAddr>, mtu: Option<u32>) {
    if let Some(mac) = mac {
        m.attr_mac(ifla::ADDRESS, mac);
    }
    if let Some(mtu) = mtu {
        m.attr_u32(ifla::MTU, mtu);
    }
}

impl Request {
    /// Creates a bridge, down; EEXIST if a link of that name exists. The MAC is fixed, because a bridge without one takes
    /// its ports' lowest MAC and changes it as pods come and go. Ports forward at once. Multicast snooping is off: without a
    /// querier it saves nothing, and it makes adding a port slower.
    ///
    /// Despite `mtu`, the MTU follows the smallest of the ports' (1500 without ports) until [`Request::set_mtu`] changes it:
    /// an MTU given at creation does not count as the user's choice (br_if.c, br_mtu_auto_adjust).
    pub fn add_bridge(name: &str, mac: MacAddr, mtu: u32) -> Self {
        create(format!("create bridge {name}"), name, false, |m| {
            mac_and_mtu(m, Some(mac), Some(mtu));
            info(m, "bridge", |m| {
                m.attr_u32(ifla::BR_FORWARD_DELAY, 0)
                    .attr_u8(ifla::BR_MCAST_SNOOPING, 0);
            });
        })
    }

    /// Creates both ends of a pair; EEXIST if either name is taken in its namespace.
    pub fn add_veth(veth: &Veth<'_>) -> Self {
        create(
            format!("create veth {}", veth.name),
            veth.name,
            veth.up,
            |m| {
                mac_and_mtu(m, veth.mac, veth.mtu);
                if let Some(master) = veth.master {
                    m.attr_u32(ifla::MASTER, master);
                }
                info(m, "veth", |m| {
                    m.nest(ifla::VETH_INFO_PEER, |m| {
                        m.structure(&header(0, 0, 0))
                            .attr_text(ifla::IFNAME, veth.peer_name);
                        mac_and_mtu(m, veth.peer_mac, veth.mtu);
                        if let Some(ns) = veth.peer_ns {
                            m.attr(ifla::NET_NS_FD, &ns.as_raw_fd().to_ne_bytes());
                        }
                    });
                });
            },
        )
    }

    /// Creates a VXLAN device, down, that sends only to the VTEPs of its forwarding entries. UDP checksums keep the kernel's
    /// default, on, so that receivers can merge segments (GRO) on any hardware.
    pub fn add_vxlan(vxlan: &Vxlan<'_>) -> Self {
        create(
            format!("create vxlan {}", vxlan.name),
            vxlan.name,
            false,
            |m| {
                mac_and_mtu(m, Some(vxlan.mac), Some(vxlan.mtu));
                info(m, "vxlan", |m| {
                    let local = if vxlan.local.is_ipv4() {
                        ifla::VXLAN_LOCAL
                    } else {
                        ifla::VXLAN_LOCAL6
                    };
                    m.attr_u32(ifla::VXLAN_ID, vxlan.vni)
                        .attr_u32(ifla::VXLAN_LINK, vxlan.dev)
                        .attr_ip(local, vxlan.local)
                        .attr(ifla::VXLAN_PORT, &vxlan.port.to_be_bytes())
                        .attr_u8(ifla::VXLAN_LEARNING, 0);
                });
            },
        )
    }

    /// Deletes a link, and with a veth its peer; ENODEV if it does not exist.
    pub fn del_link(index: u32) -> Self {
        Request::new(
            format!("delete link {index}"),
            rtm::DELLINK,
            0,
            &header(index, 0, 0),
            |_| (),
        )
    }

    /// Deletes the link of that name; ENODEV if it does not exist.
    pub fn del_link_by_name(name: &str) -> Self {
        Request::new(
            format!("delete link {name}"),
            rtm::DELLINK,
            0,
            &header(0, 0, 0),
            |m| {
                m.attr_text(ifla::IFNAME, name);
            },
        )
    }

    /// Sets IFF_UP.
    pub fn set_up(index: u32) -> Self {
        let header = header(index, ifla::FLAG_UP, ifla::FLAG_UP);
        Request::new(
            format!("set link {index} up"),
            rtm::SETLINK,
            0,
            &header,
            |_| (),
        )
    }

    /// Clears IFF_UP.
    pub fn set_down(index: u32) -> Self {
        Request::new(
            format!("set link {index} down"),
            rtm::SETLINK,
            0,
            &header(index, 0, ifla::FLAG_UP),
            |_| (),
        )
    }

    /// Sets the MTU, in bytes.
    pub fn set_mtu(index: u32, mtu: u32) -> Self {
        set(
            format!("set the MTU of link {index} to {mtu}"),
            index,
            |m| {
                m.attr_u32(ifla::MTU, mtu);
            },
        )
    }

    /// Sets the Ethernet address.
    pub fn set_mac(index: u32, mac: MacAddr) -> Self {
        set(
            format!("set the address of link {index} to {mac}"),
            index,
            |m| {
                m.attr_mac(ifla::ADDRESS, mac);
            },
        )
    }

    /// Makes the link a port of a bridge; `None` removes it from its bridge.
    pub fn set_master(index: u32, master: Option<u32>) -> Self {
        let what = match master {
            Some(master) => format!("put link {index} on bridge {master}"),
            None => format!("take link {index} off its bridge"),
        };
        set(what, index, |m| {
            m.attr_u32(ifla::MASTER, master.unwrap_or(0));
        })
    }

    /// Lets frames leave through the bridge port on which they arrived; EINVAL if the link is not a bridge port.
    pub fn set_hairpin(index: u32, on: bool) -> Self {
        let what = format!(
            "set hairpin of link {index} {}",
            if on { "on" } else { "off" }
        );
        // The kernel accepts port settings in RTM_NEWLINK for an existing link, not in RTM_SETLINK (rtnetlink.c,
        // rtnl_changelink).
        Request::new(what, rtm::NEWLINK, 0, &header(index, 0, 0), |m| {
            m.nest(ifla::LINKINFO, |m| {
                m.attr_text(ifla::INFO_SLAVE_KIND, "bridge")
                    .nest(ifla::INFO_SLAVE_DATA, |m| {
                        m.attr_u8(ifla::BRPORT_MODE, u8::from(on));
                    });
            });
        })
    }

    /// Disables automatic IPv6 link-local addresses (IN6_ADDR_GEN_MODE_NONE), which avoids DAD and MLD at link up.
    /// A device without IPv6 (no kernel support, an MTU below 1280) has none anyway, so EAFNOSUPPORT counts as success.
    pub fn set_addr_gen_none(index: u32) -> Self {
        set(
            format!("keep link {index} from making IPv6 addresses"),
            index,
            |m| {
                m.nest(ifla::AF_SPEC, |m| {
                    m.nest(u16::from(af::INET6), |m| {
                        m.attr_u8(ifla::INET6_ADDR_GEN_MODE, ifla::ADDR_GEN_MODE_NONE);
                    });
                });
            },
        )
        .tolerate(Errno::EAFNOSUPPORT)
    }
}
