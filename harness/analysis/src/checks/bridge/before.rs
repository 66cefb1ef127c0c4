//! Bridges that were unfit for the pods on them before the run added its own: to add a pod sets a bridge up again, and without a look
//! before, the run would repair what it should find.
use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Command, Deviation, Finding, Found, State, Subject, Symptom};
use flatnet_model::kernel::Link;
use flatnet_model::observations::Observations;
use flatnet_model::probe::Facts;
use ipnet::IpNet;

use crate::checks::findings::{Findings, Seen};

/// What was wrong with bridges before, and is not any more.
pub(super) fn repaired(observations: &Observations, findings: &mut Findings) -> Vec<Deviation> {
    let mut repaired = Vec::new();
    for node in &observations.nodes {
        let name = &node.object.name;
        match (&node.before_pods, node.inside.facts()) {
            (Some(Ok(before)), Ok(now)) => repaired.extend(on_node(name, before, now)),
            (Some(Err(error)), Ok(_)) => findings.unmeasured_for(
                format!("interfaces of node {name} before the run added its pods"),
                error,
            ),
            _ => {}
        }
    }
    repaired
}

fn on_node(node: &str, before: &Facts, now: &Facts) -> Vec<Deviation> {
    let mut repaired = Vec::new();
    // A bridge without ports cut nobody off.
    for bridge in before.links.iter().filter(|link| before.has_ports(link)) {
        let Some(later) = now.link_named(&bridge.name).filter(|link| link.up) else {
            continue;
        };
        let was = Was {
            node,
            bridge: &bridge.name,
        };
        if !bridge.up {
            repaired.push(was.down(bridge));
        }
        let held = addresses(bridge, before);
        for gained in addresses(later, now) {
            if !held.contains(&gained) {
                repaired.push(was.without(gained, held.clone()));
            }
        }
    }
    repaired
}

fn addresses(link: &Link, facts: &Facts) -> Vec<IpNet> {
    facts
        .addresses_of(link)
        .map(|address| address.net)
        .collect()
}

struct Was<'a> {
    node: &'a str,
    bridge: &'a str,
}

impl Was<'_> {
    fn down(&self, link: &Link) -> Deviation {
        let cause = Cause::BridgeDown {
            node: self.node.to_owned(),
            bridge: self.bridge.to_owned(),
        };
        let observed = State::BridgeState {
            state: link.operstate.clone(),
            set_down: true,
        };
        self.deviation(cause, State::BridgeUp, observed)
    }

    fn without(&self, address: IpNet, held: Vec<IpNet>) -> Deviation {
        let cause = Cause::GatewayAddressMissing {
            node: self.node.to_owned(),
            bridge: Some(self.bridge.to_owned()),
            address: address.addr(),
        };
        let expected = State::AddressOn {
            address: address.addr(),
            device: Some(self.bridge.to_owned()),
            node: self.node.to_owned(),
        };
        let observed = State::DeviceAddresses {
            device: self.bridge.to_owned(),
            addresses: held,
        };
        self.deviation(cause, expected, observed)
    }

    fn deviation(&self, cause: Cause, expected: State, observed: State) -> Deviation {
        let (node, bridge) = (self.node.to_owned(), self.bridge.to_owned());
        let device = Subject::Device {
            node: node.clone(),
            device: bridge.clone(),
        };
        let look = Command::on(self.node, &format!("ip addr show dev {bridge}"));
        let symptom = Symptom::BridgeRepairedByRun { node, bridge };
        Seen::new(expected, observed, look).deviation(
            vec![device],
            vec![Subject::node_of(self.node)],
            Finding::of(symptom, Found::seen(cause)),
        )
    }
}
