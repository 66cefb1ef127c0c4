//! Faults of what carries packets: routes, neighbours, bridges, configuration, MTU.
use std::net::IpAddr;

use flatnet_lab::{Change, LabSpec, LabTarget};
use flatnet_netlink::MacAddr;
use ipnet::IpNet;

use super::{
    ANY, BRIDGE, Fault, Moment, Recipe, Step, UPLINK, VXLAN, Who, host, same_family, seen,
};
use crate::Error;
use flatnet_model::cause::CauseId;

pub(super) static FAULTS: &[Fault] = &[
    Fault {
        id: "default-route-missing",
        summary: "busybox-1 has no default route",
        moment: Moment::AfterPods,
        says: &[seen(
            &["gateway"],
            &[Who::Pod(1)],
            CauseId::DefaultRouteMissing,
            &[("pods.0.name", "busybox-1")],
        )],
        may_fail: &["same-node", "cross-node", "mtu", "bridge"],
        needs: ANY,
        recipe: Recipe::Steps(|context| {
            let pod = context.pod(1)?;
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
        says: &[seen(
            &["gateway", "bridge"],
            &[Who::Node(1)],
            CauseId::GatewayAddressMissing,
            &[("bridge", "cni0"), ("address", "$GATEWAY1")],
        )],
        may_fail: &["same-node", "cross-node", "mtu", "node-routes"],
        needs: ANY,
        recipe: Recipe::Steps(|context| {
            let cidr = context.cidr(1)?;
            let net = IpNet::new(host(cidr, 1)?, cidr.prefix_len())
                .map_err(|e| Error::failed("gateway address", e))?;
            Ok(vec![Step::Change(
                context.on(1)?,
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
        says: &[seen(
            &["node-routes", "cross-node"],
            &[Who::Node(1)],
            CauseId::RouteMissing,
            &[("to", "node3"), ("range", "$CIDR3")],
        )],
        may_fail: &["mtu", "no-nat"],
        needs: ANY,
        recipe: Recipe::Steps(|context| {
            Ok(vec![Step::Change(
                context.on(1)?,
                vec![Change::DelRoute {
                    dst: context.cidr(3)?,
                }],
            )])
        }),
    },
    Fault {
        id: "stale-route",
        summary: "node1 keeps a route to a podCIDR that no node has",
        moment: Moment::AfterPods,
        says: &[seen(
            &["node-routes"],
            &[Who::Node(1)],
            CauseId::StaleRoute,
            &[("node", "node1")],
        )],
        may_fail: &[],
        needs: ANY,
        recipe: Recipe::Steps(|context| {
            let cidr = context.cidr(1)?;
            let unused = context
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
                gateway: Some(context.way_to(2)?),
                dev: UPLINK.to_owned(),
                onlink: true,
            };
            Ok(vec![Step::Change(context.on(1)?, vec![route])])
        }),
    },
    Fault {
        id: "wrong-vtep-mac",
        summary: "node2's VXLAN device has another MAC than the other nodes know",
        moment: Moment::AfterPods,
        says: &[
            seen(
                &["node-routes"],
                &[Who::Node(2)],
                CauseId::VtepMacMismatch,
                &[
                    ("node", "node3"),
                    ("to", "node2"),
                    ("device_changed", "true"),
                ],
            ),
            seen(
                &["node-routes", "cross-node"],
                &[Who::Node(2)],
                CauseId::VtepMacMismatch,
                &[
                    ("node", "node1"),
                    ("to", "node2"),
                    ("device_changed", "true"),
                ],
            ),
            // The kernel forgets the neighbours of a device with its address.
            seen(
                &["node-routes"],
                &[Who::Node(2)],
                CauseId::NeighbourMissing,
                &[("node", "node2"), ("to", "node1")],
            ),
            seen(
                &["node-routes"],
                &[Who::Node(2)],
                CauseId::NeighbourMissing,
                &[("node", "node2"), ("to", "node3")],
            ),
        ],
        may_fail: &["mtu"],
        needs: VXLAN,
        recipe: Recipe::Steps(|context| {
            let mac = MacAddr([0x0a, 0x58, 0xff, 0xff, 0xff, 0xfe]);
            Ok(vec![Step::Change(
                context.on(2)?,
                vec![Change::SetMac {
                    dev: "flatnet.1".to_owned(),
                    mac,
                }],
            )])
        }),
    },
    Fault {
        id: "host-end-off-bridge",
        summary: "the node's end of busybox-1's veth is not a port of the bridge",
        moment: Moment::AfterPods,
        says: &[seen(
            &["bridge", "gateway"],
            &[Who::Pod(1)],
            CauseId::HostEndNotOnBridge,
            &[("device", "$HOST1")],
        )],
        may_fail: &["same-node", "cross-node", "mtu"],
        needs: ANY,
        recipe: Recipe::Steps(|context| {
            let pod = context.pod(1)?;
            let off = Change::SetMaster {
                dev: pod.host_end.clone(),
                master: None,
            };
            Ok(vec![Step::Change(
                LabTarget::Node(pod.object.node.clone()),
                vec![off],
            )])
        }),
    },
    Fault {
        id: "second-conflist",
        summary: "node1 has a second conflist, and it sorts first",
        moment: Moment::AfterPods,
        says: &[seen(
            &["cni-config"],
            &[Who::Node(1)],
            CauseId::TwoConflists,
            &[("used", "00-leftover.conflist")],
        )],
        may_fail: &[],
        needs: ANY,
        recipe: Recipe::Steps(|context| {
            let text =
                r#"{"cniVersion":"1.0.0","name":"leftover","plugins":[{"type":"flatnet-cni"}]}"#
                    .to_owned();
            let path = "/etc/cni/net.d/00-leftover.conflist".to_owned();
            Ok(vec![Step::Write {
                node: context.node(1)?.name.clone(),
                path,
                text,
            }])
        }),
    },
    Fault {
        id: "plugin-missing",
        summary: "the plugin program is gone from node1",
        moment: Moment::AfterPods,
        says: &[seen(
            &["cni-config"],
            &[Who::Node(1)],
            CauseId::PluginMissing,
            &[("plugins.0", "flatnet-cni")],
        )],
        may_fail: &[],
        needs: ANY,
        recipe: Recipe::Steps(|context| {
            Ok(vec![Step::Remove {
                node: context.node(1)?.name.clone(),
                path: "/opt/cni/bin/flatnet-cni".to_owned(),
            }])
        }),
    },
    Fault {
        id: "underlay-cut",
        summary: "node2's port of the underlay is down",
        moment: Moment::AfterPods,
        says: &[seen(
            &["cross-node"],
            &[Who::Node(2)],
            CauseId::LinkDown,
            &[("at.node", "node2"), ("device", "eth0"), ("admin", "false")],
        )],
        may_fail: &["mtu", "node-routes"],
        needs: ANY,
        recipe: Recipe::Steps(|context| {
            let port = Change::SetUp {
                dev: LabSpec::wire_port(&context.node(2)?.name),
                up: false,
            };
            Ok(vec![Step::Change(LabTarget::Wire, vec![port])])
        }),
    },
    Fault {
        id: "underlay-mtu",
        summary: "the underlay's MTU is below that of the pods' interfaces, on node2's port",
        moment: Moment::AfterPods,
        says: &[seen(
            &["mtu"],
            &[Who::Node(2)],
            CauseId::TooBigForDevice,
            &[("mtu", "1300")],
        )],
        may_fail: &[],
        needs: ANY,
        recipe: Recipe::Steps(|context| {
            let port = Change::SetMtu {
                dev: LabSpec::wire_port(&context.node(2)?.name),
                mtu: 1300,
            };
            Ok(vec![Step::Change(LabTarget::Wire, vec![port])])
        }),
    },
    Fault {
        id: "pod-mtu",
        summary: "the MTU of busybox-2's interface is below those of the other pods",
        moment: Moment::AfterPods,
        says: &[seen(
            &["mtu"],
            &[Who::Pod(2)],
            CauseId::TooBigForDevice,
            &[("device", "eth0"), ("mtu", "1300")],
        )],
        may_fail: &[],
        needs: ANY,
        recipe: Recipe::Steps(|context| {
            let narrow = Change::SetMtu {
                dev: "eth0".to_owned(),
                mtu: 1300,
            };
            Ok(vec![Step::Change(context.pod(2)?.place(), vec![narrow])])
        }),
    },
    Fault {
        id: "loopback-down",
        summary: "the loopback device of busybox-1 is down",
        moment: Moment::AfterPods,
        says: &[seen(
            &["hairpin"],
            &[Who::Pod(1)],
            CauseId::LoopbackDown,
            &[],
        )],
        may_fail: &[],
        needs: ANY,
        recipe: Recipe::Steps(|context| {
            Ok(vec![Step::Change(
                context.pod(1)?.place(),
                vec![Change::SetUp {
                    dev: "lo".to_owned(),
                    up: false,
                }],
            )])
        }),
    },
];

fn default_of(ip: IpAddr) -> IpNet {
    match ip {
        IpAddr::V4(_) => IpNet::V4(ipnet::Ipv4Net::default()),
        IpAddr::V6(_) => IpNet::V6(ipnet::Ipv6Net::default()),
    }
}
