//! What keeps frames from passing between a bridge and a pod whose wire is whole.
use std::collections::BTreeMap;
use std::net::IpAddr;

use flatnet_model::Netns;
use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Command, Finding, PodAt, State, Subject};
use flatnet_model::kernel::{BridgePort, Link, PortState};
use flatnet_model::probe::Facts;

use crate::checks::findings::{Problem, Seen};
use crate::checks::followed;
use crate::checks::topology::{at, ip_command};
use crate::checks::veth::{Wire, default_route, follow, interface, on_link};
use flatnet_model::observations::ObservedPod;

/// A pod on a bridge, seen from both sides.
pub(super) struct Attached<'a> {
    pub(super) pod: &'a ObservedPod,
    pub(super) inside: &'a Facts,
    pub(super) node: &'a str,
    pub(super) outside: &'a Facts,
}

pub(super) fn problems(attached: &[Attached<'_>]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut isolated: BTreeMap<(&str, &str), Vec<&Attached<'_>>> = BTreeMap::new();
    for one in attached {
        problems.extend(one.not_forwarding());
        problems.extend(one.other_mac());
        if let Some((bridge, port)) = one.port()
            && port.isolated
        {
            isolated
                .entry((one.node, &bridge.name))
                .or_default()
                .push(one);
        }
    }
    for ((node, bridge), pods) in isolated {
        problems.extend(kept_apart(node, bridge, &pods));
    }
    problems.extend(gateways_twice(attached));
    problems
}

impl Attached<'_> {
    fn host_end(&self) -> Option<&Link> {
        match follow(self.pod, self.inside, self.outside) {
            Wire::Joined { outside, .. } => Some(outside),
            _ => None,
        }
    }

    /// The bridge and the settings of the port.
    fn port(&self) -> Option<(&Link, BridgePort)> {
        let host_end = self.host_end()?;
        Some((self.outside.link(host_end.master)?, host_end.port?))
    }

    fn problem(&self, cause: Cause, seen: Seen) -> Problem {
        let subject = vec![Subject::Pod(at(self.pod))];
        Problem {
            node: self.node.to_owned(),
            peer: None,
            pods: vec![self.pod.reference().clone()],
            deviation: seen.deviation(subject.clone(), subject, Finding::cause(cause)),
        }
    }

    /// A port without carrier, or of a bridge that is down, is disabled by the kernel itself: then that is the cause.
    fn not_forwarding(&self) -> Option<Problem> {
        let (host_end, (bridge, port)) = (self.host_end()?, self.port()?);
        let down = !bridge.up || !host_end.up || !host_end.lower_up;
        if port.state == PortState::Forwarding || down {
            return None;
        }
        let state = |state: PortState| State::PortIs {
            device: host_end.name.clone(),
            state,
            isolated: false,
        };
        let cause = Cause::PortNotForwarding {
            pod: at(self.pod),
            device: host_end.name.clone(),
            state: port.state,
        };
        let look = format!("bridge link show dev {}", host_end.name);
        let look = Command::on(self.node, &look);
        let seen = Seen::new(state(PortState::Forwarding), state(port.state), look);
        Some(self.problem(cause, seen))
    }

    /// The node's entry for the pod on its bridge. One that the kernel takes for failed is asked for again.
    fn other_mac(&self) -> Option<Problem> {
        let (bridge, _) = self.port()?;
        let actual = interface(self.pod, self.inside)?.mac?;
        let entries = self.outside.neighbours.iter();
        let entry = entries
            .filter(|entry| entry.index == bridge.index)
            .filter(|entry| !matches!(entry.state.as_str(), "FAILED" | "INCOMPLETE" | "NONE"))
            .find(|entry| {
                self.pod.object.ips.contains(&entry.address)
                    && self.inside.address(entry.address).is_some()
                    && entry.mac.is_some_and(|mac| mac != actual)
            })?;
        let (address, told) = (entry.address, entry.mac?);
        // The address that CNI plugins make of the pod's IPv4 address is the one that it was given, for both families.
        let own = &self.pod.object.ips;
        let is_given = |mac| own.iter().any(|ip| followed::is_made_of(mac, *ip));
        let node = || Subject::node_of(self.node);
        let wrong_entry = || Cause::NeighbourWrong {
            at: Netns::Node(self.node.to_owned()),
            hop: address,
            device: bridge.name.clone(),
            mac: told,
            actual: Some(actual),
        };
        let (cause, culprits) = match (is_given(actual), is_given(told)) {
            (true, _) => (wrong_entry(), vec![node()]),
            (false, true) => {
                let cause = Cause::PodMacChanged {
                    pod: at(self.pod),
                    address,
                    entry: told,
                    actual,
                };
                (cause, vec![Subject::Pod(at(self.pod))])
            }
            // Either may have been changed.
            (false, false) => (wrong_entry(), vec![node(), Subject::Pod(at(self.pod))]),
        };
        let observed = State::NeighbourIs {
            hop: address,
            mac: told,
            device: bridge.name.clone(),
            node: self.node.to_owned(),
        };
        let look = format!("{} neigh show {address}", ip_command(address));
        let look = Command::on(self.node, &look);
        let expected = State::OwnEthernetAddress { mac: actual };
        let mut problem = self.problem(cause, Seen::new(expected, observed, look));
        problem.deviation.culprits = culprits;
        Some(problem)
    }

    /// Whether it sends to that pod through the bridge, and not by way of the node.
    fn switches_to(&self, other: &Attached<'_>) -> bool {
        let mut ips = other.pod.object.ips.iter();
        ips.any(|ip| {
            let best = self
                .inside
                .routes
                .iter()
                .filter(|route| route.dst.contains(ip));
            let best = best.max_by_key(|route| route.dst.prefix_len());
            best.is_some_and(|route| route.gateway.is_none())
        })
    }
}

/// Pods behind isolated ports of one bridge, of which one switches to another. Where the node routes between its pods, isolation
/// changes nothing.
fn kept_apart(node: &str, bridge: &str, pods: &[&Attached<'_>]) -> Option<Problem> {
    let apart: Vec<PodAt> = pods
        .iter()
        .filter(|one| {
            let mut others = pods.iter();
            others.any(|other| !std::ptr::eq(*one, other) && one.switches_to(other))
        })
        .map(|one| at(one.pod))
        .collect();
    let first = pods.iter().find(|one| apart.contains(&at(one.pod)))?;
    let device = first.host_end()?.name.clone();
    let cause = Cause::PortsIsolated {
        node: node.to_owned(),
        bridge: bridge.to_owned(),
        pods: apart.clone(),
    };
    let state = |isolated: bool| State::PortIs {
        device: device.clone(),
        state: PortState::Forwarding,
        isolated,
    };
    let look = Command::on(node, &format!("bridge -d link show dev {device}"));
    let subjects: Vec<Subject> = apart.iter().cloned().map(Subject::Pod).collect();
    Some(Problem {
        node: node.to_owned(),
        peer: None,
        pods: apart.iter().map(|at| at.pod.clone()).collect(),
        deviation: Seen::new(state(false), state(true), look).deviation(
            subjects,
            vec![Subject::node_of(node)],
            Finding::cause(cause),
        ),
    })
}

/// Gateways of pods that several bridges of their node hold.
fn gateways_twice(attached: &[Attached<'_>]) -> Vec<Problem> {
    let mut twice: BTreeMap<(&str, IpAddr), Vec<String>> = BTreeMap::new();
    for one in attached {
        let hops = one.pod.object.ips.iter().filter_map(|ip| {
            let route = default_route(one.inside, *ip)?;
            let hop = route.gateway?;
            on_link(one.inside, route, hop).then_some(hop)
        });
        for hop in hops {
            let holders = one.outside.addresses.iter();
            let holders = holders.filter(|own| own.net.addr() == hop);
            let bridges = holders.filter_map(|own| one.outside.link(own.index));
            let bridges = bridges.filter(|link| link.kind == "bridge");
            let bridges: Vec<String> = bridges.map(|link| link.name.clone()).collect();
            if bridges.len() > 1 {
                twice.insert((one.node, hop), bridges);
            }
        }
    }
    let each = twice.into_iter().map(|((node, address), bridges)| {
        let cause = Cause::GatewayTwice {
            node: node.to_owned(),
            address,
            bridges: bridges.clone(),
        };
        let observed = State::HeldByDevices {
            address,
            devices: bridges,
        };
        let look = Command::on(
            node,
            &format!("{} addr show type bridge", ip_command(address)),
        );
        let expected = State::OneBridgeWithAddress { address };
        Problem::on(node, cause, Seen::new(expected, observed, look))
    });
    each.collect()
}
