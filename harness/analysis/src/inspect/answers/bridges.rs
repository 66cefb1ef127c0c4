//! Bridges, their ports, and the pods behind those.
use flatnet_model::kernel::Link;
use flatnet_model::probe::Facts;

use super::attachments;
use super::findings::Findings;
use flatnet_model::inspection::{Fact, Outcome, Source};
use flatnet_model::view::View;

pub(in crate::inspect) fn answer(view: &View) -> Outcome {
    let mut findings = Findings::default();
    findings.available("pods", &view.pods);
    for (node, inside) in findings.insides(view) {
        let name = &node.object.name;
        let Some(facts) = findings.observed(name, "interfaces", inside.facts()) else {
            continue;
        };
        let pods = attachments::by_interface(view, node, inside);
        let bridges: Vec<&Link> = facts
            .links
            .iter()
            .filter(|link| link.kind == "bridge")
            .collect();
        for bridge in &bridges {
            let ports = facts
                .links
                .iter()
                .filter(|link| link.master == Some(bridge.index));
            findings.fact(
                Fact::new(
                    "bridge",
                    &bridge.name,
                    Source::command("ip addr show type bridge"),
                )
                .on(name)
                .with("state", bridge.operstate.as_str())
                .with("mtu", bridge.mtu)
                .with("mac", bridge.mac.map(|mac| mac.to_string()))
                .with("address", addresses(facts, bridge))
                .with("ports", ports.count()),
            );
            if !bridge.up {
                findings.problem(
                    Some(name),
                    &bridge.name,
                    "the bridge is administratively down: nothing passes it",
                );
            }
        }
        // A pod's host end that is not a port of a bridge has a route of its own.
        let leads_to_pod = |link: &&Link| pods.contains_key(&link.index);
        let ports = facts.links.iter().filter(|link| {
            bridges
                .iter()
                .any(|bridge| link.master == Some(bridge.index))
                || leads_to_pod(link)
        });
        for port in ports {
            let bridge = bridges
                .iter()
                .find(|bridge| port.master == Some(bridge.index));
            let pod = pods.get(&port.index);
            findings.fact(
                Fact::new(
                    "port",
                    &port.name,
                    Source::command("bridge -d link; ip -d link"),
                )
                .on(name)
                .with("bridge", bridge.map(|bridge| bridge.name.as_str()))
                .with("state", port.operstate.as_str())
                .with("mtu", port.mtu)
                .with("hairpin", port.port.map(|settings| settings.hairpin))
                .with("pod", pod.map(|(pod, _)| pod.reference.to_string()))
                .with(
                    "pod-ip",
                    pod.map_or_else(Vec::new, |(pod, _)| {
                        pod.ips.iter().map(ToString::to_string).collect()
                    }),
                )
                .with("known-by", pod.map(|(_, known)| known.words())),
            );
        }
    }
    findings.outcome(|| "no node has a bridge: without pods of the pod network many CNIs make none, and some never do".to_owned())
}

/// Global addresses with their prefix lengths.
pub(super) fn addresses(facts: &Facts, link: &Link) -> Vec<String> {
    let own = facts
        .addresses
        .iter()
        .filter(|address| address.index == link.index && address.scope != "link");
    own.map(|address| address.net.to_string()).collect()
}
