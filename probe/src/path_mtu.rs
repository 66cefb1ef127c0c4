//! Which packet sizes get through whole.
//!
//! Datagrams go out with DF set and without regard to what the kernel remembers of the path (IP_PMTUDISC_PROBE, ip(7)),
//! so that each size is tried on the wire itself; the responder says how many bytes it received.
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use socket2::{Domain, Protocol, Type};
use tokio::time::Instant;

use crate::MtuTrial;
use crate::datagram::{Datagrams, set_option};
use crate::error::{Error, Result, errno_words};
use crate::message::{HEADER, MAX_MESSAGE, Message};

/// How often each size is sent within its time.
const SENDS: u32 = 3;
/// Sizes under way at once: the largest sixteen datagrams there can be fit into about a megabyte.
const AT_ONCE: usize = 16;
const UDP_HEADER: u32 = 8;

/// A size that is being tried.
struct Trial {
    nonce: u64,
    size: u32,
    payload: usize,
    /// None while nothing is known.
    end: Option<End>,
}

enum End {
    Arrived,
    /// It did not, and this is why.
    Failed(String),
}

/// Tries every size; the trials are in their order. Fails only where no socket can be opened.
pub(crate) async fn measure(
    to: SocketAddr,
    sizes: &[u32],
    timeout: Duration,
) -> Result<Vec<MtuTrial>> {
    let socket = open(to.is_ipv6())
        .map_err(|error| Error::system("open a socket for path MTU trials", error))?;
    let nonces = crate::dial::Nonces::default();
    let mut trials: Vec<Trial> = sizes
        .iter()
        .map(|size| Trial::new(*size, to.ip(), nonces.next()))
        .collect();
    for some in trials.chunks_mut(AT_ONCE) {
        for _ in 0..SENDS {
            for trial in some.iter_mut().filter(|trial| trial.end.is_none()) {
                trial.send(&socket, to);
            }
            listen(&socket, some, timeout / SENDS).await?;
        }
    }
    Ok(trials
        .into_iter()
        .map(|trial| trial.report(timeout))
        .collect())
}

fn open(v6: bool) -> io::Result<Datagrams> {
    let domain = if v6 { Domain::IPV6 } else { Domain::IPV4 };
    let socket = Datagrams::open(domain, Type::DGRAM, Protocol::UDP, true)?;
    if v6 {
        set_option(
            &socket,
            libc::IPPROTO_IPV6,
            libc::IPV6_MTU_DISCOVER,
            libc::IPV6_PMTUDISC_PROBE,
        )?;
        set_option(&socket, libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, 1)?;
    } else {
        set_option(
            &socket,
            libc::IPPROTO_IP,
            libc::IP_MTU_DISCOVER,
            libc::IP_PMTUDISC_PROBE,
        )?;
    }
    Ok(socket)
}

impl Trial {
    fn new(size: u32, to: IpAddr, nonce: u64) -> Self {
        // IPv6's own limit leaves its header out (RFC 8200 section 3).
        let (ip_header, most) = if to.is_ipv6() {
            (40, 40 + 65_535)
        } else {
            (20, 65_535)
        };
        let headers = ip_header + UDP_HEADER;
        let least = headers + HEADER as u32;
        let end = match size {
            size if size < least => Some(End::Failed(format!(
                "too small to carry a question (at least {least})"
            ))),
            size if size > most => Some(End::Failed(format!(
                "larger than an ip packet can be (at most {most})"
            ))),
            _ => None,
        };
        Trial {
            nonce,
            size,
            payload: size.saturating_sub(headers) as usize,
            end,
        }
    }

    fn send(&mut self, socket: &Datagrams, to: SocketAddr) {
        let mut datagram = Message::Sized { nonce: self.nonce }.encode();
        datagram.resize(self.payload, 0);
        match socket.send(&datagram, to, None) {
            Ok(()) | Err(Errno::EAGAIN) => {}
            Err(Errno::EMSGSIZE) => {
                // The kernel leaves a notice that names the limit.
                let mtu = std::iter::from_fn(|| socket.notice(&mut [0; MAX_MESSAGE]))
                    .filter(|n| n.errno == Errno::EMSGSIZE && n.by.is_none())
                    .last();
                self.end = Some(End::Failed(match mtu {
                    Some(notice) => format!("message too long (interface mtu {})", notice.mtu),
                    None => errno_words(Errno::EMSGSIZE),
                }));
            }
            Err(errno) => self.end = Some(End::Failed(errno_words(errno))),
        }
    }

    fn report(self, timeout: Duration) -> MtuTrial {
        let (arrived, detail) = match self.end {
            Some(End::Arrived) => (true, None),
            Some(End::Failed(why)) => (false, Some(why)),
            None => (
                false,
                Some(format!("no answer within {} ms", timeout.as_millis())),
            ),
        };
        MtuTrial {
            size: self.size,
            arrived,
            detail,
        }
    }
}

/// Takes what comes back until every trial has an end or `limit` has passed.
async fn listen(socket: &Datagrams, trials: &mut [Trial], limit: Duration) -> Result<()> {
    let until = Instant::now() + limit;
    let mut buffer = [0; MAX_MESSAGE];
    while trials.iter().any(|trial| trial.end.is_none()) {
        let Ok(ready) = tokio::time::timeout_at(until, socket.ready()).await else {
            return Ok(());
        };
        let mut guard = ready.map_err(|error| Error::system("wait for path MTU answers", error))?;
        while let Some(notice) = socket.notice(&mut buffer) {
            let Some(by) = notice.by else { continue };
            let words = match notice.errno {
                Errno::EMSGSIZE => {
                    format!("message too long (path mtu {}, said by {by})", notice.mtu)
                }
                errno => format!("{} (said by {by})", errno_words(errno)),
            };
            // A router that quotes too little to say which one means one that is larger than the MTU it names.
            let nonce = crate::message::nonce_of(&buffer[..notice.quoted]);
            let about = |trial: &&mut Trial| match nonce {
                Some(nonce) => trial.nonce == nonce,
                None => notice.errno != Errno::EMSGSIZE || trial.size > notice.mtu,
            };
            for trial in trials
                .iter_mut()
                .filter(|trial| trial.end.is_none())
                .filter(about)
            {
                trial.end = Some(End::Failed(words.clone()));
            }
        }
        while let Some(arrival) = socket.receive(&mut buffer) {
            let Ok(Message::Received { nonce, bytes }) =
                Message::decode(&buffer[..arrival.len.min(MAX_MESSAGE)])
            else {
                continue;
            };
            for trial in trials.iter_mut().filter(|trial| trial.nonce == nonce) {
                trial.end = Some(if bytes as usize == trial.payload {
                    End::Arrived
                } else {
                    End::Failed(format!(
                        "arrived with {bytes} bytes of payload instead of {}",
                        trial.payload
                    ))
                });
            }
        }
        guard.clear_ready();
    }
    Ok(())
}
