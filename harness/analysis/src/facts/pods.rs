//! Facts of a pod.
use flatnet_model::fact::{Kind, Place};
use flatnet_model::observations::ObservedPod;
use flatnet_model::probe::Facts;

use super::collect::Collected;
use super::roles::Roles;
use super::whose::Whose;
use super::{links, routes};

pub(super) fn facts(
    at: Place,
    pod: &ObservedPod,
    roles: &Roles<'_>,
    whose: &Whose<'_>,
    facts: &mut Collected,
) {
    facts.add((Kind::PodStatus, ""), at, pod.status.as_str(), None);
    if matches!(at, Place::HostPod { .. }) {
        // Its network is its node's.
        return;
    }
    let inside = match &pod.facts {
        Ok(inside) => inside,
        Err(why) => {
            for kind in [Kind::Device, Kind::HostEnd, Kind::Route, Kind::Setting] {
                facts.unread((kind, ""), at, why);
            }
            return;
        }
    };
    let node = at.node().and_then(|number| roles.numbered(number));
    let outside = match node {
        Some(node) => node.inside.facts(),
        None => Err("its node is gone"),
    };
    links::of_pod(at, inside, outside, whose, facts);
    routes::of_pod(at, inside, whose, facts);
    if let (Some(own), Ok(outside)) = (mtu(pod, inside), outside) {
        let uplinks = node.into_iter().flat_map(|node| &node.object.internal_ips);
        let uplink = uplinks
            .filter_map(|ip| outside.holder(*ip))
            .map(|link| link.mtu)
            .min();
        if let Some(uplink) = uplink {
            let below = i64::from(uplink) - i64::from(own);
            let raw = Some(format!("{own} of {uplink}"));
            facts.add((Kind::MtuBelowUnderlay, ""), at, below, raw);
        }
    }
}

/// MTU of the interface that holds the pod's first address, bytes.
fn mtu(pod: &ObservedPod, inside: &Facts) -> Option<u32> {
    let link = inside.holder(*pod.object.ips.first()?)?;
    Some(link.mtu)
}
