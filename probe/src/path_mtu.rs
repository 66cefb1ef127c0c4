//! Which packet sizes get through whole.
//!
//! Datagrams go out with DF set and without regard to what the kernel remembers of the path (IP_PMTUDISC_PROBE, ip(7)),
//! so that each size is tried on the wire itself; the responder says how many bytes it received.
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use socket2::{Domain, Protocol, Type};
use tokio::time::Instant;

use flatnet_model::probe::ask::SizedRequest;

use crate::MtuTrial;
use crate::datagram::{Datagrams, Notice, set_option};
use crate::error::{Error, Result, errno_words};
use crate::message::{HEADER, MAX_MESSAGE, Message};

/// Packets under way at once, and what they may come to, bytes: sixteen of the largest there can be.
const AT_ONCE: usize = 64;
const BYTES_AT_ONCE: u32 = 1 << 20;
const UDP_HEADER: u32 = 8;

/// A size that is being tried.
struct Trial {
    to: SocketAddr,
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

/// Tries every target; the trials are in their order. Each is sent up to `sends` times within `timeout`. Fails only where no
/// socket can be opened.
pub(crate) async fn measure(
    targets: &[SizedRequest],
    timeout: Duration,
    sends: u32,
) -> Result<Vec<MtuTrial>> {
    let nonces = crate::dial::Nonces::default();
    let trials = targets
        .iter()
        .map(|target| Trial::new(target, nonces.next()));
    let mut trials: Vec<Trial> = trials.collect();
    let mut from = 0;
    while from < trials.len() {
        let to = from + fitting(&trials[from..]);
        together(&mut trials[from..to], timeout, sends).await?;
        from = to;
    }
    Ok(trials
        .into_iter()
        .map(|trial| trial.report(timeout))
        .collect())
}

/// How many of the first trials may be under way together, at least one: all of one family, as one socket sends them.
fn fitting(trials: &[Trial]) -> usize {
    let mut bytes = 0_u32;
    let fits = |trial: &&Trial| {
        bytes = bytes.saturating_add(trial.size);
        bytes <= BYTES_AT_ONCE && trial.to.is_ipv6() == trials[0].to.is_ipv6()
    };
    let fitting = trials.iter().take(AT_ONCE).take_while(fits).count();
    fitting.max(1)
}

async fn together(trials: &mut [Trial], timeout: Duration, sends: u32) -> Result<()> {
    let Some(first) = trials.first() else {
        return Ok(());
    };
    let socket = open(first.to.is_ipv6())
        .map_err(|error| Error::system("open a socket for path MTU trials", error))?;
    for _ in 0..sends {
        for at in 0..trials.len() {
            send(at, &socket, trials);
        }
        listen(&socket, trials, timeout / sends).await?;
    }
    Ok(())
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
    fn new(target: &SizedRequest, nonce: u64) -> Self {
        let to = SocketAddr::new(target.address.to_canonical(), target.port);
        let size = target.bytes;
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
            to,
            nonce,
            size,
            payload: size.saturating_sub(headers) as usize,
            end,
        }
    }

    fn is_open(&self) -> bool {
        self.end.is_none()
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

/// Sends that trial's datagram, unless it has an end.
fn send(at: usize, socket: &Datagrams, trials: &mut [Trial]) {
    let trial = &trials[at];
    if !trial.is_open() {
        return;
    }
    let mut datagram = Message::Sized { nonce: trial.nonce }.encode();
    datagram.resize(trial.payload, 0);
    let why = match socket.send(&datagram, trial.to, None) {
        Ok(()) | Err(Errno::EAGAIN) => return,
        // The kernel leaves a notice that names the limit.
        Err(Errno::EMSGSIZE) => match notices(socket, trials) {
            Some(mtu) => format!("message too long (interface mtu {mtu})"),
            None => errno_words(Errno::EMSGSIZE),
        },
        Err(errno) => errno_words(errno),
    };
    trials[at].end = Some(End::Failed(why));
}

/// Takes the notices that are there; returns the MTU that this end's kernel named last.
fn notices(socket: &Datagrams, trials: &mut [Trial]) -> Option<u32> {
    let mut buffer = [0; MAX_MESSAGE];
    let mut own = None;
    while let Some(notice) = socket.notice(&mut buffer) {
        match notice.by {
            Some(_) => learn(&notice, &buffer[..notice.quoted], trials),
            None if notice.errno == Errno::EMSGSIZE => own = Some(notice.mtu),
            None => {}
        }
    }
    own
}

/// What somebody on the way says of trials.
fn learn(notice: &Notice, quoted: &[u8], trials: &mut [Trial]) {
    let Some(by) = notice.by else { return };
    let words = match notice.errno {
        Errno::EMSGSIZE => format!("message too long (path mtu {}, said by {by})", notice.mtu),
        errno => format!("{} (said by {by})", errno_words(errno)),
    };
    // A router that quotes too little to say which one means one that is larger than the MTU it names.
    let nonce = crate::message::nonce_of(quoted);
    let about = |trial: &Trial| match nonce {
        Some(nonce) => trial.nonce == nonce,
        None => {
            let is_longer = notice.errno != Errno::EMSGSIZE || trial.size > notice.mtu;
            trial.to.ip() == notice.to && is_longer
        }
    };
    for trial in trials.iter_mut() {
        if trial.is_open() && about(trial) {
            trial.end = Some(End::Failed(words.clone()));
        }
    }
}

/// Takes what comes back until every trial has an end or `limit` has passed.
async fn listen(socket: &Datagrams, trials: &mut [Trial], limit: Duration) -> Result<()> {
    let until = Instant::now() + limit;
    let mut buffer = [0; MAX_MESSAGE];
    while trials.iter().any(Trial::is_open) {
        let Ok(ready) = tokio::time::timeout_at(until, socket.ready()).await else {
            return Ok(());
        };
        let mut guard = ready.map_err(|error| Error::system("wait for path MTU answers", error))?;
        notices(socket, trials);
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
