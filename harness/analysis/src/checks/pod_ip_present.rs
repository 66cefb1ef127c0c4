//! `pod-ip-present`: every pod has an IP, in the API and on its own interface.
use std::net::IpAddr;

use ipnet::IpNet;

use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Command, Finding, Found, State, Subject, Symptom};
use flatnet_model::network::Family;

use super::findings::{Findings, Problem, Seen};
use super::settings::ipv6_off;
use super::topology::{Topology, at, device, ip_command, is_link_local, own_addresses};
use super::veth::interface;
use super::{Deviation, Verdict};
use flatnet_model::observations::{Observations, ObservedPod};
use flatnet_model::probe::Facts;
use flatnet_model::reference::Netns;

pub(super) fn judge(observations: &Observations) -> Verdict {
    let topology = Topology::of(observations);
    let mut findings = Findings::default();
    if observations.pods.is_empty() {
        findings.unmeasured("there is no pod to look at");
    }
    let families = families(observations);
    for pod in &observations.pods {
        if !pod.runs() {
            findings.fail(not_running(pod));
        } else if let Some(evidence) = missing(pod, &families) {
            findings.fail(evidence);
        } else if pod.object.host_network {
            host_network(pod, &topology, &mut findings);
        } else {
            match held(pod) {
                Ok(problems) => problems
                    .into_iter()
                    .for_each(|problem| findings.fail(problem.deviation)),
                Err(error) => findings
                    .unmeasured_for(format!("addresses inside {}", topology.who(pod)), error),
            }
        }
    }
    findings.fact(format!(
        "{} of {} pods have an {} address that their own interface holds",
        observations.pods.len(),
        observations.pods.len(),
        families
            .iter()
            .map(Family::to_string)
            .collect::<Vec<_>>()
            .join(" and an ")
    ));
    findings.verdict()
}

/// The families the pod network has: what its ranges say, and what any pod got.
fn families(observations: &Observations) -> Vec<Family> {
    let ranges = observations.pod_network.iter().map(IpNet::addr);
    let pods = observations
        .pods
        .iter()
        .filter(|pod| !pod.object.host_network)
        .flat_map(|pod| pod.object.ips.iter().copied());
    let mut families: Vec<Family> = ranges.chain(pods).map(Family::of).collect();
    families.sort_unstable();
    families.dedup();
    families
}

fn not_running(pod: &ObservedPod) -> Deviation {
    let ended = pod
        .warnings
        .iter()
        .find(|w| w.contains("ended with exit code"));
    let cni = pod.warnings.iter().any(|warning| {
        warning.contains("network for sandbox") || warning.contains("FailedCreatePodSandBox")
    });
    let pod_at = at(pod);
    let cause = match ended {
        Some(_) => Some(Cause::CrashLoop {
            pod: pod_at.clone(),
            container: None,
            exit_code: None,
            reason: String::new(),
        }),
        None => cni.then(|| Cause::PluginFailed {
            pod: pod_at.clone(),
            plugin: None,
        }),
    };
    let node = &pod_at.node;
    let observed = State::Phase {
        phase: pod.status.clone(),
        said: ended.or(pod.warnings.last()).cloned(),
    };
    let look = Command::on(node, "ls /etc/cni/net.d /opt/cni/bin");
    let culprit = match ended {
        Some(_) => Subject::Pod(pod_at.clone()),
        None => Subject::node_of(node),
    };
    let symptom = Symptom::NotRunning {
        pod: pod_at.clone(),
    };
    Seen::new(State::Running, observed, look).deviation(
        vec![Subject::Pod(pod_at)],
        vec![culprit],
        Finding::Symptom {
            symptom,
            cause: cause.map(Found::seen),
        },
    )
}

/// A running pod that lacks an address of a family the cluster has. HostNetwork pods need one at all: their families are
/// their node's.
fn missing(pod: &ObservedPod, families: &[Family]) -> Option<Deviation> {
    let has = |family: &Family| pod.object.ips.iter().any(|ip| Family::of(*ip) == *family);
    let family = match families.iter().find(|family| !has(family)) {
        Some(family) if !pod.object.host_network => Some(*family),
        _ if pod.object.ips.is_empty() => None,
        _ => return None,
    };
    let observed = State::AddressesInApi {
        addresses: pod.object.ips.clone(),
    };
    let look = Command::in_pod(pod.reference(), "ip addr");
    let seen = Seen::new(State::AddressInApi { family }, observed, look);
    let (pod, culprit) = (at(pod), Subject::node_of(&pod.object.node));
    Some(seen.deviation(
        vec![Subject::Pod(pod.clone())],
        vec![culprit],
        Finding::symptom(Symptom::NoAddress { pod, family }),
    ))
}

/// Pods that run without the address everyone dials.
pub(super) fn problems(topology: &Topology<'_>) -> Vec<Problem> {
    topology
        .networked()
        .filter_map(|pod| held(pod).ok())
        .flatten()
        .collect()
}

/// The addresses that the API gives a pod and that its interfaces do not hold, or hold and may not use.
fn held(pod: &ObservedPod) -> Result<Vec<Problem>, &str> {
    let facts = pod.facts.as_ref().map_err(String::as_str)?;
    let own: Vec<IpAddr> = own_addresses(facts).collect();
    let global = own.iter().filter(|own| !is_link_local(**own));
    let inside = State::AddressesInside {
        addresses: global.copied().collect(),
    };
    let problem = |address: IpAddr| {
        let look = Command::in_pod(pod.reference(), &format!("{} addr", ip_command(address)));
        let cause = not_usable(pod, facts, address)?;
        let seen = Seen::new(State::AddressInside { address }, inside.clone(), look);
        let pod = at(pod);
        let subject = vec![Subject::Pod(pod.clone())];
        Some(Problem {
            node: pod.node.clone(),
            peer: None,
            pods: vec![pod.pod.clone()],
            deviation: seen.deviation(subject.clone(), subject, Finding::cause(cause)),
        })
    };
    Ok(pod.object.ips.iter().copied().filter_map(problem).collect())
}

/// What is wrong with an address that a pod should have.
fn not_usable(pod: &ObservedPod, facts: &Facts, address: IpAddr) -> Option<Cause> {
    let netns = || Netns::Pod(pod.reference().clone());
    match facts.address(address) {
        Some(held) if held.dad_failed => Some(Cause::AddressDuplicate {
            at: netns(),
            device: device(facts, Some(held.index)).to_owned(),
            address,
        }),
        Some(_) => None,
        None => Some(
            match interface(pod, facts).and_then(|link| ipv6_off(facts, &link.name, address)) {
                Some(key) => Cause::Ipv6Off { at: netns(), key },
                None => Cause::AddressNotHeld {
                    pod: at(pod),
                    address,
                },
            },
        ),
    }
}

fn host_network(pod: &ObservedPod, topology: &Topology<'_>, findings: &mut Findings) {
    let node = &pod.object.node;
    let foreign = pod.object.ips.iter().copied();
    for address in foreign.filter(|ip| !topology.node_has(node, *ip)) {
        if let Some(why) = topology.unread(node) {
            let what = format!(
                "whether {address} of {} is an address of {node}",
                topology.who(pod)
            );
            if topology.nodes_forbidden().is_none() {
                findings.unmeasured_for(what, why);
            } else {
                findings.fact(format!("not read: {what}"));
            }
            continue;
        }
        let expected = State::AddressOfNode { node: node.clone() };
        let look = Command::on(node, &format!("{} addr", ip_command(address)));
        let seen = Seen::new(expected, State::Held(topology.held(address)), look);
        let pod = at(pod);
        findings.fail(seen.deviation(
            vec![Subject::Pod(pod.clone())],
            vec![Subject::node_of(node)],
            Finding::symptom(Symptom::ForeignHostAddress { pod, address }),
        ));
    }
}
