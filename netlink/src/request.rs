//! The writes, one function a message. Every request carries the sentence that its error will begin with.
use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use ipnet::IpNet;

use crate::MacAddr;

/// One rtnetlink write, ready to be sent. (Internally: bytes with the header, and what it does in words.)
pub struct Request {}

/// A veth pair whose far end is created inside another namespace, in one message (moving it there afterwards costs an
/// rcu grace period of 16 to 20 ms).
pub struct Veth<'a> {
    /// Name of the near end.
    pub name: &'a str,
    /// Bridge the near end becomes a port of.
    pub master: Option<u32>,
    /// MTU of both ends.
    pub mtu: Option<u32>,
    /// MAC of the near end; chosen by the kernel otherwise.
    pub mac: Option<MacAddr>,
    /// Bring the near end up at once.
    pub up: bool,
    /// Name of the far end.
    pub peer_name: &'a str,
    /// Namespace of the far end; the sender's own if absent.
    pub peer_ns: Option<BorrowedFd<'a>>,
    /// MAC of the far end; chosen by the kernel otherwise.
    pub peer_mac: Option<MacAddr>,
}

/// A VXLAN device, learning off.
pub struct Vxlan<'a> {
    /// Interface name.
    pub name: &'a str,
    /// VXLAN network identifier.
    pub vni: u32,
    /// UDP destination port.
    pub port: u16,
    /// Outer source address; its family is the outer family.
    pub local: IpAddr,
    /// Lower device.
    pub dev: u32,
    /// MAC of the device.
    pub mac: MacAddr,
    /// MTU.
    pub mtu: u32,
}

/// A route of the main table.
pub struct NewRoute {
    /// Destination.
    pub dst: IpNet,
    /// Next hop.
    pub gateway: Option<IpAddr>,
    /// Outgoing interface.
    pub oif: Option<u32>,
    /// Take the next hop as on link.
    pub onlink: bool,
    /// Scope link (no gateway, destination on link).
    pub scope_link: bool,
    /// Preferred source.
    pub src: Option<IpAddr>,
    /// RTA_PROTOCOL; 4 (static) unless the caller marks its own.
    pub protocol: u8,
    /// Priority.
    pub metric: Option<u32>,
}

#[expect(missing_docs, reason = "each name says the message; details where they matter")]
impl Request {
    /// Fails with EEXIST where a link of that name is. The bridge has a fixed MAC: a bridge without one takes the
    /// lowest of its ports' and changes it as pods come and go.
    pub fn add_bridge(name: &str, mac: MacAddr, mtu: u32) -> Self { let _ = (name, mac, mtu); todo!() }
    pub fn add_veth(veth: &Veth<'_>) -> Self { let _ = veth; todo!() }
    pub fn add_vxlan(vxlan: &Vxlan<'_>) -> Self { let _ = vxlan; todo!() }
    /// A dummy device (the outside address of the lab's wire, tests).
    pub fn add_dummy(name: &str) -> Self { let _ = name; todo!() }
    pub fn del_link(index: u32) -> Self { let _ = index; todo!() }
    pub fn del_link_by_name(name: &str) -> Self { let _ = name; todo!() }
    pub fn set_up(index: u32) -> Self { let _ = index; todo!() }
    pub fn set_down(index: u32) -> Self { let _ = index; todo!() }
    pub fn set_mtu(index: u32, mtu: u32) -> Self { let _ = (index, mtu); todo!() }
    pub fn set_mac(index: u32, mac: MacAddr) -> Self { let _ = (index, mac); todo!() }
    /// `None` takes the link off its bridge.
    pub fn set_master(index: u32, master: Option<u32>) -> Self { let _ = (index, master); todo!() }
    pub fn set_hairpin(index: u32, on: bool) -> Self { let _ = (index, on); todo!() }
    pub fn set_netns(index: u32, ns: BorrowedFd<'_>) -> Self { let _ = (index, ns); todo!() }
    /// No IPv6 link-local address of its own making (IN6_ADDR_GEN_MODE_NONE): spares DAD and MLD at link up.
    pub fn set_addr_gen_none(index: u32) -> Self { let _ = index; todo!() }
    /// IPv6 addresses are added without duplicate address detection. `noprefixroute` leaves the connected route out.
    pub fn add_address(index: u32, net: IpNet, noprefixroute: bool) -> Self { let _ = (index, net, noprefixroute); todo!() }
    /// As above, but an address that is there already is no error (NLM_F_REPLACE).
    pub fn replace_address(index: u32, net: IpNet, noprefixroute: bool) -> Self { let _ = (index, net, noprefixroute); todo!() }
    pub fn del_address(index: u32, net: IpNet) -> Self { let _ = (index, net); todo!() }
    pub fn add_route(route: &NewRoute) -> Self { let _ = route; todo!() }
    pub fn replace_route(route: &NewRoute) -> Self { let _ = route; todo!() }
    pub fn del_route(route: &NewRoute) -> Self { let _ = route; todo!() }
    /// Permanent entry, created or replaced.
    pub fn set_neighbour(index: u32, address: IpAddr, mac: MacAddr) -> Self { let _ = (index, address, mac); todo!() }
    pub fn del_neighbour(index: u32, address: IpAddr) -> Self { let _ = (index, address); todo!() }
    /// Permanent entry of a vxlan device's own table (NTF_SELF), created or replaced.
    pub fn set_fdb(index: u32, mac: MacAddr, dst: IpAddr) -> Self { let _ = (index, mac, dst); todo!() }
    pub fn del_fdb(index: u32, mac: MacAddr, dst: Option<IpAddr>) -> Self { let _ = (index, mac, dst); todo!() }
}
