//! Faults of the addresses of pods.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flatnet_lab::Change;
use ipnet::IpNet;

use super::{Fault, Moment, Recipe, Step, UPLINK, host};
use crate::Error;
use flatnet_model::cause::CauseId;

pub(super) static FAULTS: &[Fault] = &[
    Fault {
        id: "pod-address-changed",
        summary: "busybox-1 has another address than the API says",
        moment: Moment::AfterPods,
        must_fail: &["pod-ip-present"],
        may_fail: &[
            "same-node",
            "cross-node",
            "gateway",
            "mtu",
            "hairpin",
            "no-nat",
            "bridge",
        ],
        culprit: "busybox-1",
        causes: &[CauseId::AddressNotHeld],
        needs_vxlan: false,
        recipe: Recipe::Steps(|context| {
            let pod = context.pod(1)?;
            let other = IpNet::new(host(context.cidr(1)?, 200)?, pod.prefix_len)
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
        must_fail: &["pod-ip-unique", "node-routes"],
        may_fail: &["same-node", "cross-node", "no-nat", "gateway", "mtu"],
        culprit: "node2",
        causes: &[CauseId::OverlappingPodCidrs, CauseId::AddressShared],
        needs_vxlan: false,
        recipe: Recipe::Nodes(|nodes| nodes[1].pod_cidrs = nodes[0].pod_cidrs.clone()),
    },
    Fault {
        id: "same-ip",
        summary: "the reservation of busybox-1's address is lost, and the next pod on its node gets it again",
        moment: Moment::AfterFirstPod,
        must_fail: &["pod-ip-unique"],
        may_fail: &[
            "same-node",
            "cross-node",
            "no-nat",
            "gateway",
            "mtu",
            "hairpin",
            "first-packet",
            // Both holders may get a flooded frame, and answer it.
            "duplicates",
        ],
        culprit: "busybox-1",
        causes: &[CauseId::AddressShared],
        needs_vxlan: false,
        recipe: Recipe::Steps(|context| {
            let pod = context.pod(1)?;
            let store = "/var/lib/cni/networks/flatnet";
            let node = || pod.object.node.clone();
            Ok(vec![
                Step::Remove {
                    node: node(),
                    path: format!("{store}/{}", pod.ip),
                },
                // The next search starts after this one. Without it the plugin takes the store for a new one, and asks the kernel.
                Step::Write {
                    node: node(),
                    path: format!("{store}/last@0"),
                    text: format!("{:<39}\n", before(pod.ip).to_string()),
                },
            ])
        }),
    },
];

/// The address before this one.
fn before(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => Ipv4Addr::from(u32::from(v4).wrapping_sub(1)).into(),
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6).wrapping_sub(1)).into(),
    }
}
