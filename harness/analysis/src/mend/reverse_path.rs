//! Strict reverse path filters.
use flatnet_model::Netns;
use flatnet_model::evidence::Remediation;
use flatnet_model::observations::Observations;
use flatnet_model::probe::Facts;

use super::sysctl;
use crate::mtus::tunnels;
use crate::reach::{self, Tools};

/// The filter is loose on the device; where packets of other nodes come in by a tunnel or beside it, on both: what comes in by one of
/// them is routed back by the other.
pub(super) fn loosened(
    at: &Netns,
    device: &str,
    observations: &Observations,
) -> Option<Remediation> {
    let devices = concerned(at, device, observations).unwrap_or_else(|| vec![device]);
    let settings = devices.iter().map(|device| {
        let key = sysctl(&format!("ipv4.conf.{device}.rp_filter"));
        format!("{key}=2")
    });
    let line = format!("sysctl -w {}", Vec::from_iter(settings).join(" "));
    let command = reach::into(at, Tools::Node, &line, &observations.pods)?;
    Some(Remediation::run(command))
}

/// Those of a node's uplink and the tunnels over it that have a strict filter, where the device is one of them.
fn concerned<'a>(at: &Netns, device: &str, observations: &'a Observations) -> Option<Vec<&'a str>> {
    let mut nodes = observations.nodes.iter();
    let node = nodes.find(|node| *at == Netns::Node(node.object.name.clone()))?;
    let facts = node.inside.facts().ok()?;
    let mut ips = node.object.internal_ips.iter();
    let uplink = ips.find_map(|ip| facts.holder(*ip))?;
    let all = std::iter::once(uplink).chain(tunnels(facts, uplink));
    let names = all.map(|link| link.name.as_str());
    let strict: Vec<&str> = names.filter(|name| is_strict(facts, name)).collect();
    strict.contains(&device).then_some(strict)
}

/// The larger of an interface's value and the general one counts (Documentation/networking/ip-sysctl.rst).
fn is_strict(facts: &Facts, device: &str) -> bool {
    let value = |name: &str| facts.setting("ipv4", name, "rp_filter")?.parse::<u8>().ok();
    value(device).max(value("all")) == Some(1)
}
