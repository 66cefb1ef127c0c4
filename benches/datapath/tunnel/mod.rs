//! The agent's VXLAN against one made by hand, and plain routes against VXLAN: pod to pod between two nodes.
mod topology;
mod traffic;

use std::time::Duration;

use topology::{Pair, Way, pod_address};
use traffic::{datagrams, stream};

use crate::outcome::Result;
use crate::sandbox;
use crate::stats::median_rate;
use crate::table::{Figure, Row, Target};
use crate::{Effort, Sink};

/// In the order in which they take turns.
const WAYS: [Way; 5] = [
    Way::HandBuilt,
    Way::Vxlan { masquerade: false },
    Way::Auto { masquerade: false },
    Way::Vxlan { masquerade: true },
    Way::Auto { masquerade: true },
];

/// Short turns and many: a disturbance then spoils a turn, not the median.
const ROUNDS: usize = 30;
const STREAM: Duration = Duration::from_millis(200);
const DATAGRAMS: Duration = Duration::from_millis(150);

pub(crate) fn run(effort: Effort, sink: &mut Sink) -> Result<()> {
    let ip = sandbox::program("ip", "iproute2")?;
    sandbox::enter()?;
    let pairs = WAYS
        .iter()
        .map(|way| Pair::new(*way, &ip))
        .collect::<Result<Vec<_>>>()?;
    let mut bits = vec![Vec::new(); pairs.len()];
    let mut packets = bits.clone();
    sink.progress("tunnel: traffic");
    for round in 0..effort.rounds(ROUNDS) {
        for turn in 0..pairs.len() {
            // In alternating order, so that none always follows the same one.
            let index = if round % 2 == 0 {
                turn
            } else {
                pairs.len() - 1 - turn
            };
            let [from, to] = &pairs[index].pods;
            bits[index].push(stream(from, to, pod_address(1), STREAM)?);
            packets[index].push(datagrams(from, to, pod_address(1), DATAGRAMS)?);
        }
    }
    let bits = |way| Figure::Bits(median_rate(&bits[position(way)]));
    let packets = |way| Figure::Packets(median_rate(&packets[position(way)]));
    let (hand, vxlan, routes) = (WAYS[0], WAYS[1], WAYS[2]);
    let (vxlan_masq, routes_masq) = (WAYS[3], WAYS[4]);
    sink.row(Row::pair(
        "agent's VXLAN, TCP (reference: VXLAN by hand)",
        bits(vxlan),
        bits(hand),
        Target::Better(0.95),
    ));
    sink.row(Row::pair(
        "agent's VXLAN, 64-byte UDP (reference: VXLAN by hand)",
        packets(vxlan),
        packets(hand),
        Target::Better(0.95),
    ));
    sink.row(Row::pair(
        "routes the agent chose, 64-byte UDP (reference: its VXLAN)",
        packets(routes),
        packets(vxlan),
        Target::Better(1.35),
    ));
    sink.row(Row::pair(
        "routes the agent chose, TCP (reference: its VXLAN)",
        bits(routes),
        bits(vxlan),
        Target::None,
    ));
    sink.row(Row::pair(
        "agent's VXLAN with masquerade, TCP (reference: VXLAN by hand)",
        bits(vxlan_masq),
        bits(hand),
        Target::None,
    ));
    sink.row(Row::pair(
        "agent's VXLAN with masquerade, UDP (reference: VXLAN by hand)",
        packets(vxlan_masq),
        packets(hand),
        Target::None,
    ));
    sink.row(Row::pair(
        "routes with masquerade, UDP (reference: VXLAN with it)",
        packets(routes_masq),
        packets(vxlan_masq),
        Target::None,
    ));
    Ok(())
}

fn position(way: Way) -> usize {
    WAYS.iter().position(|one| *one == way).unwrap_or_default()
}
