//! What a real cluster has besides: services, names, ports of nodes, agents and a peer outside, all healthy.
use std::collections::BTreeMap;
use std::net::IpAddr;

use flatnet_model::capabilities::Capabilities;
use flatnet_model::probe::{
    DialOutcome, DialRequest, Failure, Lookup, Protocol, Record, ResolvConf, Resolved, Transport,
};

use super::build::{Style, healthy};
use super::pieces::{bare, in_default, pod_end};
use flatnet_model::PodRef;
use flatnet_model::observations::{
    AgentPod, AgentSet, Availability, Backend, Call, ControlPlane, Dns, DnsClient, Endpoint,
    Exposure, HostPorts, Observations, Observed, Outside, PortPod, Service, Services,
};

pub const SHARED: &str = "10.96.0.20";
pub const SINGLE: &str = "10.96.0.21";
pub const PEER: &str = "172.18.0.99";
pub const HOST_PORT: u16 = 20_001;
const NODE_PORT: u16 = 30_001;
const BOTH: [Transport; 2] = [Transport::Tcp, Transport::Udp];

/// Three nodes with two pods each, on kind.
pub fn real() -> Observations {
    let mut o = healthy(Style::Direct);
    o.provider = "kind".to_owned();
    o.capabilities = Capabilities::kind();
    o.control_plane = Some(ControlPlane {
        services: Availability::Found(services(&o)),
        dns: Availability::Found(dns(&o)),
        host_ports: Availability::Found(host_ports(&o)),
        outside: Availability::Found(outside(&o)),
        agents: Availability::Found(vec![agents(&o)]),
    });
    o
}

pub fn plane(o: &mut Observations) -> &mut ControlPlane {
    o.control_plane.as_mut().unwrap()
}

/// What a healthy cluster has there.
pub fn had<T>(part: &mut Availability<T>) -> &mut T {
    match part {
        Availability::Found(found) => found,
        _ => panic!("nothing was found"),
    }
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub fn lost() -> DialOutcome {
    DialOutcome::Failed {
        kind: Failure::TimedOut,
        detail: "no answer within 1000 ms".to_owned(),
        attempts: 2,
    }
}

fn pods(o: &Observations) -> Vec<PodRef> {
    let pods = o.pods.iter().filter(|pod| !pod.object.host_network);
    pods.map(|pod| pod.reference().clone()).collect()
}

/// Every end that dials: pods, hostNetwork pods, nodes; with its first address.
fn ends(o: &Observations) -> Vec<(Endpoint, IpAddr)> {
    let pods = o.pods.iter().map(|pod| (pod.endpoint(), pod.object.ips[0]));
    let nodes = o.nodes.iter().map(|node| {
        (
            Endpoint::Node(node.object.name.clone()),
            node.object.internal_ips[0],
        )
    });
    pods.chain(nodes).collect()
}

fn answered(by: &Endpoint, local: IpAddr, seen: IpAddr, from: IpAddr) -> DialOutcome {
    DialOutcome::Answered {
        local,
        responder: Some(by.to_string()),
        seen_as: Some(seen),
        reply_from: from,
        rtt_us: 200,
        attempts: 1,
        retransmits: 0,
    }
}

fn call(
    from: Endpoint,
    (address, port): (IpAddr, u16),
    transport: Transport,
    results: impl IntoIterator<Item = DialOutcome>,
) -> Call {
    Call {
        from,
        request: DialRequest {
            address,
            transport,
            port,
        },
        results: results.into_iter().collect(),
    }
}

fn service(o: &Observations, name: &str, address: &str, backends: Vec<PodRef>) -> Service {
    Service {
        namespace: o.pods[0].object.reference.namespace.clone(),
        name: name.to_owned(),
        addresses: vec![ip(address)],
        port: 7411,
        node_ports: BTreeMap::new(),
        backends,
    }
}

fn services(o: &Observations) -> Services {
    let backends = pods(o);
    let mut calls = Vec::new();
    for (from, own) in ends(o) {
        for transport in BOTH {
            let by = backends.iter().cycle().take(6);
            let results = by.map(|pod| answered(&Endpoint::Pod(pod.clone()), own, own, ip(SHARED)));
            calls.push(call(from.clone(), (ip(SHARED), 7411), transport, results));
        }
    }
    let first = o.pods[0].clone();
    let itself = first.endpoint();
    let address = first.object.ips[0];
    let result = answered(&itself, address, address, ip(SINGLE));
    let own = BOTH.map(|transport| {
        let result = [result.clone()];
        call(itself.clone(), (ip(SINGLE), 7411), transport, result)
    });
    Services {
        shared: Exposure {
            service: service(o, "flatnet-shared", SHARED, backends),
            calls,
        },
        single: Exposure {
            service: service(o, "flatnet-single", SINGLE, vec![first.object.reference]),
            calls: own.into(),
        },
    }
}

fn dns(o: &Observations) -> Dns {
    let names: BTreeMap<String, Observed<Vec<IpAddr>>> = BTreeMap::from([
        (
            "kubernetes.default.svc".to_owned(),
            Ok(vec![ip("10.96.0.1")]),
        ),
        ("flatnet-shared.x.svc".to_owned(), Ok(vec![ip(SHARED)])),
    ]);
    let mut answers = Vec::new();
    for (name, addresses) in &names {
        let addresses = addresses.as_ref().unwrap();
        for record in [Record::A, Record::Aaaa] {
            for over in [Protocol::Udp, Protocol::Tcp] {
                let lookup = Lookup {
                    name: format!("{name}.cluster.local"),
                    record,
                    over,
                };
                let addresses = match record {
                    Record::A => addresses.clone(),
                    Record::Aaaa => Vec::new(),
                };
                answers.push((lookup, answer_of(addresses)));
            }
        }
    }
    let conf = ResolvConf {
        nameservers: vec![ip("10.96.0.10")],
        search: vec![
            "x.svc.cluster.local".to_owned(),
            "svc.cluster.local".to_owned(),
        ],
    };
    let client = |pod: PodRef| DnsClient {
        pod,
        conf: Ok(conf.clone()),
        answers: Ok(answers.clone()),
    };
    let server = |name: &str, node: &str| Backend {
        pod: PodRef::new("kube-system", name),
        node: Some(node.to_owned()),
    };
    let servers = vec![server("dns-1", "node1"), server("dns-2", "node1")];
    Dns {
        clients: pods(o).into_iter().map(client).collect(),
        denied: None,
        servers: Ok(servers),
        names,
    }
}

pub fn answer_of(addresses: Vec<IpAddr>) -> Resolved {
    Resolved::Answered {
        code: "NOERROR".to_owned(),
        addresses,
        truncated: false,
        rtt_us: 900,
        attempts: 1,
    }
}

fn port_pod(node: &str) -> PodRef {
    in_default(&format!("busybox-port-{}", node.trim_start_matches("node")))
}

fn host_ports(o: &Observations) -> HostPorts {
    let mut calls = Vec::new();
    for (index, node) in o.nodes.iter().enumerate() {
        let other = &o.nodes[(index + 1) % o.nodes.len()];
        for transport in BOTH {
            let at = node.object.internal_ips[0];
            let pod = Endpoint::Pod(port_pod(&node.object.name));
            let result = answered(&pod, other.object.internal_ips[0], at, at);
            calls.push(call(other.endpoint(), (at, HOST_PORT), transport, [result]));
        }
    }
    let pod = |node: &String| PortPod {
        pod: port_pod(node),
        node: node.clone(),
        phase: "Running".to_owned(),
    };
    HostPorts {
        port: HOST_PORT,
        pods: o.nodes.iter().map(|node| pod(&node.object.name)).collect(),
        calls,
    }
}

fn outside(o: &Observations) -> Outside {
    let peer = || Endpoint::Outside("peer".to_owned());
    let mut to_ports = Vec::new();
    let mut to_host_ports = Vec::new();
    for node in &o.nodes {
        for transport in BOTH {
            let at = node.object.internal_ips[0];
            let to = |port: u16, by: &Endpoint| {
                let result = answered(by, ip(PEER), ip(PEER), at);
                call(peer(), (at, port), transport, [result])
            };
            to_ports.push(to(NODE_PORT, &pod_end("busybox-2")));
            to_host_ports.push(to(HOST_PORT, &Endpoint::Pod(port_pod(&node.object.name))));
        }
    }
    let mut egress = Vec::new();
    for node in &o.nodes {
        let pod = o
            .pods
            .iter()
            .find(|pod| !pod.object.host_network && pod.object.node == node.object.name)
            .unwrap();
        // The default of most CNIs: a pod is seen as its node.
        let ends = [
            (node.endpoint(), node.object.internal_ips[0]),
            (pod.endpoint(), pod.object.ips[0]),
        ];
        for (from, own) in ends {
            for transport in BOTH {
                let result = answered(&peer(), own, node.object.internal_ips[0], ip(PEER));
                egress.push(call(from.clone(), (ip(PEER), 40_000), transport, [result]));
            }
        }
    }
    let mut node_port = service(o, "flatnet-node-port", "10.96.0.22", pods(o));
    node_port.node_ports = [Protocol::Tcp, Protocol::Udp]
        .map(|protocol| (protocol, NODE_PORT))
        .into();
    Outside {
        addresses: vec![ip(PEER)],
        node_port: Availability::Found(Exposure {
            service: node_port,
            calls: to_ports,
        }),
        host_ports: to_host_ports,
        egress,
        received: Ok(Vec::new()),
    }
}

fn agents(o: &Observations) -> AgentSet {
    let pods = o.nodes.iter().map(|node| AgentPod {
        name: format!("agent-{}", node.object.name),
        node: node.object.name.clone(),
        ready: true,
        phase: "Running".to_owned(),
    });
    AgentSet {
        namespace: "kube-system".to_owned(),
        name: "agent".to_owned(),
        desired: i32::try_from(o.nodes.len()).unwrap(),
        pods: pods.collect(),
    }
}

pub fn from_node(call: &Call, o: &Observations, node: &str) -> bool {
    bare(&call.from) == node
        || o.pods
            .iter()
            .any(|pod| pod.endpoint() == call.from && pod.object.node == node)
}

/// These dials get no answer.
pub fn fail(calls: &mut [Call], which: impl Fn(&Call) -> bool) {
    for call in calls.iter_mut().filter(|call| which(call)) {
        call.results.iter_mut().for_each(|result| *result = lost());
    }
}

/// The peer, or whoever answered, saw this source.
pub fn seen_as(calls: &mut [Call], which: impl Fn(&Call) -> bool, source: &str) {
    for call in calls.iter_mut().filter(|call| which(call)) {
        for result in &mut call.results {
            if let DialOutcome::Answered { seen_as, .. } = result {
                *seen_as = Some(ip(source));
            }
        }
    }
}
