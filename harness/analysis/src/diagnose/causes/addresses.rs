//! Addresses of a node: its podCIDR, what is left of it, and the bridge that holds its first one.
use std::collections::BTreeMap;

use ipnet::IpNet;

use flatnet_model::cni::{NetworkList, in_use};
use flatnet_model::diagnosis::one_line;
use flatnet_model::evidence::{At, Command, Remediation, Start, Subject, Todo};

use super::{About, Cause, Finding, Known, Said, Seen, reservations, words};

/// Plugins and add-ons that take the node's podCIDR for its range.
const FROM_POD_CIDR: [&str; 2] = ["flannel", "flatnet-cni"];

/// The node has no podCIDR although its add-on needs one: the agent says so, or other nodes have one.
pub(super) fn pod_cidr(about: &About<'_>) -> Option<Finding> {
    let node = about.node;
    let agents = about.evidence.agents.as_deref().unwrap_or_default();
    let everywhere = agents.iter().flat_map(|agent| &agent.on_nodes);
    let complaint = everywhere
        .filter(|one| one.node == node.object.name)
        .filter_map(|one| {
            let words = one.last_words.as_deref().ok()?;
            // Of one that works, only its very last word is still true.
            let from = if one.ready {
                words.lines().count().saturating_sub(1)
            } else {
                0
            };
            words.lines().skip(from).find(|line| complains(line))
        })
        .next();
    if complaint.is_none() && !node.object.pod_cidrs.is_empty() {
        return None;
    }
    let others: Vec<IpNet> = about
        .evidence
        .nodes
        .iter()
        .filter(|other| other.object.name != node.object.name)
        .flat_map(|other| other.object.pod_cidrs.iter().copied())
        .collect();
    let needed = network(about).is_none_or(|network| {
        let mut kinds = network.kinds();
        kinds.any(|kind| FROM_POD_CIDR.contains(&kind))
    });
    if complaint.is_none() && (others.is_empty() || !needed) {
        return None;
    }
    let name = node.object.name.clone();
    let advice = &about.evidence.advice;
    // kubeadm's and kind's place of it.
    let manager = "kubectl -n kube-system get pod -l component=kube-controller-manager -o yaml | grep -e allocate-node-cidrs -e cluster-cidr -e node-cidr-mask";
    let known = Known {
        subjects: vec![about.subject(), about.node()],
        culprit: about.node(),
        expected: Start::RangeAssigned.into(),
        observed: vec![
            Start::Ranges {
                ranges: node.object.pod_cidrs.clone(),
                others,
            }
            .into(),
        ],
        look: match advice.has_kubectl() {
            true => Command::here(&format!(
                "kubectl get node {name} -o jsonpath={{.spec.podCIDRs}}"
            )),
            false => about.on_node("cat /run/flatnet/nodes.json"),
        },
        fix: match advice.has_kubectl() {
            true => Remediation::to(Todo::AssignRanges, vec![Command::shell(At::Here, manager)]),
            false => Remediation::to(Todo::RangesOnUp, advice.up_again()),
        },
        seen: complaint
            .into_iter()
            .map(|line| Seen::new("log of the agent", line))
            .collect(),
    };
    Some(about.finding(Cause::PodCidrMissing { node: name }, known))
}

/// flannel: `node "n" pod cidr not assigned`; flatnet-agent: `it has no podCIDR yet`.
fn complains(line: &str) -> bool {
    let line = line.to_lowercase();
    [
        "pod cidr not assigned",
        "podcidr not assigned",
        "has no podcidr",
    ]
    .into_iter()
    .any(|words| line.contains(words))
}

/// The network in use; none where there is none that parses.
fn network(about: &About<'_>) -> Option<NetworkList> {
    in_use(about.node.inside.cni().ok()?)
}

/// No address is left: the plugin says so, and the reservations are counted.
pub(super) fn exhausted(about: &About<'_>) -> Option<Finding> {
    if about.said() != Said::Exhausted {
        return None;
    }
    let node = about.node.object.name.clone();
    let words = about.network_words()?;
    let pods = about.evidence.pods_with_address(&node);
    let mut by_network: BTreeMap<&str, usize> = BTreeMap::new();
    for lease in about.node.leases() {
        *by_network.entry(lease.network).or_default() += 1;
    }
    let ranges = about.node.object.pod_cidrs.clone();
    let unheld = about.evidence.unheld(about.node);
    let leaked = unheld.is_leak();
    let advice = &about.evidence.advice;
    let fix = if leaked {
        reservations::give_back(about, &unheld.network)
    } else if advice.has_kubectl() {
        let cordon = Command::here(&format!("kubectl cordon {node}"));
        let more = Todo::MoreRoom { node: node.clone() };
        Remediation::run(cordon).then(Remediation::to(more, Vec::new()))
    } else {
        Remediation::to(Todo::RoomOnUp, advice.up_again())
    };
    let reservations = by_network.iter();
    let reservations = reservations.map(|(network, count)| ((*network).to_owned(), *count));
    let observed = Start::Exhausted {
        said: one_line(words::core(&words.text)),
        pods,
        node: node.clone(),
        reservations: reservations.collect(),
    };
    let known = Known {
        subjects: vec![about.subject(), about.node()],
        culprit: about.node(),
        expected: Start::FreeAddress { ranges }.into(),
        observed: vec![observed.into()],
        look: about.shell("ls /var/lib/cni/networks/*"),
        fix,
        seen: Vec::new(),
    };
    Some(about.finding(Cause::AddressesExhausted { node, leaked }, known))
}

/// The bridge plugin refuses a bridge that holds another gateway (isDefaultGateway without forceAddress).
pub(super) fn stale_bridge(about: &About<'_>) -> Option<Finding> {
    let Said::StaleBridge { bridge, wanted } = about.said() else {
        return None;
    };
    let node = about.node;
    let held = node.inside.facts().ok().and_then(|facts| {
        let link = facts.link_named(&bridge)?;
        let of_link = facts.addresses.iter().filter(|a| a.index == link.index);
        let nets = of_link.map(|a| a.net).filter(|net| match net.addr() {
            std::net::IpAddr::V4(_) => true,
            std::net::IpAddr::V6(v6) => !v6.is_unicast_link_local(),
        });
        Some(nets.collect::<Vec<IpNet>>())
    });
    let name = node.object.name.clone();
    let known = Known {
        subjects: vec![about.subject(), about.node()],
        culprit: Subject::Device {
            node: name.clone(),
            device: bridge.clone(),
        },
        expected: Start::GatewayOn {
            address: wanted,
            device: bridge.clone(),
        }
        .into(),
        observed: vec![
            Start::BridgeHolds {
                device: bridge.clone(),
                addresses: held,
                ranges: node.object.pod_cidrs.clone(),
            }
            .into(),
        ],
        look: about.on_node("ip addr show type bridge"),
        fix: Remediation::run(about.on_node(&format!("ip link delete {bridge}"))).then(
            Remediation::to(Todo::DeletePodsOf { node: name.clone() }, Vec::new()),
        ),
        seen: Vec::new(),
    };
    Some(about.finding(Cause::StaleBridge { node: name, bridge }, known))
}
