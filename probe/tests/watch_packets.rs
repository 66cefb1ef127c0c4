//! Packets of probes, watched at devices.
mod support;

use flatnet_model::probe::ask;
use flatnet_model::probe::watch::{Body, OuterKind, Packet, Passing, Sighting, Watched, Watching};
use flatnet_model::probe::{DialOutcome, Transport};
use support::{Net, Probe, all_transports, heard, ip, net_tests, target, tun};

fn watch(probe: &mut Probe, ports: &[u16]) -> Watching {
    let watching = probe.ask(&ask::Watch {
        ports: ports.to_vec(),
        rules: None,
        drops: false,
    });
    assert_eq!(watching.packets, Ok(()));
    watching
}

#[track_caller]
fn end(probe: &mut Probe) -> Watched {
    let watched = probe.ask(&ask::WatchEnd {});
    assert_eq!(watched.missed, 0);
    watched
}

/// Device, direction, source, destination and TTL of the packets that `wanted` says yes to.
fn hops(
    watched: &Watched,
    wanted: impl Fn(&Packet) -> bool,
) -> Vec<(&str, Passing, String, String, u8)> {
    let hop = |seen: &Sighting| {
        let packet = &seen.packet;
        (
            packet.source.to_string(),
            packet.destination.to_string(),
            packet.ttl,
        )
    };
    let sightings = watched.sightings.iter();
    sightings
        .filter(|seen| wanted(&seen.packet))
        .map(|seen| {
            let (source, destination, ttl) = hop(seen);
            (
                seen.device.as_str(),
                seen.direction,
                source,
                destination,
                ttl,
            )
        })
        .collect()
}

fn hop(
    device: &str,
    direction: Passing,
    source: &str,
    destination: &str,
    ttl: u8,
) -> (String, Passing, String, String, u8) {
    (
        device.to_owned(),
        direction,
        source.to_owned(),
        destination.to_owned(),
        ttl,
    )
}

#[track_caller]
fn expect(
    seen: Vec<(&str, Passing, String, String, u8)>,
    expected: &[(String, Passing, String, String, u8)],
) {
    let seen: Vec<_> = seen
        .into_iter()
        .map(|(device, direction, source, destination, ttl)| {
            (device.to_owned(), direction, source, destination, ttl)
        })
        .collect();
    assert_eq!(seen, expected);
}

fn is_hello(packet: &Packet) -> bool {
    matches!(&packet.body, Body::Udp { message: Some(message), .. } if !message.answer)
}

fn is_syn(packet: &Packet) -> bool {
    matches!(packet.body, Body::Tcp { flags: 2, .. })
}

fn is_request(packet: &Packet) -> bool {
    matches!(packet.body, Body::Echo { reply: false, .. })
}

/// Answered, at whichever attempt.
#[track_caller]
fn heard_at_last(outcome: &DialOutcome) {
    assert!(
        matches!(outcome, DialOutcome::Answered { .. }),
        "{outcome:?}"
    );
}

net_tests! {
    fn a_router_sees_every_request_come_and_go() {
        let (a, r, b) = Net::routed();
        let (mut client, mut router, mut server) = (a.probe(), r.probe(), b.probe());
        let port = server.listen("there");
        watch(&mut router, &[port]);
        for address in ["10.9.2.2", "fd09:2::2"] {
            for outcome in client.dial(all_transports(address, port), 2000, 1) {
                heard(&outcome);
            }
        }
        let watched = end(&mut router);
        for wanted in [is_hello, is_syn, is_request] {
            expect(hops(&watched, wanted), &[
                hop("to-a", Passing::In, "10.9.1.1", "10.9.2.2", 64),
                hop("to-b", Passing::Out, "10.9.1.1", "10.9.2.2", 63),
                hop("to-a", Passing::In, "fd09:1::1", "fd09:2::2", 64),
                hop("to-b", Passing::Out, "fd09:1::1", "fd09:2::2", 63),
            ]);
        }
        // Both sightings of one request hold one nonce, and come in the order of their times.
        let nonces: Vec<_> = watched
            .sightings
            .iter()
            .filter_map(|seen| match &seen.packet.body {
                Body::Udp { message: Some(message), .. } => Some((message.nonce, message.answer)),
                _ => None,
            })
            .collect();
        assert_eq!(nonces.len(), 8, "{nonces:?}");
        assert_eq!((nonces[0], nonces[2].0, nonces[2].1), (nonces[1], nonces[0].0, true));
        let times: Vec<_> = watched.sightings.iter().map(|seen| seen.at_ns).collect();
        assert!(times.iter().all(|at| *at > 0), "{times:?}");
        // Ethernet addresses are those of the devices.
        let link = r.run("ip -o link show dev to-b");
        let mac = link.split_once("link/ether ").unwrap().1.split_whitespace().next().unwrap();
        let sent = watched.sightings.iter().find(|seen| seen.device == "to-b" && is_hello(&seen.packet));
        assert_eq!(sent.unwrap().frame.unwrap().source.to_string(), mac);
    }

    fn strangers_are_not_kept() {
        let (a, r, b) = Net::routed();
        let (mut client, mut router, mut server) = (a.probe(), r.probe(), b.probe());
        let port = server.listen("there");
        // Other ports than the responder's: its segments are no longer a probe's, its datagrams are by what they say.
        watch(&mut router, &[1]);
        for outcome in client.dial(all_transports("10.9.2.2", port), 2000, 1) {
            heard(&outcome);
        }
        a.within(|| {
            let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
            socket.send_to(b"fnpx of another program", "10.9.2.2:9").unwrap();
        });
        let watched = end(&mut router);
        assert!(hops(&watched, |packet| matches!(packet.body, Body::Udp { message: None, .. })).is_empty());
        assert!(hops(&watched, |packet| matches!(packet.body, Body::Tcp { .. })).is_empty());
        assert_eq!(hops(&watched, is_hello).len(), 2);
        assert_eq!(hops(&watched, is_request).len(), 2);
    }

    fn a_rewritten_source_shows_between_two_hops() {
        let (a, r, b) = Net::routed();
        r.nft("table ip nat { chain post { type nat hook postrouting priority srcnat; oifname \"to-b\" masquerade; }; }");
        let (mut client, mut router, mut server) = (a.probe(), r.probe(), b.probe());
        let port = server.listen("there");
        watch(&mut router, &[port]);
        client.dial(vec![target(Transport::Tcp, "10.9.2.2", port)], 2000, 1);
        let watched = end(&mut router);
        expect(hops(&watched, is_syn), &[
            hop("to-a", Passing::In, "10.9.1.1", "10.9.2.2", 64),
            hop("to-b", Passing::Out, "10.9.2.254", "10.9.2.2", 63),
        ]);
    }

    fn an_error_is_seen_with_its_mtu_and_the_packet_that_it_is_about() {
        let (a, r, b) = Net::routed();
        r.run("ip link set dev to-b mtu 1400");
        let (mut client, mut server) = (a.probe(), b.probe());
        let port = server.listen("there");
        watch(&mut client, &[port]);
        for address in ["10.9.2.2", "fd09:2::2"] {
            assert!(!client.path_mtu(address, port, &[1450], 300)[0].arrived);
        }
        let watched = end(&mut client);
        for (router, peer) in [("10.9.1.254", "10.9.2.2"), ("fd09:1::fe", "fd09:2::2")] {
            let error = watched.sightings.iter().find(|seen| seen.packet.source == ip(router)
                && matches!(seen.packet.body, Body::Error { .. }));
            let Body::Error { mtu, about: Some(about), .. } = &error.unwrap().packet.body else {
                panic!("{error:?}")
            };
            assert_eq!((*mtu, about.bytes, about.destination), (Some(1400), 1450, ip(peer)));
            assert!(matches!(about.body, Body::Udp { message: Some(_), .. }), "{about:?}");
        }
    }

    fn errors_about_every_transport_are_seen() {
        let (a, r, b) = Net::routed();
        r.nft("table inet f { chain c { type filter hook forward priority 0; ip protocol { tcp, udp, icmp } reject with icmp admin-prohibited;
            meta l4proto { tcp, udp, icmpv6 } reject with icmpv6 admin-prohibited; }; }");
        let (mut client, mut server) = (a.probe(), b.probe());
        let port = server.listen("there");
        watch(&mut client, &[port]);
        for address in ["10.9.2.2", "fd09:2::2"] {
            client.dial(all_transports(address, port), 200, 1);
        }
        let watched = end(&mut client);
        for v6 in [false, true] {
            let mut about: Vec<&str> = watched.sightings.iter().filter_map(|seen| match &seen.packet.body {
                Body::Error { kind, code, about: Some(about), .. } if about.destination.is_ipv6() == v6 => {
                    assert_eq!((*kind, *code), if v6 { (1, 1) } else { (3, 13) });
                    Some(match about.body {
                        Body::Tcp { .. } => "tcp",
                        Body::Udp { .. } => "udp",
                        Body::Echo { .. } => "echo",
                        _ => "other",
                    })
                }
                _ => None,
            }).collect();
            about.sort_unstable();
            about.dedup();
            assert_eq!(about, ["echo", "tcp", "udp"]);
        }
    }

    fn a_bridge_is_passed_from_port_to_port() {
        let (a, switch, b) = Net::switched();
        let (mut client, mut node, mut server) = (a.probe(), switch.probe(), b.probe());
        let port = server.listen("there");
        watch(&mut node, &[port]);
        heard(&client.dial(vec![target(Transport::Udp, "10.9.3.2", port)], 4000, 1)[0]);
        let watched = end(&mut node);
        let seen = hops(&watched, is_hello);
        let last = seen.last().unwrap();
        assert_eq!((last.0, last.1, last.4), ("port-b", Passing::Out, 64), "{seen:?}");
        assert_eq!(seen[0].0, "port-a", "{seen:?}");
        // The client asked for the server's address first.
        let asked = watched.sightings.iter().any(|seen| matches!(
            seen.packet.body,
            Body::Neighbour { reply: false, target, .. } if target == ip("10.9.3.2")
        ));
        assert!(asked, "{watched:?}");
    }

    fn a_tunnel_is_seen_outside_and_inside() {
        let (a, b) = Net::tunnelled(4242, 6789);
        let (mut client, mut server) = (a.probe(), b.probe());
        let port = server.listen("there");
        // A new device may lose what is sent at once.
        for address in ["10.9.4.2", "fd09:4::2"] {
            heard_at_last(&client.dial(vec![target(Transport::Udp, address, port)], 500, 10)[0]);
        }
        a.run("ip neigh flush dev vx0");
        watch(&mut client, &[port]);
        watch(&mut server, &[port]);
        for address in ["10.9.4.2", "fd09:4::2"] {
            for outcome in client.dial(all_transports(address, port), 4000, 1) {
                heard(&outcome);
            }
        }
        let (sent, came) = (end(&mut client), end(&mut server));
        let way = |watched: &Watched, wanted: fn(&Packet) -> bool, v6: bool| -> Vec<(String, Passing, Option<OuterKind>)> {
            let of_dial = |seen: &&Sighting| wanted(&seen.packet) && seen.packet.destination.is_ipv6() == v6;
            let sightings = watched.sightings.iter().filter(of_dial);
            sightings
                .map(|seen| {
                    let kind = seen.outer.first().map(|outer| outer.kind);
                    (seen.device.clone(), seen.direction, kind)
                })
                .collect()
        };
        let kind = Some(OuterKind::Vxlan { port: 6789, vni: 4242 });
        let (inner, outer) = ("vx0".to_owned(), "under".to_owned());
        for wanted in [is_hello, is_syn, is_request] {
            for v6 in [false, true] {
                assert_eq!(way(&sent, wanted, v6), [
                    (inner.clone(), Passing::Out, None),
                    (outer.clone(), Passing::Out, kind),
                ]);
                assert_eq!(way(&came, wanted, v6), [
                    (outer.clone(), Passing::In, kind),
                    (inner.clone(), Passing::In, None),
                ]);
            }
        }
        for address in ["10.9.4.2", "fd09:4::2"] {
            let asked = came.sightings.iter().any(|seen| !seen.outer.is_empty() && matches!(
                seen.packet.body,
                Body::Neighbour { reply: false, target, .. } if target == ip(address)
            ));
            assert!(asked, "{came:?}");
        }
    }

    fn a_device_without_ethernet_is_read_from_its_ip_header() {
        let net = Net::new();
        let _carrier = net.within(|| tun("t0"));
        net.run("ip addr add 10.9.5.1/24 dev t0");
        net.run("ip link set dev t0 up");
        let mut client = net.probe();
        watch(&mut client, &[]);
        client.dial(vec![target(Transport::Udp, "10.9.5.2", 7)], 100, 1);
        let watched = end(&mut client);
        expect(hops(&watched, is_hello), &[hop("t0", Passing::Out, "10.9.5.1", "10.9.5.2", 64)]);
        assert_eq!(watched.sightings[0].frame, None);
    }

    fn a_second_watch_starts_over_and_an_end_needs_a_beginning() {
        let net = Net::new();
        let mut probe = net.probe();
        let port = probe.listen("me");
        assert_eq!(probe.try_ask(&ask::WatchEnd {}), Err("nothing is being watched".to_owned()));
        watch(&mut probe, &[port]);
        probe.dial(vec![target(Transport::Udp, "127.0.0.1", port)], 2000, 1);
        watch(&mut probe, &[port]);
        probe.dial(vec![target(Transport::Tcp, "127.0.0.1", port)], 2000, 1);
        let watched = end(&mut probe);
        assert!(hops(&watched, is_hello).is_empty());
        expect(hops(&watched, is_syn), &[
            hop("lo", Passing::Out, "127.0.0.1", "127.0.0.1", 64),
            hop("lo", Passing::In, "127.0.0.1", "127.0.0.1", 64),
        ]);
        assert!(probe.try_ask(&ask::WatchEnd {}).is_err());
    }
}
