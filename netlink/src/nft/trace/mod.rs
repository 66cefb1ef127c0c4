//! Netfilter's trace: which rules, policies and chains decide about packets.
mod event;
mod table;

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_sys::protocols::NETLINK_NETFILTER;
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};

pub use event::{TraceBy, TraceEvent, TracePacket};

use super::model::Expr;
use super::transaction::{DeviceHook, Transaction};
use super::uapi::{msg, nfproto};
use crate::socket::Connection;
use crate::{Error, Result};

/// Multicast group NFNLGRP_NFTRACE.
const GROUP: u32 = 9;
/// Bytes that the kernel keeps: an event takes about 1 KiB.
const RECEIVE_BUFFER: usize = 8 << 20;
/// Devices of one chain, at most: fewer than NFT_NETDEVICE_MAX (nf_tables_parse_netdev_hooks, net/netfilter/nf_tables_api.c).
const DEVICES_OF_CHAIN: usize = 255;

/// Packets of probes are traced in one network namespace for as long as this lives: the tables belong to one of its sockets, and the
/// kernel takes them away when that is closed, however this process ends.
pub struct Trace {
    events: Connection,
    _owner: Connection,
    at_devices: Result<()>,
}

impl Trace {
    /// Adds tables of that name, of family `inet` and, where the kernel has them, `bridge` and `netdev`, in the calling thread's namespace;
    /// that of `netdev` for the devices that `devices` lists, which is asked a second time where one of them is gone by then. They have
    /// these packets traced: TCP and UDP from and to `ports`, UDP and ICMP echo whose payload begins with `magic`, those in VXLAN or IP
    /// in IP, and ICMP errors.
    ///
    /// # Errors
    /// The kernel's: EPERM without CAP_NET_ADMIN, EEXIST if there is such a table, EOPNOTSUPP or EINVAL before Linux 5.12, which knows
    /// no tables that go with their socket.
    pub fn start(
        name: &str,
        ports: &[u16],
        magic: [u8; 4],
        devices: impl FnMut() -> Result<Vec<String>>,
    ) -> Result<Self> {
        let mut events = Connection::open(NETLINK_NETFILTER)?;
        let prepare = |events: &mut Connection| -> io::Result<()> {
            // SAFETY: the socket outlives this closure, and nothing closes it meanwhile.
            let fd = unsafe { BorrowedFd::borrow_raw(events.socket().as_raw_fd()) };
            // The limit of ordinary users (rmem_max) is less than is wished for.
            if setsockopt(&fd, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
                setsockopt(&fd, sockopt::RcvBuf, &RECEIVE_BUFFER)?;
            }
            events.socket().add_membership(GROUP)
        };
        prepare(&mut events).map_err(|cause| Error::Socket {
            what: "listen for netfilter's trace".to_owned(),
            cause,
        })?;
        let mut owner = Connection::open(NETLINK_NETFILTER)?;
        let table = table::trace_table(name, ports, magic);
        for family in [nfproto::INET, nfproto::BRIDGE] {
            let mut transaction = Transaction::of(family);
            transaction.create_owned_table(name);
            transaction.fill_table(&table)?;
            match transaction.commit(&mut owner) {
                // A kernel without CONFIG_NF_TABLES_BRIDGE has no rules for bridges that a packet could meet.
                Err(Error::Kernel { .. }) if family == nfproto::BRIDGE => {}
                done => done?,
            }
        }
        let rules = table::traced(ports, magic);
        let at_devices = add_device_chains(&mut owner, name, &rules, devices);
        Ok(Trace {
            events,
            _owner: owner,
            at_devices,
        })
    }

    /// Whether rules of family `netdev` are traced too; `Ok` also where the kernel knows none.
    ///
    /// # Errors
    /// Why they, or those for packets that go out, are not.
    pub fn at_devices(&self) -> &Result<()> {
        &self.at_devices
    }

    /// What to wait for: readable when there are events.
    pub fn as_fd(&mut self) -> BorrowedFd<'_> {
        // SAFETY: the socket lives as long as the borrow, and nothing closes it meanwhile.
        unsafe { BorrowedFd::borrow_raw(self.events.socket().as_raw_fd()) }
    }

    /// The next events, without waiting; those of this trace's own table are among them, and show the packet as it comes in.
    ///
    /// # Errors
    /// WouldBlock where there are none; ENOBUFS where some did not fit and are lost.
    pub fn receive(&mut self) -> io::Result<Vec<TraceEvent>> {
        let answers = self.events.receive(libc::MSG_DONTWAIT)?;
        let events = answers.filter(|answer| answer.kind == msg::TRACE);
        Ok(events
            .filter_map(|answer| event::decode(answer.payload))
            .collect())
    }
}

/// The table of family `netdev`: chains of their own for each hook, as egress came with Linux 5.16.
fn add_device_chains(
    owner: &mut Connection,
    name: &str,
    rules: &[Vec<Expr>],
    mut devices: impl FnMut() -> Result<Vec<String>>,
) -> Result<()> {
    for (hook, is_new) in [(DeviceHook::Ingress, true), (DeviceHook::Egress, false)] {
        let mut add = || {
            let mut transaction = Transaction::of(nfproto::NETDEV);
            if is_new {
                transaction.create_owned_table(name);
            }
            for (number, some) in devices()?.chunks(DEVICES_OF_CHAIN).enumerate() {
                transaction.add_device_chain(name, (hook, number), some, rules)?;
            }
            transaction.commit(owner)
        };
        let added = match add() {
            Err(error) if error.is_absent() => add(),
            added => added,
        };
        match added {
            // A kernel without such chains has no rules in them that a packet could meet.
            Err(error) if error.errno() == Some(Errno::EOPNOTSUPP) => return Ok(()),
            added => added?,
        }
    }
    Ok(())
}
