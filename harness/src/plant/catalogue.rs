//! Faults of the lab. Node and pod numbers count from 1; with the default pods, busybox-N is on node ((N-1) mod nodes)+1.
use flatnet_lab::{Change, LabSpec, Place};
use flatnet_netlink::MacAddr;
use flatnet_netlink::nft::{Chain, ChainType, Expr, Hook, Table};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

use super::{Fault, Moment, Recipe, Step};
use crate::observe::fleet::POD_PORT;
use crate::{Error, Result};

const BRIDGE: &str = "cni0";
const UPLINK: &str = "eth0";
const TCP: u8 = 6;
const UDP: u8 = 17;

pub(super) static FAULTS: &[Fault] = &[
    Fault {
        id: "pod-address-changed",
        summary: "busybox-1 has another address than the API says",
        moment: Moment::AfterPods,
        red: &["pod-ip-present"],
        follow: &[
            "same-node",
            "cross-node",
            "gateway",
            "mtu",
            "hairpin",
            "no-nat",
            "bridge",
        ],
        culprit: "busybox-1",
        needs_vxlan: false,
        recipe: Recipe::Steps(|scene| {
            let pod = scene.pod(1)?;
            let other = IpNet::new(host(scene.cidr(1)?, 200)?, pod.prefix_len)
                .map_err(|e| Error::failed("address", e))?;
            let dev = || UPLINK.to_owned();
            let swap = vec![
                Change::AddAddress {
                    dev: dev(),
                    net: other,
                },
                Change::DelAddress {
                    dev: dev(),
                    net: pod.net()?,
                },
            ];
            Ok(vec![Step::Change(pod.place(), swap)])
        }),
    },
    Fault {
        id: "equal-pod-cidr",
        summary: "node2 is given node1's podCIDR",
        moment: Moment::Planning,
        red: &["pod-ip-unique", "node-routes"],
        follow: &["same-node", "cross-node", "no-nat", "gateway", "mtu"],
        culprit: "node2",
        needs_vxlan: false,
        recipe: Recipe::Nodes(|nodes| nodes[1].pod_cidrs = nodes[0].pod_cidrs.clone()),
    },
    Fault {
        id: "same-ip",
        summary: "the reservation of busybox-1's address is lost, and the next pod on its node gets it again",
        moment: Moment::AfterFirstPod,
        red: &["pod-ip-unique"],
        follow: &[
            "same-node",
            "cross-node",
            "no-nat",
            "gateway",
            "mtu",
            "hairpin",
        ],
        culprit: "busybox-1",
        needs_vxlan: false,
        recipe: Recipe::Steps(|scene| {
            let pod = scene.pod(1)?;
            let store = "/var/lib/cni/networks/flatnet";
            let gone = |path: String| Step::Remove {
                node: pod.node.clone(),
                path,
            };
            Ok(vec![
                gone(format!("{store}/{}", pod.ip)),
                gone(format!("{store}/last@0")),
            ])
        }),
    },
    Fault {
        id: "same-node-drop",
        summary: "node1 drops what its own pods send each other",
        moment: Moment::AfterPods,
        red: &["same-node"],
        follow: &["mtu"],
        culprit: "node1",
        needs_vxlan: false,
        recipe: Recipe::Steps(|scene| {
            let rule = vec![
                Expr::InInterface(BRIDGE.to_owned()),
                Expr::OutInterface(BRIDGE.to_owned()),
                Expr::Counter,
                Expr::Drop,
            ];
            Ok(vec![nft(
                scene.on(1)?,
                ChainType::Filter,
                Hook::Forward,
                0,
                vec![rule],
            )])
        }),
    },
    Fault {
        id: "forward-drop",
        summary: "node2 forwards nothing from other nodes",
        moment: Moment::AfterPods,
        red: &["cross-node"],
        follow: &["mtu"],
        culprit: "node2",
        needs_vxlan: false,
        recipe: Recipe::Steps(|scene| {
            let rule = vec![
                Expr::InInterface(UPLINK.to_owned()),
                Expr::Counter,
                Expr::Drop,
            ];
            Ok(vec![nft(
                scene.on(2)?,
                ChainType::Filter,
                Hook::Forward,
                0,
                vec![rule],
            )])
        }),
    },
    Fault {
        id: "udp-drop",
        summary: "node2 drops UDP from other nodes to its pods, and nothing else",
        moment: Moment::AfterPods,
        red: &["cross-node"],
        follow: &["mtu"],
        culprit: "node2",
        needs_vxlan: false,
        recipe: Recipe::Steps(|scene| {
            let rule = vec![
                Expr::InInterface(UPLINK.to_owned()),
                Expr::Protocol(UDP),
                Expr::DestinationPort(POD_PORT),
                Expr::Drop,
            ];
            Ok(vec![nft(
                scene.on(2)?,
                ChainType::Filter,
                Hook::Forward,
                0,
                vec![rule],
            )])
        }),
    },
    Fault {
        id: "masquerade",
        summary: "node1 masquerades what its pods send to pods of other nodes",
        moment: Moment::AfterPods,
        red: &["no-nat"],
        follow: &[],
        culprit: "node1",
        needs_vxlan: false,
        recipe: Recipe::Steps(|scene| {
            let own = scene.cidr(1)?;
            let rules = scene
                .pod_network
                .iter()
                .filter(|n| same_family(n, &own))
                .map(|network| {
                    vec![
                        Expr::SourceIn(own),
                        Expr::DestinationIn(*network),
                        Expr::DestinationNotIn(own),
                        Expr::Masquerade,
                    ]
                });
            Ok(vec![nft(
                scene.on(1)?,
                ChainType::Nat,
                Hook::Postrouting,
                90,
                rules.collect(),
            )])
        }),
    },
    Fault {
        id: "dnat",
        summary: "node2 sends TCP connections for busybox-2 to another pod",
        moment: Moment::AfterPods,
        red: &["no-nat"],
        follow: &["same-node"],
        culprit: "busybox-2",
        needs_vxlan: false,
        recipe: Recipe::Steps(|scene| {
            let pod = scene.pod(2)?;
            let to = SocketAddr::new(scene.neighbour_of(pod)?.ip, POD_PORT);
            let rule = vec![
                Expr::DestinationIn(IpNet::from(pod.ip)),
                Expr::Protocol(TCP),
                Expr::DestinationPort(POD_PORT),
                Expr::Dnat(to),
            ];
            Ok(vec![nft(
                Place::Node(pod.node.clone()),
                ChainType::Nat,
                Hook::Prerouting,
                -100,
                vec![rule],
            )])
        }),
    },
    Fault {
        id: "reply-source",
        summary: "node2 rewrites the source of what busybox-2 answers over UDP",
        moment: Moment::AfterPods,
        red: &["no-nat"],
        follow: &["mtu"],
        culprit: "busybox-2",
        needs_vxlan: false,
        recipe: Recipe::Steps(|scene| {
            let pod = scene.pod(2)?;
            let other = host(scene.cidr(2)?, 200)?;
            let rule = vec![
                Expr::SourceIn(IpNet::from(pod.ip)),
                Expr::Protocol(UDP),
                Expr::SourcePort(POD_PORT),
                Expr::SetSource(other),
            ];
            // Before connection tracking (-200), which would hide a rewritten reply from the client.
            Ok(vec![nft(
                Place::Node(pod.node.clone()),
                ChainType::Filter,
                Hook::Prerouting,
                -300,
                vec![rule],
            )])
        }),
    },
    Fault {
        id: "default-route-missing",
        summary: "busybox-1 has no default route",
        moment: Moment::AfterPods,
        red: &["gateway"],
        follow: &["same-node", "cross-node", "mtu", "bridge"],
        culprit: "busybox-1",
        needs_vxlan: false,
        recipe: Recipe::Steps(|scene| {
            let pod = scene.pod(1)?;
            Ok(vec![Step::Change(
                pod.place(),
                vec![Change::DelRoute {
                    dst: default_of(pod.ip),
                }],
            )])
        }),
    },
    Fault {
        id: "gateway-missing",
        summary: "the gateway address is gone from node1's bridge",
        moment: Moment::AfterPods,
        red: &["gateway", "bridge"],
        follow: &["same-node", "cross-node", "mtu", "node-routes"],
        culprit: "node1",
        needs_vxlan: false,
        recipe: Recipe::Steps(|scene| {
            let cidr = scene.cidr(1)?;
            let net = IpNet::new(host(cidr, 1)?, cidr.prefix_len())
                .map_err(|e| Error::failed("gateway address", e))?;
            Ok(vec![Step::Change(
                scene.on(1)?,
                vec![Change::DelAddress {
                    dev: BRIDGE.to_owned(),
                    net,
                }],
            )])
        }),
    },
    Fault {
        id: "route-missing",
        summary: "node1 has no route to node3's pods",
        moment: Moment::AfterPods,
        red: &["node-routes", "cross-node"],
        follow: &["mtu", "no-nat"],
        culprit: "node1",
        needs_vxlan: false,
        recipe: Recipe::Steps(|scene| {
            Ok(vec![Step::Change(
                scene.on(1)?,
                vec![Change::DelRoute {
                    dst: scene.cidr(3)?,
                }],
            )])
        }),
    },
    Fault {
        id: "stale-route",
        summary: "node1 keeps a route to a podCIDR that no node has",
        moment: Moment::AfterPods,
        red: &["node-routes"],
        follow: &[],
        culprit: "node1",
        needs_vxlan: false,
        recipe: Recipe::Steps(|scene| {
            let cidr = scene.cidr(1)?;
            let unused = scene
                .pod_network
                .iter()
                .filter(|n| same_family(n, &cidr))
                .find_map(|n| n.subnets(cidr.prefix_len()).ok()?.nth(99));
            let dst = unused.ok_or_else(|| {
                Error::Failed(
                    "the pod network has no hundredth node range to leave a route to".to_owned(),
                )
            })?;
            let route = Change::ReplaceRoute {
                dst,
                gateway: Some(scene.way_to(2)?),
                dev: UPLINK.to_owned(),
                onlink: true,
            };
            Ok(vec![Step::Change(scene.on(1)?, vec![route])])
        }),
    },
    Fault {
        id: "wrong-vtep-mac",
        summary: "node2's VXLAN device has another MAC than the other nodes know",
        moment: Moment::AfterPods,
        red: &["node-routes", "cross-node"],
        follow: &["mtu"],
        culprit: "node2",
        needs_vxlan: true,
        recipe: Recipe::Steps(|scene| {
            let mac = MacAddr([0x0a, 0x58, 0xff, 0xff, 0xff, 0xfe]);
            Ok(vec![Step::Change(
                scene.on(2)?,
                vec![Change::SetMac {
                    dev: "flatnet.1".to_owned(),
                    mac,
                }],
            )])
        }),
    },
    Fault {
        id: "host-end-off-bridge",
        summary: "the node's end of busybox-1's veth is no port of the bridge",
        moment: Moment::AfterPods,
        red: &["bridge"],
        follow: &["gateway", "same-node", "cross-node", "mtu"],
        culprit: "busybox-1",
        needs_vxlan: false,
        recipe: Recipe::Steps(|scene| {
            let pod = scene.pod(1)?;
            let off = Change::SetMaster {
                dev: pod.host_end.clone(),
                master: None,
            };
            Ok(vec![Step::Change(Place::Node(pod.node.clone()), vec![off])])
        }),
    },
    Fault {
        id: "second-conflist",
        summary: "node1 has a second conflist, and it sorts first",
        moment: Moment::AfterPods,
        red: &["cni-config"],
        follow: &[],
        culprit: "node1",
        needs_vxlan: false,
        recipe: Recipe::Steps(|scene| {
            let text =
                r#"{"cniVersion":"1.0.0","name":"leftover","plugins":[{"type":"flatnet-cni"}]}"#
                    .to_owned();
            let path = "/etc/cni/net.d/00-leftover.conflist".to_owned();
            Ok(vec![Step::Write {
                node: scene.node(1)?.name.clone(),
                path,
                text,
            }])
        }),
    },
    Fault {
        id: "plugin-missing",
        summary: "the plugin program is gone from node1",
        moment: Moment::AfterPods,
        red: &["cni-config"],
        follow: &[],
        culprit: "node1",
        needs_vxlan: false,
        recipe: Recipe::Steps(|scene| {
            Ok(vec![Step::Remove {
                node: scene.node(1)?.name.clone(),
                path: "/opt/cni/bin/flatnet-cni".to_owned(),
            }])
        }),
    },
    Fault {
        id: "underlay-mtu",
        summary: "the underlay carries less than pods were told, on node2's port",
        moment: Moment::AfterPods,
        red: &["mtu"],
        follow: &[],
        culprit: "node2",
        needs_vxlan: false,
        recipe: Recipe::Steps(|scene| {
            let port = Change::SetMtu {
                dev: LabSpec::wire_port(&scene.node(2)?.name),
                mtu: 1300,
            };
            Ok(vec![Step::Change(Place::Wire, vec![port])])
        }),
    },
    Fault {
        id: "loopback-down",
        summary: "the loopback device of busybox-1 is down",
        moment: Moment::AfterPods,
        red: &["hairpin"],
        follow: &[],
        culprit: "busybox-1",
        needs_vxlan: false,
        recipe: Recipe::Steps(|scene| {
            Ok(vec![Step::Change(
                scene.pod(1)?.place(),
                vec![Change::SetUp {
                    dev: "lo".to_owned(),
                    up: false,
                }],
            )])
        }),
    },
];

/// A table with one base chain.
fn nft(place: Place, kind: ChainType, hook: Hook, priority: i32, rules: Vec<Vec<Expr>>) -> Step {
    let chain = Chain {
        name: "fault".to_owned(),
        kind,
        hook,
        priority,
        rules,
    };
    Step::Change(
        place,
        vec![Change::Nft {
            table: Table {
                name: "fault".to_owned(),
                sets: Vec::new(),
                chains: vec![chain],
            },
        }],
    )
}

fn same_family(a: &IpNet, b: &IpNet) -> bool {
    a.addr().is_ipv4() == b.addr().is_ipv4()
}

/// The address of that number in a range.
fn host(range: IpNet, number: u8) -> Result<IpAddr> {
    let address = match range.network() {
        IpAddr::V4(base) => IpAddr::V4((u32::from(base) + u32::from(number)).into()),
        IpAddr::V6(base) => IpAddr::V6((u128::from(base) + u128::from(number)).into()),
    };
    if range.contains(&address) {
        Ok(address)
    } else {
        Err(Error::Failed(format!(
            "{range} has no address number {number}"
        )))
    }
}

fn default_of(ip: IpAddr) -> IpNet {
    match ip {
        IpAddr::V4(_) => IpNet::V4(ipnet::Ipv4Net::default()),
        IpAddr::V6(_) => IpNet::V6(ipnet::Ipv6Net::default()),
    }
}
