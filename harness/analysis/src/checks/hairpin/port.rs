//! The port of a bridge by which a pod's packets come, and by which those that are translated to the pod itself must leave again.
use flatnet_model::cause::Cause;
use flatnet_model::evidence::{Command, Found};
use flatnet_model::observations::ObservedPod;

use crate::checks::topology::{Topology, at};
use crate::checks::veth::{Wire, follow};

/// The port's hairpin mode, where it is off and counts, and the command that shows it. It counts where the bridge hands packets to
/// the node's packet filter: the kernel then translates them on the bridge and forwards them there (br_nf_pre_routing_finish,
/// net/bridge/br_netfilter_hooks.c). A node that routes them sends them to the port as its own, whatever the mode is.
pub(in crate::checks) fn off(
    topology: &Topology<'_>,
    pod: &ObservedPod,
    ipv6: bool,
) -> Option<(Cause, Command)> {
    let inside = pod.facts.as_ref().ok()?;
    let outside = topology.node(&pod.object.node)?.inside.facts().ok()?;
    let Wire::Joined { outside: port, .. } = follow(pod, inside, outside) else {
        return None;
    };
    let key = match ipv6 {
        true => "bridge-nf-call-ip6tables",
        false => "bridge-nf-call-iptables",
    };
    let filtered = outside.sysctls.get(&format!("bridge.{key}"))?.trim() == "1";
    if port.port?.hairpin || !filtered {
        return None;
    }
    let cause = Cause::HairpinOff {
        pod: at(pod),
        device: port.name.clone(),
        key: format!("net.bridge.{key}"),
    };
    let look = Command::on(
        &pod.object.node,
        &format!("bridge -d link show dev {}", port.name),
    );
    Some((cause, look))
}

/// Why a pod does not reach itself through a service: what [`off`] found, or else what may be.
pub(in crate::checks) fn explained(off: Option<(Cause, Command)>, node: &str) -> (Found, Command) {
    match off {
        Some((cause, look)) => (Found::seen(cause), look),
        None => {
            let look = Command::on(node, "bridge -d link");
            let node = node.to_owned();
            (Found::inferred(Cause::ServiceHairpin { node }), look)
        }
    }
}
