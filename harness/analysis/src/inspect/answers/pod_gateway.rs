//! The default gateway of pods, and whether their node holds it.
use std::net::IpAddr;

use flatnet_model::probe::{Facts, NamespaceRoute, NetworkNamespace};

use super::attachments;
use super::bridges;
use super::findings::Findings;
use flatnet_model::inspection::{Fact, Outcome, Source};
use flatnet_model::snapshot::PodSnapshot;
use flatnet_model::view::View;

pub(in crate::inspect) fn answer(view: &View) -> Outcome {
    let mut findings = Findings::default();
    findings.available("pods", &view.pods);
    for (node, inside) in findings.insides(view) {
        let name = &node.object.name;
        let Some(facts) = findings.observed(name, "interfaces", inside.facts()) else {
            continue;
        };
        for link in facts.links.iter().filter(|link| link.kind == "bridge") {
            findings.fact(
                Fact::new(
                    "bridge",
                    &link.name,
                    Source::command("ip addr show type bridge"),
                )
                .on(name)
                .with("address", bridges::addresses(facts, link)),
            );
        }
        if findings
            .observed(name, "network namespaces", inside.namespaces())
            .is_none()
        {
            continue;
        }
        for pod in view.pods_on(name).filter(|pod| !pod.ips.is_empty()) {
            match attachments::namespace_of(pod, inside) {
                Some(namespace) => of_pod(name, pod, namespace, facts, &mut findings),
                None => findings.problem(Some(name), &pod.reference.to_string(), "no network namespace of the node holds the pod's address, or none may be looked at"),
            }
        }
    }
    findings.outcome(|| "no pod of the pod network runs on these nodes".to_owned())
}

fn of_pod(
    node: &str,
    pod: &PodSnapshot,
    namespace: &NetworkNamespace,
    facts: &Facts,
    findings: &mut Findings,
) {
    let gateways: Vec<IpAddr> = namespace
        .routes
        .iter()
        .filter(|route| route.dst.prefix_len() == 0)
        .filter_map(|route| route.gateway)
        .collect();
    let holder = |gateway: &IpAddr| facts.holder(*gateway);
    let mut held: Vec<&str> = gateways
        .iter()
        .filter_map(holder)
        .map(|link| link.name.as_str())
        .collect();
    held.dedup();
    let agrees = !gateways.is_empty() && gateways.iter().all(|gateway| holder(gateway).is_some());
    findings.fact(
        Fact::new(
            "pod",
            pod.reference.to_string(),
            Source::Command(format!("nsenter -t {} -n ip route", namespace.pid)),
        )
        .on(node)
        .with(
            "ip",
            pod.ips.iter().map(ToString::to_string).collect::<Vec<_>>(),
        )
        .with(
            "gateway",
            gateways.iter().map(ToString::to_string).collect::<Vec<_>>(),
        )
        .with("held-by", held)
        .with("agrees", agrees)
        .with(
            "routes",
            namespace
                .routes
                .iter()
                .filter(|route| !is_link_local(route))
                .map(as_ip_route)
                .collect::<Vec<_>>(),
        ),
    );
    if gateways.is_empty() {
        findings.problem(
            Some(node),
            &pod.reference.to_string(),
            "it has no default route: it reaches what is on its own link, and nothing beyond",
        );
    }
    for gateway in gateways.iter().filter(|gateway| holder(gateway).is_none()) {
        // Some add-ons give pods a gateway that nobody holds, and answer for it (proxy ARP): always a link-local one.
        let proxied = match gateway {
            IpAddr::V4(v4) => v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        };
        if !proxied {
            findings.problem(Some(node), &pod.reference.to_string(), format!("its gateway {gateway} is not an address of the node: packets for other nodes go nowhere"));
        }
    }
}

/// Every IPv6 interface has one.
fn is_link_local(route: &NamespaceRoute) -> bool {
    matches!(route.dst.addr(), IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// As `ip route` has it.
fn as_ip_route(route: &NamespaceRoute) -> String {
    let to = if route.dst.prefix_len() == 0 {
        "default".to_owned()
    } else {
        route.dst.to_string()
    };
    match route.gateway {
        Some(gateway) => format!("{to} via {gateway} dev {}", route.device),
        None => format!("{to} dev {}", route.device),
    }
}
