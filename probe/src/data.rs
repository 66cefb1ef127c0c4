//! The data of transfers, which both ends know, and what the kernel tells of a connection.
use std::io;
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::libc;

/// Data of one direction, at most.
pub(crate) const MOST_BYTES: usize = 65_536;

/// How much of it is read at a time.
pub(crate) const CHUNK: usize = 16_384;

/// No two segments of it are alike: what was sent is told from what came in its place.
static DATA: [u8; MOST_BYTES] = {
    let mut bytes = [0; MOST_BYTES];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut at = 0;
    while at < MOST_BYTES {
        // xorshift64 (Marsaglia 2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes[at] = (state >> 32) as u8;
        at += 1;
    }
    bytes
};

/// The first `bytes` of the data; all of it where that is more.
pub(crate) fn data(bytes: usize) -> &'static [u8] {
    &DATA[..bytes.min(MOST_BYTES)]
}

/// How much of the data has arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arrived {
    /// Bytes that were those expected.
    pub(crate) bytes: usize,
    /// One that was not came after them.
    pub(crate) altered: bool,
}

impl Arrived {
    /// Takes what came next.
    pub(crate) fn add(&mut self, came: &[u8]) {
        let expected = &DATA[self.bytes..];
        let same = match expected.get(..came.len()) == Some(came) {
            true => came.len(),
            false => {
                let pairs = came.iter().zip(expected);
                pairs
                    .take_while(|(came, expected)| came == expected)
                    .count()
            }
        };
        self.bytes += same;
        self.altered = same < came.len();
    }
}

/// What the kernel tells of a connection (tcp(7), TCP_INFO; struct tcp_info of linux/tcp.h).
pub(crate) fn tcp_info(socket: &impl AsFd) -> io::Result<libc::tcp_info> {
    // SAFETY: all bytes zero are a valid `tcp_info`.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut len = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: `info` lives across the call, and `len` is its own length.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            std::ptr::from_mut(&mut info).cast(),
            &mut len,
        )
    };
    Errno::result(result)?;
    Ok(info)
}

/// The largest payload of a segment that the kernel sends on a connection, bytes.
pub(crate) fn mss(socket: &impl AsFd) -> io::Result<u32> {
    Ok(tcp_info(socket)?.tcpi_snd_mss)
}

/// Bytes written to a connection that its other end has not acknowledged (tcp(7), SIOCOUTQ).
pub(crate) fn unacknowledged(socket: &impl AsFd) -> io::Result<usize> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the request writes one int, and `bytes` lives across the call.
    let result = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    Errno::result(result)?;
    Ok(usize::try_from(bytes).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrives_is_compared_with_what_was_sent() {
        let mut arrived = Arrived::default();
        arrived.add(&data(MOST_BYTES)[..100]);
        arrived.add(&data(MOST_BYTES)[100..1_500]);
        let whole = Arrived {
            bytes: 1_500,
            altered: false,
        };
        assert_eq!(arrived, whole);
        let mut other = data(1_600)[1_500..].to_vec();
        other[30] ^= 1;
        arrived.add(&other);
        let altered = Arrived {
            bytes: 1_530,
            altered: true,
        };
        assert_eq!(arrived, altered);
    }

    #[test]
    fn more_than_was_to_come_is_another() {
        let mut arrived = Arrived::default();
        arrived.add(data(MOST_BYTES));
        arrived.add(b"x");
        assert_eq!((arrived.bytes, arrived.altered), (MOST_BYTES, true));
    }
}
