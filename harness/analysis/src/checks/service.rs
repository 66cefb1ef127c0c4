//! `service`: a service's cluster IP is answered by one of its backends, whoever dials it, the backend itself included.
use std::collections::BTreeSet;

use flatnet_model::probe::Dialled;

use super::calls::{Wrong, answered_by, culprit, part, responder, silent, target};
use super::findings::{Findings, count, listed, look, transports};
use super::topology::Topology;
use super::{Evidence, Verdict};
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
pub(super) fn by_backend(
    topology: &Topology<'_>,
    service: &Service,
    dialled: &Dialled,
) -> Result<(), String> {
    answered_by(topology, service.backends.iter(), dialled)
        .map_err(|who| format!("{who}, which is no backend"))
}

/// `an answer from one of busybox-1, busybox-2`.
pub(super) fn from_backends(topology: &Topology<'_>, service: &Service) -> String {
    let backends = service.backends.iter().map(|pod| topology.pod_name(pod));
    let backends: Vec<String> = backends.collect();
    format!("an answer from one of {}", listed(&backends, 4))
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
    let wrong = Wrong::of(topology, calls, findings, |_, dialled| {
        by_backend(topology, service, dialled)
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
        addresses(service),
        transports(calls.iter().map(|call| call.transport)),
        answering.len(),
        count(service.backends.len(), "backend")
    ));
    let everybody = wrong.len() == calls.len() && topology.nodes().count() > 1;
    if everybody {
        findings.fail(nobody(service, &wrong, topology));
        return;
    }
    for (node, wrong) in wrong.by(|call| topology.node_of(&call.from)) {
        let node = node.unwrap_or("?");
        let culprit = culprit(node, &wrong, calls, topology);
        findings.fail(Evidence {
            what: format!(
                "service {} ({}) is not reached from {culprit} over {}",
                service.name,
                addresses(service),
                wrong.over()
            ),
            expected: from_backends(topology, service),
            observed: wrong.observed(),
            cause: Some(cause(&wrong, node)),
            look: look(node, "iptables -t nat -nL KUBE-SERVICES"),
            culprit: Some(culprit),
        });
    }
}

fn cause(wrong: &Wrong<'_>, node: &str) -> String {
    if wrong.partly() {
        format!("some backends do not answer {node}, see cross-node and same-node")
    } else {
        format!(
            "{node} does not send the service's address to a backend: kube-proxy (or what stands in for it) is behind there, or a packet filter drops it"
        )
    }
}

fn nobody(service: &Service, wrong: &Wrong<'_>, topology: &Topology<'_>) -> Evidence {
    Evidence {
        what: format!(
            "service {} ({}) is reached by nobody",
            service.name,
            addresses(service)
        ),
        expected: from_backends(topology, service),
        observed: wrong.observed(),
        culprit: None,
        cause: Some("no node sends the service's address to a backend: is kube-proxy, or what stands in for it, running?".to_owned()),
        look: "kubectl -n kube-system get pods -l k8s-app=kube-proxy -o wide".to_owned(),
    }
}

fn without_backend(service: &Service) -> Evidence {
    Evidence {
        what: format!("service {} has no ready backend", service.name),
        expected: "an EndpointSlice with the run's pods".to_owned(),
        observed: "no ready endpoint".to_owned(),
        culprit: None,
        cause: Some(
            "the pods are not ready, or the controller manager makes no EndpointSlices".to_owned(),
        ),
        look: format!("kubectl -n {} get endpointslices", service.namespace),
    }
}

/// The backend of a service dials it, and is answered by itself.
fn single(own: &Exposure, topology: &Topology<'_>, findings: &mut Findings) {
    let Exposure { service, calls } = own;
    let Some(backend) = service.backends.first() else {
        findings.fail(without_backend(service));
        return;
    };
    let backend = topology.pod_name(backend);
    if calls.is_empty() {
        findings.unmeasured(format!(
            "{backend} did not dial the service it is alone behind"
        ));
        return;
    }
    let wrong = Wrong::of(topology, calls, findings, |_, dialled| {
        by_backend(topology, service, dialled)
    });
    let Some(call) = wrong.calls().next() else {
        findings.fact(format!(
            "{backend} reaches itself through its own service over {}",
            transports(calls.iter().map(|call| call.transport))
        ));
        return;
    };
    let node = topology.node_of(&call.from).unwrap_or("?");
    findings.fail(Evidence {
        what: format!(
            "{backend} on {node} does not reach itself through its own service {} over {}",
            service.name,
            wrong.over()
        ),
        expected: format!("an answer from {backend} at {}", target(call)),
        observed: wrong.observed(),
        culprit: Some(format!("pod {backend} on {node}")),
        cause: Some("what a pod sends to a service and gets back itself must leave the node's bridge by the port it came from (hairpin mode), under another source".to_owned()),
        look: look(node, "bridge -d link"),
    });
}

/// `10.96.0.9:7411`.
fn addresses(service: &Service) -> String {
    let each: Vec<String> = service
        .addresses
        .iter()
        .map(|address| std::net::SocketAddr::new(*address, service.port).to_string())
        .collect();
    each.join(", ")
}
