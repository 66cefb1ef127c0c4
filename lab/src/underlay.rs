//! The wire: what joins nodes to each other and to the outside, and the addresses on it.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::BorrowedFd;

use flatnet_netlink::request::{NewRoute, Veth};
use flatnet_netlink::{Link, MacAddr, Request, Route};
use ipnet::IpNet;

use crate::spec::{OUTSIDE_V4, OUTSIDE_V6};
use crate::{Error, LabSpec, Result, Underlay};
use neighbours::End;

mod neighbours;

/// The device of a node that leads to the wire.
pub(crate) const NODE_DEVICE: &str = "eth0";
const BRIDGE: &str = "underlay";
const OUTSIDE: &str = "outside";
/// The loopback device is the first of every namespace.
pub(crate) const LOOPBACK: u32 = 1;
/// RTPROT_BOOT: what a machine's own network setup marks its routes with.
const PROTOCOL: u8 = 3;

impl LabSpec {
    /// The wire's end of a node's uplink, as [`crate::Place::Wire`] has it: named after the node, by a part and a hash where
    /// that is too long (IFNAMSIZ is 16 with the NUL).
    pub fn wire_port(node: &str) -> String {
        let name = format!("to-{node}");
        if name.len() <= 15 {
            return name;
        }
        let hash = node.bytes().fold(0x811c_9dc5_u32, |h, byte| {
            (h ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        format!("to-{}{hash:08x}", &node[..4])
    }

    /// The addresses of the router that is the default gateway of the node at that place in [`LabSpec::nodes`].
    pub fn routers(&self, index: usize) -> Vec<IpAddr> {
        let networks = gateway_addresses(self, index);
        networks.iter().map(IpNet::addr).collect()
    }
}

/// The node's addresses, one per family, by its place in the spec.
pub(crate) fn node_addresses(spec: &LabSpec, index: usize) -> Vec<IpNet> {
    let host = match spec.underlay {
        // .1 is the router's.
        Underlay::L2 => index + 2,
        Underlay::Routed => 2,
    };
    addresses(spec, index, host)
}

/// The addresses of the router that this node has as its default gateway.
fn gateway_addresses(spec: &LabSpec, index: usize) -> Vec<IpNet> {
    addresses(spec, index, 1)
}

/// Host `host` in the network of that node. Node and host numbers are at most 252, see [`crate::spec::MAX_NODES`].
fn addresses(spec: &LabSpec, index: usize, host: usize) -> Vec<IpNet> {
    let octet = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
    let (net, prefixes) = match spec.underlay {
        Underlay::L2 => (0, (16, 64)),
        Underlay::Routed => (octet(index + 1), (24, 64)),
    };
    let host = octet(host);
    let v4 = IpAddr::V4(Ipv4Addr::new(172, 18, net, host));
    let v6 = IpAddr::V6(Ipv6Addr::new(
        0xfd00,
        0x18,
        u16::from(net),
        0,
        0,
        0,
        0,
        u16::from(host),
    ));
    let all = [
        (spec.family.has_v4(), v4, prefixes.0),
        (spec.family.has_v6(), v6, prefixes.1),
    ];
    all.into_iter()
        .filter(|(wanted, ..)| *wanted)
        .filter_map(|(_, ip, prefix)| IpNet::new(ip, prefix).ok())
        .collect()
}

/// Lays the cables. The calling thread is in the wire's net namespace; `nodes` are those of the spec's nodes, in order.
pub(crate) fn lay(spec: &LabSpec, nodes: &[BorrowedFd<'_>]) -> Result<()> {
    let failed = |e: flatnet_netlink::Error| Error::failed("lay the wire", e);
    set_sysctls(spec)?;
    let mut wire = Route::open().map_err(failed)?;
    let master = prepare_wire(&mut wire, spec).map_err(failed)?;
    let names: Vec<String> = spec
        .nodes
        .iter()
        .map(|node| LabSpec::wire_port(&node.name))
        .collect();
    let mut cables = wire.batch();
    for (name, node) in names.iter().zip(nodes) {
        cables.push(Request::add_veth(&Veth {
            name,
            master,
            mtu: Some(spec.mtu),
            mac: None,
            up: master.is_some(),
            peer_name: NODE_DEVICE,
            peer_ns: Some(*node),
            peer_mac: None,
        }));
    }
    cables.commit().map_err(failed)?;
    if spec.underlay == Underlay::Routed {
        for (index, name) in names.iter().enumerate() {
            let device = required_link(&mut wire, name)?.index;
            bring_up(&mut wire, device, &gateway_addresses(spec, index), &[]).map_err(failed)?;
        }
    }
    let mut ends = Vec::with_capacity(nodes.len());
    for (index, node) in nodes.iter().enumerate() {
        let gateways = gateway_addresses(spec, index);
        let failed = |e: flatnet_netlink::Error| {
            Error::failed(format!("connect node {}", spec.nodes[index].name), e)
        };
        let mut route = Route::open_in(*node).map_err(failed)?;
        route.send(Request::set_up(LOOPBACK)).map_err(failed)?;
        let link = required_link(&mut route, NODE_DEVICE)?;
        let addresses = node_addresses(spec, index);
        bring_up(&mut route, link.index, &addresses, &gateways).map_err(failed)?;
        ends.push(End {
            route,
            device: link.index,
            addresses: neighbours::reached_at(&addresses, link.mac),
        });
    }
    match master {
        Some(bridge) => {
            let link = required_link(&mut wire, BRIDGE)?;
            ends.push(End {
                route: wire,
                device: bridge,
                addresses: neighbours::reached_at(&gateway_addresses(spec, 0), link.mac),
            });
            neighbours::reserve(&mut ends).map_err(failed)
        }
        // One neighbour per cable: nothing that grows faster than the nodes.
        None => Ok(()),
    }
}

/// Loopback, the outside, and on one segment the bridge with the router's address; the bridge's index.
fn prepare_wire(wire: &mut Route, spec: &LabSpec) -> flatnet_netlink::Result<Option<u32>> {
    wire.send(Request::set_up(LOOPBACK))?;
    // A bridge without ports does what a dummy device would, and needs no kernel module more.
    wire.send(Request::add_bridge(
        OUTSIDE,
        MacAddr::from_ip(OUTSIDE_V4),
        spec.mtu,
    ))?;
    if let Some(outside) = wire.link(OUTSIDE)? {
        let all = [
            (spec.family.has_v4(), OUTSIDE_V4),
            (spec.family.has_v6(), OUTSIDE_V6),
        ];
        let addresses: Vec<IpNet> = all
            .into_iter()
            .filter(|(wanted, _)| *wanted)
            .map(|(_, ip)| ip.into())
            .collect();
        bring_up(wire, outside.index, &addresses, &[])?;
    }
    if spec.underlay == Underlay::Routed {
        return Ok(None);
    }
    let gateways = gateway_addresses(spec, 0);
    let mac = MacAddr::from_ip(gateways.first().map_or(OUTSIDE_V4, IpNet::addr));
    wire.send(Request::add_bridge(BRIDGE, mac, spec.mtu))?;
    let Some(bridge) = wire.link(BRIDGE)? else {
        return Ok(None);
    };
    bring_up(wire, bridge.index, &gateways, &[])?;
    Ok(Some(bridge.index))
}

fn required_link(route: &mut Route, name: &str) -> Result<Link> {
    let link = route
        .link(name)
        .map_err(|e| Error::failed(format!("look up {name}"), e))?;
    link.ok_or_else(|| Error::Failed {
        what: format!("{name} is not there after it was created"),
    })
}

/// The device keeps its IPv6 link-local address: a router solicits neighbours of forwarded packets with it alone (ndisc.c).
fn bring_up(
    route: &mut Route,
    device: u32,
    addresses: &[IpNet],
    gateways: &[IpNet],
) -> flatnet_netlink::Result<()> {
    let mut batch = route.batch();
    batch.push(Request::set_up(device));
    for address in addresses {
        batch.push(Request::add_address(device, *address, false));
    }
    for gateway in gateways {
        let any = if gateway.addr().is_ipv4() {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        };
        let Ok(dst) = IpNet::new(any, 0) else {
            continue;
        };
        batch.push(Request::add_route(&NewRoute {
            dst,
            gateway: Some(gateway.addr()),
            oif: Some(device),
            onlink: false,
            scope_link: false,
            src: None,
            protocol: PROTOCOL,
            metric: None,
            mtu: None,
        }));
    }
    batch.commit()
}

/// What every machine of the lab has set, wire and nodes alike; the calling thread is in its net namespace.
///
/// A new namespace takes over settings of the host; these are the ones that decide whether packets are forwarded.
pub(crate) fn set_sysctls(spec: &LabSpec) -> Result<()> {
    const V4: [(&str, &str); 4] = [
        ("ipv4/ip_forward", "1"),
        ("ipv4/conf/all/rp_filter", "0"),
        ("ipv4/conf/default/rp_filter", "0"),
        ("ipv4/ping_group_range", "0 0"),
    ];
    const V6: [(&str, &str); 6] = [
        ("ipv6/conf/all/disable_ipv6", "0"),
        ("ipv6/conf/default/disable_ipv6", "0"),
        ("ipv6/conf/all/forwarding", "1"),
        ("ipv6/conf/default/forwarding", "1"),
        // Addresses here are the lab's to give: nothing is to be detected, and DAD takes a second.
        ("ipv6/conf/all/accept_dad", "0"),
        ("ipv6/conf/default/accept_dad", "0"),
    ];
    let has_v6 = std::path::Path::new("/proc/sys/net/ipv6").exists();
    if spec.family.has_v6() && !has_v6 {
        return Err(Error::Missing {
            what: "this kernel has IPv6 switched off (no /proc/sys/net/ipv6)".to_owned(),
            remedy: "boot without ipv6.disable=1, or choose the IPv4 family".to_owned(),
        });
    }
    V4.iter()
        .chain(V6.iter().filter(|_| has_v6))
        .try_for_each(|(key, value)| sysctl(key, value))
}

/// Writes a setting of the calling thread's net namespace.
pub(crate) fn sysctl(key: &str, value: &str) -> Result<()> {
    std::fs::write(format!("/proc/sys/net/{key}"), value)
        .map_err(|e| Error::failed(format!("set net.{}={value}", key.replace('/', ".")), e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{IpFamily, NodeSpec};

    fn spec(underlay: Underlay, family: IpFamily) -> LabSpec {
        let nodes = (1..=3)
            .map(|i| NodeSpec {
                name: format!("node{i}"),
                pod_cidrs: Vec::new(),
            })
            .collect();
        let (name, busybox, programs, labels) =
            ("t".to_owned(), None, Vec::new(), Default::default());
        LabSpec {
            name,
            nodes,
            underlay,
            mtu: 1500,
            family,
            busybox,
            programs,
            labels,
        }
    }

    fn texts(nets: &[IpNet]) -> Vec<String> {
        nets.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn one_segment_has_one_subnet_and_one_router() {
        let spec = spec(Underlay::L2, IpFamily::Dual);
        assert_eq!(
            texts(&node_addresses(&spec, 0)),
            ["172.18.0.2/16", "fd00:18::2/64"]
        );
        assert_eq!(
            texts(&node_addresses(&spec, 2)),
            ["172.18.0.4/16", "fd00:18::4/64"]
        );
        assert_eq!(
            texts(&gateway_addresses(&spec, 2)),
            ["172.18.0.1/16", "fd00:18::1/64"]
        );
    }

    #[test]
    fn routed_nodes_have_a_subnet_each() {
        let both = spec(Underlay::Routed, IpFamily::Dual);
        assert_eq!(
            texts(&node_addresses(&both, 0)),
            ["172.18.1.2/24", "fd00:18:1::2/64"]
        );
        assert_eq!(
            texts(&node_addresses(&both, 1)),
            ["172.18.2.2/24", "fd00:18:2::2/64"]
        );
        assert_eq!(
            texts(&gateway_addresses(&both, 1)),
            ["172.18.2.1/24", "fd00:18:2::1/64"]
        );
        assert_eq!(
            texts(&node_addresses(&spec(Underlay::Routed, IpFamily::Ipv6), 1)),
            ["fd00:18:2::2/64"]
        );
    }

    #[test]
    fn device_names_fit_the_kernel_and_differ() {
        assert_eq!(LabSpec::wire_port("node1"), "to-node1");
        let (a, b) = (
            LabSpec::wire_port("a-very-long-node-name-1"),
            LabSpec::wire_port("a-very-long-node-name-2"),
        );
        assert!(a.len() <= 15 && b.len() <= 15 && a != b, "{a} {b}");
    }
}
