//! UDP exchanges over one unconnected socket: an answer from another address than the dialled one is received, and reported.
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use nix::errno::Errno;
use socket2::{Domain, Protocol, Type};

use super::in_flight::InFlight;
use super::{Missed, Outcome, Reply};
use crate::Failure;
use crate::datagram::Datagrams;
use crate::message::{MAX_MESSAGE, Message, nonce_of};

/// The socket of one family, and the requests in flight on it.
pub(super) struct Line {
    socket: Datagrams,
    in_flight: InFlight,
}

impl Line {
    pub(super) fn open(v6: bool) -> io::Result<Self> {
        let domain = if v6 { Domain::IPV6 } else { Domain::IPV4 };
        let socket = Datagrams::open(domain, Type::DGRAM, Protocol::UDP, true)?;
        Ok(Line {
            socket,
            in_flight: InFlight::default(),
        })
    }

    pub(super) async fn attempt(&self, nonce: u64, name: &str, to: SocketAddr) -> Outcome {
        let waiting = self.in_flight.begin(nonce, to);
        send(&self.socket, &Message::Hello { nonce, name }.encode(), to).await?;
        waiting.outcome().await
    }

    pub(super) fn repeated(&self) -> BTreeMap<IpAddr, u32> {
        self.in_flight.repeated()
    }

    /// Hands out what comes back, forever.
    pub(super) async fn read(&self) {
        let mut buffer = [0; MAX_MESSAGE];
        loop {
            let Ok(mut guard) = self.socket.ready().await else {
                return;
            };
            while let Some(notice) = self.socket.notice(&mut buffer) {
                self.in_flight
                    .fail(&notice, nonce_of(&buffer[..notice.quoted]));
            }
            while let Some(arrival) = self.socket.receive(&mut buffer) {
                match Message::decode(&buffer[..arrival.len.min(MAX_MESSAGE)]) {
                    Ok(Message::Answer {
                        nonce,
                        seen_as,
                        name,
                    }) => {
                        let (local, reply_from) = (arrival.to, arrival.from.ip());
                        self.in_flight.end(
                            nonce,
                            Ok(Reply {
                                local,
                                responder: Some(name.to_owned()),
                                seen_as: Some(seen_as),
                                reply_from,
                                retransmits: 0,
                            }),
                        );
                    }
                    Ok(_) => {}
                    Err(error) => {
                        let missed = Missed::new(Failure::BadAnswer, error.to_string());
                        self.in_flight
                            .end_where(|_, to| to == arrival.from, &missed);
                    }
                }
            }
            guard.clear_ready();
        }
    }
}

/// Sends, waiting for room in the send buffer where there is none.
pub(super) async fn send(socket: &Datagrams, bytes: &[u8], to: SocketAddr) -> Result<(), Missed> {
    loop {
        match socket.send(bytes, to, None) {
            Ok(()) => return Ok(()),
            // Not worth an epoll registration of its own: hundreds of these small datagrams fit into the buffer.
            Err(Errno::EAGAIN) => tokio::time::sleep(Duration::from_millis(1)).await,
            Err(errno) => return Err(Missed::system(errno)),
        }
    }
}
