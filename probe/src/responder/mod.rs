//! Answers peers and keeps what they asked.
mod icmp;
mod numbers;
mod received;
mod tcp;
mod transfer;
mod udp;

use std::cell::RefCell;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::rc::Rc;

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::task::JoinSet;

use crate::ReceivedRequest;
use crate::datagram::Datagrams;
use crate::error::{Error, Result};
use crate::message::MAX_NAME;
use numbers::Counts;
use received::Received;

/// How many datagrams or connections are taken in one go before other work has its turn.
const TURN: usize = 64;
/// The kernel cuts it to net.core.somaxconn.
const BACKLOG: i32 = 4096;

/// Bytes of packets that may wait: every peer of a large cluster may call at the same moment, and an echo request that
/// does not fit is answered all the same, but not recorded.
const RECEIVE_BUFFER: usize = 1 << 20;
/// More packets than ever fit into it.
const MOST_QUEUED: usize = 10_000;

/// The responders of one `Listen`.
pub(crate) struct Responder {
    state: Rc<State>,
    port: u16,
    echoes: Vec<Rc<icmp::Watch>>,
    tasks: JoinSet<()>,
}

/// What the responders share.
struct State {
    name: String,
    received: RefCell<Received>,
    counts: RefCell<Counts>,
}

impl Responder {
    /// Binds every socket and starts to answer. Port 0: one that is free for TCP and UDP.
    pub(crate) fn start(name: &str, port: u16) -> Result<Self> {
        if name.is_empty() || name.len() > MAX_NAME {
            return Err(Error::Name {
                bytes: name.len(),
                most: MAX_NAME,
            });
        }
        let failed = |error| Error::system(format!("listen on port {port}"), error);
        let Bound { tcp, udp, port } = Bound::new(port).map_err(failed)?;
        let state = Rc::new(State {
            name: name.to_owned(),
            received: RefCell::default(),
            counts: RefCell::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn_local(tcp::serve(
            tcp::Listener::new(tcp).map_err(failed)?,
            Rc::clone(&state),
        ));
        tasks.spawn_local(udp::serve(udp, Rc::clone(&state)));
        let echoes: Vec<_> = [false, true]
            .into_iter()
            .filter_map(|v6| icmp::Watch::open(v6, Rc::clone(&state)).ok())
            .map(Rc::new)
            .collect();
        for watch in &echoes {
            let watch = Rc::clone(watch);
            tasks.spawn_local(async move { watch.run().await });
        }
        Ok(Responder {
            state,
            port,
            echoes,
            tasks,
        })
    }

    /// Ends answering; the port is free afterwards.
    pub(crate) async fn stop(mut self) {
        self.tasks.shutdown().await;
    }

    pub(crate) fn name(&self) -> &str {
        &self.state.name
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn icmp_seen(&self) -> bool {
        !self.echoes.is_empty()
    }

    pub(crate) fn received(&self) -> Vec<ReceivedRequest> {
        // The kernel answers an echo itself, so that a client may know of it before we do.
        for watch in &self.echoes {
            watch.note(MOST_QUEUED);
        }
        self.state.received.borrow().list()
    }
}

/// Where that is not allowed (CAP_NET_ADMIN), the socket keeps the usual fifth of it.
fn widen(socket: &impl AsFd) {
    let _ = setsockopt(socket, sockopt::RcvBufForce, &RECEIVE_BUFFER);
}

/// A TCP and a UDP socket on the wildcard address and one port.
struct Bound {
    tcp: Socket,
    udp: Datagrams,
    port: u16,
}

impl Bound {
    fn new(port: u16) -> io::Result<Self> {
        /// A port free for TCP is taken for UDP only by chance.
        const TRIES: usize = 16;
        let mut outcome = Self::once(port);
        for _ in 1..TRIES {
            match outcome {
                Err(error) if port == 0 && error.kind() == io::ErrorKind::AddrInUse => {
                    outcome = Self::once(port)
                }
                _ => break,
            }
        }
        outcome
    }

    fn once(port: u16) -> io::Result<Self> {
        let tcp = wildcard(Type::STREAM, Protocol::TCP, port)?;
        tcp.listen(BACKLOG)?;
        let address = tcp
            .local_addr()?
            .as_socket()
            .ok_or(io::ErrorKind::AddrNotAvailable)?;
        let udp = wildcard(Type::DGRAM, Protocol::UDP, address.port())?;
        widen(&udp);
        Ok(Bound {
            tcp,
            udp: stamped(udp, address.is_ipv6())?,
            port: address.port(),
        })
    }
}

/// Numbers are answered with how long they were kept here.
fn stamped(udp: Socket, v6: bool) -> io::Result<Datagrams> {
    let udp = Datagrams::wrap(udp, v6, false)?;
    udp.stamp()?;
    Ok(udp)
}

/// Bound to `[::]` for both families, or to `0.0.0.0` where the kernel has no IPv6.
fn wildcard(kind: Type, protocol: Protocol, port: u16) -> io::Result<Socket> {
    let (socket, address) = match Socket::new(Domain::IPV6, kind, Some(protocol)) {
        Ok(socket) => {
            socket.set_only_v6(false)?;
            (socket, SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)))
        }
        Err(_) => (
            Socket::new(Domain::IPV4, kind, Some(protocol))?,
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
        ),
    };
    if kind == Type::STREAM {
        // A responder that starts again on its port must not wait for connections of the last one to fade.
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}
