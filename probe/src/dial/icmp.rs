//! ICMP echo over one socket.
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};

use super::in_flight::InFlight;
use super::udp::send;
use super::{Missed, Outcome, Reply};
use crate::Failure;
use crate::echo::{Direction, Echo, HEADER, Pinger};
use crate::message::{MAX_MESSAGE, Message, nonce_of};

/// The socket of one family, and the requests in flight on it. The sequence number is the low half of the nonce.
pub(super) struct Line {
    pinger: Pinger,
    v6: bool,
    in_flight: InFlight,
}

impl Line {
    pub(super) fn open(v6: bool) -> io::Result<Self> {
        Ok(Line {
            pinger: Pinger::open(v6)?,
            v6,
            in_flight: InFlight::default(),
        })
    }

    pub(super) async fn attempt(&self, nonce: u64, name: &str, to: IpAddr) -> Outcome {
        let to = SocketAddr::new(to, 0);
        let waiting = self.in_flight.begin(nonce, to);
        let payload = Message::Hello { nonce, name }.encode();
        let request = Echo {
            direction: Direction::Request,
            ident: self.pinger.ident,
            sequence: nonce as u16,
            payload: &payload,
        };
        send(&self.pinger.socket, &request.encode(self.v6), to).await?;
        waiting.outcome().await
    }

    pub(super) fn repeated(&self) -> BTreeMap<IpAddr, u32> {
        self.in_flight.repeated()
    }

    /// Hands out what comes back, forever.
    pub(super) async fn read(&self) {
        // A raw IPv4 socket hands out the IP header as well, of at most 60 bytes.
        let mut buffer = [0; 60 + HEADER + MAX_MESSAGE];
        loop {
            let Ok(mut guard) = self.pinger.socket.ready().await else {
                return;
            };
            while let Some(notice) = self.pinger.socket.notice(&mut buffer) {
                // The quotation begins with the request's ICMP header, whose identifier a raw socket must look at.
                if let Some(request) = Echo::decode(&buffer[..notice.quoted], self.v6)
                    && request.direction == Direction::Request
                    && request.ident == self.pinger.ident
                {
                    match nonce_of(request.payload) {
                        Some(nonce) => self.in_flight.fail(&notice, Some(nonce)),
                        None => self
                            .in_flight
                            .fail(&notice, self.in_flight.with_low_bits(request.sequence)),
                    }
                }
            }
            while let Some(arrival) = self.pinger.socket.receive(&mut buffer) {
                let received = &buffer[..arrival.len.min(buffer.len())];
                if let Some(reply) = Echo::decode(self.pinger.packet(received, self.v6), self.v6)
                    && reply.direction == Direction::Reply
                    && reply.ident == self.pinger.ident
                {
                    self.end(&reply, arrival.to, arrival.from.ip());
                }
            }
            guard.clear_ready();
        }
    }

    fn end(&self, reply: &Echo<'_>, local: IpAddr, reply_from: IpAddr) {
        match Message::decode(reply.payload) {
            Ok(Message::Hello { nonce, .. }) if nonce as u16 == reply.sequence => {
                self.in_flight.end(
                    nonce,
                    Ok(Reply {
                        local,
                        responder: None,
                        seen_as: None,
                        reply_from,
                        retransmits: 0,
                    }),
                );
            }
            _ => {
                let missed = Missed::new(
                    Failure::BadAnswer,
                    "an echo reply that carries something else",
                );
                self.in_flight
                    .end_where(|nonce, _| nonce as u16 == reply.sequence, &missed);
            }
        }
    }
}
