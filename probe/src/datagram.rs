//! Datagram sockets (UDP, ping, raw ICMP) that report more than `recv_from` does: the address a datagram was sent to, its
//! real length, and the errors that came back, each with the destination it belongs to.
use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt,
    sockopt,
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};

use crate::watched::watch;

/// A non-blocking datagram socket.
pub(crate) struct Datagrams {
    fd: AsyncFd<OwnedFd>,
    v6: bool,
}

/// A datagram that came in.
pub(crate) struct Arrival {
    /// Its length, even where the buffer was shorter.
    pub(crate) len: usize,
    /// Who sent it; IPv4 in its own form, on a dual-stack socket too.
    pub(crate) from: SocketAddr,
    /// The address it was sent to, likewise.
    pub(crate) to: IpAddr,
    /// When the kernel had it, where the socket asks for that.
    pub(crate) at: Option<Duration>,
}

/// An error that came back for a datagram sent earlier (ip(7), IP_RECVERR).
pub(crate) struct Notice {
    /// Where the datagram was sent.
    pub(crate) to: IpAddr,
    /// What it means.
    pub(crate) errno: Errno,
    /// An ICMP error of the codes that say "prohibited": those of packet filters and of prohibit routes.
    pub(crate) prohibited: bool,
    /// The MTU, for EMSGSIZE.
    pub(crate) mtu: u32,
    /// Who said so; none where this machine's own sending path did.
    pub(crate) by: Option<IpAddr>,
    /// How many bytes of the datagram are quoted in the buffer.
    pub(crate) quoted: usize,
}

/// Room for the control messages of one datagram: packet info and an extended error with its offender.
#[repr(align(8))]
struct Control([u8; 256]);

impl Datagrams {
    /// A new socket that reports destination addresses and, where `errors`, keeps the errors that come back.
    pub(crate) fn open(
        domain: Domain,
        kind: Type,
        protocol: Protocol,
        errors: bool,
    ) -> std::io::Result<Self> {
        Self::wrap(
            Socket::new(domain, kind, Some(protocol))?,
            domain == Domain::IPV6,
            errors,
        )
    }

    /// Takes over a socket that may be bound already.
    pub(crate) fn wrap(socket: Socket, v6: bool, errors: bool) -> std::io::Result<Self> {
        socket.set_nonblocking(true)?;
        if v6 {
            setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
            setsockopt(&socket, sockopt::Ipv6RecvErr, &errors)?;
        } else {
            setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
            setsockopt(&socket, sockopt::Ipv4RecvErr, &errors)?;
        }
        let fd = watch(OwnedFd::from(socket), Interest::READABLE | Interest::ERROR)
            .map_err(|(_, error)| error)?;
        Ok(Datagrams { fd, v6 })
    }

    /// From now on each [`Arrival`] says when the kernel had it, in time since the epoch: that is not delayed by what else runs.
    pub(crate) fn stamp(&self) -> std::io::Result<()> {
        Ok(setsockopt(&self.fd, sockopt::ReceiveTimestampns, &true)?)
    }

    /// Waits until there is a datagram or a notice. Whoever has taken all of them clears the guard.
    pub(crate) async fn ready(&self) -> std::io::Result<AsyncFdReadyGuard<'_, OwnedFd>> {
        self.fd.ready(Interest::READABLE | Interest::ERROR).await
    }

    /// The next datagram, if there is one. Errors of earlier sends that the kernel reports here are passed over: they
    /// come again as notices, with their destination.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> Option<Arrival> {
        loop {
            let mut control = Control([0; 256]);
            let mut iov = [IoSliceMut::new(buffer)];
            let flags = MsgFlags::MSG_TRUNC | MsgFlags::MSG_DONTWAIT;
            match recvmsg::<SockaddrStorage>(
                self.fd.as_raw_fd(),
                &mut iov,
                Some(&mut control.0),
                flags,
            ) {
                Ok(message) => {
                    let (mut to, mut at) = (None, None);
                    for control in message.cmsgs().into_iter().flatten() {
                        match control {
                            ControlMessageOwned::ScmTimestampns(stamp) => {
                                at = Some(Duration::from(stamp));
                            }
                            other => to = to.or(destination(other)),
                        }
                    }
                    if let (Some(from), Some(to)) =
                        (message.address.as_ref().and_then(std_address), to)
                    {
                        return Some(Arrival {
                            len: message.bytes,
                            from,
                            to,
                            at,
                        });
                    }
                }
                Err(
                    Errno::EAGAIN | Errno::EBADF | Errno::ENOTSOCK | Errno::EINVAL | Errno::ENOMEM,
                ) => return None,
                Err(_) => {}
            }
        }
    }

    /// The next error that came back, if there is one, with the start of the datagram it is about in `buffer`.
    pub(crate) fn notice(&self, buffer: &mut [u8]) -> Option<Notice> {
        let mut control = Control([0; 256]);
        let mut iov = [IoSliceMut::new(buffer)];
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let message =
            recvmsg::<SockaddrStorage>(self.fd.as_raw_fd(), &mut iov, Some(&mut control.0), flags)
                .ok()?;
        let to = message.address.as_ref().and_then(std_address)?.ip();
        let (error, by) = message.cmsgs().ok()?.find_map(|control| match control {
            ControlMessageOwned::Ipv4RecvErr(error, by) => Some((
                error,
                by.map(|by| IpAddr::V4(u32::from_be(by.sin_addr.s_addr).into())),
            )),
            ControlMessageOwned::Ipv6RecvErr(error, by) => {
                Some((error, by.map(|by| IpAddr::V6(by.sin6_addr.s6_addr.into()))))
            }
            _ => None,
        })?;
        let local = error.ee_origin == libc::SO_EE_ORIGIN_LOCAL;
        Some(Notice {
            to,
            errno: Errno::from_raw(error.ee_errno as i32),
            prohibited: prohibited(error.ee_origin, error.ee_type, error.ee_code),
            mtu: error.ee_info,
            by: by.filter(|_| !local),
            quoted: message.bytes,
        })
    }

    /// Sends one datagram, from the given address of ours or one of the kernel's choice. An error is about this very
    /// datagram: those of earlier ones, which the kernel hands out at the next call whatever it is for, are told apart by
    /// trying again.
    pub(crate) fn send(
        &self,
        bytes: &[u8],
        to: SocketAddr,
        from: Option<IpAddr>,
    ) -> Result<(), Errno> {
        /// As many errors may come in between two calls and still not be taken for this datagram's.
        const TRIES: usize = 8;
        let mut outcome = self.send_once(bytes, to, from);
        for _ in 1..TRIES {
            match outcome {
                // The kernel's own verdicts, never left over from another datagram.
                Ok(()) | Err(Errno::EAGAIN | Errno::EPERM | Errno::ENOBUFS | Errno::EINVAL) => {
                    return outcome;
                }
                Err(_) => outcome = self.send_once(bytes, to, from),
            }
        }
        outcome
    }

    fn send_once(&self, bytes: &[u8], to: SocketAddr, from: Option<IpAddr>) -> Result<(), Errno> {
        let to = match to {
            SocketAddr::V4(v4) if self.v6 => {
                SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0).into()
            }
            other => other,
        };
        let (v4, v6);
        let control = match from {
            None => None,
            Some(IpAddr::V4(from)) if !self.v6 => {
                let ipi_spec_dst = libc::in_addr {
                    s_addr: u32::from(from).to_be(),
                };
                v4 = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst,
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                Some(ControlMessage::Ipv4PacketInfo(&v4))
            }
            Some(from) => {
                let from = match from {
                    IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                    IpAddr::V6(v6) => v6,
                };
                // A link-local address means nothing without its interface.
                let scope = if let (true, SocketAddr::V6(to)) = (from.is_unicast_link_local(), to) {
                    to.scope_id()
                } else {
                    0
                };
                v6 = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr {
                        s6_addr: from.octets(),
                    },
                    ipi6_ifindex: scope,
                };
                Some(ControlMessage::Ipv6PacketInfo(&v6))
            }
        };
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        sendmsg(
            self.fd.as_raw_fd(),
            &[IoSlice::new(bytes)],
            control.as_slice(),
            flags,
            Some(&SockaddrStorage::from(to)),
        )
        .map(drop)
    }
}

impl std::os::fd::AsFd for Datagrams {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.get_ref().as_fd()
    }
}

/// Whether an extended error is an ICMP error that says "prohibited" (RFC 1812 section 5.2.7.1, RFC 4443 section 3.1): IPv4
/// net, host and communication prohibited; IPv6 administratively prohibited, failed policy and rejected route.
fn prohibited(origin: u8, kind: u8, code: u8) -> bool {
    match origin {
        libc::SO_EE_ORIGIN_ICMP => matches!((kind, code), (3, 9 | 10 | 13)),
        libc::SO_EE_ORIGIN_ICMP6 => matches!((kind, code), (1, 1 | 5 | 6)),
        _ => false,
    }
}

/// Sets a socket option for which neither socket2 nor nix has a name.
pub(crate) fn set_option<T: Copy>(
    fd: impl std::os::fd::AsFd,
    level: i32,
    name: i32,
    value: T,
) -> std::io::Result<()> {
    let len = size_of::<T>() as libc::socklen_t;
    // SAFETY: `value` lives across the call, and the length is its own.
    let result = unsafe {
        libc::setsockopt(
            fd.as_fd().as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(&value).cast(),
            len,
        )
    };
    Ok(Errno::result(result).map(drop)?)
}

fn destination(control: ControlMessageOwned) -> Option<IpAddr> {
    match control {
        // The header's destination; ipi_spec_dst is only filled in where the kernel looked a route up.
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(IpAddr::V4(u32::from_be(info.ipi_addr.s_addr).into()))
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => {
            Some(IpAddr::V6(info.ipi6_addr.s6_addr.into()).to_canonical())
        }
        _ => None,
    }
}

fn std_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(SocketAddr::from((v4.ip(), v4.port())));
    }
    let v6 = address.as_sockaddr_in6()?;
    Some(match v6.ip().to_ipv4_mapped() {
        Some(v4) => SocketAddr::from((v4, v6.port())),
        None => SocketAddrV6::new(v6.ip(), v6.port(), v6.flowinfo(), v6.scope_id()).into(),
    })
}
