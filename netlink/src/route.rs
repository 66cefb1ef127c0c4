//! The rtnetlink connection.
use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use crate::{Address, FdbEntry, Link, Neighbour, Request, Result, RouteEntry};

/// Address family of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// A blocking rtnetlink socket (strict checking, extended ACKs) of one network namespace.
pub struct Route {}

impl Route {
    /// In the calling thread's namespace.
    pub fn open() -> Result<Self> { todo!() }
    /// In the namespace behind `ns`, from a short-lived thread.
    pub fn open_in(ns: BorrowedFd<'_>) -> Result<Self> { let _ = ns; todo!() }
    /// A new, empty batch: its requests go out in one `send`, and every answer is awaited.
    pub fn batch(&mut self) -> Batch<'_> { todo!() }
    /// One request.
    pub fn send(&mut self, request: Request) -> Result<()> { let _ = request; todo!() }
    /// Every link.
    pub fn links(&mut self) -> Result<Vec<Link>> { todo!() }
    /// The link of that name, if there is one.
    pub fn link(&mut self, name: &str) -> Result<Option<Link>> { let _ = name; todo!() }
    /// The link of that index, if there is one.
    pub fn link_by_index(&mut self, index: u32) -> Result<Option<Link>> { let _ = index; todo!() }
    /// Every address, both families, or those of one interface.
    pub fn addresses(&mut self, index: Option<u32>) -> Result<Vec<Address>> { let _ = index; todo!() }
    /// Unicast, blackhole and unreachable routes of the main table, both families.
    pub fn routes(&mut self) -> Result<Vec<RouteEntry>> { todo!() }
    /// The route a packet to `to` takes (RTM_GETROUTE without dump), or the kernel's error (ENETUNREACH …).
    pub fn route_to(&mut self, to: IpAddr) -> Result<RouteEntry> { let _ = to; todo!() }
    /// Neighbours of both families (not the proxies).
    pub fn neighbours(&mut self) -> Result<Vec<Neighbour>> { todo!() }
    /// Forwarding database of every bridge and vxlan device (PF_BRIDGE).
    pub fn fdb(&mut self) -> Result<Vec<FdbEntry>> { todo!() }
}

/// Requests that leave in one `send`; the kernel works them in order, each on its own.
pub struct Batch<'a> { _route: &'a mut Route }

impl Batch<'_> {
    /// Adds one.
    pub fn push(&mut self, request: Request) -> &mut Self { let _ = request; self }
    /// Sends all and awaits every answer; the first error is returned (later requests were still tried).
    /// An empty batch is a no-op.
    pub fn commit(self) -> Result<()> { todo!() }
}

/// Hears that links disappear: a socket joined to RTNLGRP_LINK before the deletion is asked for.
pub struct LinkWatch {}

impl LinkWatch {
    /// In the calling thread's namespace.
    pub fn open() -> Result<Self> { todo!() }
    /// Waits for RTM_DELLINK of `index`; `Ok(false)` when `limit` passes first. A full buffer (ENOBUFS) is no error.
    pub fn wait_deleted(&mut self, index: u32, limit: std::time::Duration) -> Result<bool> { let _ = (index, limit); todo!() }
}
