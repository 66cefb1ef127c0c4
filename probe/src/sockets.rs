//! Sockets of this network namespace, from /proc/net, and whose they are, from /proc/PID/fd (proc_net(5), proc_pid_fd(5)).
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use crate::error::{Error, Result};
use crate::processes;
use crate::{BoundSocket, Connection, Owner, Protocol, Sockets};

/// States of include/net/tcp_states.h; UDP borrows TCP_CLOSE for a socket without a peer.
const ESTABLISHED: u8 = 1;
const CLOSE: u8 = 7;
const LISTEN: u8 = 10;

/// A line of /proc/net/{tcp,tcp6,udp,udp6}.
#[derive(Debug, PartialEq)]
struct Line {
    local: SocketAddr,
    remote: SocketAddr,
    state: u8,
    inode: u64,
}

/// Everything bound here, and the connections of `ports`.
pub(crate) fn read(proc: &Path, ports: &[u16]) -> Result<Sockets> {
    let mut bound = Vec::new();
    let mut connected = Vec::new();
    for (file, protocol) in [
        ("tcp", Protocol::Tcp),
        ("tcp6", Protocol::Tcp),
        ("udp", Protocol::Udp),
        ("udp6", Protocol::Udp),
    ] {
        for line in lines(proc, file)? {
            match (protocol, line.state) {
                (Protocol::Tcp, LISTEN) | (Protocol::Udp, CLOSE) => bound.push((protocol, line)),
                (Protocol::Tcp, ESTABLISHED)
                    if ports.contains(&line.local.port())
                        || ports.contains(&line.remote.port()) =>
                {
                    connected.push(line);
                }
                _ => {}
            }
        }
    }
    let lines = bound.iter().map(|(_, line)| line).chain(&connected);
    let wanted = lines.map(|line| line.inode).collect();
    let (owners, closed_processes) = owners(proc, &wanted)?;
    let owner = |inode: u64| owners.get(&inode).cloned();
    let own = |owner: &Option<Owner>| {
        owner
            .as_ref()
            .is_some_and(|owner| owner.pid == std::process::id())
    };
    let bound: BTreeSet<BoundSocket> = bound
        .into_iter()
        .map(|(protocol, line)| BoundSocket {
            protocol,
            local: line.local,
            owner: owner(line.inode),
        })
        .filter(|socket| !own(&socket.owner))
        .collect();
    let mut bound: Vec<BoundSocket> = bound.into_iter().collect();
    bound.sort_by_key(|socket| (socket.protocol, socket.local.port(), socket.local.ip()));
    let connections: BTreeSet<Connection> = connected
        .into_iter()
        .map(|line| Connection {
            local: line.local,
            remote: line.remote,
            owner: owner(line.inode),
        })
        .collect();
    Ok(Sockets {
        bound,
        connections: connections.into_iter().collect(),
        closed_processes,
    })
}

/// Without IPv6 in the kernel there are no files of it.
fn lines(proc: &Path, file: &str) -> Result<Vec<Line>> {
    let path = proc.join("thread-self/net").join(file);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.lines().skip(1).filter_map(parse).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound && file.ends_with('6') => {
            Ok(Vec::new())
        }
        Err(error) => Err(Error::system(format!("read {}", path.display()), error)),
    }
}

/// `sl local rem st tx:rx tr:tm retrnsmt uid timeout inode …`
fn parse(line: &str) -> Option<Line> {
    let mut words = line.split_whitespace().skip(1);
    let local = address(words.next()?)?;
    let remote = address(words.next()?)?;
    let state = u8::from_str_radix(words.next()?, 16).ok()?;
    let inode = words.nth(5)?.parse().ok()?;
    Some(Line {
        local,
        remote,
        state,
        inode,
    })
}

/// The kernel prints the words of an address in network order as if they were numbers of this machine.
fn address(text: &str) -> Option<SocketAddr> {
    let (hex, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        let digits = hex.get(at * 8..at * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let ip = match hex.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?].concat();
            let bytes: [u8; 16] = words.try_into().ok()?;
            IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// The holder of each of these sockets, and how many processes could not be read.
fn owners(proc: &Path, wanted: &BTreeSet<u64>) -> Result<(BTreeMap<u64, Owner>, usize)> {
    let mut owners = BTreeMap::new();
    let mut closed = 0;
    for pid in processes::pids(proc)? {
        let descriptors = match fs::read_dir(proc.join(pid.to_string()).join("fd")) {
            Ok(descriptors) => descriptors,
            Err(error) => {
                closed += usize::from(error.kind() == io::ErrorKind::PermissionDenied);
                continue;
            }
        };
        let held = descriptors.filter_map(|entry| {
            let target = fs::read_link(entry.ok()?.path()).ok()?;
            let inode = target
                .to_str()?
                .strip_prefix("socket:[")?
                .strip_suffix(']')?;
            inode
                .parse::<u64>()
                .ok()
                .filter(|inode| wanted.contains(inode))
        });
        for inode in held {
            if !owners.contains_key(&inode)
                && let Some(program) = processes::program(proc, pid)
            {
                owners.insert(inode, Owner { pid, program });
            }
        }
    }
    Ok((owners, closed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_families_are_understood() {
        // As a little-endian machine prints them.
        if cfg!(target_endian = "big") {
            return;
        }
        let line = parse("   0: 0100007F:094B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 31337 1 0000000000000000 100 0 0 10 0").unwrap();
        assert_eq!(line.local, "127.0.0.1:2379".parse().unwrap());
        assert_eq!((line.state, line.inode), (LISTEN, 31337));
        let line = parse("   1: 0000000000000000FFFF0000020012AC:094C 0000000000000000FFFF0000030012AC:D431 01 00000000:00000000 00:00000000 00000000     0        0 7 1 0 20 4 30 10 -1").unwrap();
        assert_eq!(line.local, "172.18.0.2:2380".parse().unwrap());
        assert_eq!(line.remote, "172.18.0.3:54321".parse().unwrap());
        assert_eq!(line.state, ESTABLISHED);
        let line = parse("   2: 000080FE00000000FF0B0A02010000FE:0016 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 9 1").unwrap();
        assert_eq!(line.local, "[fe80::20a:bff:fe00:1]:22".parse().unwrap());
    }

    #[test]
    fn a_line_that_is_cut_off_is_no_socket() {
        for line in [
            "",
            "  0: 0100007F:094B",
            "0: 0100007F:094B 00000000:0000 0A",
            "0: 01:1 00:0 0A 0 0 0 0 0 1",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
