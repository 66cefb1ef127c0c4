//! What goes wrong.
use std::collections::BTreeSet;

use flatnet_model::evidence::{Direction, PathClass, PodAt, Scope, Span, Symptom};
use flatnet_model::network::{Family, Transport};
use flatnet_model::reference::Endpoint;

use super::Words;
use super::list::{all, listed, shown, transports};
use super::sentence::{Say, sentences};

impl Words<'_> {
    pub(super) fn symptom(&self, symptom: &Symptom) -> String {
        sentences!(self, symptom, Symptom {
            NotRunning { pod } => "{pod} does not run, so it has no IP";
            NoAddress { pod, family } => (match family {
                Some(family) => format!("{} has no {family} address in the API", self.pod_at(pod)),
                None => format!("{} has no IP address in the API", self.pod_at(pod)),
            });
            ForeignHostAddress { pod, address } => (format!(
                "hostNetwork pod {} has {address}, which is not an address of its node {}",
                self.names.pod(&pod.pod),
                pod.node
            ));
            GatewaySilent { pods, hop } => "gateway {hop} does not answer {pods}";
            ForeignNextHop { pods, hop } => (format!(
                "{}: next hop {hop} of the default route is not an address of {}",
                self.pods_at(pods),
                pods.first().map_or("its node", |pod| pod.node.as_str())
            ));
            BridgeWithoutGateway { node, bridge, hop, pod } => (format!(
                "bridge {bridge} of {node} does not hold {hop}, the gateway of pod {}",
                self.names.pod(&pod.pod)
            ));
            BridgeRepairedByRun { node, bridge } => "bridge {bridge} of {node} was unfit for the pods on it until this run added its own: the plugin then set it up again";
            Unreached { scope, span, red, all, hosts, over, family } => ({
                let among = match hosts {
                    0 => String::new(),
                    n => format!(" ({n} of them with a node or hostNetwork pod)"),
                };
                let over = over_family(over, *family);
                format!("{}: {red} of {all} pairs{among} over {over}", self.scope(scope, *span))
            });
            PartLost { span, lost, sent, over, between } => (format!(
                "packets {} get lost some of the time: {lost} of {sent} over {} ({})",
                match span {
                    Span::SameNode => "within nodes",
                    Span::CrossNode => "between nodes",
                },
                over.say(self),
                between.say(self)
            ));
            FirstLost { class, lost, late, paths, over, between } => ({
                let what = match (lost, late) {
                    (lost, 0) => format!("was lost on {lost}"),
                    (0, late) => format!("was late on {late}"),
                    (lost, late) => format!("was lost on {lost} and late on {late}"),
                };
                format!(
                    "{}: the first packet {what} of {paths} paths over {} ({}), those after it passed",
                    path_class(*class),
                    over.say(self),
                    between.say(self)
                )
            });
            Doubled { copies, over, between } => (format!(
                "{} came twice over {} ({})",
                super::count(*copies, "packet"),
                over.say(self),
                between.say(self)
            ));
            Unreflected { pod, over } => "{pod} does not reach itself over {over}";
            UnreflectedByService { pod, addresses, over } => ({
                let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                format!(
                    "{} does not reach itself over {} through {}, which its node translates to it as it would a service's address",
                    self.pod_at(pod),
                    over.say(self),
                    listed(&addresses, 6)
                )
            });
            SourceRewritten { at, extent } => (format!(
                "source address rewritten {}: {}",
                place(at),
                extent.say(self)
            ));
            WrongResponder { responder, responder_node, target, node, extent } => ({
                let on = responder_node.as_ref().map(|node| format!(" on {node}"));
                format!(
                    "{}{} answers in place of {} on {}: {}",
                    self.names.own(responder),
                    on.unwrap_or_default(),
                    self.names.end(target),
                    node.as_deref().unwrap_or("?"),
                    extent.say(self)
                )
            });
            ReplyRewritten { servers, at, extent } => (format!(
                "answers of {} come from another address than was dialled, rewritten {}: {}",
                servers.say(self),
                place(at),
                extent.say(self)
            ));
            DestinationRewritten { servers, at, extent } => (format!(
                "requests arrive at {} for an address that is not its own, {}: {}",
                servers.say(self),
                place(at),
                extent.say(self)
            ));
            TooLarge { bytes, between, pod } => (format!(
                "packets of {bytes} bytes, the MTU of the senders' interfaces, do not pass{}: {}",
                self.of_pod(pod.as_ref()),
                between.say(self)
            ));
            DataCut { bytes, back, altered, between, pod } => (format!(
                "of {bytes} bytes that {} over TCP not all {}{}, though short messages and datagrams of the interface MTU do: {}",
                match back {
                    false => "clients send",
                    true => "servers send back",
                },
                match altered {
                    false => "arrive",
                    true => "arrive as they were sent",
                },
                self.of_pod(pod.as_ref()),
                between.say(self)
            ));
            LargerPasses { bytes, interface_mtu, between } => "packets of {bytes} bytes pass although the MTU of the pods' interfaces is {interface_mtu}: {between}";
            Fragmented { nodes } => "packets between pods were fragmented on {nodes}";
            ServiceUnreached { service, addresses, node, clients, over } => ({
                let addresses = addresses.join(", ");
                match node {
                    None => format!("service {service} ({addresses}) cannot be reached from any node"),
                    Some(node) => format!(
                        "service {service} ({addresses}) is not reached from {} over {}",
                        self.clients(clients, node),
                        over.say(self)
                    ),
                }
            });
            OwnServiceUnreached { pod, service, over } => (format!(
                "{} on {} does not reach itself through its own service {service} over {}",
                self.names.pod(&pod.pod),
                pod.node,
                over.say(self)
            ));
            NamesUnknown { pods, node, server, over } => ({
                let pods: Vec<String> = pods.iter().map(|pod| self.names.pod(pod)).collect();
                let who = match (node, pods.len()) {
                    (None, _) => "no pod gets".to_owned(),
                    (Some(node), 1) => format!("{} on {node} does not get", pods[0]),
                    (Some(node), _) => format!("{} on {node} do not get", listed(&pods, 6)),
                };
                let server = server.map_or_else(|| "its nameserver".to_owned(), |at| at.to_string());
                format!("{who} the addresses of services from {server}, asked over {}", all(over, ", "))
            });
            HostPortUnreached { port, node, pod, over, clients } => (format!(
                "hostPort {port} of {node} is not answered by {} over {}, dialled from {}",
                pod.as_ref().map_or_else(|| "its pod".to_owned(), |pod| self.names.pod(pod)),
                over.say(self),
                clients.say(self)
            ));
            NodePortUnreached { service, node, over } => "service {service} is not reached from outside at the node port of {node} over {over}";
            OutsideUnreached { node, clients, over } => (format!(
                "{} does not reach the peer outside the cluster under an address of its own or its node's, over {}",
                self.clients(clients, node),
                over.say(self)
            ));
            AgentsReady { count, set, node } => "{count} pods of DaemonSet {set} are ready on {node}";
            AgentNotReady { set, node } => "the pod of DaemonSet {set} on {node} is not ready";
            NoAgent { node } => "no network agent is on {node}";
            ConflistRefused { node, file } => "the runtime of {node} cannot use /etc/cni/net.d/{file}";
            ConflistDiffers { nodes, others } => (format!(
                "{} {} another CNI configuration than {}",
                listed(nodes, 6),
                if nodes.len() == 1 { "uses" } else { "use" },
                listed(others, 6)
            ));
        })
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

    /// ` from pod default/busybox-1`.
    fn of_pod(&self, pod: Option<&(PodAt, Direction)>) -> String {
        let Some((pod, direction)) = pod else {
            return String::new();
        };
        let way = match direction {
            Direction::Both => "from and to",
            Direction::Out => "from",
            Direction::In => "to",
        };
        format!(" {way} pod {}", self.names.pod(&pod.pod))
    }

    /// Those of a node, or the node where it is all of them.
    fn clients(&self, clients: &[Endpoint], node: &str) -> String {
        match clients.is_empty() {
            true => node.to_owned(),
            false => format!(
                "{} on {node}",
                shown(clients.iter().map(|end| self.names.end(end)), 6)
            ),
        }
    }
}

/// Which paths: the name of the check, or that a node is one end.
pub(crate) fn path_class(class: PathClass) -> &'static str {
    match class {
        PathClass::SameNode => "same-node",
        PathClass::CrossNode => "cross-node",
        PathClass::Node => "with a node at one end",
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
