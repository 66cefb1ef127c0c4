//! A packet socket on every device (packet(7)), read by a thread while the session goes on.
use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use flatnet_model::probe::watch::{Passing, Sighting};
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{ControlMessageOwned, LinkAddr, MsgFlags, recvmsg, setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use super::background::{Background, Ending};
use super::devices::Devices;
use super::filter::{self, FRAME_BYTES};
use super::packet::{Begins, Wanted, in_frame};
use crate::error::{Error, Result};

/// What the kernel keeps while this thread does not run, bytes: some ten thousand frames.
const RECEIVE_BUFFER: usize = 16 << 20;
/// Sightings that are kept.
const MOST_SIGHTINGS: usize = 20_000;
/// How long what is queued is read after the end.
const LAST_LOOK: Duration = Duration::from_millis(500);
/// Frames that are read before the end is looked for again.
const TURN: usize = 256;

/// Frames are being read; dropping it ends that.
pub(super) struct Packets(Background<Sightings>);

/// What was seen.
#[derive(Default)]
pub(super) struct Sightings {
    pub(super) kept: Vec<Sighting>,
    pub(super) missed: u64,
}

impl Packets {
    /// Opens the socket in the calling thread's namespace and begins. Needs CAP_NET_RAW there.
    pub(super) fn start(wanted: Wanted) -> Result<Self> {
        let socket = open(&wanted)?;
        let reader = Reader {
            socket,
            wanted,
            devices: Devices::default(),
            seen: Sightings::default(),
        };
        Background::start("packets", |ending| reader.run(&ending)).map(Packets)
    }

    /// Ends it. Blocks until what is queued has been read.
    pub(super) fn end(self) -> Sightings {
        self.0.end()
    }
}

/// The filter is in place before the socket receives anything.
fn open(wanted: &Wanted) -> Result<Socket> {
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0)))
        .map_err(|error| Error::system("open a packet socket", error))?;
    let prepare = || -> std::io::Result<()> {
        if let Some(program) = filter::program(&wanted.ports) {
            socket.attach_filter(&program)?;
        }
        // The limit of ordinary users (rmem_max) is less than is wished for.
        if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
            setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER)?;
        }
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        socket.set_nonblocking(true)?;
        bind_all(&socket)
    };
    prepare().map_err(|error| Error::system("watch packets", error))?;
    Ok(socket)
}

/// All protocols, all devices.
fn bind_all(socket: &Socket) -> std::io::Result<()> {
    // SAFETY: all zeroes is a sockaddr_ll.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    let length = size_of_val(&address) as libc::socklen_t;
    // SAFETY: the address lives through the call, and its length is the one told.
    let done = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    Errno::result(done)?;
    Ok(())
}

struct Reader {
    socket: Socket,
    wanted: Wanted,
    /// The thread is in the socket's namespace.
    devices: Devices,
    seen: Sightings,
}

/// What is left in the socket's queue.
#[derive(PartialEq)]
enum Queue {
    Empty,
    MayHoldMore,
}

impl Reader {
    fn run(mut self, ending: &Ending) -> Sightings {
        while !ending.awaited(self.socket.as_fd()) {
            self.read();
        }
        let begun = Instant::now();
        while self.read() == Queue::MayHoldMore && begun.elapsed() < LAST_LOOK {}
        self.seen.missed += dropped(&self.socket);
        self.seen
    }

    fn read(&mut self) -> Queue {
        let mut frame = [0; FRAME_BYTES as usize];
        let mut control = nix::cmsg_space!(libc::timespec);
        for _ in 0..TURN {
            let mut parts = [IoSliceMut::new(&mut frame)];
            let received = recvmsg::<LinkAddr>(
                self.socket.as_raw_fd(),
                &mut parts,
                Some(&mut control),
                MsgFlags::MSG_DONTWAIT,
            );
            let (length, from, at_ns) = match received {
                Ok(message) => {
                    let at = message
                        .cmsgs()
                        .ok()
                        .and_then(|mut all| all.find_map(timestamp));
                    (message.bytes, message.address, at)
                }
                // A device that went down reports it once.
                Err(Errno::ENETDOWN | Errno::EINTR) => continue,
                Err(_) => return Queue::Empty,
            };
            if let Some(from) = from {
                self.note(&frame[..length], &from, at_ns.unwrap_or_default());
            }
        }
        Queue::MayHoldMore
    }

    fn note(&mut self, bytes: &[u8], from: &LinkAddr, at_ns: u64) {
        let begins = match from.hatype() {
            libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK => Begins::Ethernet,
            _ => Begins::Ip,
        };
        let Some(seen) = in_frame(bytes, begins, &self.wanted) else {
            return;
        };
        if self.seen.kept.len() == MOST_SIGHTINGS {
            self.seen.missed += 1;
            return;
        }
        let index = u32::try_from(from.ifindex()).unwrap_or_default();
        self.seen.kept.push(Sighting {
            at_ns,
            device: self.devices.name(index).to_owned(),
            direction: match from.pkttype() {
                libc::PACKET_OUTGOING => Passing::Out,
                libc::PACKET_OTHERHOST => Passing::InForOther,
                _ => Passing::In,
            },
            frame: seen.frame,
            outer: seen.outer,
            packet: seen.packet,
        });
    }
}

fn timestamp(message: ControlMessageOwned) -> Option<u64> {
    match message {
        ControlMessageOwned::ScmTimestampns(at) => {
            let seconds = u64::try_from(at.tv_sec()).ok()?;
            Some(seconds * 1_000_000_000 + u64::try_from(at.tv_nsec()).ok()?)
        }
        _ => None,
    }
}

/// Frames that found the socket's buffer full since this was asked last (PACKET_STATISTICS).
fn dropped(socket: &Socket) -> u64 {
    let mut statistics = libc::tpacket_stats {
        tp_packets: 0,
        tp_drops: 0,
    };
    let mut length = size_of_val(&statistics) as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, into a structure of that length.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            (&raw mut statistics).cast(),
            &raw mut length,
        )
    };
    match done {
        0 => u64::from(statistics.tp_drops),
        _ => 0,
    }
}
