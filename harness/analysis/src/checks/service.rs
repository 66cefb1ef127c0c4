//! `service`: a service's cluster IP is answered by one of its backends, whoever dials it, the backend itself included.
use std::collections::BTreeSet;

use flatnet_model::cause::Cause;
use flatnet_model::evidence::{
    Command, Complaint, Finding, Found, PodAt, State, Subject, Symptom, Talk,
};
use flatnet_model::probe::DialOutcome;

use super::callers::{culprits, only_some, seen_cause_at};
use super::calls::{Wrong, answered_by, part, responder, silent, target};
use super::findings::{Findings, Seen, count, transports};
use super::hairpin::port;
use super::topology::Topology;
use super::{Deviation, Verdict};
use flatnet_model::observations::{Endpoint, Exposure, Observations, Service, Services};

pub(super) fn judge(observations: &Observations) -> Verdict {
    let services = match part(observations, |plane| &plane.services) {
        Ok(services) => services,
        Err(verdict) => return verdict,
    };
    let topology = Topology::of(observations);
    let mut findings = Findings::default();
    shared(services, &topology, &mut findings);
    single(&services.single, &topology, &mut findings);
    findings.mention_forbidden(&topology);
    findings.mention_idle(&topology);
    findings.verdict()
}

/// Whether one of the service's own pods answered.
pub(super) fn by_backend(service: &Service, outcome: &DialOutcome) -> Result<(), Complaint> {
    answered_by(service.backends.iter(), outcome).map_err(|complaint| match complaint {
        Complaint::AnsweredBy { responder, .. } => Complaint::AnsweredBy {
            responder,
            no_backend: true,
        },
        other => other,
    })
}

pub(super) fn from_backends(service: &Service) -> State {
    Talk::AnswerOfOne {
        backends: service.backends.clone(),
    }
    .into()
}

fn shared(services: &Services, topology: &Topology<'_>, findings: &mut Findings) {
    let Exposure { service, calls } = &services.shared;
    if service.backends.is_empty() {
        findings.fail(without_backend(service));
        return;
    }
    for name in silent(topology, calls, false) {
        findings.unmeasured(format!("{name} did not dial service {}", service.name));
    }
    let wrong = Wrong::of(topology, calls, findings, |_, outcome| {
        by_backend(service, outcome)
    });
    let clients: BTreeSet<&Endpoint> = calls.iter().map(|call| &call.from).collect();
    let bad = wrong.clients().len();
    let answering: BTreeSet<&str> = calls
        .iter()
        .flat_map(|call| call.results.iter().filter_map(responder))
        .collect();
    findings.fact(format!(
        "{} of {} reach {} over {}; {} of {} answered",
        clients.len() - bad,
        count(clients.len(), "client"),
        addresses(service).join(", "),
        transports(calls.iter().map(|call| call.request.transport)),
        answering.len(),
        count(service.backends.len(), "backend")
    ));
    let everybody = wrong.len() == calls.len() && topology.nodes().count() > 1;
    if everybody {
        let from = From {
            node: None,
            clients: Vec::new(),
            culprits: Vec::new(),
        };
        findings.fail(unreached(service, &wrong, from, topology));
        return;
    }
    let groups = wrong.by(|call| topology.node_of(&call.from));
    let nodes = groups.len();
    for (node, wrong) in groups {
        let node = node.unwrap_or("?");
        let clients = only_some(node, &wrong, calls, topology);
        // What clients of several nodes see of some backends is not a matter of each node.
        let culprits = match wrong.partly() && nodes > 1 {
            true => Vec::new(),
            false => culprits(node, &clients, calls, topology),
        };
        let from = From {
            node: Some(node),
            clients,
            culprits,
        };
        findings.fail(unreached(service, &wrong, from, topology));
    }
}

/// From where a service is not reached.
struct From<'a> {
    /// Everywhere, where there is none.
    node: Option<&'a str>,
    /// The clients there that it concerns; none where it is all of them.
    clients: Vec<Endpoint>,
    /// Whom it is blamed on, unless more is known.
    culprits: Vec<Subject>,
}

/// A service that is not reached from a node, or by nobody.
fn unreached(
    service: &Service,
    wrong: &Wrong<'_>,
    from: From<'_>,
    topology: &Topology<'_>,
) -> Deviation {
    let From {
        node,
        clients,
        culprits,
    } = from;
    let over = wrong.over();
    // What ends part of the calls may be at the nodes of the backends.
    let others = topology.nodes().map(|node| node.object.name.as_str());
    let others = others.filter(|_| wrong.partly() || node.is_none());
    let known =
        seen_cause_at(topology, node, &over).or_else(|| seen_cause_at(topology, others, &over));
    let symptom = Symptom::ServiceUnreached {
        service: service.name.clone(),
        addresses: addresses(service),
        node: node.map(str::to_owned),
        clients,
        over,
    };
    let inferred = || {
        Found::inferred(match node.filter(|_| wrong.partly()) {
            Some(node) => Cause::BackendsSilent {
                node: node.to_owned(),
            },
            None => Cause::ServiceProxyBehind {
                node: node.map(str::to_owned),
            },
        })
    };
    let (culprits, cause) = match known {
        Some((node, found)) => (vec![node], found),
        None => (culprits, inferred()),
    };
    Deviation {
        subjects: std::iter::once(object(service))
            .chain(culprits.iter().cloned())
            .collect(),
        culprits,
        finding: Finding::of(symptom, cause),
        expected: from_backends(service),
        observed: wrong.observed(),
        look: match node {
            Some(node) => Command::on(node, "iptables -t nat -nL KUBE-SERVICES"),
            None => Command::here("kubectl -n kube-system get pods -l k8s-app=kube-proxy -o wide"),
        },
    }
}

pub(super) fn object(service: &Service) -> Subject {
    Subject::Object {
        resource: "service".to_owned(),
        namespace: service.namespace.clone(),
        name: service.name.clone(),
    }
}

fn without_backend(service: &Service) -> Deviation {
    let cause = Cause::EndpointsMissing {
        namespace: service.namespace.clone(),
        service: service.name.clone(),
    };
    let look = Command::here(&format!(
        "kubectl -n {} get endpointslices",
        service.namespace
    ));
    Seen::new(Talk::Endpoints, Talk::NoEndpoint, look).deviation(
        vec![object(service)],
        Vec::new(),
        Finding::cause(cause),
    )
}

/// The backend of a service dials it, and is answered by itself.
fn single(own: &Exposure, topology: &Topology<'_>, findings: &mut Findings) {
    let Exposure { service, calls } = own;
    let Some(backend) = service.backends.first() else {
        findings.fail(without_backend(service));
        return;
    };
    let name = topology.pod_name(backend);
    if calls.is_empty() {
        findings.unmeasured(format!(
            "{name} did not dial the service it is alone behind"
        ));
        return;
    }
    let wrong = Wrong::of(topology, calls, findings, |_, outcome| {
        by_backend(service, outcome)
    });
    let Some(call) = wrong.calls().next() else {
        findings.fact(format!(
            "{name} reaches itself through its own service over {}",
            transports(calls.iter().map(|call| call.request.transport))
        ));
        return;
    };
    let node = topology.node_of(&call.from).unwrap_or("?");
    let pod = PodAt::new(backend.clone(), node);
    let expected = Talk::AnswerOfPod {
        pod: Some(backend.clone()),
        at: Some(target(call)),
    };
    let symptom = Symptom::OwnServiceUnreached {
        pod: pod.clone(),
        service: service.name.clone(),
        over: wrong.over(),
    };
    let own = topology.pod(backend);
    let off = own.and_then(|own| port::off(topology, own, call.request.address.is_ipv6()));
    let (found, look) = port::explained(off, node);
    findings.fail(Deviation {
        subjects: vec![object(service), Subject::Pod(pod.clone())],
        culprits: vec![Subject::Pod(pod)],
        finding: Finding::of(symptom, found),
        expected: expected.into(),
        observed: wrong.observed(),
        look,
    });
}

/// `10.96.0.9:7411`, each.
fn addresses(service: &Service) -> Vec<String> {
    let each = service.addresses.iter();
    each.map(|address| std::net::SocketAddr::new(*address, service.port).to_string())
        .collect()
}
