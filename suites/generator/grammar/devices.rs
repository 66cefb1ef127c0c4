//! Devices that are down, off their bridge, changed, or too small.
use flatnet_model::cause::CauseId;

use super::{Draw, Drawn, Truth, step};
use crate::ground::Spot;

/// The kernel takes routes away with their device.
const ROUTES_GONE: [CauseId; 4] = [
    CauseId::RoutedAway,
    CauseId::RouteDeviceDown,
    CauseId::RouteMissing,
    CauseId::RouteRefuses,
];

/// A pod's routes and IPv6 addresses go with its device.
const GONE_IN_POD: [CauseId; 4] = [
    CauseId::InterfaceDown,
    CauseId::DefaultRouteMissing,
    CauseId::AddressNotHeld,
    CauseId::RouteRefuses,
];

pub(super) fn device(draw: &mut Draw<'_>) -> Drawn {
    let pod = draw.pod();
    let node = draw.ground.pods[pod].node;
    let host_end = draw.ground.pods[pod].host_end.clone();
    let vxlan = draw.ground.vxlan.clone();
    let (inside, outside) = (Spot::Pod(pod), Spot::Node(node));
    let both = vec![inside, outside];
    let note = draw.note();
    let down = |device: &str| {
        (
            format!("ip link set dev {device} down"),
            format!("ip link set dev {device} up"),
        )
    };
    let mac = |device: &str, last: usize| {
        (
            format!(
                "ip -o link show dev {device} | sed 's/.*ether \\([^ ]*\\).*/\\1/' > {note} && \
                 ip link set dev {device} address 02:00:5e:10:00:{last:02x}"
            ),
            format!("ip link set dev {device} address $(cat {note})"),
        )
    };
    let last = 16 + draw.dice.below(200);
    let mut uncovered = None;
    use CauseId as C;
    let (spot, culprits, (plant, undo), device, causes) = match draw.dice.below(11) {
        0 => (
            inside,
            vec![inside],
            down("eth0"),
            "eth0".to_owned(),
            GONE_IN_POD.to_vec(),
        ),
        1 => (
            outside,
            both,
            down(&host_end),
            host_end,
            vec![C::HostEndDown],
        ),
        2 => {
            let plant = format!("ip link set dev {host_end} nomaster");
            let undo = format!(
                "ip link set dev {host_end} master cni0; bridge link set dev {host_end} hairpin on"
            );
            (
                outside,
                both,
                (plant, undo),
                host_end,
                vec![C::HostEndNotOnBridge],
            )
        }
        3 => (
            outside,
            vec![outside],
            down("cni0"),
            "cni0".to_owned(),
            // IPv6 addresses go with their device.
            vec![C::BridgeDown, C::GatewayAddressMissing],
        ),
        4 => {
            let device = vxlan?;
            let causes = [vec![C::VxlanDown], ROUTES_GONE.to_vec()].concat();
            (outside, vec![outside], down(&device), device, causes)
        }
        5 => {
            let causes = ROUTES_GONE.to_vec();
            (
                outside,
                vec![outside],
                down("eth0"),
                "eth0".to_owned(),
                causes,
            )
        }
        6 => (
            inside,
            vec![inside],
            mac("eth0", last),
            "eth0".to_owned(),
            vec![C::PodMacChanged],
        ),
        7 => {
            let plant = format!(
                "bridge link set dev {host_end} state {}",
                draw.dice.word(&[0, 1, 4])
            );
            let undo = format!("bridge link set dev {host_end} state 3");
            (
                outside,
                both,
                (plant, undo),
                host_end,
                vec![C::PortNotForwarding],
            )
        }
        8 => (
            outside,
            vec![outside],
            mac("cni0", last),
            "cni0".to_owned(),
            vec![],
        ),
        9 => {
            uncovered =
                Some("its neighbours ask again, and may have done so before flatnet looked");
            let causes = ROUTES_GONE.to_vec();
            (
                outside,
                vec![outside],
                mac("eth0", last),
                "eth0".to_owned(),
                causes,
            )
        }
        _ => {
            let device = vxlan?;
            // The kernel forgets a device's neighbours with its address.
            let causes = vec![C::VtepMacMismatch, C::NeighbourMissing];
            (outside, vec![outside], mac(&device, last), device, causes)
        }
    };
    let packets = [
        C::NeighbourWrong,
        C::LinkDown,
        C::FrameMisdirected,
        C::CountedDrop,
        C::GatewayCutOff,
    ];
    let truth = Truth {
        culprits,
        devices: vec![device, "eth0".to_owned()],
        causes: [causes, packets.to_vec()].concat(),
        may: &["bridge", "node-routes", "gateway"],
        uncovered,
        ..Truth::default()
    };
    Some((vec![step(spot, plant, undo)], truth))
}

/// A smaller MTU of any device on the way.
pub(super) fn mtu(draw: &mut Draw<'_>) -> Drawn {
    let pod = draw.pod();
    let node = draw.ground.pods[pod].node;
    let (inside, outside) = (Spot::Pod(pod), Spot::Node(node));
    let (spot, culprits, device) = match draw.dice.below(5) {
        0 => (inside, vec![inside], "eth0".to_owned()),
        1 => (
            outside,
            vec![inside, outside],
            draw.ground.pods[pod].host_end.clone(),
        ),
        2 => (outside, vec![outside], "cni0".to_owned()),
        3 => (outside, vec![outside], "eth0".to_owned()),
        _ => (outside, vec![outside], draw.ground.vxlan.clone()?),
    };
    let (plant, undo) = smaller(draw, &device);
    let truth = Truth {
        culprits,
        causes: vec![
            CauseId::TooBigForDevice,
            CauseId::CountedDrop,
            CauseId::UnderlayMtu,
            CauseId::PodMtuLarger,
        ],
        ..Truth::default()
    };
    Some((vec![step(spot, plant, undo)], truth))
}

/// What gives a device a smaller MTU, and what gives it its own again.
pub(super) fn smaller(draw: &mut Draw<'_>, device: &str) -> (String, String) {
    let bytes = 1280 + draw.dice.below(160);
    let note = draw.note();
    let plant = format!(
        "ip -o link show dev {device} | sed 's/.* mtu \\([0-9]*\\).*/\\1/' > {note} && ip link set dev {device} mtu {bytes}"
    );
    let undo = format!("ip link set dev {device} mtu $(cat {note})");
    (plant, undo)
}
