//! `pod-ip-present`: every pod has an IP, in the API and on its own interface.
use std::net::IpAddr;

use ipnet::IpNet;

use super::findings::{Findings, Problem, listed, look};
use super::topology::{Topology, ip_command, is_link_local, own_addresses};
use super::{Evidence, Verdict};
use flatnet_model::observations::{Observations, ObservedPod};

pub(super) fn judge(observations: &Observations) -> Verdict {
    let topology = Topology::of(observations);
    let mut findings = Findings::default();
    if observations.pods.is_empty() {
        findings.unmeasured("there is no pod to look at");
    }
    let families = families(observations);
    for pod in &observations.pods {
        if !pod.runs() {
            findings.fail(not_running(pod, &topology));
        } else if let Some(evidence) = missing(pod, &families, &topology) {
            findings.fail(evidence);
        } else if pod.object.host_network {
            host_network(pod, &topology, &mut findings);
        } else {
            match held(pod, &topology) {
                Ok(problems) => problems
                    .into_iter()
                    .for_each(|problem| findings.fail(problem.evidence)),
                Err(error) => {
                    findings.unmeasured(format!("addresses inside {}: {error}", topology.who(pod)))
                }
            }
        }
    }
    findings.fact(format!(
        "{} of {} pods have an {} address that their own interface holds",
        observations.pods.len(),
        observations.pods.len(),
        families
            .iter()
            .map(|family| family.name())
            .collect::<Vec<_>>()
            .join(" and an ")
    ));
    findings.verdict()
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    V4,
    V6,
}

impl Family {
    fn of(address: IpAddr) -> Self {
        if address.is_ipv4() {
            Family::V4
        } else {
            Family::V6
        }
    }

    fn name(self) -> &'static str {
        match self {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        }
    }
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

fn not_running(pod: &ObservedPod, topology: &Topology<'_>) -> Evidence {
    let ended = pod
        .warnings
        .iter()
        .find(|w| w.contains("ended with exit code"));
    let last = ended
        .or(pod.warnings.last())
        .map_or("no warning event says why", String::as_str);
    let cni = pod.warnings.iter().any(|warning| {
        warning.contains("network for sandbox") || warning.contains("FailedCreatePodSandBox")
    });
    Evidence {
        what: format!("{} does not run, so it has no IP", topology.who(pod)),
        expected: "phase Running with an IP address".to_owned(),
        observed: format!("phase {}: {last}", pod.status),
        culprit: Some(match ended {
            Some(_) => topology.who(pod),
            None => pod.object.node.clone(),
        }),
        cause: match ended {
            Some(_) => Some("the pod's own command does not last".to_owned()),
            None => cni.then(|| {
                format!(
                    "the CNI plugin on {} failed to set up the pod's network",
                    pod.object.node
                )
            }),
        },
        look: look(&pod.object.node, "ls /etc/cni/net.d /opt/cni/bin"),
    }
}

/// A running pod that lacks an address of a family the cluster has. HostNetwork pods need one at all: their families are
/// their node's.
fn missing(pod: &ObservedPod, families: &[Family], topology: &Topology<'_>) -> Option<Evidence> {
    let has = |family: &Family| pod.object.ips.iter().any(|ip| Family::of(*ip) == *family);
    let lacking = match families.iter().find(|family| !has(family)) {
        Some(family) if !pod.object.host_network => family.name(),
        _ if pod.object.ips.is_empty() => "IP",
        _ => return None,
    };
    let has: Vec<String> = pod.object.ips.iter().map(IpAddr::to_string).collect();
    Some(Evidence {
        what: format!("{} has no {lacking} address in the API", topology.who(pod)),
        expected: format!("status.podIPs with an {lacking} address"),
        observed: if has.is_empty() {
            "status.podIPs is empty".to_owned()
        } else {
            format!("status.podIPs is {}", listed(&has, 4))
        },
        culprit: Some(pod.object.node.clone()),
        cause: None,
        look: look(topology.pod_name(pod.reference()), "ip addr"),
    })
}

/// Pods that run without the address everyone dials.
pub(super) fn problems(topology: &Topology<'_>) -> Vec<Problem> {
    topology
        .networked()
        .filter_map(|pod| held(pod, topology).ok())
        .flatten()
        .collect()
}

/// The addresses that the API gives a pod and that are not on its interfaces.
fn held<'a>(pod: &'a ObservedPod, topology: &Topology<'_>) -> Result<Vec<Problem>, &'a str> {
    let own: Vec<IpAddr> = own_addresses(pod.facts.as_ref().map_err(String::as_str)?).collect();
    let global: Vec<String> = own
        .iter()
        .filter(|own| !is_link_local(**own))
        .map(IpAddr::to_string)
        .collect();
    let absent = pod.object.ips.iter().filter(|ip| !own.contains(ip));
    let problem = |ip: &IpAddr| Problem {
        node: pod.object.node.clone(),
        peer: None,
        pods: vec![pod.reference().clone()],
        evidence: Evidence {
            what: format!(
                "{} does not hold the IP {ip} that the API gives it",
                topology.who(pod)
            ),
            expected: format!("{ip} on an interface inside the pod"),
            observed: if global.is_empty() {
                "no address inside the pod".to_owned()
            } else {
                format!("inside the pod: {}", listed(&global, 4))
            },
            culprit: Some(topology.who(pod)),
            cause: Some(
                "the address was removed or replaced after the CNI plugin reported it".to_owned(),
            ),
            look: look(
                topology.pod_name(pod.reference()),
                format!("{} addr", ip_command(*ip)),
            ),
        },
    };
    Ok(absent.map(problem).collect())
}

fn host_network(pod: &ObservedPod, topology: &Topology<'_>, findings: &mut Findings) {
    for ip in pod
        .object
        .ips
        .iter()
        .filter(|ip| !topology.node_has(&pod.object.node, **ip))
    {
        findings.fail(Evidence {
            what: format!(
                "hostNetwork pod {} has {ip}, which is no address of its node {}",
                topology.pod_name(pod.reference()),
                pod.object.node
            ),
            expected: format!("an address of {}", pod.object.node),
            observed: topology.tell(*ip),
            culprit: Some(pod.object.node.clone()),
            cause: None,
            look: look(&pod.object.node, format!("{} addr", ip_command(*ip))),
        });
    }
}
