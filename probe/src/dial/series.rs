//! Several packets to each of some targets: whether some get lost, and whether it is the first.
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use flatnet_model::probe::{PacketFate, RepeatedAnswers};
use nix::errno::Errno;
use socket2::{Domain, Protocol, Type};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::{Missed, Nonces, tcp};
use crate::awake::now;
use crate::datagram::Datagrams;
use crate::echo::{Direction, Echo, HEADER, Pinger};
use crate::error::errno_words;
use crate::message::{MAX_MESSAGE, Message};
use crate::{DialRequest, Transport, ask};

/// Packets of one series at most.
const MOST_PACKETS: usize = 1000;

/// What became of the packets of one target, or why none could be sent.
type Fates = Result<Vec<PacketFate>, String>;

/// How packets are spaced.
#[derive(Clone, Copy)]
struct Pace {
    packets: usize,
    apart: Duration,
    wait: Duration,
}

/// All targets at once; the results are in their order. With them, the answers that came more than once.
pub(crate) async fn series(name: String, asked: ask::Series) -> (Vec<Fates>, Vec<RepeatedAnswers>) {
    let pace = Pace {
        packets: asked.packets.clamp(1, MOST_PACKETS),
        apart: Duration::from_millis(asked.apart_ms),
        wait: Duration::from_millis(asked.wait_ms),
    };
    let name: Rc<str> = name.into();
    let nonces = Rc::new(Nonces::default());
    let mut running = JoinSet::new();
    for (index, target) in asked.targets.into_iter().enumerate() {
        let (name, nonces) = (Rc::clone(&name), Rc::clone(&nonces));
        running.spawn_local(async move { (index, one(&name, &nonces, target, pace).await) });
    }
    let mut done = running.join_all().await;
    done.sort_unstable_by_key(|(index, _)| *index);
    let (mut results, mut repeated) = (Vec::new(), Vec::new());
    for (_, (fates, again)) in done {
        results.push(fates);
        repeated.extend(again);
    }
    (results, repeated)
}

async fn one(
    name: &str,
    nonces: &Nonces,
    target: DialRequest,
    pace: Pace,
) -> (Fates, Vec<RepeatedAnswers>) {
    let address = target.address.to_canonical();
    let to = SocketAddr::new(address, target.port);
    if target.transport == Transport::Tcp {
        return (connections(name, nonces, to, pace).await, Vec::new());
    }
    let line = match Line::open(target.transport, to) {
        Ok(line) => line,
        Err(error) => return (Err(Missed::no_socket(&error).detail), Vec::new()),
    };
    let mut sent = Sent::default();
    let fates = sent.all(&line, name, nonces, pace).await;
    let repeated = sent
        .repeated
        .into_iter()
        .map(|(from, count)| RepeatedAnswers {
            transport: target.transport,
            from,
            count,
        });
    (fates, repeated.collect())
}

/// Connections, each begun `apart` after the one before.
async fn connections(name: &str, nonces: &Nonces, to: SocketAddr, pace: Pace) -> Fates {
    let name: Rc<str> = name.into();
    let mut running = JoinSet::new();
    for index in 0..pace.packets {
        let (name, nonce) = (Rc::clone(&name), nonces.next());
        running.spawn_local(async move {
            sleep(pace.apart * index as u32).await;
            let answer = tokio::time::timeout(pace.wait, tcp::attempt(nonce, &name, to)).await;
            let fate = match answer {
                Ok(Ok(reply)) if reply.retransmits == 0 => PacketFate::Answered { at_least_us: 0 },
                Ok(Ok(reply)) => PacketFate::Retransmitted {
                    times: reply.retransmits,
                },
                Ok(Err(_)) | Err(_) => PacketFate::Lost,
            };
            (index, fate)
        });
    }
    let mut fates = running.join_all().await;
    fates.sort_unstable_by_key(|(index, _)| *index);
    Ok(fates.into_iter().map(|(_, fate)| fate).collect())
}

/// A socket to one target.
enum Line {
    Udp(Datagrams, SocketAddr),
    Icmp(Pinger, SocketAddr),
}

impl Line {
    fn open(transport: Transport, to: SocketAddr) -> io::Result<Self> {
        let v6 = to.is_ipv6();
        let line = match transport {
            Transport::Icmp => Line::Icmp(Pinger::open(v6)?, SocketAddr::new(to.ip(), 0)),
            _ => {
                let domain = if v6 { Domain::IPV6 } else { Domain::IPV4 };
                let socket = Datagrams::open(domain, Type::DGRAM, Protocol::UDP, true)?;
                Line::Udp(socket, to)
            }
        };
        line.socket().stamp()?;
        Ok(line)
    }

    fn socket(&self) -> &Datagrams {
        match self {
            Line::Udp(socket, _) => socket,
            Line::Icmp(pinger, _) => &pinger.socket,
        }
    }

    fn send(&self, nonce: u64, name: &str) -> Result<(), Errno> {
        let hello = Message::Hello { nonce, name }.encode();
        match self {
            Line::Udp(socket, to) => socket.send(&hello, *to, None),
            Line::Icmp(pinger, to) => {
                let request = Echo {
                    direction: Direction::Request,
                    ident: pinger.ident,
                    sequence: nonce as u16,
                    payload: &hello,
                };
                pinger.socket.send(&request.encode(to.is_ipv6()), *to, None)
            }
        }
    }

    /// The nonce of an answer.
    fn nonce(&self, received: &[u8]) -> Option<u64> {
        match self {
            Line::Udp(..) => match Message::decode(received) {
                Ok(Message::Answer { nonce, .. }) => Some(nonce),
                _ => None,
            },
            Line::Icmp(pinger, to) => {
                let v6 = to.is_ipv6();
                let reply = Echo::decode(pinger.packet(received, v6), v6)?;
                let ours = reply.direction == Direction::Reply && reply.ident == pinger.ident;
                match Message::decode(reply.payload) {
                    Ok(Message::Hello { nonce, .. }) if ours => Some(nonce),
                    _ => None,
                }
            }
        }
    }
}

/// The packets of one series.
#[derive(Default)]
struct Sent {
    /// When each was sent, in time since the epoch, by its nonce; with its place in `fates`.
    packets: HashMap<u64, (usize, Duration)>,
    fates: Vec<PacketFate>,
    repeated: BTreeMap<IpAddr, u32>,
}

impl Sent {
    async fn all(&mut self, line: &Line, name: &str, nonces: &Nonces, pace: Pace) -> Fates {
        for index in 0..pace.packets {
            let nonce = nonces.next();
            match line.send(nonce, name) {
                // What the kernel does not send is lost here: a packet filter, or no route.
                Ok(()) | Err(Errno::EPERM | Errno::ENETUNREACH | Errno::EHOSTUNREACH) => {}
                Err(errno) => return Err(errno_words(errno)),
            }
            // After the call, so that a pause of ours is never counted as time on the way.
            self.packets.insert(nonce, (index, now()));
            self.fates.push(PacketFate::Lost);
            let pause = if index == 0 {
                pace.wait / 3
            } else {
                pace.apart
            };
            self.listen(line, Instant::now() + pause, index == 0)
                .await?;
        }
        self.listen(line, Instant::now() + pace.wait, true).await?;
        Ok(self.fates.clone())
    }

    /// Takes what comes back until that time; or, where `no_longer`, until every packet so far is answered.
    async fn listen(&mut self, line: &Line, until: Instant, no_longer: bool) -> Result<(), String> {
        let mut buffer = [0; 60 + HEADER + MAX_MESSAGE];
        loop {
            if no_longer && !self.fates.iter().any(|fate| fate.is_lost()) {
                return Ok(());
            }
            let Ok(ready) = timeout_at(until, line.socket().ready()).await else {
                return Ok(());
            };
            let mut guard = ready.map_err(|error| crate::error::words(&error))?;
            while line.socket().notice(&mut buffer).is_some() {}
            while let Some(arrival) = line.socket().receive(&mut buffer) {
                let received = &buffer[..arrival.len.min(buffer.len())];
                let Some(nonce) = line.nonce(received) else {
                    continue;
                };
                self.answered(nonce, arrival.from.ip(), arrival.at.unwrap_or_else(now));
            }
            guard.clear_ready();
        }
    }

    fn answered(&mut self, nonce: u64, from: IpAddr, at: Duration) {
        let Some((index, sent)) = self.packets.get(&nonce) else {
            return;
        };
        match &mut self.fates[*index] {
            fate @ PacketFate::Lost => {
                let away = at.saturating_sub(*sent).as_micros();
                let at_least_us = u64::try_from(away).unwrap_or(u64::MAX);
                *fate = PacketFate::Answered { at_least_us };
            }
            _ => *self.repeated.entry(from).or_default() += 1,
        }
    }
}
