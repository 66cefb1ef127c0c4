//! Neighbours and forwarding entries that are wrong or gone.
use flatnet_model::cause::CauseId as C;

use super::{Draw, Drawn, Truth, step};
use crate::ground::Spot;

const CAUSES: [C; 9] = [
    C::NeighbourWrong,
    C::FrameMisdirected,
    C::NeighbourUnresolved,
    C::NeighbourMissing,
    C::VtepMacMismatch,
    C::ForwardingEntryMissing,
    C::ForwardingElsewhere,
    C::GatewayCutOff,
    C::CountedDrop,
];

pub(super) fn neighbour(draw: &mut Draw<'_>) -> Drawn {
    let family = draw.family();
    let v = family.digit();
    let pod = draw.pod();
    let node = draw.ground.pods[pod].node;
    let (inside, outside) = (Spot::Pod(pod), Spot::Node(node));
    let ip = draw.ground.pods[pod].ips[family.at];
    let gateway = draw.ground.gateway(node, family);
    let to = draw.other_node(node);
    let mac = format!("02:00:5e:20:00:{:02x}", 16 + draw.dice.below(200));
    let wrong = |hop: &str, device: &str| {
        format!("ip -{v} neigh replace {hop} dev {device} lladdr {mac} nud permanent")
    };
    let hop = || {
        let route = draw.ground.nodes[node].routes[to][family.at].as_ref()?;
        let mut words = route
            .split_whitespace()
            .skip_while(|word| *word != "via")
            .skip(1);
        words.next().map(str::to_owned)
    };
    let mut uncovered = None;
    const ASKED_AGAIN: &str = "who answers is asked again, and may have been before flatnet looked";
    let (spot, culprits, plant, undo) = match draw.dice.below(7) {
        0 => (
            outside,
            vec![outside, inside],
            wrong(&ip.to_string(), "cni0"),
            String::new(),
        ),
        1 => (
            inside,
            vec![inside],
            wrong(&gateway.to_string(), "eth0"),
            String::new(),
        ),
        2 => {
            let device = draw.ground.vxlan.clone()?;
            (
                outside,
                vec![outside, Spot::Node(to)],
                wrong(&hop()?, &device),
                String::new(),
            )
        }
        3 => {
            let device = draw.ground.vxlan.clone()?;
            let plant = format!("ip -{v} neigh del {} dev {device}", hop()?);
            (outside, vec![outside], plant, String::new())
        }
        // The kernel asks again where neighbours answer.
        4 => {
            uncovered = Some(ASKED_AGAIN);
            let (spot, culprit, hop, device) = match draw.dice.percent(50) {
                true => (outside, outside, ip.to_string(), "cni0"),
                false => (inside, inside, gateway.to_string(), "eth0"),
            };
            let plant = format!("ip -{v} neigh replace {hop} dev {device} nud failed");
            (spot, vec![culprit], plant, String::new())
        }
        5 => {
            let device = draw.ground.vxlan.clone().unwrap_or_else(|| {
                uncovered = Some(ASKED_AGAIN);
                "eth0".to_owned()
            });
            let plant = format!("ip -{v} neigh replace {} dev {device} nud failed", hop()?);
            (outside, vec![outside], plant, String::new())
        }
        _ => {
            // Behind a router the neighbour is the router.
            if draw.ground.vxlan.is_some() {
                return None;
            }
            let hop = hop()?;
            let undo = format!("ip -{v} neigh del {hop} dev eth0");
            (outside, vec![outside], wrong(&hop, "eth0"), undo)
        }
    };
    let truth = Truth {
        culprits,
        causes: CAUSES.to_vec(),
        may: &["node-routes", "gateway"],
        uncovered,
        ..Truth::default()
    };
    Some((vec![step(spot, plant, undo)], truth))
}

/// Entries of a VXLAN device's forwarding database.
pub(super) fn forwarding(draw: &mut Draw<'_>) -> Drawn {
    let device = draw.ground.vxlan.clone()?;
    let node = draw.node();
    let to = draw.other_node(node);
    let third = 3 - node - to;
    let far = draw.ground.nodes[to].ips[0];
    let astray = draw.ground.nodes[third].ips[0];
    let spot = Spot::Node(node);
    let mac = format!("$(bridge fdb show dev {device} | grep 'dst {far} ' | cut -d' ' -f1)");
    let plant = match draw.dice.percent(50) {
        true => format!("bridge fdb del {mac} dev {device}"),
        false => format!("bridge fdb replace {mac} dev {device} dst {astray} self permanent"),
    };
    let truth = Truth {
        culprits: vec![spot],
        causes: [
            CAUSES.to_vec(),
            vec![C::TakenByOther, C::SentAway, C::StaleForwarding],
        ]
        .concat(),
        may: &["node-routes"],
        ..Truth::default()
    };
    Some((vec![step(spot, plant, "")], truth))
}
