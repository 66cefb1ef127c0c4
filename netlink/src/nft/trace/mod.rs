//! Netfilter's trace: which rules, policies and chains decide about packets.
mod event;
mod table;

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_sys::protocols::NETLINK_NETFILTER;
use nix::sys::socket::{setsockopt, sockopt};

pub use event::{TraceBy, TraceEvent, TracePacket};

use super::transaction::{DeviceHook, Transaction};
use super::uapi::{msg, nfproto};
use crate::socket::Connection;
use crate::{Error, Result};

/// Multicast group NFNLGRP_NFTRACE.
const GROUP: u32 = 9;
/// Bytes that the kernel keeps: an event takes about 1 KiB.
const RECEIVE_BUFFER: usize = 8 << 20;

/// Packets of probes are traced in one network namespace for as long as this lives: the tables belong to one of its sockets, and the
/// kernel takes them away when that is closed, however this process ends.
pub struct Trace {
    events: Connection,
    _owner: Connection,
}

impl Trace {
    /// Adds tables of that name, of family `inet` and, where the kernel has them, `bridge` and `netdev`, the latter for these devices, in
    /// the calling thread's namespace. They have
    /// these packets traced: TCP and UDP from and to `ports`, UDP and ICMP echo whose payload begins with `magic`, those in VXLAN or IP
    /// in IP, and ICMP errors.
    ///
    /// # Errors
    /// The kernel's: EPERM without CAP_NET_ADMIN, EEXIST if there is such a table, EOPNOTSUPP or EINVAL before Linux 5.12, which knows
    /// no tables that go with their socket.
    pub fn start(name: &str, ports: &[u16], magic: [u8; 4], devices: &[String]) -> Result<Self> {
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
        // A chain of its own for each hook: egress came with Linux 5.16.
        let rules = table::traced(ports, magic);
        for (hook, new) in [(DeviceHook::Ingress, true), (DeviceHook::Egress, false)] {
            let mut transaction = Transaction::of(nfproto::NETDEV);
            if new {
                transaction.create_owned_table(name);
            }
            transaction.add_device_chain(name, hook, devices, &rules)?;
            match transaction.commit(&mut owner) {
                Err(Error::Kernel { .. }) => break,
                done => done?,
            }
        }
        Ok(Trace {
            events,
            _owner: owner,
        })
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
