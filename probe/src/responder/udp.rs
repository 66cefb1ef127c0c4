//! The UDP responder.
use std::rc::Rc;

use super::{State, TURN};
use crate::Transport;
use crate::datagram::Datagrams;
use crate::message::{MAX_MESSAGE, Message};

/// Answers forever, each datagram from the address it was sent to: a node has several, and the kernel's own choice
/// would look like a rewritten source to the client.
pub(super) async fn serve(socket: Datagrams, state: Rc<State>) {
    let mut buffer = [0; MAX_MESSAGE];
    loop {
        let Ok(mut guard) = socket.ready().await else {
            return;
        };
        for _ in 0..TURN {
            let Some(arrival) = socket.receive(&mut buffer) else {
                guard.clear_ready();
                break;
            };
            let source = arrival.from.ip();
            let answer = match Message::decode(&buffer[..arrival.len.min(MAX_MESSAGE)]) {
                Ok(Message::Hello { nonce, name }) => {
                    state.received.borrow_mut().note(
                        Transport::Udp,
                        name,
                        source,
                        arrival.to,
                        nonce,
                    );
                    Message::Answer {
                        nonce,
                        seen_as: source,
                        name: &state.name,
                    }
                    .encode()
                }
                Ok(Message::Sized { nonce }) => Message::Received {
                    nonce,
                    bytes: arrival.len as u32,
                }
                .encode(),
                Ok(Message::Number { nonce, number }) => {
                    let mut counts = state.counts.borrow_mut();
                    counts.answer(nonce, number, arrival.at)
                }
                _ => continue,
            };
            // A client that hears nothing asks again.
            let _ = socket.send(&answer, arrival.from, Some(arrival.to));
        }
        tokio::task::yield_now().await;
    }
}
