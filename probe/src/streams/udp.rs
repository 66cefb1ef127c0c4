//! A stream of datagrams.
use nix::errno::Errno;
use socket2::{Domain, Protocol, Type};

use super::Stream;
use super::tally::Answer;
use crate::awake::{micros, now_us};
use crate::datagram::Datagrams;
use crate::error::{errno_words, words};
use crate::message::{MAX_MESSAGE, Message};

/// A socket and where it sends.
pub(super) struct Line {
    socket: Datagrams,
    stream: Stream,
}

impl Line {
    pub(super) fn open(stream: Stream) -> Result<Self, String> {
        let domain = match stream.to.is_ipv6() {
            true => Domain::IPV6,
            false => Domain::IPV4,
        };
        let open = || {
            let socket = Datagrams::open(domain, Type::DGRAM, Protocol::UDP, true)?;
            socket.stamp()?;
            Ok(socket)
        };
        let socket = open().map_err(|error: std::io::Error| words(&error))?;
        Ok(Line { socket, stream })
    }

    /// Sends and receives until it is aborted.
    pub(super) async fn run(self) {
        let mut ticks = self.stream.ticks();
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    if self.stream.sends() {
                        self.send();
                    }
                    // What has come is not lost, however long this end did not run.
                    self.receive();
                    self.stream.tally.borrow_mut().settle(now_us());
                }
                ready = self.socket.ready() => {
                    let Ok(mut guard) = ready else { return };
                    self.receive();
                    guard.clear_ready();
                }
            }
        }
    }

    fn send(&self) {
        let mut tally = self.stream.tally.borrow_mut();
        let number = tally.send(now_us());
        let nonce = self.stream.nonce;
        let message = Message::Number { nonce, number }.encode();
        match self.socket.send(&message, self.stream.to, None) {
            Ok(()) => {}
            Err(Errno::EAGAIN) => tally.refused("the send buffer is full".to_owned()),
            Err(errno) => tally.refused(errno_words(errno)),
        }
    }

    fn receive(&self) {
        let mut buffer = [0; MAX_MESSAGE];
        // Errors that came back: what they are about gets no answer.
        while self.socket.notice(&mut buffer).is_some() {}
        while let Some(arrival) = self.socket.receive(&mut buffer) {
            let received = &buffer[..arrival.len.min(MAX_MESSAGE)];
            let Ok(Message::Counted {
                nonce,
                number,
                count,
                kept_us,
            }) = Message::decode(received)
            else {
                continue;
            };
            if nonce != self.stream.nonce {
                continue;
            }
            self.stream.tally.borrow_mut().answered(Answer {
                number,
                at: arrival.at.map_or_else(now_us, micros),
                count,
                kept: kept_us.into(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::net::UdpSocket;
    use std::rc::Rc;
    use std::time::Duration;

    use flatnet_model::probe::StreamReport;
    use tokio::task::{LocalSet, spawn_local};
    use tokio::time::{Instant, sleep};

    use super::super::tally::Tally;
    use super::*;
    use crate::{DialRequest, Transport};

    /// Answers each number some time after it came.
    fn serve(socket: UdpSocket) {
        let mut buffer = [0; MAX_MESSAGE];
        let mut count = 0;
        while let Ok((len, from)) = socket.recv_from(&mut buffer) {
            let Ok(Message::Number { nonce, number }) = Message::decode(&buffer[..len]) else {
                continue;
            };
            count += 1;
            let kept_us = 0;
            let answer = Message::Counted {
                nonce,
                number,
                count,
                kept_us,
            }
            .encode();
            let socket = socket.try_clone().unwrap();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(30));
                socket.send_to(&answer, from).unwrap();
            });
        }
    }

    #[tokio::test]
    async fn an_answer_that_came_while_this_end_did_not_run_is_not_lost() {
        let stopped = Rc::new(Cell::new(false));
        let mut tallies = Vec::new();
        let lines = (0..8).map(|nonce| {
            let server = UdpSocket::bind("127.0.0.1:0").unwrap();
            let to = server.local_addr().unwrap();
            std::thread::spawn(move || serve(server));
            let request = DialRequest {
                address: to.ip(),
                transport: Transport::Udp,
                port: to.port(),
            };
            let tally = Rc::new(RefCell::new(Tally::new(request, 10_000, 100_000)));
            tallies.push(Rc::clone(&tally));
            Line::open(Stream {
                nonce,
                to,
                every: Duration::from_millis(10),
                until: Instant::now() + Duration::from_secs(60),
                stopped: Rc::clone(&stopped),
                tally,
            })
        });
        let lines: Vec<Line> = lines.map(Result::unwrap).collect();
        let running = async {
            for line in lines {
                spawn_local(line.run());
            }
            sleep(Duration::from_millis(100)).await;
            // Nothing on this thread runs.
            std::thread::sleep(Duration::from_micros(StreamReport::LATE_US + 100_000));
            sleep(Duration::from_millis(50)).await;
            stopped.set(true);
            sleep(Duration::from_millis(200)).await;
        };
        LocalSet::new().run_until(running).await;
        for tally in tallies {
            let report = tally.borrow().report(now_us());
            assert!(report.sent > 5, "{report:?}");
            assert_eq!((report.lost(), report.duplicates), (0, 0), "{report:?}");
        }
    }
}
