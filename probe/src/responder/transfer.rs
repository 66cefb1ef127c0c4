//! The far end of a transfer: says how much of the client's data arrived, and sends as much back.
use std::io;
use std::net;
use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::data::{Arrived, CHUNK, MOST_BYTES, data, mss};
use crate::message::Message;

/// Data that stalls is awaited for so long at most, whatever the client says.
const MOST_PATIENCE: Duration = Duration::from_secs(10);

/// What a client has announced.
#[derive(Clone, Copy)]
pub(super) struct Announced {
    pub(super) nonce: u64,
    pub(super) bytes: u32,
    pub(super) stall_ms: u32,
}

/// Receives what was announced, says what came, and sends the same; a connection that ends before says enough by that.
pub(super) async fn serve(socket: OwnedFd, announced: Announced) {
    let _ = exchange(socket, announced).await;
}

async fn exchange(socket: OwnedFd, announced: Announced) -> io::Result<()> {
    let socket = net::TcpStream::from(socket);
    socket.set_nonblocking(true)?;
    let mut stream = TcpStream::from_std(socket)?;
    // What is short is to travel in packets of its own.
    stream.set_nodelay(true)?;
    let patience = Duration::from_millis(announced.stall_ms.into()).min(MOST_PATIENCE);
    let wanted = usize::try_from(announced.bytes).map_or(MOST_BYTES, |bytes| bytes.min(MOST_BYTES));
    let mut arrived = Arrived::default();
    say(&mut stream, announced.nonce, arrived).await?;
    let mut buffer = vec![0; CHUNK];
    while arrived.bytes < wanted && !arrived.altered {
        match timeout(patience, stream.read(&mut buffer)).await {
            Ok(read) => match read? {
                0 => return Ok(()),
                got => arrived.add(&buffer[..got]),
            },
            Err(_) => break,
        }
    }
    say(&mut stream, announced.nonce, arrived).await?;
    if arrived.bytes == wanted && !arrived.altered {
        // As much as fits is on its way when this is given up; the client sees what came of it.
        let _ = timeout(2 * patience, stream.write_all(data(wanted))).await;
    }
    Ok(())
}

async fn say(stream: &mut TcpStream, nonce: u64, arrived: Arrived) -> io::Result<()> {
    let message = Message::Arrived {
        nonce,
        // No more than was announced, which is a u32.
        bytes: arrived.bytes as u32,
        altered: arrived.altered,
        mss: mss(stream)?,
    };
    stream.write_all(&message.encode()).await
}
