//! Numbers in network byte order, from bytes that may end anywhere.
use std::net::IpAddr;

pub(super) fn u8_at(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_be_bytes)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array_at(bytes, at).map(u32::from_be_bytes)
}

pub(super) fn ipv4_at(bytes: &[u8], at: usize) -> Option<IpAddr> {
    array_at::<4>(bytes, at).map(IpAddr::from)
}

pub(super) fn ipv6_at(bytes: &[u8], at: usize) -> Option<IpAddr> {
    array_at::<16>(bytes, at).map(IpAddr::from)
}

pub(super) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}
