//! The `networking` section: families and ranges that fit each other, and no CNI but the one under test.
use std::net::IpAddr;

use ipnet::IpNet;

use super::walk::{Findings, Spot};
use flatnet_model::IpFamily as Family;

/// Prefix length of a node's podCIDR where nothing else is said (kube-controller-manager's
/// `--node-cidr-mask-size-ipv4` and `-ipv6`).
const NODE_MASKS: (u8, u8) = (24, 64);
/// kubeadm, `PodSubnetNodeMaskMaxDiff`.
const NODE_BITS_MAX: u8 = 16;
/// kubeadm, `MaximumBitsForServiceSubnet`.
const SERVICE_BITS_MAX: u8 = 20;
/// kubeadm wants ten addresses (`MinimumAddressesInServiceSubnet`): four bits.
const SERVICE_BITS_MIN: u8 = 4;

/// kind's defaults.
const PODS: (&str, &str) = ("10.244.0.0/16", "fd00:10:244::/56");
const SERVICES: (&str, &str) = ("10.96.0.0/16", "fd00:10:96::/112");

/// What the section decides.
#[derive(Clone, Debug)]
pub(super) struct Networking {
    pub(super) family: Family,
    pub(super) pod_subnets: Vec<IpNet>,
    pub(super) service_subnets: Vec<IpNet>,
}

/// Whether kubeadm patches change the size of podCIDRs; then only kubeadm can tell whether they fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Masks {
    Default,
    Patched,
}

impl Masks {
    pub(super) fn or(self, other: Masks) -> Masks {
        if self == Masks::Patched { self } else { other }
    }
}

impl Networking {
    /// Stands for a section that could not be read; never part of a valid configuration.
    pub(super) fn unread() -> Self {
        Networking {
            family: Family::Ipv4,
            pod_subnets: Vec::new(),
            service_subnets: Vec::new(),
        }
    }
}

/// kind's word for it.
pub(super) fn name(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "ipv4",
        Family::Ipv6 => "ipv6",
        Family::Dual => "dual",
    }
}

/// kind's pod network where none is written.
pub(super) fn default_pod_subnets(family: Family) -> Vec<IpNet> {
    defaults(family, PODS)
}

pub(super) fn read(
    section: Option<Spot<'_>>,
    nodes: usize,
    masks: Masks,
    found: &mut Findings,
) -> Networking {
    const WHY: &str = "must be true: kind's own CNI would network the pods beside the one under test, and no check could tell whose work it sees";
    let Some(section) = section else {
        found.add("networking.disableDefaultCNI", WHY);
        return Networking::unread();
    };
    let Some(mut fields) = section.fields(found) else {
        return Networking::unread();
    };
    let family = fields
        .take("ipFamily")
        .and_then(|spot| spot.word(&["ipv4", "ipv6", "dual"], "an IP family", found))
        .map_or(Family::Ipv4, |word| match word {
            "ipv6" => Family::Ipv6,
            "dual" => Family::Dual,
            _ => Family::Ipv4,
        });
    let disabled = fields.take("disableDefaultCNI");
    match disabled.map(|spot| spot.flag(found)) {
        // Absent is false, kind's default. What is neither was noted already.
        None | Some(Some(false)) => found.add(fields.path_of("disableDefaultCNI"), WHY),
        Some(Some(true) | None) => {}
    }
    let pods = fields.take("podSubnet");
    let pod_subnets = ranges(pods.as_ref(), family, PODS, found);
    let services = fields.take("serviceSubnet");
    let service_subnets = ranges(services.as_ref(), family, SERVICES, found);
    if let Some(pods) = &pods {
        // Services may be of one family in a dual cluster; pods of one family would leave half of the checks without an answer.
        // What follows a comma and could not be read was noted already.
        let single = pods.value().as_str().is_some_and(|t| !t.contains(','));
        if family == Family::Dual && single && pod_subnets.len() == 1 {
            let other = if is_v4(&pod_subnets[0]) {
                "IPv6"
            } else {
                "IPv4"
            };
            found.add(
                pods.path(),
                format!("has no {other} range, which ipFamily dual needs; write one of each, with a comma between them"),
            );
        }
        if masks == Masks::Default {
            node_room(pods, &pod_subnets, nodes, found);
        }
    }
    if let Some(services) = &services {
        service_room(services, &service_subnets, found);
    }
    if pods.is_some() || services.is_some() {
        let place = pods.as_ref().or(services.as_ref()).map(Spot::path);
        overlap(
            place.unwrap_or_default(),
            &pod_subnets,
            &service_subnets,
            found,
        );
    }
    if let Some(spot) = fields.take("apiServerAddress") {
        address(&spot, found);
    }
    if let Some(spot) = fields.take("apiServerPort") {
        // -1 leaves the choice to the container engine, 0 to kind.
        spot.number(-1, 65535, found);
    }
    if let Some(spot) = fields.take("kubeProxyMode") {
        spot.word(
            &["iptables", "ipvs", "nftables", "none"],
            "a mode of kube-proxy",
            found,
        );
    }
    if let Some(spot) = fields.take("dnsSearch") {
        spot.texts(found);
    }
    fields.finish(found);
    Networking {
        family,
        pod_subnets,
        service_subnets,
    }
}

/// An IP address; names are not looked up.
pub(super) fn address(spot: &Spot<'_>, found: &mut Findings) -> Option<IpAddr> {
    let text = spot.text(found)?;
    let address = text.parse().ok();
    if address.is_none() {
        found.add(spot.path(), format!("{text:?} is not an IP address"));
    }
    address
}

/// One range, or one of each family with a comma between them.
fn ranges(
    spot: Option<&Spot<'_>>,
    family: Family,
    default: (&str, &str),
    found: &mut Findings,
) -> Vec<IpNet> {
    let Some(spot) = spot else {
        return defaults(family, default);
    };
    let mut nets: Vec<IpNet> = Vec::new();
    for part in spot.text(found).into_iter().flat_map(|t| t.split(',')) {
        let Ok(net) = part.parse::<IpNet>() else {
            let hint = if part.trim().parse::<IpNet>().is_ok() {
                "; leave the spaces out"
            } else {
                ""
            };
            found.add(
                spot.path(),
                format!("{part:?} is not a range such as {}{hint}", default.0),
            );
            continue;
        };
        let net = net.trunc();
        let wanted = match family {
            Family::Ipv4 => is_v4(&net),
            Family::Ipv6 => !is_v4(&net),
            Family::Dual => true,
        };
        if !wanted {
            found.add(
                spot.path(),
                format!(
                    "{net} is {}, but ipFamily is {}",
                    family_of(&net),
                    name(family)
                ),
            );
        } else if let Some(other) = nets.iter().find(|other| is_v4(other) == is_v4(&net)) {
            found.add(
                spot.path(),
                format!(
                    "{other} and {net} are both {}; one of each family is the most there can be",
                    family_of(&net)
                ),
            );
        } else {
            nets.push(net);
        }
    }
    nets
}

/// Every node gets a podCIDR of its own out of the range (kubeadm, `ValidatePodSubnetNodeMask`, and
/// kube-controller-manager, which leaves the last nodes without one where there is no room).
fn node_room(spot: &Spot<'_>, nets: &[IpNet], nodes: usize, found: &mut Findings) {
    for net in nets {
        let mask = if is_v4(net) {
            NODE_MASKS.0
        } else {
            NODE_MASKS.1
        };
        let Some(bits) = mask.checked_sub(net.prefix_len()) else {
            found.add(
                spot.path(),
                format!("{net} has no room for a node's podCIDR, a /{mask}"),
            );
            continue;
        };
        if bits > NODE_BITS_MAX {
            found.add(
                spot.path(),
                format!(
                    "{net} is too large: with a /{mask} for each node, kubeadm takes at most a /{}",
                    mask - NODE_BITS_MAX
                ),
            );
        } else if (1usize << bits) < nodes {
            found.add(
                spot.path(),
                format!(
                    "{net} has room for {} of {nodes} nodes, which take a /{mask} each",
                    1usize << bits
                ),
            );
        }
    }
}

/// kubeadm, `ValidateServiceSubnetSize` and `ValidateIPNetFromString`.
fn service_room(spot: &Spot<'_>, nets: &[IpNet], found: &mut Findings) {
    for net in nets {
        let bits = net.max_prefix_len() - net.prefix_len();
        let bound = |bits: u8| net.max_prefix_len() - bits;
        if bits > SERVICE_BITS_MAX {
            found.add(
                spot.path(),
                format!(
                    "{net} is too large; kubeadm takes at most a /{}",
                    bound(SERVICE_BITS_MAX)
                ),
            );
        } else if bits < SERVICE_BITS_MIN {
            found.add(
                spot.path(),
                format!(
                    "{net} is too small; kubeadm wants at least a /{}",
                    bound(SERVICE_BITS_MIN)
                ),
            );
        }
    }
}

fn overlap(path: &str, pods: &[IpNet], services: &[IpNet], found: &mut Findings) {
    for pod in pods {
        for service in services {
            if pod.contains(service) || service.contains(pod) {
                found.add(
                    path,
                    format!("pods ({pod}) and services ({service}) share addresses; a packet could be for either"),
                );
            }
        }
    }
}

fn defaults(family: Family, (v4, v6): (&str, &str)) -> Vec<IpNet> {
    let words: &[&str] = match family {
        Family::Ipv4 => &[v4],
        Family::Ipv6 => &[v6],
        Family::Dual => &[v4, v6],
    };
    words.iter().filter_map(|word| word.parse().ok()).collect()
}

fn is_v4(net: &IpNet) -> bool {
    matches!(net, IpNet::V4(_))
}

fn family_of(net: &IpNet) -> &'static str {
    if is_v4(net) { "IPv4" } else { "IPv6" }
}
