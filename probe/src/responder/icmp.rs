//! Watches for echo requests of probes; the kernel answers them.
use std::io;
use std::rc::Rc;

use super::{State, TURN};
use crate::Transport;
use crate::datagram::Datagrams;
use crate::echo::{Direction, Echo, HEADER, after_ip_header, raw};
use crate::message::{MAX_MESSAGE, Message};

/// The longest IPv4 header, which a raw socket hands out with the packet.
const IP_HEADER: usize = 60;

/// Needs CAP_NET_RAW.
pub(super) fn open(v6: bool) -> io::Result<Datagrams> {
    raw(v6, Direction::Request, false)
}

/// Notes requests for ever.
pub(super) async fn watch(socket: Datagrams, v6: bool, state: Rc<State>) {
    let mut buffer = [0; IP_HEADER + HEADER + MAX_MESSAGE];
    loop {
        let Ok(mut guard) = socket.ready().await else {
            return;
        };
        for _ in 0..TURN {
            let Some(arrival) = socket.receive(&mut buffer) else {
                guard.clear_ready();
                break;
            };
            let received = &buffer[..arrival.len.min(buffer.len())];
            let packet = if v6 {
                received
            } else {
                after_ip_header(received)
            };
            if let Some(Echo {
                direction: Direction::Request,
                payload,
                ..
            }) = Echo::decode(packet, v6)
                && let Ok(Message::Hello { name, .. }) = Message::decode(payload)
            {
                state
                    .seen
                    .borrow_mut()
                    .note(Transport::Icmp, name, arrival.from.ip(), arrival.to);
            }
        }
        tokio::task::yield_now().await;
    }
}
