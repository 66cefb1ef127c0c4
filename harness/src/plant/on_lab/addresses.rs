//! Faults of the addresses of pods.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flatnet_lab::Change;
use ipnet::IpNet;

use super::{ANY, Fault, Moment, Recipe, Step, UPLINK, Who, host, may_be, seen};
use crate::Error;
use flatnet_model::cause::CauseId;

pub(super) static FAULTS: &[Fault] = &[
    Fault {
        id: "pod-address-changed",
        summary: "busybox-1 has another address than the API says",
        moment: Moment::AfterPods,
        says: &[seen(
            &["pod-ip-present"],
            &[Who::Pod(1)],
            CauseId::AddressNotHeld,
            &[("address", "$POD1")],
        )],
        may_fail: &[
            "same-node",
            "cross-node",
            "gateway",
            "mtu",
            "hairpin",
            "bridge",
        ],
        needs: ANY,
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
        says: &[
            seen(
                &["node-routes"],
                &[Who::Node(1), Who::Node(2)],
                CauseId::OverlappingPodCidrs,
                &[("nodes.0", "node1"), ("nodes.1", "node2")],
            ),
            seen(
                &["pod-ip-unique"],
                &[Who::Node(1), Who::Node(2)],
                CauseId::AddressShared,
                &[],
            ),
        ],
        may_fail: &["same-node", "cross-node", "no-nat", "gateway", "mtu"],
        needs: ANY,
        recipe: Recipe::Nodes(|nodes| nodes[1].pod_cidrs = nodes[0].pod_cidrs.clone()),
    },
    Fault {
        id: "same-ip",
        summary: "the reservation of busybox-1's address is lost, and the next pod on its node gets it again",
        moment: Moment::AfterFirstPod,
        says: &[
            seen(
                &["pod-ip-unique"],
                &[Who::Node(1)],
                CauseId::AddressShared,
                &[("pods.0.name", "busybox-1"), ("pods.1.name", "busybox-4")],
            ),
            // Both holders may get a flooded frame, and answer it; which of them gets an answer changes.
            may_be(&["duplicates"], &[], CauseId::PacketsDoubled, &[]).sometimes(),
            may_be(
                &["cross-node", "same-node"],
                &[Who::Node(1)],
                CauseId::LossyPath,
                &[],
            )
            .sometimes()
            .or_nobody(),
            may_be(&["first-packet"], &[], CauseId::FirstPacketLost, &[]).sometimes(),
        ],
        may_fail: &["same-node", "no-nat", "gateway", "mtu", "hairpin"],
        needs: ANY,
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
