//! `nodeport`: a service's node port is answered at every node, from outside the cluster.
use std::collections::BTreeSet;

use super::callers::seen_cause_at;
use super::calls::{Wrong, available, dialled_node, part};
use super::findings::{Findings, count, transports};
use super::service::{by_backend, from_backends, object};
use super::topology::Topology;
use super::{Deviation, Verdict};
use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Command, Finding, Found, Subject, Symptom};
use flatnet_model::observations::{Call, Exposure, Observations, Service};

pub(super) fn judge(observations: &Observations) -> Verdict {
    let outside = part(observations, |plane| &plane.outside);
    let exposure = outside.and_then(|outside| available(&outside.node_port));
    let Exposure { service, calls } = match exposure {
        Ok(exposure) => exposure,
        Err(verdict) => return verdict,
    };
    let topology = Topology::of(observations);
    let at = |call: &Call| dialled_node(&topology, call);
    let mut findings = Findings::default();
    for node in topology.nodes() {
        let name = node.object.name.as_str();
        if !calls.iter().any(|call| at(call) == Some(name)) {
            findings.unmeasured(format!("no node port of {name} was dialled"));
        }
    }
    let wrong = Wrong::of(&topology, calls, &mut findings, |_, outcome| {
        by_backend(service, outcome)
    });
    let bad: BTreeSet<Option<&str>> = wrong.calls().map(at).collect();
    let nodes = topology.nodes().count();
    findings.headline(format!(
        "{} of {} answer on node port {} over {}, dialled from outside",
        nodes.saturating_sub(bad.len()),
        count(nodes, "node"),
        ports(service),
        transports(calls.iter().map(|call| call.request.transport))
    ));
    let nobody = wrong.len() == calls.len() && nodes > 1;
    for (node, wrong) in wrong.by(at) {
        findings.fail(evidence(
            service,
            node.unwrap_or("?"),
            &wrong,
            nobody,
            &topology,
        ));
    }
    findings.verdict()
}

fn evidence(
    service: &Service,
    node: &str,
    wrong: &Wrong<'_>,
    nobody: bool,
    topology: &Topology<'_>,
) -> Deviation {
    let at = Subject::node_of(node);
    let symptom = Symptom::NodePortUnreached {
        service: service.name.clone(),
        node: node.to_owned(),
        over: wrong.over(),
    };
    let (culprit, cause) = match seen_cause_at(topology, [node], &wrong.over()) {
        Some((node, found)) => (Some(node), found),
        None => {
            let cause = Cause::NodePortUnmapped {
                node: (!nobody).then(|| node.to_owned()),
            };
            ((!nobody).then(|| at.clone()), Found::inferred(cause))
        }
    };
    Deviation {
        subjects: vec![object(service), at],
        culprits: culprit.into_iter().collect(),
        finding: Finding::of(symptom, cause),
        expected: from_backends(service),
        observed: wrong.observed(),
        look: Command::on(node, "iptables -t nat -nL KUBE-NODEPORTS"),
    }
}

/// `30123 (tcp), 31456 (udp)`.
fn ports(service: &Service) -> String {
    let each: Vec<String> = service
        .node_ports
        .iter()
        .map(|(over, port)| format!("{port} ({})", over))
        .collect();
    each.join(", ")
}
