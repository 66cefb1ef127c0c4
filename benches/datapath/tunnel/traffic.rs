//! Traffic between two namespaces: a stream as fast as it goes, and small datagrams as many as go. Bounded by time.
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use crate::outcome::{Failure, Result};
use crate::sandbox::Netns;

/// Bytes of one write or read of a stream.
const CHUNK: usize = 128 * 1024;
/// Bytes of one datagram.
const DATAGRAM: usize = 64;
/// A stream that carries nothing for so long is broken.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bits in a second over one TCP stream from `from` to `to`, which has `address`.
pub(super) fn stream(from: &Netns, to: &Netns, address: IpAddr, lasting: Duration) -> Result<f64> {
    let listener =
        to.within(|| TcpListener::bind((address, 0)).map_err(Failure::broken("listen in a pod")))?;
    let at = listener
        .local_addr()
        .map_err(Failure::broken("listen in a pod"))?;
    let mut sender = from.within(|| {
        TcpStream::connect_timeout(&at, PATIENCE)
            .map_err(Failure::broken(format!("connect to {at}")))
    })?;
    let (mut receiver, _) = listener
        .accept()
        .map_err(Failure::broken("accept in a pod"))?;
    let limit = |stream: &TcpStream| {
        stream
            .set_read_timeout(Some(PATIENCE))
            .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
    };
    limit(&sender)
        .and_then(|()| limit(&receiver))
        .map_err(Failure::broken("limit a stream"))?;
    thread::scope(|scope| {
        let sending = scope.spawn(move || {
            let chunk = vec![0x5a; CHUNK];
            let start = Instant::now();
            while start.elapsed() < lasting {
                sender.write_all(&chunk)?;
            }
            sender.shutdown(std::net::Shutdown::Write)
        });
        let mut chunk = vec![0; CHUNK];
        let (start, mut bytes) = (Instant::now(), 0_usize);
        let received = loop {
            match receiver.read(&mut chunk) {
                Ok(0) => break Ok(bytes),
                Ok(more) => bytes += more,
                Err(error) => break Err(error),
            }
        };
        let elapsed = start.elapsed();
        let sent = sending
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        sent.map_err(Failure::broken("send a stream"))?;
        let bytes = received.map_err(Failure::broken("receive a stream"))?;
        Ok(bytes as f64 * 8.0 / elapsed.as_secs_f64())
    })
}

/// Datagrams that reach the interface of `to`, which has `address`, in a second of the sender's processor time. With
/// veth the whole way, both nodes included, is walked within the sender's call, so on an idle machine that is a second of
/// anybody's; on a busy one it leaves out the time that others had. They end in the buffer of a socket that is never read:
/// it is the way that is measured, not the reader.
pub(super) fn datagrams(
    from: &Netns,
    to: &Netns,
    address: IpAddr,
    lasting: Duration,
) -> Result<f64> {
    let bind = |at: IpAddr| {
        UdpSocket::bind(SocketAddr::new(at, 0))
            .map_err(Failure::broken("bind a datagram socket in a pod"))
    };
    let receiver = to.within(|| bind(address))?;
    let at = receiver
        .local_addr()
        .map_err(Failure::broken("bind a datagram socket"))?;
    let sender = from.within(|| bind(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))?;
    sender
        .connect(at)
        .map_err(Failure::broken("connect a datagram socket"))?;
    let before = arrivals(to)?;
    let start = processor_time()?;
    send_for(&sender, lasting).map_err(Failure::broken("send datagrams"))?;
    let spent = processor_time()? - start;
    Ok((arrivals(to)? - before) as f64 / spent.as_secs_f64())
}

/// What the calling thread has had of a processor (the first number of its schedstat, nanoseconds; proc(5)).
fn processor_time() -> Result<Duration> {
    let file = "/proc/thread-self/schedstat";
    let text = std::fs::read_to_string(file).map_err(Failure::broken(format!("read {file}")))?;
    let first = text
        .split(' ')
        .next()
        .and_then(|number| number.parse().ok());
    first
        .map(Duration::from_nanos)
        .ok_or_else(|| Failure::Broken(format!("{file} does not begin with a number")))
}

fn send_for(sender: &UdpSocket, lasting: Duration) -> std::io::Result<()> {
    let start = Instant::now();
    while start.elapsed() < lasting {
        // Reading the clock is not free.
        for _ in 0..64 {
            match sender.send(&[0x5a; DATAGRAM]) {
                // The device's queue is full; what it holds goes out meanwhile.
                Err(error) if error.raw_os_error() != Some(nix::libc::ENOBUFS) => {
                    return Err(error);
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Packets that the pod's interface has received so far.
fn arrivals(pod: &Netns) -> Result<u64> {
    let link = pod
        .route()?
        .link("eth0")
        .map_err(Failure::broken("read a pod's counters"))?;
    link.map(|link| link.stats.rx_packets)
        .ok_or_else(|| Failure::Broken("the pod's interface is gone".to_owned()))
}
