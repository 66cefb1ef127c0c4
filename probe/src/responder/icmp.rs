//! Watches for echo requests of probes; the kernel answers them.
use std::io;
use std::rc::Rc;

use super::{State, TURN, widen};
use crate::Transport;
use crate::datagram::Datagrams;
use crate::echo::{Direction, Echo, HEADER, after_ip_header, raw};
use crate::message::{MAX_MESSAGE, Message};

/// The longest IPv4 header, which a raw socket hands out with the packet.
const IP_HEADER: usize = 60;

/// A socket that is handed echo requests.
pub(super) struct Watch {
    socket: Datagrams,
    v6: bool,
    state: Rc<State>,
}

impl Watch {
    /// Needs CAP_NET_RAW.
    pub(super) fn open(v6: bool, state: Rc<State>) -> io::Result<Self> {
        let socket = raw(v6, Direction::Request, false)?;
        widen(&socket);
        Ok(Watch { socket, v6, state })
    }

    /// Records requests forever.
    pub(super) async fn run(&self) {
        while let Ok(mut guard) = self.socket.ready().await {
            if let Queue::Empty = self.note(TURN) {
                guard.clear_ready();
            }
            tokio::task::yield_now().await;
        }
    }

    /// Records at most so many of the requests that are there.
    pub(super) fn note(&self, most: usize) -> Queue {
        let mut buffer = [0; IP_HEADER + HEADER + MAX_MESSAGE];
        for _ in 0..most {
            let Some(arrival) = self.socket.receive(&mut buffer) else {
                return Queue::Empty;
            };
            let received = &buffer[..arrival.len.min(buffer.len())];
            let packet = if self.v6 {
                received
            } else {
                after_ip_header(received)
            };
            if let Some(Echo {
                direction: Direction::Request,
                payload,
                ..
            }) = Echo::decode(packet, self.v6)
                && let Ok(Message::Hello { nonce, name }) = Message::decode(payload)
            {
                self.state.received.borrow_mut().note(
                    Transport::Icmp,
                    name,
                    arrival.from.ip(),
                    arrival.to,
                    nonce,
                );
            }
        }
        Queue::MayHoldMore
    }
}

/// What is left in a socket's queue.
pub(super) enum Queue {
    Empty,
    MayHoldMore,
}
