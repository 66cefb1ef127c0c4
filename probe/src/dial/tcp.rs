//! One TCP exchange.
use std::net::SocketAddr;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::{Missed, Outcome, Reply};
use crate::Failure;
use crate::data::tcp_info;
use crate::message::{MAX_MESSAGE, Message, lacking};

pub(super) async fn attempt(nonce: u64, name: &str, to: SocketAddr) -> Outcome {
    let socket = socket(to)?;
    // The handshake's last acknowledgement travels with the hello, and the answer's with the reset.
    SockRef::from(&socket)
        .set_tcp_quickack(false)
        .map_err(|error| Missed::io(&error))?;
    let mut stream = socket
        .connect(to)
        .await
        .map_err(|error| Missed::io(&error))?;
    stream
        .write_all(&Message::Hello { nonce, name }.encode())
        .await
        .map_err(|error| Missed::io(&error))?;
    let mut buffer = [0; MAX_MESSAGE];
    match Message::decode(answer(&mut stream, &mut buffer).await?) {
        Ok(Message::Answer {
            nonce: echoed,
            seen_as,
            name,
        }) if echoed == nonce => {
            let local = stream
                .local_addr()
                .map_err(|error| Missed::io(&error))?
                .ip();
            Ok(Reply {
                local,
                responder: Some(name.to_owned()),
                seen_as: Some(seen_as),
                reply_from: to.ip(),
                retransmits: retransmits(&stream).map_err(|error| Missed::io(&error))?,
            })
        }
        Ok(Message::Answer { .. }) => Err(Missed::new(
            Failure::BadAnswer,
            "an answer to another question (wrong nonce)",
        )),
        Ok(_) => Err(Missed::new(
            Failure::BadAnswer,
            "a message that is not an answer",
        )),
        Err(error) => Err(Missed::new(Failure::BadAnswer, error.to_string())),
    }
}

/// A socket for a connection to that address.
pub(super) fn socket(to: SocketAddr) -> Result<TcpSocket, Missed> {
    let socket = if to.is_ipv6() {
        TcpSocket::new_v6()
    } else {
        TcpSocket::new_v4()
    };
    let socket = socket.map_err(|error| Missed::no_socket(&error))?;
    // A reset instead of a leave-taking: no TIME_WAIT here or there, and no connection tracking entry that lingers for
    // two minutes, however many thousand dials there are.
    socket
        .set_zero_linger()
        .map_err(|error| Missed::io(&error))?;
    Ok(socket)
}

/// Segments that this end sent again so far, the SYN included.
pub(crate) fn retransmits(stream: &TcpStream) -> std::io::Result<u32> {
    Ok(tcp_info(stream)?.tcpi_total_retrans)
}

/// Reads until the bytes make a message.
async fn answer<'a>(
    stream: &mut TcpStream,
    buffer: &'a mut [u8; MAX_MESSAGE],
) -> Result<&'a [u8], Missed> {
    let mut filled = 0;
    loop {
        let bad = |error: crate::Error| Missed::new(Failure::BadAnswer, error.to_string());
        let lacks = lacking(&buffer[..filled]).map_err(bad)?;
        if lacks == 0 {
            return Ok(&buffer[..filled]);
        }
        match stream.read(&mut buffer[filled..]).await {
            Ok(0) => {
                return Err(Missed::new(
                    Failure::BadAnswer,
                    format!("connection closed after {filled} bytes of an answer"),
                ));
            }
            Ok(got) => filled += got,
            Err(error) => return Err(Missed::io(&error)),
        }
    }
}
