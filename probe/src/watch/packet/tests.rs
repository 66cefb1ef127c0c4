//! Frames by hand, and garbage.
use std::net::IpAddr;

use proptest::prelude::*;

use flatnet_model::kernel::MacAddr;
use flatnet_model::probe::watch::{Body, Message, Outer, OuterKind, Packet};

use super::parser::{Begins, Seen, in_frame};
use super::{Wanted, ethertype};
use crate::message::Message as Sent;

const PORT: u16 = 7777;
const NONCE: u64 = 0x0102_0304_0506_0708;

fn wanted() -> Wanted {
    Wanted {
        ports: [PORT].into(),
    }
}

fn hello() -> Vec<u8> {
    Sent::Hello {
        nonce: NONCE,
        name: "pod",
    }
    .encode()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn ipv4(source: [u8; 4], destination: [u8; 4], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = (20 + payload.len()) as u16;
    let mut bytes = vec![0x45, 0];
    bytes.extend(length.to_be_bytes());
    bytes.extend([0, 7, 0x40, 0, 63, protocol, 0, 0]);
    bytes.extend(source);
    bytes.extend(destination);
    bytes.extend(payload);
    bytes
}

/// fd00::1 to fd00::2.
fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x60, 0, 0, 0];
    bytes.extend((payload.len() as u16).to_be_bytes());
    bytes.extend([next, 62]);
    for last in [1, 2] {
        bytes.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    bytes.extend(payload);
    bytes
}

fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in [source, destination, (8 + payload.len()) as u16, 0] {
        bytes.extend(number.to_be_bytes());
    }
    bytes.extend(payload);
    bytes
}

/// A SYN with sequence number 9.
fn syn(source: u16, destination: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(source.to_be_bytes());
    bytes.extend(destination.to_be_bytes());
    bytes.extend([0, 0, 0, 9, 0, 0, 0, 5, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0]);
    bytes
}

fn ethernet(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    bytes.extend(kind.to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn vxlan(vni: u32, frame: &[u8]) -> Vec<u8> {
    let mut bytes = vec![8, 0, 0, 0];
    bytes.extend((vni << 8).to_be_bytes());
    bytes.extend(frame);
    bytes
}

fn probe_udp() -> Vec<u8> {
    ipv4([10, 0, 0, 1], [10, 0, 0, 2], 17, &udp(4000, 5000, &hello()))
}

fn message(packet: &Packet) -> Option<Message> {
    match &packet.body {
        Body::Udp { message, .. } => *message,
        Body::Echo { message, .. } => Some(*message),
        _ => None,
    }
}

const HELLO: Message = Message {
    nonce: NONCE,
    answer: false,
};

#[track_caller]
fn seen(frame: &[u8]) -> Seen {
    in_frame(frame, Begins::Ethernet, &wanted()).expect("nothing of a probe")
}

#[test]
fn a_datagram_of_a_probe_is_read_to_its_nonce() {
    let seen = seen(&ethernet(ethertype::IPV4, &probe_udp()));
    let frame = seen.frame.unwrap();
    assert_eq!(frame.source, MacAddr([2, 0, 0, 0, 0, 1]));
    assert_eq!(frame.destination, MacAddr([2, 0, 0, 0, 0, 2]));
    assert!(seen.outer.is_empty());
    let expected = Packet {
        source: ip("10.0.0.1"),
        destination: ip("10.0.0.2"),
        ttl: 63,
        bytes: 20 + 8 + hello().len() as u32,
        dont_fragment: true,
        fragment: false,
        body: Body::Udp {
            source: 4000,
            destination: 5000,
            message: Some(HELLO),
        },
    };
    assert_eq!(seen.packet, expected);
}

#[test]
fn answers_are_told_from_questions() {
    let answer = Sent::Answer {
        nonce: 5,
        seen_as: ip("10.0.0.1"),
        name: "b",
    };
    let packet = ipv4(
        [10, 0, 0, 2],
        [10, 0, 0, 1],
        17,
        &udp(1, 2, &answer.encode()),
    );
    let seen = seen(&ethernet(ethertype::IPV4, &packet));
    assert_eq!(
        message(&seen.packet),
        Some(Message {
            nonce: 5,
            answer: true
        })
    );
}

#[test]
fn vlan_tags_and_devices_without_ethernet() {
    let mut tagged = vec![0, 5];
    tagged.extend(ethertype::IPV4.to_be_bytes());
    tagged.extend(probe_udp());
    let seen = seen(&ethernet(ethertype::VLAN, &tagged));
    assert_eq!(message(&seen.packet), Some(HELLO));
    let bare = in_frame(&probe_udp(), Begins::Ip, &wanted()).unwrap();
    assert_eq!((bare.frame, bare.packet), (None, seen.packet));
}

#[test]
fn segments_are_known_by_a_port() {
    let packet = ipv4([10, 0, 0, 1], [10, 0, 0, 2], 6, &syn(4000, PORT));
    let expected = Body::Tcp {
        source: 4000,
        destination: PORT,
        sequence: 9,
        // Without the flag the field means nothing.
        acknowledgement: 0,
        flags: 2,
        payload: 0,
    };
    assert_eq!(
        seen(&ethernet(ethertype::IPV4, &packet)).packet.body,
        expected
    );
    let others = ipv4([10, 0, 0, 1], [10, 0, 0, 2], 6, &syn(4000, 443));
    assert_eq!(
        in_frame(
            &ethernet(ethertype::IPV4, &others),
            Begins::Ethernet,
            &wanted()
        ),
        None
    );
}

#[test]
fn padding_of_short_frames_is_not_payload() {
    let mut packet = ipv4([10, 0, 0, 1], [10, 0, 0, 2], 6, &syn(4000, PORT));
    packet.extend([0; 6]);
    let Body::Tcp { payload, .. } = seen(&ethernet(ethertype::IPV4, &packet)).packet.body else {
        panic!("not TCP")
    };
    assert_eq!(payload, 0);
}

#[test]
fn tunnels_are_told_from_the_outside_in() {
    let inner = ethernet(ethertype::IPV4, &probe_udp());
    let datagram = udp(50_000, 9999, &vxlan(0x00ab_cdef, &inner));
    let underlay = ipv4([192, 0, 2, 1], [192, 0, 2, 2], 17, &datagram);
    let both = ipv4([198, 51, 100, 1], [198, 51, 100, 2], 4, &underlay);
    let seen = seen(&ethernet(ethertype::IPV4, &both));
    let outer = [
        Outer {
            source: ip("198.51.100.1"),
            destination: ip("198.51.100.2"),
            kind: OuterKind::Ip,
        },
        Outer {
            source: ip("192.0.2.1"),
            destination: ip("192.0.2.2"),
            kind: OuterKind::Vxlan {
                port: 9999,
                vni: 0x00ab_cdef,
            },
        },
    ];
    assert_eq!(seen.outer, outer);
    assert_eq!(message(&seen.packet), Some(HELLO));
    assert_eq!(seen.packet.source, ip("10.0.0.1"));
}

#[test]
fn an_error_tells_what_it_is_about_and_the_tunnel_around_it() {
    let datagram = udp(
        50_000,
        8472,
        &vxlan(1, &ethernet(ethertype::IPV4, &probe_udp())),
    );
    let mut error = vec![3, 4, 0, 0, 0, 0, 5, 0x78];
    error.extend(ipv4([192, 0, 2, 1], [192, 0, 2, 2], 17, &datagram));
    let packet = ipv4([192, 0, 2, 9], [192, 0, 2, 1], 1, &error);
    let Body::Error {
        kind,
        code,
        mtu,
        within,
        about,
    } = seen(&ethernet(ethertype::IPV4, &packet)).packet.body
    else {
        panic!("not an error")
    };
    assert_eq!((kind, code, mtu), (3, 4, Some(1400)));
    assert_eq!(within[0].destination, ip("192.0.2.2"));
    assert_eq!(message(&about.unwrap()), Some(HELLO));
}

#[test]
fn eight_quoted_bytes_are_enough_to_know_a_segment() {
    let mut error = vec![3, 13, 0, 0, 0, 0, 0, 0];
    let mut quote = ipv4([10, 0, 0, 1], [10, 0, 0, 2], 6, &syn(4000, PORT));
    quote.truncate(28);
    error.extend(quote);
    let packet = ipv4([10, 0, 0, 9], [10, 0, 0, 1], 1, &error);
    let Body::Error { about, .. } = seen(&ethernet(ethertype::IPV4, &packet)).packet.body else {
        panic!("not an error")
    };
    let Body::Tcp {
        sequence, flags, ..
    } = about.unwrap().body
    else {
        panic!("not about TCP")
    };
    assert_eq!((sequence, flags), (9, 0));
}

#[test]
fn ipv6_is_read_behind_its_extension_headers() {
    let mut payload = vec![44, 0, 0, 0, 0, 0, 0, 0];
    // A first fragment of more.
    payload.extend([17, 0, 0, 1, 0, 0, 0, 1]);
    payload.extend(udp(1, 2, &hello()));
    let seen = seen(&ethernet(ethertype::IPV6, &ipv6(0, &payload)));
    assert!(seen.packet.fragment && seen.packet.dont_fragment);
    assert_eq!((seen.packet.ttl, message(&seen.packet)), (62, Some(HELLO)));
    // The second of the pieces has no transport header: whatever is there is not one.
    payload[10..12].copy_from_slice(&[0, 0x40]);
    let later = ethernet(ethertype::IPV6, &ipv6(0, &payload));
    assert_eq!(in_frame(&later, Begins::Ethernet, &wanted()), None);
}

#[test]
fn an_echo_is_ours_by_its_payload() {
    for (protocol, request, reply) in [(1, 8, 0), (58, 128, 129)] {
        for (kind, is_reply) in [(request, false), (reply, true)] {
            let mut echo = vec![kind, 0, 0, 0, 0, 1, 7, 8];
            echo.extend(hello());
            let frame = match protocol {
                1 => ethernet(
                    ethertype::IPV4,
                    &ipv4([10, 0, 0, 1], [10, 0, 0, 2], 1, &echo),
                ),
                _ => ethernet(ethertype::IPV6, &ipv6(58, &echo)),
            };
            let expected = Body::Echo {
                reply: is_reply,
                message: HELLO,
            };
            assert_eq!(seen(&frame).packet.body, expected);
            let mut foreign = frame;
            let magic = foreign.len() - hello().len();
            foreign[magic] = b'x';
            assert_eq!(in_frame(&foreign, Begins::Ethernet, &wanted()), None);
        }
    }
}

#[test]
fn neighbours_are_asked_and_told() {
    let mut arp = vec![0, 1, 8, 0, 6, 4, 0, 2, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1];
    arp.extend([2, 0, 0, 0, 0, 2, 10, 0, 0, 2]);
    let reply = seen(&ethernet(ethertype::ARP, &arp)).packet;
    let told = Body::Neighbour {
        reply: true,
        target: ip("10.0.0.1"),
        mac: Some(MacAddr([2, 0, 0, 0, 0, 1])),
    };
    assert_eq!((reply.source, reply.body), (ip("10.0.0.1"), told));
    arp[7] = 1;
    let asked = Body::Neighbour {
        reply: false,
        target: ip("10.0.0.2"),
        mac: None,
    };
    assert_eq!(seen(&ethernet(ethertype::ARP, &arp)).packet.body, asked);

    let mut advertisement = vec![136, 0, 0, 0, 0x60, 0, 0, 0];
    advertisement.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
    advertisement.extend([2, 1, 2, 0, 0, 0, 0, 9]);
    let told = Body::Neighbour {
        reply: true,
        target: ip("fd00::7"),
        mac: Some(MacAddr([2, 0, 0, 0, 0, 9])),
    };
    let frame = ethernet(ethertype::IPV6, &ipv6(58, &advertisement));
    assert_eq!(seen(&frame).packet.body, told);
}

/// Every kind of frame that is read.
fn samples() -> Vec<Vec<u8>> {
    let inner = ethernet(ethertype::IPV4, &probe_udp());
    let datagram = udp(50_000, 8472, &vxlan(1, &inner));
    let tunnelled = ipv4([192, 0, 2, 1], [192, 0, 2, 2], 17, &datagram);
    let mut error = vec![3, 4, 0, 0, 0, 0, 5, 0x78];
    error.extend(&tunnelled);
    vec![
        inner,
        ethernet(
            ethertype::IPV4,
            &ipv4([10, 0, 0, 1], [10, 0, 0, 2], 4, &tunnelled),
        ),
        ethernet(
            ethertype::IPV4,
            &ipv4([10, 0, 0, 1], [10, 0, 0, 2], 1, &error),
        ),
        ethernet(
            ethertype::IPV4,
            &ipv4([10, 0, 0, 1], [10, 0, 0, 2], 6, &syn(1, PORT)),
        ),
        ethernet(ethertype::IPV6, &ipv6(17, &udp(1, PORT, &hello()))),
        ethernet(ethertype::IPV6, &ipv6(58, &[136; 40])),
    ]
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for begins in [Begins::Ethernet, Begins::Ip] {
            let _ = in_frame(&bytes, begins, &wanted());
        }
    }

    #[test]
    fn frames_cut_off_and_spoilt_do_not_either(
        which in 0..6_usize,
        cut in 0..200_usize,
        spoilt in prop::collection::vec((0..200_usize, any::<u8>()), 0..6),
    ) {
        let mut frame = samples().swap_remove(which);
        for (at, byte) in spoilt {
            if let Some(place) = frame.get_mut(at) {
                *place = byte;
            }
        }
        frame.truncate(frame.len().saturating_sub(cut));
        let _ = in_frame(&frame, Begins::Ethernet, &wanted());
    }
}
