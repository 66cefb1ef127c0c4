//! EtherTypes (IEEE 802).

pub(in crate::watch) const IPV4: u16 = 0x0800;
pub(in crate::watch) const ARP: u16 = 0x0806;
pub(in crate::watch) const VLAN: u16 = 0x8100;
pub(in crate::watch) const IPV6: u16 = 0x86dd;
pub(in crate::watch) const SERVICE_VLAN: u16 = 0x88a8;
