//! nftables: what the rules do to packets that a router forwards.
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;

use flatnet_netlink::nft::{Chain, ChainType, Expr, Hook, Nft, Table, masquerade_table};
use ipnet::IpNet;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, sendto, socket,
};
use serde_json::Value;

use crate::observer::nft;
use crate::scene::alone;
use crate::wire::{BOTH, PORT, Wire, address, exchange, network, next};

fn single(address: IpAddr) -> IpNet {
    address.into()
}

fn rules(kind: ChainType, hook: Hook, priority: i32, rules: Vec<Vec<Expr>>) -> Table {
    let chain = Chain {
        name: "c".to_owned(),
        kind,
        hook,
        priority,
        rules,
    };
    Table {
        name: "t".to_owned(),
        sets: Vec::new(),
        chains: vec![chain],
    }
}

/// What the counters of the ruleset show, in the order of the rules.
fn counters() -> Vec<u64> {
    let packets = |part: &Value| {
        part.get("counter")
            .and_then(|counter| counter["packets"].as_u64())
    };
    let parts = nft("ruleset")
        .into_iter()
        .filter_map(|object| object["rule"]["expr"].as_array().cloned())
        .flatten();
    parts.filter_map(|part| packets(&part)).collect()
}

#[test]
fn without_rules_both_ends_see_each_other() {
    alone(|route| {
        let wire = Wire::new(route);
        for v6 in BOTH {
            let (client, server) = (wire.dial(v6), wire.listen(v6));
            let to = server.local_addr().unwrap();
            assert_eq!(
                exchange(&client, &server, to),
                (client.local_addr().unwrap(), to)
            );
        }
    });
}

#[test]
fn masquerade_hides_pods_from_all_but_the_unmasked() {
    alone(|route| {
        let wire = Wire::new(route);
        let mut nft = Nft::open().unwrap();
        let pods = BOTH.map(|v6| network(v6, 1));
        for v6 in BOTH {
            let client_ip = address(v6, 1, 2);
            for (unmasked, expected) in [
                (vec![], address(v6, 2, 1)),
                (vec![network(v6, 2)], client_ip),
                (vec![single(address(v6, 2, 2))], client_ip),
                (vec![single(address(v6, 2, 3))], address(v6, 2, 1)),
                (
                    vec![if v6 { "::/0" } else { "0.0.0.0/0" }.parse().unwrap()],
                    client_ip,
                ),
            ] {
                nft.replace_table(&masquerade_table("flatnet", &pods, &unmasked))
                    .unwrap();
                let (client, server) = (wire.dial(v6), wire.listen(v6));
                let to = server.local_addr().unwrap();
                let (seen, answered) = exchange(&client, &server, to);
                assert_eq!(
                    (seen.ip(), answered),
                    (expected, to),
                    "unmasked: {unmasked:?}"
                );
            }
            // Others than pods are left alone.
            nft.replace_table(&masquerade_table("flatnet", &[network(v6, 9)], &[]))
                .unwrap();
            let (client, server) = (wire.dial(v6), wire.listen(v6));
            assert_eq!(
                exchange(&client, &server, server.local_addr().unwrap())
                    .0
                    .ip(),
                client_ip
            );
        }
    });
}

#[test]
fn dnat_leads_to_another_address_and_port_and_back() {
    alone(|route| {
        let wire = Wire::new(route);
        for v6 in BOTH {
            let door = SocketAddr::new(address(v6, 1, 1), 5353);
            let (client, server) = (wire.dial(v6), wire.listen(v6));
            let rule = vec![
                Expr::InInterface("left".to_owned()),
                Expr::DestinationIn(single(door.ip())),
                Expr::DestinationPort(door.port()),
                Expr::Counter,
                Expr::Dnat(server.local_addr().unwrap()),
            ];
            Nft::open()
                .unwrap()
                .replace_table(&rules(ChainType::Nat, Hook::Prerouting, -100, vec![rule]))
                .unwrap();
            assert_eq!(
                exchange(&client, &server, door),
                (client.local_addr().unwrap(), door)
            );
            assert_eq!(counters(), [1]);

            // By address alone: the port stays.
            let rule = vec![
                Expr::DestinationIn(single(door.ip())),
                Expr::DnatAddress(address(v6, 2, 2)),
            ];
            Nft::open()
                .unwrap()
                .replace_table(&rules(ChainType::Nat, Hook::Prerouting, -100, vec![rule]))
                .unwrap();
            let (client, door) = (wire.dial(v6), SocketAddr::new(door.ip(), PORT));
            assert_eq!(
                exchange(&client, &server, door),
                (client.local_addr().unwrap(), door)
            );
        }
    });
}

#[test]
fn snat_gives_another_source() {
    alone(|route| {
        let wire = Wire::new(route);
        for v6 in BOTH {
            let (client, server) = (wire.dial(v6), wire.listen(v6));
            let other = address(v6, 2, 1);
            let rule = vec![
                Expr::OutInterface("right".to_owned()),
                Expr::SourceIn(network(v6, 1)),
                Expr::Protocol(17),
                Expr::SnatAddress(other),
            ];
            Nft::open()
                .unwrap()
                .replace_table(&rules(ChainType::Nat, Hook::Postrouting, 100, vec![rule]))
                .unwrap();
            let to = server.local_addr().unwrap();
            let (seen, answered) = exchange(&client, &server, to);
            assert_eq!((seen.ip(), answered), (other, to));
        }
    });
}

#[test]
fn drop_takes_what_matches_and_nothing_else() {
    alone(|route| {
        let wire = Wire::new(route);
        for v6 in BOTH {
            let (client, server) = (wire.dial(v6), wire.listen(v6));
            let (to, from) = (server.local_addr().unwrap(), client.local_addr().unwrap());
            let rule = vec![
                Expr::SourcePort(from.port()),
                Expr::DestinationIn(network(v6, 2)),
                Expr::Counter,
                Expr::Drop,
            ];
            let after = vec![
                Expr::DestinationIn(network(v6, 2)),
                Expr::Counter,
                Expr::Accept,
            ];
            Nft::open()
                .unwrap()
                .replace_table(&rules(
                    ChainType::Filter,
                    Hook::Forward,
                    0,
                    vec![rule, after],
                ))
                .unwrap();
            client.send_to(b"dropped", to).unwrap();
            let other = wire.dial(v6);
            other.send_to(b"passes", to).unwrap();
            assert_eq!(
                next(&server),
                ("passes".to_owned(), other.local_addr().unwrap())
            );
            assert_eq!(counters(), [1, 1]);
        }
    });
}

#[test]
fn sources_are_excluded_by_prefix() {
    alone(|route| {
        let wire = Wire::new(route);
        for v6 in BOTH {
            let (client, server) = (wire.dial(v6), wire.listen(v6));
            let counted = |first: Expr| vec![first, Expr::Counter];
            let everything: IpNet = if v6 { "::/0" } else { "0.0.0.0/0" }.parse().unwrap();
            let expected = [
                (Expr::SourceIn(network(v6, 1)), 1),
                (Expr::SourceNotIn(network(v6, 1)), 0),
                (Expr::SourceNotIn(network(v6, 2)), 1),
                (Expr::DestinationIn(single(address(v6, 2, 2))), 1),
                (Expr::DestinationNotIn(single(address(v6, 2, 2))), 0),
                (Expr::DestinationNotIn(single(address(v6, 2, 3))), 1),
                (Expr::SourceIn(everything), 1),
                (Expr::SourceNotIn(everything), 0),
                (Expr::SourceIn(network(!v6, 1)), 0),
                (Expr::SourceNotIn(network(!v6, 1)), 0),
                (Expr::Protocol(17), 1),
                (Expr::Protocol(6), 0),
                (Expr::InInterface("left".to_owned()), 1),
                (Expr::OutInterface("left".to_owned()), 0),
                (Expr::DestinationPort(PORT), 1),
                (Expr::SourcePort(PORT), 0),
            ];
            let all = expected
                .iter()
                .map(|(first, _)| counted(first.clone()))
                .collect();
            Nft::open()
                .unwrap()
                .replace_table(&rules(ChainType::Filter, Hook::Forward, 0, all))
                .unwrap();
            client
                .send_to(b"counted", server.local_addr().unwrap())
                .unwrap();
            next(&server);
            for ((first, expected), seen) in expected.iter().zip(counters()) {
                assert_eq!(seen, *expected, "{first:?}");
            }
        }
    });
}

#[test]
fn a_rewritten_source_arrives_with_right_checksums() {
    alone(|route| {
        let wire = Wire::new(route);
        for v6 in BOTH {
            let server = wire.listen(v6);
            let forged = address(v6, 1, 77);
            let rule = vec![Expr::SourceIn(network(v6, 1)), Expr::SetSource(forged)];
            Nft::open()
                .unwrap()
                .replace_table(&rules(ChainType::Filter, Hook::Forward, 0, vec![rule]))
                .unwrap();
            // Of datagrams with a checksum of their own, the server's kernel takes in those that are right.
            let (from, to) = (
                SocketAddr::new(address(v6, 1, 2), 4000),
                server.local_addr().unwrap(),
            );
            wire.client.run(|| {
                send_raw(from, to, b"wrong", 1);
                send_raw(from, to, b"right", 0);
            });
            assert_eq!(
                next(&server),
                ("right".to_owned(), SocketAddr::new(forged, 4000))
            );
        }
    });
}

/// Sends a UDP datagram whose checksum is computed here (and wrong by `error`), not left to the device.
fn send_raw(from: SocketAddr, to: SocketAddr, text: &[u8], error: u16) {
    let length = (8 + text.len()) as u16;
    let mut datagram = [from.port(), to.port(), length, 0]
        .map(u16::to_be_bytes)
        .concat();
    datagram.extend_from_slice(text);
    let mut covered = [octets(from.ip()), octets(to.ip())].concat();
    covered.extend_from_slice(&[17_u16, length].map(u16::to_be_bytes).concat());
    covered.extend_from_slice(&datagram);
    let checksum = checksum(&covered).wrapping_add(error);
    datagram[6..8].copy_from_slice(&checksum.to_be_bytes());
    let family = if to.is_ipv6() {
        AddressFamily::Inet6
    } else {
        AddressFamily::Inet
    };
    let raw = socket(family, SockType::Raw, SockFlag::empty(), SockProtocol::Udp).unwrap();
    let host = SockaddrStorage::from(SocketAddr::new(to.ip(), 0));
    assert_eq!(
        sendto(raw.as_raw_fd(), &datagram, &host, MsgFlags::empty()),
        Ok(datagram.len())
    );
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !(((folded & 0xffff) + (folded >> 16)) as u16)
}
