//! A client and a server with a router between them.
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::thread;
use std::time::Instant;

use flatnet_netlink::request::NewRoute;
use flatnet_netlink::{Request, Route};
use ipnet::IpNet;

use crate::scene::{LONG, Namespace, link, veth, wait_until_up};

/// Where the server listens.
pub(crate) const PORT: u16 = 7000;
pub(crate) const BOTH: [bool; 2] = [false, true];

/// A client and a server, each in a namespace of its own, joined by a router: the test's own namespace.
pub(crate) struct Wire {
    pub(crate) client: Namespace,
    pub(crate) server: Namespace,
}

/// Host `host` of the client's (1) or the server's (2) side; the router is host 1, the end host 2.
pub(crate) fn address(v6: bool, side: u8, host: u8) -> IpAddr {
    if v6 {
        format!("fd00:{side}::{host}")
    } else {
        format!("10.0.{side}.{host}")
    }
    .parse()
    .unwrap()
}

pub(crate) fn network(v6: bool, side: u8) -> IpNet {
    let bits = if v6 { 64 } else { 24 };
    IpNet::new(address(v6, side, 2), bits).unwrap().trunc()
}

impl Wire {
    pub(crate) fn new(router: &mut Route) -> Self {
        let wire = Wire {
            client: Namespace::new(),
            server: Namespace::new(),
        };
        // A router resolves neighbours from its link-local address, which is unusable during duplicate address detection.
        let no_dad = || std::fs::write("/proc/sys/net/ipv6/conf/default/accept_dad", "0").unwrap();
        no_dad();
        wire.client.run(no_dad);
        wire.server.run(no_dad);
        for (side, name, end) in [(1, "left", &wire.client), (2, "right", &wire.server)] {
            router
                .send(Request::add_veth(&veth(name, "eth0", Some(end))))
                .unwrap();
            let near = link(router, name).index;
            let mut far = end.route();
            let eth0 = link(&mut far, "eth0").index;
            far.send(Request::set_up(eth0)).unwrap();
            for v6 in BOTH {
                let bits = network(v6, side).prefix_len();
                let net = |host| IpNet::new(address(v6, side, host), bits).unwrap();
                router
                    .send(Request::add_address(near, net(1), false))
                    .unwrap();
                far.send(Request::add_address(eth0, net(2), false)).unwrap();
                let default = if v6 { "::/0" } else { "0.0.0.0/0" };
                let route = NewRoute {
                    dst: default.parse().unwrap(),
                    gateway: Some(address(v6, side, 1)),
                    oif: Some(eth0),
                    onlink: false,
                    scope_link: false,
                    src: None,
                    protocol: 4,
                    metric: None,
                    mtu: None,
                };
                far.send(Request::add_route(&route)).unwrap();
            }
        }
        for key in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            std::fs::write(format!("/proc/sys/net/{key}"), "1").unwrap();
        }
        for name in ["left", "right"] {
            wait_until_up(router, name);
        }
        wait_until_up(&mut wire.client.route(), "eth0");
        wait_until_up(&mut wire.server.route(), "eth0");
        wire
    }

    pub(crate) fn listen(&self, v6: bool) -> UdpSocket {
        bound(&self.server, SocketAddr::new(address(v6, 2, 2), PORT))
    }

    pub(crate) fn dial(&self, v6: bool) -> UdpSocket {
        bound(&self.client, SocketAddr::new(address(v6, 1, 2), 0))
    }
}

fn bound(namespace: &Namespace, address: SocketAddr) -> UdpSocket {
    let started = Instant::now();
    // An address that has just been added may be refused until the kernel's own work on it is done.
    let socket = loop {
        match namespace.run(|| UdpSocket::bind(address)) {
            Ok(socket) => break socket,
            Err(error) => assert!(started.elapsed() < LONG, "bind {address}: {error}"),
        }
        thread::yield_now();
    };
    socket.set_read_timeout(Some(LONG)).unwrap();
    socket
}

/// The next datagram: its text and its source.
#[track_caller]
pub(crate) fn next(socket: &UdpSocket) -> (String, SocketAddr) {
    let mut buffer = [0; 64];
    let (length, from) = socket.recv_from(&mut buffer).expect("a datagram");
    (
        String::from_utf8_lossy(&buffer[..length]).into_owned(),
        from,
    )
}

/// Sends to `to` and back: what the server saw as source, and what the client saw as source of the answer.
#[track_caller]
pub(crate) fn exchange(
    client: &UdpSocket,
    server: &UdpSocket,
    to: SocketAddr,
) -> (SocketAddr, SocketAddr) {
    client.send_to(b"ping", to).unwrap();
    let (text, seen) = next(server);
    assert_eq!(text, "ping");
    server.send_to(b"pong", seen).unwrap();
    let (text, answered) = next(client);
    assert_eq!(text, "pong");
    (seen, answered)
}
