//! What those who use the cluster see: every pod, every node and a peer outside dial what was made for them.
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use flatnet_model::probe::{DialRequest, Lookup, Protocol, Resolved, Transport, ask};

use super::calls::{Repeated, make};
use super::fleet::Fleet;
use super::fleet::READ_WITHIN;
use super::names;
use crate::Error;
use crate::exposed::{Exposed, PortPods, port_pod};
use crate::kind::peer::Peer;
use crate::kube::daemon_sets;
use flatnet_model::observations::{
    Availability, Call, ControlPlane, Dns, Endpoint, Exposure, HostPorts, Observed, ObservedNode,
    ObservedPod, Outside, Service, Services, expected_names,
};

/// How long nodes may take to program a service whose endpoints are ready (kube-proxy syncs once a second).
const PROGRAMMED_WITHIN: Duration = Duration::from_secs(12);
/// Dials of the shared service over TCP: with nine backends, two of six differ all but surely.
const TIMES: usize = 6;
const BOTH: [Protocol; 2] = [Protocol::Tcp, Protocol::Udp];

/// Makes every call there is to make.
pub(super) async fn users(
    fleet: &Fleet,
    nodes: &[ObservedNode],
    pods: &[ObservedPod],
    exposed: &Exposed,
) -> ControlPlane {
    let clients = Clients { fleet, nodes, pods };
    ControlPlane {
        services: clients.services(&exposed.services).await,
        dns: Availability::Found(clients.dns(exposed).await),
        host_ports: clients.host_ports(&exposed.host_ports).await,
        outside: clients.outside(exposed).await,
        agents: daemon_sets::list(&exposed.client).await,
    }
}

struct Clients<'a> {
    fleet: &'a Fleet,
    nodes: &'a [ObservedNode],
    pods: &'a [ObservedPod],
}

impl<'a> Clients<'a> {
    fn probed(&self, endpoint: &Endpoint) -> bool {
        self.fleet.port(endpoint).is_some()
    }

    /// Every end that can dial, and its addresses.
    fn ends(&self) -> impl Iterator<Item = (Endpoint, &'a [IpAddr])> {
        let pods = self
            .pods
            .iter()
            .map(|pod| (pod.endpoint(), pod.object.ips.as_slice()));
        let nodes = self.nodes.iter().map(|node| {
            (
                Endpoint::Node(node.object.name.clone()),
                node.object.internal_ips.as_slice(),
            )
        });
        pods.chain(nodes).filter(|(end, _)| self.probed(end))
    }

    /// The first pod of the pod network on a node whose probe runs.
    fn pod_on(&self, node: &str) -> Option<(Endpoint, &'a [IpAddr])> {
        let mut pods = self
            .pods
            .iter()
            .filter(|pod| !pod.object.host_network && pod.object.node == node);
        pods.find_map(|pod| {
            let end = pod.endpoint();
            self.probed(&end)
                .then_some((end, pod.object.ips.as_slice()))
        })
    }

    async fn services(&self, made: &Availability<[Service; 2]>) -> Availability<Services> {
        let [shared, single] = match made.as_ref() {
            Availability::Found(made) => made,
            Availability::Absent { why } => return Availability::Absent { why },
            Availability::Lost { error } => return Availability::Lost { error },
        };
        let mut requests = Vec::new();
        for (from, own) in self.ends() {
            requests.extend(to(&from, own, &shared.addresses, shared.port, TIMES));
        }
        for (from, own) in self.ends() {
            if matches!(&from, Endpoint::Pod(pod) if single.backends.contains(pod)) {
                requests.extend(to(&from, own, &single.addresses, single.port, 1));
            }
        }
        let calls = make(self.fleet, requests, PROGRAMMED_WITHIN).await;
        let (own, others): (Vec<Call>, Vec<Call>) = calls
            .into_iter()
            .partition(|call| single.addresses.contains(&call.request.address));
        Availability::Found(Services {
            shared: Exposure {
                service: shared.clone(),
                calls: others,
            },
            single: Exposure {
                service: single.clone(),
                calls: own,
            },
        })
    }

    async fn dns(&self, exposed: &Exposed) -> Dns {
        let names: BTreeMap<String, Observed<Vec<IpAddr>>> = exposed
            .names
            .iter()
            .map(|(name, addresses)| {
                let addresses = addresses.as_ref().map_err(Error::to_string);
                (name.clone(), addresses.cloned())
            })
            .collect();
        let asked: Vec<String> = names.keys().cloned().collect();
        let good = |lookup: &Lookup, resolved: &Resolved| match resolved {
            Resolved::Answered {
                code, addresses, ..
            } => {
                let expected = expected_names(&names, lookup);
                code == "NOERROR" && expected.is_ok_and(|expected| expected == *addresses)
            }
            Resolved::Failed { .. } => false,
        };
        Dns {
            clients: names::ask(self.fleet, self.pods, &asked, good).await,
            servers: exposed.dns_servers.clone(),
            denied: denied(exposed.names.values()),
            names,
        }
    }

    /// Each node's port from one other node: the next in order, or a pod there where access to nodes is forbidden.
    async fn host_ports(&self, made: &Availability<PortPods>) -> Availability<HostPorts> {
        let made = match made.as_ref() {
            Availability::Found(made) => made,
            Availability::Absent { why } => return Availability::Absent { why },
            Availability::Lost { error } => return Availability::Lost { error },
        };
        let mut requests = Vec::new();
        for (index, node) in self.nodes.iter().enumerate() {
            let others = self.nodes[index + 1..].iter().chain(&self.nodes[..index]);
            let mut ends = others.filter_map(|other| {
                let end = Endpoint::Node(other.object.name.clone());
                match self.probed(&end) {
                    true => Some((end, other.object.internal_ips.as_slice())),
                    false => self.pod_on(&other.object.name),
                }
            });
            if let Some((from, own)) = ends.next() {
                requests.extend(to(&from, own, &node.object.internal_ips, made.port, 1));
            }
        }
        Availability::Found(HostPorts {
            port: made.port,
            pods: made.pods.iter().map(port_pod).collect(),
            calls: make(self.fleet, requests, PROGRAMMED_WITHIN).await,
        })
    }

    async fn outside(&self, exposed: &Exposed) -> Availability<Outside> {
        let peer = match exposed.outside.as_ref() {
            Availability::Found(peer) => peer,
            Availability::Absent { why } => return Availability::Absent { why },
            Availability::Lost { error } => return Availability::Lost { error },
        };
        let there = peer.endpoint();
        let Some(port) = self.fleet.port(&there) else {
            let why = self.fleet.lost.get(&there).cloned();
            return Availability::Lost {
                error: why.unwrap_or_else(|| "no probe runs in the peer outside".to_owned()),
            };
        };
        let node_port = match exposed.node_port.as_ref() {
            Availability::Found(service) => Availability::Found(Exposure {
                service: service.clone(),
                calls: self
                    .called_from_outside(peer, |_| service.node_ports.clone())
                    .await,
            }),
            Availability::Absent { why } => Availability::Absent { why },
            Availability::Lost { error } => Availability::Lost { error },
        };
        let host_ports = match exposed.host_ports.found() {
            Some(made) => {
                let runs: BTreeSet<&str> = made.nodes().collect();
                let ports = BOTH.map(|protocol| (protocol, made.port));
                let wanted = |node: &ObservedNode| match runs.contains(node.object.name.as_str()) {
                    true => BTreeMap::from(ports),
                    false => BTreeMap::new(),
                };
                self.called_from_outside(peer, wanted).await
            }
            None => Vec::new(),
        };
        let ends = self.nodes.iter().flat_map(|node| {
            let end = Endpoint::Node(node.object.name.clone());
            let itself = self
                .probed(&end)
                .then_some((end, node.object.internal_ips.as_slice()));
            itself.into_iter().chain(self.pod_on(&node.object.name))
        });
        let requests = ends
            .flat_map(|(from, own)| to(&from, own, &peer.addresses, port, 1).collect::<Vec<_>>());
        let egress = make(self.fleet, requests.collect(), PROGRAMMED_WITHIN).await;
        let seen = self.fleet.ask_one(&there, &ask::Seen {}, READ_WITHIN).await;
        Availability::Found(Outside {
            addresses: peer.addresses.clone(),
            node_port,
            host_ports,
            egress,
            received: seen.map(|seen| seen.requests),
        })
    }

    /// The peer's dials of ports of every node.
    async fn called_from_outside(
        &self,
        peer: &Peer,
        ports: impl Fn(&ObservedNode) -> BTreeMap<Protocol, u16>,
    ) -> Vec<Call> {
        let there = peer.endpoint();
        let mut requests = Vec::new();
        for node in self.nodes {
            for (protocol, port) in ports(node) {
                let every = to(&there, &peer.addresses, &node.object.internal_ips, port, 1);
                let of = Transport::from(protocol);
                requests.extend(every.filter(|repeated| repeated.request.transport == of));
            }
        }
        make(self.fleet, requests, PROGRAMMED_WITHIN).await
    }
}

/// The missing right that alone keeps some of them from being told.
fn denied<'a>(told: impl Iterator<Item = &'a crate::Result<Vec<IpAddr>>>) -> Option<String> {
    let errors: Vec<&Error> = told.filter_map(|told| told.as_ref().err()).collect();
    let by_right = |error: &&Error| matches!(error, Error::Denied { .. });
    let first = errors.first().filter(|_| errors.iter().all(by_right))?;
    Some(first.to_string())
}

/// Over TCP and UDP to each address of a family that the client has. UDP goes once: all of a client's datagrams come from
/// one socket, thus to one backend.
fn to<'a>(
    from: &'a Endpoint,
    own: &'a [IpAddr],
    addresses: &'a [IpAddr],
    port: u16,
    times: usize,
) -> impl Iterator<Item = Repeated> + use<'a> {
    let reachable = addresses
        .iter()
        .filter(|address| own.iter().any(|own| own.is_ipv4() == address.is_ipv4()));
    reachable.flat_map(move |address| {
        BOTH.map(|protocol| Repeated {
            from: from.clone(),
            request: DialRequest {
                address: *address,
                transport: protocol.into(),
                port,
            },
            times: if protocol == Protocol::Tcp { times } else { 1 },
        })
    })
}
