//! Data over TCP, enough to fill segments: to a responder, and as much back.
use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use flatnet_model::probe::{Transfer, TransferCut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::pace::Pace;
use super::{MOST_WORKERS, Missed, Nonces, tcp};
use crate::data::{Arrived, CHUNK, MOST_BYTES, data, mss, unacknowledged};
use crate::message::{ARRIVED, Message};
use crate::{Failure, ask};

/// All targets, some at a time; the results are in their order.
pub(crate) async fn transfer(asked: ask::Transfer) -> Vec<Transfer> {
    let pace = Rc::new(Pace::new(asked.at_once.clamp(1, MOST_WORKERS)));
    let keeper = Rc::clone(&pace);
    let mut keeping = JoinSet::new();
    keeping.spawn_local(async move { keeper.keep().await });
    let nonces = Nonces::default();
    let mut running = JoinSet::new();
    for (index, target) in asked.targets.into_iter().enumerate() {
        let exchange = Exchange {
            pace: Rc::clone(&pace),
            nonce: nonces.next(),
            bytes: usize::try_from(asked.bytes).map_or(MOST_BYTES, |n| n.clamp(1, MOST_BYTES)),
            stall_ms: asked.stall_ms,
        };
        running.spawn_local(async move {
            let _turn = exchange.pace.turn().await;
            let to = SocketAddr::new(target.ip().to_canonical(), target.port());
            let transfer = exchange.with(to).await;
            let detail = |missed: Missed| Transfer::Failed {
                detail: missed.detail,
            };
            (index, transfer.unwrap_or_else(detail))
        });
    }
    let mut done = running.join_all().await;
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, transfer)| transfer).collect()
}

struct Exchange {
    pace: Rc<Pace>,
    nonce: u64,
    bytes: usize,
    stall_ms: u32,
}

impl Exchange {
    /// For data that stalls. The other end waits as long, and then says so.
    fn patience(&self) -> Duration {
        Duration::from_millis(self.stall_ms.into())
    }

    async fn with(&self, to: SocketAddr) -> Result<Transfer, Missed> {
        let io = |error: io::Error| Missed::io(&error);
        let short = async {
            let mut stream = tcp::socket(to)?.connect(to).await.map_err(io)?;
            // What is short is to travel in packets of its own.
            stream.set_nodelay(true).map_err(io)?;
            let announce = Message::Transfer {
                nonce: self.nonce,
                bytes: self.bytes as u32,
                stall_ms: self.stall_ms,
            };
            stream.write_all(&announce.encode()).await.map_err(io)?;
            let (_, mss) = self.report(&mut stream).await?;
            Ok((stream, mss))
        };
        let silent = || Missed::new(Failure::TimedOut, "no answer before any data was sent");
        let short = self.pace.within(2 * self.patience(), short).await;
        let (mut stream, mss_back) = short.ok_or_else(silent)??;
        let own_mss = mss(&stream).map_err(io)?;
        match self.there(&mut stream).await.map_err(io)? {
            (Some(arrived), _) if arrived.bytes == self.bytes && !arrived.altered => {}
            (None, acked) if acked == self.bytes => {
                return Err(Missed::new(
                    Failure::TimedOut,
                    "data was acknowledged, and the responder did not say that it had it",
                ));
            }
            (arrived, acked) => {
                return Ok(Transfer::TransferCut(TransferCut {
                    back: false,
                    altered: arrived.is_some_and(|arrived| arrived.altered),
                    arrived: arrived.map(|arrived| arrived.bytes as u32),
                    acked: Some(acked as u32),
                    mss: own_mss,
                }));
            }
        }
        let arrived = self.back(&mut stream).await;
        Ok(match arrived.bytes == self.bytes && !arrived.altered {
            true => Transfer::Passed,
            false => Transfer::TransferCut(TransferCut {
                back: true,
                altered: arrived.altered,
                arrived: Some(arrived.bytes as u32),
                acked: None,
                mss: mss_back,
            }),
        })
    }

    /// Sends the data: what the other end said to have of it, if it did, and how much our kernel knows to have arrived there.
    async fn there(&self, stream: &mut TcpStream) -> io::Result<(Option<Arrived>, usize)> {
        let socket: OwnedFd = stream.as_fd().try_clone_to_owned()?;
        let written = Cell::new(0_usize);
        let acknowledged =
            || unacknowledged(&socket).map(|left| written.get().saturating_sub(left));
        let (mut reader, mut writer) = stream.split();
        let send = async {
            while written.get() < self.bytes {
                match writer.write(&data(self.bytes)[written.get()..]).await {
                    Ok(more) => written.set(written.get() + more),
                    // What it was reset by, the other half tells.
                    Err(_) => break,
                }
            }
        };
        let exchange = async {
            let report = self.report(&mut reader);
            tokio::pin!(report);
            tokio::select! {
                biased;
                said = &mut report => said,
                () = send => report.await,
            }
        };
        tokio::pin!(exchange);
        let mut before = 0;
        loop {
            // The other end says that data stalls after it has waited itself.
            let said = self.pace.within(2 * self.patience(), &mut exchange).await;
            // A connection that was reset acknowledges nothing any more.
            let acked = acknowledged().unwrap_or(before);
            match said {
                Some(said) => return Ok((said.ok().map(|(arrived, _)| arrived), acked)),
                None if acked > before => before = acked,
                None => return Ok((None, acked)),
            }
        }
    }

    /// Receives as much.
    async fn back(&self, stream: &mut TcpStream) -> Arrived {
        let mut arrived = Arrived::default();
        let mut buffer = vec![0; CHUNK];
        while arrived.bytes < self.bytes && !arrived.altered {
            let read = stream.read(&mut buffer);
            match self.pace.within(self.patience(), read).await {
                Some(Ok(got)) if got > 0 => arrived.add(&buffer[..got]),
                _ => break,
            }
        }
        arrived
    }

    /// How much the other end says to have, and the MSS with which it sends.
    async fn report(
        &self,
        stream: &mut (impl AsyncRead + Unpin),
    ) -> Result<(Arrived, u32), Missed> {
        // No byte more: data may follow.
        let mut buffer = [0; ARRIVED];
        let read = stream.read_exact(&mut buffer).await;
        read.map_err(|error| Missed::io(&error))?;
        match Message::decode(&buffer) {
            Ok(Message::Arrived {
                nonce,
                bytes,
                altered,
                mss,
            }) if nonce == self.nonce => {
                let bytes = bytes as usize;
                Ok((Arrived { bytes, altered }, mss))
            }
            Ok(_) => Err(Missed::new(
                Failure::BadAnswer,
                "a message that is not about this transfer",
            )),
            Err(error) => Err(Missed::new(Failure::BadAnswer, error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use tokio::runtime::{Builder, LocalOptions};

    use super::*;

    /// What a client finds whose responder says to have that much, and sends that back.
    fn found(bytes: usize, altered: bool, back: Vec<u8>) -> Transfer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let to = listener.local_addr().expect("its address");
        let server = thread::spawn(move || {
            let (mut client, _) = listener.accept().expect("a connection");
            let mut announced = [0; 23];
            client.read_exact(&mut announced).expect("an announcement");
            let Ok(Message::Transfer { nonce, .. }) = Message::decode(&announced) else {
                panic!("not an announcement")
            };
            let said = |bytes: usize, altered| Message::Arrived {
                nonce,
                bytes: bytes as u32,
                altered,
                mss: 1_448,
            };
            client.write_all(&said(0, false).encode()).expect("ready");
            let mut came = vec![0; 1_000];
            client.read_exact(&mut came).expect("data");
            assert_eq!(came, data(1_000));
            client
                .write_all(&said(bytes, altered).encode())
                .expect("a report");
            client.write_all(&back).expect("data back");
        });
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default())
            .expect("a runtime");
        let asked = ask::Transfer {
            targets: vec![to],
            bytes: 1_000,
            stall_ms: 5_000,
            at_once: 1,
        };
        let mut found = runtime.block_on(transfer(asked));
        server.join().expect("the server");
        found.remove(0)
    }

    #[test]
    fn another_byte_is_told_with_those_before_it() {
        assert_eq!(found(1_000, false, data(1_000).to_vec()), Transfer::Passed);
        let Transfer::TransferCut(there) = found(70, true, Vec::new()) else {
            panic!("it passed")
        };
        let told = (there.back, there.altered, there.arrived);
        assert_eq!(told, (false, true, Some(70)));
        let mut other = data(1_000).to_vec();
        other[300] ^= 1;
        let back = TransferCut {
            back: true,
            altered: true,
            arrived: Some(300),
            acked: None,
            mss: 1_448,
        };
        assert_eq!(found(1_000, false, other), Transfer::TransferCut(back));
    }
}
