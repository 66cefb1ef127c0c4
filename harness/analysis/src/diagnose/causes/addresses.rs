//! Addresses of a node: its podCIDR, what is left of it, and the bridge that holds its first one.
use std::collections::BTreeMap;

use ipnet::IpNet;

use super::{About, Cause, Finding, Said, Seen, checks, words};
use crate::checks::listed;
use flatnet_model::cni::{NetworkList, in_use};

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
    let own: Vec<String> = node.object.pod_cidrs.iter().map(IpNet::to_string).collect();
    if complaint.is_none() && !own.is_empty() {
        return None;
    }
    let others: Vec<String> = about
        .evidence
        .nodes
        .iter()
        .filter(|other| other.object.name != node.object.name)
        .flat_map(|other| &other.object.pod_cidrs)
        .map(|cidr| cidr.to_string())
        .collect();
    let needed = network(about).is_none_or(|network| {
        let mut kinds = network.kinds();
        kinds.any(|kind| FROM_POD_CIDR.contains(&kind))
    });
    if complaint.is_none() && (others.is_empty() || !needed) {
        return None;
    }
    let name = &node.object.name;
    let is_lab = about.evidence.advice.is_lab();
    let mut observed = match own.is_empty() {
        true => "spec.podCIDRs is empty".to_owned(),
        false => format!(
            "spec.podCIDRs is {}, and its agent knows of none",
            own.join(", ")
        ),
    };
    if !others.is_empty() {
        observed.push_str(&format!("; other nodes have {}", listed(&others, 4)));
    }
    let mend = if is_lab {
        format!(
            "flatnet down {0} && flatnet up --name {0}: it gives each node a podCIDR",
            about.evidence.advice.cluster
        )
    } else {
        // kubeadm's and kind's place of it.
        "kubectl -n kube-system get pod -l component=kube-controller-manager -o yaml | grep -e allocate-node-cidrs -e cluster-cidr -e node-cidr-mask; then set --allocate-node-cidrs=true and a --cluster-cidr with room in /etc/kubernetes/manifests/kube-controller-manager.yaml".to_owned()
    };
    let evidence = checks::Evidence {
        what: format!("{name} has no podCIDR, from which its pods' addresses come"),
        expected: "a range in spec.podCIDRs".to_owned(),
        observed,
        culprit: Some(name.clone()),
        cause: Some(
            "the controller manager does not assign ranges, or has none left for a further node"
                .to_owned(),
        ),
        look: if is_lab {
            about.on_node("cat /run/flatnet/nodes.json")
        } else {
            format!("kubectl get node {name} -o jsonpath={{.spec.podCIDRs}}")
        },
    };
    let mut finding = about.finding(Cause::PodCidrMissing, evidence, mend);
    if let Some(line) = complaint {
        finding.seen.push(Seen::new("log of the agent", line));
    }
    Some(finding)
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
    let node = &about.node.object.name;
    let words = about.network_words()?;
    let core = words::core(&words.text);
    let pods = about.evidence.pods_with_address(node);
    let mut by_network: BTreeMap<&str, usize> = BTreeMap::new();
    for lease in about.node.leases() {
        *by_network.entry(lease.network).or_default() += 1;
    }
    let counted: Vec<String> = by_network
        .iter()
        .map(|(network, count)| format!("{count} in /var/lib/cni/networks/{network}"))
        .collect();
    let reserved: usize = by_network.values().sum();
    // A dual-stack pod has two.
    let families = about.node.object.pod_cidrs.len().max(1);
    let left_over = reserved > pods * families;
    let mut observed = format!("{core}; {}", checks::count(pods, "pod"));
    observed.push_str(&format!(" with an address on {node}"));
    if !counted.is_empty() {
        observed.push_str(&format!(", reservations: {}", counted.join(", ")));
    }
    let advice = &about.evidence.advice;
    let (cause, mend) = if left_over {
        (
            "reservations of pods that are gone were not given back: their DEL failed or never came",
            give_back(about, &by_network),
        )
    } else if advice.is_lab() {
        (
            "the node's range is too small for its pods",
            format!(
                "flatnet down {0} && flatnet up --name {0} with a smaller --pods-per-node or --node-cidr-mask",
                advice.cluster
            ),
        )
    } else {
        (
            "the node's range is too small for its pods",
            format!(
                "kubectl cordon {node}, then delete pods there that may run elsewhere; for more room a larger --node-cidr-mask-size"
            ),
        )
    };
    let ranges: Vec<String> = about
        .node
        .object
        .pod_cidrs
        .iter()
        .map(IpNet::to_string)
        .collect();
    let evidence = checks::Evidence {
        what: format!("no address is left in the range of {node}"),
        expected: match ranges.is_empty() {
            true => "a free address in the node's range".to_owned(),
            false => format!("a free address in {}", ranges.join(" and ")),
        },
        observed,
        culprit: Some(node.clone()),
        cause: Some(cause.to_owned()),
        look: about.on_node("ls /var/lib/cni/networks/*"),
    };
    Some(about.finding(Cause::AddressesExhausted, evidence, mend))
}

/// Removes the reservations of containers that are nobody's: none where the runtime does not tell its own.
fn give_back(about: &About<'_>, networks: &BTreeMap<&str, usize>) -> String {
    let ids = match about.evidence.advice.is_lab() {
        true => "ls /var/lib/cni/results",
        false => "crictl pods -q --no-trunc",
    };
    let folders: Vec<String> = networks
        .keys()
        .map(|network| format!("/var/lib/cni/networks/{network}/[0-9a-f]*[.:]*"))
        .collect();
    about.on_node(&format!(
        "sh -c 'ids=$({ids}) && for f in {}; do id=$(grep -o -E -m 1 \"[0-9a-f]{{64}}\" $f) && {{ echo \"$ids\" | grep -q $id || rm $f; }}; done'",
        folders.join(" ")
    ))
}

/// The bridge plugin refuses a bridge that holds another gateway (isDefaultGateway without forceAddress).
pub(super) fn stale_bridge(about: &About<'_>) -> Option<Finding> {
    let Said::StaleBridge { bridge, wanted } = about.said() else {
        return None;
    };
    let node = about.node;
    let held = node.inside.facts().ok().and_then(|facts| {
        let link = facts.links.iter().find(|link| link.name == bridge)?;
        let of_link = facts.addresses.iter().filter(|a| a.index == link.index);
        let texts: Vec<String> = of_link
            .map(|a| a.net)
            .filter(|net| match net.addr() {
                std::net::IpAddr::V4(_) => true,
                std::net::IpAddr::V6(v6) => !v6.is_unicast_link_local(),
            })
            .map(|net| net.to_string())
            .collect();
        Some(texts.join(", "))
    });
    let ranges: Vec<String> = node.object.pod_cidrs.iter().map(IpNet::to_string).collect();
    let evidence = checks::Evidence {
        what: format!(
            "{bridge} of {} holds the gateway address of another range",
            node.object.name
        ),
        expected: format!("{wanted} on {bridge}, the first address of what the plugin was given"),
        observed: format!(
            "{bridge} holds {}; podCIDR {}",
            held.as_deref().unwrap_or("another address"),
            if ranges.is_empty() {
                "none".to_owned()
            } else {
                ranges.join(" and ")
            }
        ),
        culprit: Some(format!("{bridge} on {}", node.object.name)),
        cause: Some("the node's podCIDR was changed, and the bridge stayed".to_owned()),
        look: about.on_node("ip addr show type bridge"),
    };
    let mend = format!(
        "{}; then delete the pods of {}: those with an address of the earlier range stay cut off",
        about.on_node(&format!("ip link delete {bridge}")),
        node.object.name
    );
    Some(about.finding(Cause::StaleBridge, evidence, mend))
}
