//! Says whether a network is flat, without a line of flatnet: `busybox ping`, and sockets of the standard library. One process in
//! the network namespace of each pod and node answers and dials, and is this test program, started with other variables.
use std::collections::BTreeMap;
use std::io::{BufRead, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use nix::libc;
use serde::{Deserialize, Serialize};

/// Set for the process in a namespace: how it calls itself, and the addresses at which it answers.
pub(crate) const NAME: &str = "FLATNET_ORACLE_NAME";
pub(crate) const ADDRESSES: &str = "FLATNET_ORACLE_ADDRESSES";
/// Where it answers.
pub(crate) const PORT: &str = "FLATNET_ORACLE_PORT";
/// In pods beside the port of flatnet's own responders: rules that match ports match both.
pub(crate) const POD_PORT: u16 = 7412;
/// On nodes one that no rule matches: flatnet's responders there listen where the kernel lets them.
pub(crate) const NODE_PORT: u16 = 7502;
/// A packet that needs longer was lost: nothing leaves the machine.
const WITHIN: Duration = Duration::from_secs(2);
/// Datagrams of one dial: of those that a rule drops at random some are lost.
const DATAGRAMS: usize = 4;
/// How long copies of answers may come after them.
const COPIES_WITHIN: Duration = Duration::from_millis(20);

/// What a process is asked to dial.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Dial {
    pub(crate) name: String,
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    /// Sources that the far end may see beside the client's own address.
    pub(crate) sources: Vec<IpAddr>,
    /// Also with the largest packet that the interface takes.
    pub(crate) large: bool,
}

/// A way of dialling that was not flat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NotFlat {
    pub(crate) name: String,
    pub(crate) address: IpAddr,
    /// `tcp`, `udp`, `large` or `icmp`.
    pub(crate) over: String,
    pub(crate) what: String,
}

/// The process in a namespace: answers, and dials what lines of its standard input say. Without its variables it has nothing to do.
#[test]
#[ignore = "the oracle's process in a namespace, which the other tests start"]
fn process() {
    let [Ok(name), Ok(addresses), Ok(port)] = [NAME, ADDRESSES, PORT].map(std::env::var) else {
        return;
    };
    let port = port.parse().expect("a port");
    for address in addresses.split(',') {
        let at = SocketAddr::new(address.parse().expect("an address"), port);
        answer_tcp(TcpListener::bind(at).expect("a listener"), name.clone());
        answer_udp(UdpSocket::bind(at).expect("a socket"), name.clone());
    }
    say(&"ready");
    for line in std::io::stdin().lock().lines() {
        let dials: Vec<Dial> = serde_json::from_str(&line.expect("a line")).expect("dials");
        let mtu = interface_mtu();
        let dialling: Vec<_> = dials
            .into_iter()
            .flat_map(|dial| {
                let over = ["tcp", "udp", "icmp", "large"].into_iter();
                let large = dial.large;
                let over = over.filter(move |over| *over != "large" || large);
                over.map(move |over| (dial.clone(), over))
            })
            .map(|(dial, over)| {
                thread::spawn(move || {
                    let result = match over {
                        "tcp" => dial_tcp(&dial),
                        "udp" => dial_udp(&dial, None),
                        "large" => dial_udp(&dial, Some(mtu)),
                        _ => ping(dial.address),
                    };
                    let what = result.err()?;
                    Some(NotFlat {
                        name: dial.name,
                        address: dial.address,
                        over: over.to_owned(),
                        what,
                    })
                })
            })
            .collect();
        let found = dialling
            .into_iter()
            .filter_map(|dial| dial.join().expect("a dial"));
        say(&found.collect::<Vec<NotFlat>>());
    }
}

/// The test harness prints lines of its own: those of the oracle begin with its mark.
pub(crate) const MARK: &str = "oracle ";

fn say(value: &impl Serialize) {
    let line = serde_json::to_string(value).expect("JSON");
    let mut out = std::io::stdout().lock();
    // After the words of the harness, which end without a newline.
    writeln!(out, "\n{MARK}{line}")
        .and_then(|()| out.flush())
        .expect("a reader");
}

fn answer_tcp(listener: TcpListener, name: String) {
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let name = name.clone();
            thread::spawn(move || {
                let Ok(peer) = stream.peer_addr() else { return };
                let _ = writeln!(stream, "{name} {}", peer.ip().to_canonical());
            });
        }
    });
}

/// Each answer says how often its datagram has come.
fn answer_udp(socket: UdpSocket, name: String) {
    let seen: Mutex<BTreeMap<Vec<u8>, usize>> = Mutex::default();
    thread::spawn(move || {
        let mut buffer = vec![0; 70_000];
        loop {
            // An ICMP error about an answer is an error of the next call.
            let Ok((size, peer)) = socket.recv_from(&mut buffer) else {
                continue;
            };
            let nonce = buffer[..size.min(NONCE)].to_vec();
            let mut seen = seen.lock().expect("the count");
            let times = seen.entry(nonce.clone()).or_default();
            *times += 1;
            let nonce = String::from_utf8_lossy(&nonce).into_owned();
            let text = format!("{nonce} {name} {} {times}", peer.ip().to_canonical());
            let _ = socket.send_to(text.as_bytes(), peer);
        }
    });
}

fn dial_tcp(dial: &Dial) -> Result<(), String> {
    let at = SocketAddr::new(dial.address, dial.port);
    let mut stream = TcpStream::connect_timeout(&at, WITHIN).map_err(|e| e.to_string())?;
    stream
        .set_read_timeout(Some(WITHIN))
        .map_err(|e| e.to_string())?;
    let own = stream.local_addr().map_err(|e| e.to_string())?.ip();
    let mut text = String::new();
    stream
        .read_to_string(&mut text)
        .map_err(|e| e.to_string())?;
    met(text.trim(), dial, own)
}

/// Whether the right one answered and saw the client's own address, or one that it may see instead.
fn met(text: &str, dial: &Dial, own: IpAddr) -> Result<(), String> {
    let sources = dial.sources.iter().chain([&own]);
    let mut expected = sources.map(|source| format!("{} {source}", dial.name));
    match expected.any(|expected| text == expected) {
        true => Ok(()),
        false => Err(format!("answered {text:?} to {own}")),
    }
}

/// Bytes in front of a datagram that tell it from all others.
const NONCE: usize = 20;

fn dial_udp(dial: &Dial, mtu: Option<usize>) -> Result<(), String> {
    let any = match dial.address {
        IpAddr::V4(_) => "0.0.0.0:0",
        IpAddr::V6(_) => "[::]:0",
    };
    let failed = |e: std::io::Error| e.to_string();
    let socket = UdpSocket::bind(any).map_err(failed)?;
    socket
        .connect(SocketAddr::new(dial.address, dial.port))
        .map_err(failed)?;
    let own = socket.local_addr().map_err(failed)?.ip();
    let headers = match dial.address {
        IpAddr::V4(_) => 28,
        IpAddr::V6(_) => 48,
    };
    let size = mtu.map_or(NONCE, |mtu| mtu - headers);
    if mtu.is_some() {
        forbid_fragments(&socket, dial.address.is_ipv4()).map_err(failed)?;
    }
    let port = socket.local_addr().map_err(failed)?.port();
    let now = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap_or_default()
        .subsec_nanos();
    let count = if mtu.is_some() { 2 } else { DATAGRAMS };
    let mut waiting: BTreeMap<String, ()> = BTreeMap::new();
    for number in 0..count {
        let nonce = format!("{now:010}.{port:05}.{number:03}");
        let mut datagram = nonce.clone().into_bytes();
        datagram.resize(size, b'.');
        socket.send(&datagram).map_err(failed)?;
        waiting.insert(nonce, ());
    }
    let end = Instant::now() + WITHIN;
    let mut buffer = [0; 256];
    let mut copies_end = None;
    loop {
        let left = copies_end
            .unwrap_or(end)
            .saturating_duration_since(Instant::now());
        if left.is_zero() {
            return match waiting.len() {
                0 => Ok(()),
                lost => Err(format!("{lost} of {count} lost")),
            };
        }
        socket.set_read_timeout(Some(left)).map_err(failed)?;
        let size = match socket.recv(&mut buffer) {
            Ok(size) => size,
            Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock) => continue,
            Err(e) => return Err(e.to_string()),
        };
        let text = String::from_utf8_lossy(&buffer[..size]).into_owned();
        let (nonce, rest) = text.split_once(' ').unwrap_or_default();
        let (answer, times) = rest.rsplit_once(' ').unwrap_or_default();
        met(answer, dial, own)?;
        if times != "1" {
            return Err(format!("a datagram came {times} times"));
        }
        if waiting.remove(nonce).is_none() {
            return Err("an answer came twice".to_owned());
        }
        if waiting.is_empty() {
            copies_end = Some(Instant::now() + COPIES_WITHIN);
        }
    }
}

/// DF on each packet, whatever the kernel has learned of paths (`IP_PMTUDISC_PROBE`, ip(7)).
fn forbid_fragments(socket: &UdpSocket, v4: bool) -> std::io::Result<()> {
    let (level, option) = match v4 {
        true => (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER),
        false => (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER),
    };
    let probe: libc::c_int = 3;
    // SAFETY: the descriptor is open as long as `socket`, and the option takes an int.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const probe).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    match done {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// What is lost once only may have been late on a busy machine; what a rule loses at random is lost again, or of UDP.
fn ping(address: IpAddr) -> Result<(), String> {
    match pings(address, "2") {
        Err(why) if !why.contains(" 0 packets received") && !why.contains("duplicates") => {
            pings(address, "5")
        }
        other => other,
    }
}

fn pings(address: IpAddr, count: &str) -> Result<(), String> {
    let argv = ["ping", "-q", "-c", count, "-i", "0.1", "-W", "2", "-w", "3"];
    let done = Command::new("busybox")
        .args(argv)
        .arg(address.to_string())
        .output();
    let done = done.map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    let line = text
        .lines()
        .find(|line| line.contains("packets transmitted"));
    let line = line.unwrap_or_else(|| text.lines().last().unwrap_or_default());
    match line.contains(" 0% packet loss") && !line.contains("duplicates") {
        true => Ok(()),
        false => Err(format!(
            "{line}{}",
            String::from_utf8_lossy(&done.stderr).trim()
        )),
    }
}

/// MTU of the namespace's first interface beside loopback, in bytes.
fn interface_mtu() -> usize {
    let done = Command::new("ip")
        .args(["-o", "link", "show", "dev", "eth0"])
        .output();
    let text = done.map(|done| String::from_utf8_lossy(&done.stdout).into_owned());
    let text = text.unwrap_or_default();
    let mut words = text
        .split_whitespace()
        .skip_while(|word| *word != "mtu")
        .skip(1);
    words
        .next()
        .and_then(|mtu| mtu.parse().ok())
        .unwrap_or(1500)
}
