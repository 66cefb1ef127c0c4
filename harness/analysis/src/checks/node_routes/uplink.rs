//! The device by which a node reaches the others.
use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Command, Deviation, Finding, State, Subject};
use flatnet_model::observations::ObservedNode;
use flatnet_model::probe::Facts;
use flatnet_model::reference::Netns;

use crate::checks::findings::Problem;

/// The device that holds the node's address, where it is set down.
pub(super) fn down(node: &ObservedNode, facts: &Facts) -> Option<Problem> {
    let mut holders = node.object.internal_ips.iter();
    let device = holders.find_map(|ip| facts.holder(*ip).filter(|link| !link.up))?;
    let (name, device) = (node.object.name.clone(), device.name.clone());
    let itself = vec![Subject::node_of(&name)];
    let is = |up| State::DeviceIs {
        device: device.clone(),
        up,
    };
    Some(Problem {
        peer: None,
        pods: Vec::new(),
        deviation: Deviation {
            subjects: itself.clone(),
            culprits: itself,
            expected: is(true),
            observed: vec![is(false)],
            look: Command::on(&name, &format!("ip link show dev {device}")),
            finding: Finding::cause(Cause::LinkDown {
                at: Netns::Node(name.clone()),
                device,
                admin: true,
            }),
        },
        node: name,
    })
}
