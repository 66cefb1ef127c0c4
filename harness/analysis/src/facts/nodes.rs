//! Facts of a node.
use flatnet_model::fact::{Kind, Place};
use flatnet_model::observations::ObservedNode;
use ipnet::IpNet;

use super::collect::Collected;
use super::whose::Whose;
use super::{links, netfilter, routes};

pub(super) fn facts(number: u32, node: &ObservedNode, whose: &Whose<'_>, facts: &mut Collected) {
    let at = Place::Node(number);
    let object = &node.object;
    match object.not_ready() {
        None => facts.add((Kind::NodeReady, ""), at, true, None),
        Some(why) => {
            let reason = why.split(':').next().unwrap_or("not Ready").to_owned();
            facts.add((Kind::NodeReady, ""), at, reason, Some(why));
        }
    }
    let info = &object.info;
    let versions = [
        ("kubelet", &info.kubelet_version),
        ("runtime", &info.container_runtime_version),
    ];
    // What the machine brings, and not the cluster: it is recorded, and no difference.
    let machine = [&info.kernel_version, &info.os_image].map(String::as_str);
    let machine = Some(machine.join(", "));
    facts.add(
        (Kind::NodeVersion, "machine"),
        at,
        "the machine's own",
        machine,
    );
    for (part, version) in versions
        .into_iter()
        .filter(|(_, version)| !version.is_empty())
    {
        facts.add((Kind::NodeVersion, part), at, version.clone(), None);
    }
    let ranges = object.pod_cidrs.iter().map(|range| whose.part(*range));
    let raw: Vec<String> = object.pod_cidrs.iter().map(IpNet::to_string).collect();
    let raw = Some(raw.join(", "));
    facts.add((Kind::PodRange, ""), at, ranges.collect::<Vec<_>>(), raw);
    // On a cluster that ran before, as it was before the run's pods came: to add a pod can put right what somebody changed.
    let found = match &node.before_pods {
        Some(Ok(before)) => Ok(before),
        _ => node.inside.facts(),
    };
    let rules = match &node.netfilter_before_pods {
        Some(Ok(before)) => Ok(before),
        _ => node.inside.netfilter(),
    };
    netfilter::of_node(number, rules, found.ok(), whose, facts);
    match found {
        Ok(inside) => {
            links::of_node(number, inside, whose, facts);
            routes::of_node(number, inside, whose, facts);
        }
        Err(why) => {
            for kind in [Kind::Device, Kind::Route, Kind::Setting] {
                facts.unread((kind, ""), at, why);
            }
        }
    }
}
