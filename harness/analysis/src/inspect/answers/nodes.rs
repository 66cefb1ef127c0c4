//! What the nodes are, and where each one's address sits.
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use super::findings::Findings;
use flatnet_model::inspection::{Fact, Outcome, Source};
use flatnet_model::view::View;

pub(in crate::inspect) fn answer(view: &View) -> Outcome {
    let mut findings = Findings::default();
    let source = if !view.capabilities.kubectl.is_present() {
        Source::command("ip addr; uname -r; cat /etc/os-release")
    } else {
        Source::api("kubectl get nodes -o wide")
    };
    for node in &view.nodes {
        let object = &node.object;
        let ips: Vec<String> = object.internal_ips.iter().map(IpAddr::to_string).collect();
        let status = if object.is_ready() {
            "Ready"
        } else {
            "NotReady"
        };
        findings.fact(
            Fact::new("node", &object.name, source.clone())
                .with("status", status)
                .with("internal-ip", ips)
                .with("version", object.info.kubelet_version.as_str())
                .with("os", object.info.os_image.as_str())
                .with("kernel", object.info.kernel_version.as_str())
                .with("runtime", object.info.container_runtime_version.as_str()),
        );
        if let Some(why) = object.not_ready() {
            findings.problem(Some(&object.name), "Ready condition", why);
        }
    }
    for (node, inside) in findings.insides(view) {
        let name = &node.object.name;
        let Some(facts) = findings.observed(name, "interfaces", inside.facts()) else {
            continue;
        };
        for ip in &node.object.internal_ips {
            let (Some(held), Some(link)) = (facts.address(*ip), facts.holder(*ip)) else {
                findings.problem(
                    Some(name),
                    &ip.to_string(),
                    "no interface of the node holds this InternalIP",
                );
                continue;
            };
            let (first, last, count) = hosts(&held.net);
            findings.fact(
                Fact::new("interface", &link.name, Source::command("ip addr"))
                    .on(name)
                    .with("address", held.net.to_string())
                    .with("mac", link.mac.map(|mac| mac.to_string()))
                    .with("mtu", link.mtu)
                    .with("state", link.operstate.as_str())
                    .with("subnet", held.net.trunc().to_string())
                    .with(
                        "host-bits",
                        held.net.max_prefix_len() - held.net.prefix_len(),
                    )
                    .with("hosts", format!("{first}-{last}"))
                    .with("host-addresses", count),
            );
        }
    }
    findings.outcome(|| "the cluster has no nodes".to_owned())
}

/// First and last address that hosts of a subnet can have, and how many there are: in IPv4 all but the network's own and the
/// broadcast address (RFC 1122 section 3.2.1.3), both of a /31 (RFC 3021), the one of a /32; in IPv6 all. The number is a
/// power of two in words where it has more than 64 bits.
pub(super) fn hosts(net: &IpNet) -> (IpAddr, IpAddr, Value) {
    let bits = net.max_prefix_len() - net.prefix_len();
    let count = match (net, 1_u64.checked_shl(bits.into())) {
        (IpNet::V4(v4), _) => v4.hosts().count().into(),
        (IpNet::V6(_), Some(count)) => count.into(),
        (IpNet::V6(_), None) => format!("2^{bits}").into(),
    };
    let last = net.hosts().last().unwrap_or(net.addr());
    (net.hosts().next().unwrap_or(net.addr()), last, count)
}

#[cfg(test)]
mod tests {
    use super::hosts;

    #[test]
    fn the_addresses_of_hosts_are_counted() {
        for (net, first, last, count) in [
            ("192.6.251.3/24", "192.6.251.1", "192.6.251.254", "254"),
            ("172.18.0.0/16", "172.18.0.1", "172.18.255.254", "65534"),
            ("10.0.0.0/30", "10.0.0.1", "10.0.0.2", "2"),
            ("10.0.0.0/31", "10.0.0.0", "10.0.0.1", "2"),
            (
                "192.168.122.177/32",
                "192.168.122.177",
                "192.168.122.177",
                "1",
            ),
            ("0.0.0.0/0", "0.0.0.1", "255.255.255.254", "4294967294"),
            (
                "fd00:18::2/64",
                "fd00:18::",
                "fd00:18::ffff:ffff:ffff:ffff",
                "\"2^64\"",
            ),
            ("fd00::1/128", "fd00::1", "fd00::1", "1"),
            ("fd00::/96", "fd00::", "fd00::ffff:ffff", "4294967296"),
        ] {
            let (a, b, n) = hosts(&net.parse().unwrap());
            assert_eq!(
                (
                    a.to_string().as_str(),
                    b.to_string().as_str(),
                    n.to_string().as_str()
                ),
                (first, last, count),
                "{net}"
            );
        }
    }
}
