//! Addresses that are gone, or held by somebody else as well.
use flatnet_model::cause::CauseId as C;

use super::{Draw, Drawn, Truth, step};
use crate::ground::Spot;

pub(super) fn draw(draw: &mut Draw<'_>) -> Drawn {
    let family = draw.family();
    let pod = draw.pod();
    let node = draw.ground.pods[pod].node;
    let ip = draw.ground.pods[pod].ips[family.at];
    let bits = family.host_bits();
    let (inside, outside) = (Spot::Pod(pod), Spot::Node(node));
    let gateway = draw.ground.gateway(node, family);
    let range = draw.ground.nodes[node].cidrs[family.at].prefix_len();
    let nodad = family.of(["", " nodad"]);
    let (spot, culprits, plant, undo, causes, must): (_, _, _, _, _, &[&str]) = match draw
        .dice
        .below(6)
    {
        0 => {
            let plant = format!("ip addr del {ip}/{bits} dev eth0");
            // With a device's last address its routes go.
            let causes = vec![C::AddressNotHeld, C::DefaultRouteMissing];
            (
                inside,
                vec![inside],
                plant,
                String::new(),
                causes,
                &["pod-ip-present"],
            )
        }
        1 => {
            let other =
                (pod + 1 + draw.dice.below(draw.ground.pods.len() - 1)) % draw.ground.pods.len();
            let plant = format!("ip addr add {ip}/{bits} dev eth0{nodad}");
            let undo = format!("ip addr del {ip}/{bits} dev eth0");
            // Their node assigned both.
            let spots = vec![inside, Spot::Pod(other), outside];
            (
                Spot::Pod(other),
                spots,
                plant,
                undo,
                vec![C::AddressShared, C::TakenByOther],
                &["pod-ip-unique"],
            )
        }
        2 => {
            let at = draw.node();
            let device = draw.dice.word(&["lo", "cni0", "eth0"]);
            let plant = format!("ip addr add {ip}/{bits} dev {device}{nodad}");
            let undo = format!("ip addr del {ip}/{bits} dev {device}");
            // The kernel has a route to each address that it holds.
            let causes = vec![
                C::NodeAddressOnPod,
                C::TakenByOther,
                C::SourceIsOwn,
                C::PartRoutedElsewhere,
            ];
            (
                Spot::Node(at),
                vec![inside, Spot::Node(at)],
                plant,
                undo,
                causes,
                &["pod-ip-unique"],
            )
        }
        3 => {
            let plant = format!("ip addr del {gateway}/{range} dev cni0");
            let causes = vec![C::GatewayAddressMissing, C::RouteRefuses, C::RoutedAway];
            (
                outside,
                vec![outside],
                plant,
                String::new(),
                causes,
                &["gateway", "bridge"],
            )
        }
        4 => {
            let plant = format!(
                "ip link add br9 type bridge && ip link set br9 up && ip addr add {gateway}/{range} dev br9{nodad}"
            );
            (
                outside,
                vec![outside],
                plant,
                "ip link del br9".to_owned(),
                vec![C::GatewayTwice],
                &[],
            )
        }
        _ => {
            let device = draw.ground.vxlan.clone()?;
            let vtep = draw.ground.nodes[node].cidrs[family.at].network();
            let plant = format!("ip addr del {vtep}/{bits} dev {device}");
            let causes = vec![
                C::NeighbourUnresolved,
                C::RouteRefuses,
                C::RouteMissing,
                C::RoutedAway,
            ];
            (outside, vec![outside], plant, String::new(), causes, &[])
        }
    };
    let truth = Truth {
        culprits,
        causes,
        must,
        may: &[
            "bridge",
            "gateway",
            "node-routes",
            "pod-ip-unique",
            "pod-ip-present",
        ],
        ..Truth::default()
    };
    Some((vec![step(spot, plant, undo)], truth))
}
