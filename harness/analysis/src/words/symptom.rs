//! What goes wrong.
use std::collections::BTreeSet;

use flatnet_model::evidence::{Direction, Extent, Scope, Span, Symptom};
use flatnet_model::network::Family;
use flatnet_model::network::Transport;
use flatnet_model::reference::Endpoint;

use super::list::{all, between, listed, transports};
use super::{Words, count};

impl Words<'_> {
    pub(super) fn symptom(&self, symptom: &Symptom) -> String {
        let over = |set: &BTreeSet<Transport>| transports(set.iter().copied());
        match symptom {
            Symptom::NotRunning { pod } => {
                format!("{} does not run, so it has no IP", self.pod_at(pod))
            }
            Symptom::NoAddress { pod, family } => {
                let lacking = family.map_or_else(|| "IP".to_owned(), |f| f.to_string());
                format!("{} has no {lacking} address in the API", self.pod_at(pod))
            }
            Symptom::ForeignHostAddress { pod, address } => format!(
                "hostNetwork pod {} has {address}, which is not an address of its node {}",
                self.names.pod(&pod.pod),
                pod.node
            ),
            Symptom::GatewaySilent { pods, hop } => {
                format!("gateway {hop} does not answer {}", self.pods_at(pods))
            }
            Symptom::ForeignNextHop { pods, hop } => format!(
                "{}: next hop {hop} of the default route is not an address of {}",
                self.pods_at(pods),
                pods.first().map_or("its node", |pod| pod.node.as_str())
            ),
            Symptom::BridgeWithoutGateway {
                node,
                bridge,
                hop,
                pod,
            } => format!(
                "bridge {bridge} of {node} does not hold {hop}, the gateway of pod {}",
                self.names.pod(&pod.pod)
            ),
            Symptom::Unreached {
                scope,
                span,
                red,
                all,
                hosts,
                over: failing,
                family,
            } => {
                let among = match hosts {
                    0 => String::new(),
                    n => format!(" ({n} of them with a node or hostNetwork pod)"),
                };
                format!(
                    "{}: {red} of {all} pairs{among} over {}",
                    self.scope(scope, *span),
                    over_family(failing, *family)
                )
            }
            Symptom::Unreflected { pod, over: failing } => format!(
                "{} does not reach itself over {}",
                self.pod_at(pod),
                over(failing)
            ),
            Symptom::SourceRewritten { at, extent } => {
                format!("source address rewritten {}: {}", place(at), reach(extent))
            }
            Symptom::WrongResponder {
                responder,
                responder_node,
                target,
                node,
                extent,
            } => {
                let on = responder_node.as_ref().map(|node| format!(" on {node}"));
                format!(
                    "{}{} answers in place of {} on {}: {}",
                    self.names.own(responder),
                    on.unwrap_or_default(),
                    self.names.end(target),
                    node.as_deref().unwrap_or("?"),
                    reach(extent)
                )
            }
            Symptom::ReplyRewritten {
                servers,
                at,
                extent,
            } => format!(
                "answers of {} come from another address than was dialled, rewritten {}: {}",
                self.ends(servers, 4),
                place(at),
                reach(extent)
            ),
            Symptom::DestinationRewritten {
                servers,
                at,
                extent,
            } => format!(
                "requests arrive at {} for an address that is not its own, {}: {}",
                self.ends(servers, 4),
                place(at),
                reach(extent)
            ),
            Symptom::TooLarge { bytes, between } => format!(
                "packets of {bytes} bytes, the MTU of the pods' interfaces, do not pass: {}",
                self::between(between, 6)
            ),
            Symptom::LargerPasses {
                bytes,
                interface_mtu,
                between,
            } => format!(
                "packets of {bytes} bytes pass although the MTU of the pods' interfaces is {interface_mtu}: {}",
                self::between(between, 6)
            ),
            Symptom::Fragmented { nodes } => format!(
                "packets between pods were fragmented on {}",
                listed(nodes, 6)
            ),
            Symptom::ServiceUnreached {
                service,
                addresses,
                node: None,
                ..
            } => format!(
                "service {service} ({}) cannot be reached from any node",
                addresses.join(", ")
            ),
            Symptom::ServiceUnreached {
                service,
                addresses,
                node: Some(node),
                clients,
                over: failing,
            } => format!(
                "service {service} ({}) is not reached from {} over {}",
                addresses.join(", "),
                self.clients(clients, node),
                over(failing)
            ),
            Symptom::OwnServiceUnreached {
                pod,
                service,
                over: failing,
            } => format!(
                "{} on {} does not reach itself through its own service {service} over {}",
                self.names.pod(&pod.pod),
                pod.node,
                over(failing)
            ),
            Symptom::NamesUnknown {
                pods,
                node,
                server,
                over,
            } => {
                let pods: Vec<String> = pods.iter().map(|pod| self.names.pod(pod)).collect();
                let who = match (node, pods.len()) {
                    (None, _) => "no pod is".to_owned(),
                    (Some(node), 1) => format!("{} on {node} is not", pods[0]),
                    (Some(node), _) => format!("{} on {node} are not", listed(&pods, 6)),
                };
                let server =
                    server.map_or_else(|| "its nameserver".to_owned(), |at| at.to_string());
                let over = all(over, ", ");
                format!("{who} told the addresses of services by {server}, asked over {over}")
            }
            Symptom::HostPortUnreached {
                port,
                node,
                pod,
                over: failing,
                clients,
            } => format!(
                "hostPort {port} of {node} is not answered by {} over {}, dialled from {}",
                pod.as_ref()
                    .map_or_else(|| "its pod".to_owned(), |pod| self.names.pod(pod)),
                over(failing),
                self.ends(clients, 4)
            ),
            Symptom::NodePortUnreached {
                service,
                node,
                over: failing,
            } => format!(
                "service {service} is not reached from outside at the node port of {node} over {}",
                over(failing)
            ),
            Symptom::OutsideUnreached {
                node,
                clients,
                over: failing,
            } => format!(
                "{} does not reach the peer outside the cluster under an address of its own or its node's, over {}",
                self.clients(clients, node),
                over(failing)
            ),
            Symptom::AgentsReady { count, set, node } => {
                format!("{count} pods of DaemonSet {set} are ready on {node}")
            }
            Symptom::AgentNotReady { set, node } => {
                format!("the pod of DaemonSet {set} on {node} is not ready")
            }
            Symptom::NoAgent { node } => format!("no network agent is on {node}"),
            Symptom::ConflistRefused { node, file } => {
                format!("the runtime of {node} cannot use /etc/cni/net.d/{file}")
            }
            Symptom::ConflistDiffers { nodes, others } => format!(
                "{} {} another CNI configuration than {}",
                listed(nodes, 6),
                if nodes.len() == 1 { "uses" } else { "use" },
                listed(others, 6)
            ),
        }
    }

    fn scope(&self, scope: &Scope, span: Span) -> String {
        let same_node = span == Span::SameNode;
        let others = match span {
            Span::SameNode => "its neighbours on the node",
            Span::CrossNode => "other nodes",
        };
        let reached = |who: &str, direction: Direction| match direction {
            Direction::Both => format!("{who} and {others} do not reach each other"),
            Direction::Out => format!("{who} does not reach {others}"),
            Direction::In => format!("{who} is not reached from {others}"),
        };
        match scope {
            Scope::Everyone if same_node => "no pod reaches another on its node".to_owned(),
            Scope::Everyone => "no node's pods reach another node's".to_owned(),
            Scope::Pod { pod, direction } => reached(&self.pod_at(pod), *direction),
            Scope::Node { node, direction } => reached(node, *direction),
            Scope::Between { nodes: (a, b) } | Scope::OneWay { from: a, to: b } if a == b => {
                format!("pods within {a} do not reach each other")
            }
            Scope::Between { nodes: (a, b) } => format!("{a} and {b} do not reach each other"),
            Scope::OneWay { from, to } => format!("{from} does not reach {to}"),
        }
    }

    fn ends(&self, ends: &[Endpoint], most: usize) -> String {
        let names: Vec<String> = ends.iter().map(|end| self.names.end(end)).collect();
        listed(&names, most)
    }

    /// Those of a node, or the node where it is all of them.
    fn clients(&self, clients: &[Endpoint], node: &str) -> String {
        match clients.is_empty() {
            true => node.to_owned(),
            false => format!("{} on {node}", self.ends(clients, 6)),
        }
    }
}

/// `on node1`.
pub(super) fn place(at: &Option<String>) -> String {
    match at {
        Some(node) => format!("on {node}"),
        None => "on the path".to_owned(),
    }
}

/// `tcp, udp (IPv6 only)`.
pub(super) fn over_family(over: &BTreeSet<Transport>, family: Option<Family>) -> String {
    let family = family.map(|family| format!(" ({family} only)"));
    format!(
        "{}{}",
        transports(over.iter().copied()),
        family.unwrap_or_default()
    )
}

fn reach(extent: &Extent) -> String {
    format!(
        "{} over {} ({})",
        count(extent.pairs, "pair"),
        transports(extent.over.iter().copied()),
        between(&extent.between, 6)
    )
}
