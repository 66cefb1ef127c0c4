//! The network add-on's agent, where it puts back what is missing on a node: routes, neighbours, forwarding entries.
use flatnet_model::booted::Booted;
use flatnet_model::evidence::{Command, Remediation};
use flatnet_model::observations::{Availability, Observations};

/// Nothing where it is not known to be one that can be named.
pub(super) fn restores(node: &str, observations: &Observations) -> Option<Remediation> {
    if observations.capabilities.kubectl.is_present() {
        let plane = observations.control_plane.as_ref()?;
        let Availability::Found(sets) = &plane.agents else {
            return None;
        };
        return match &sets[..] {
            [set] => Some(restart(&set.namespace, &set.name)),
            _ => None,
        };
    }
    let booted = observations.booted.as_ref()?;
    let is_flatnet = booted.option("--cni").is_none_or(|cni| cni == "flatnet");
    is_flatnet.then(|| Remediation::run(once(Some(booted), node)))
}

/// Starts the agents of a DaemonSet again.
pub(crate) fn restart(namespace: &str, name: &str) -> Remediation {
    Remediation::run(Command::here(&format!(
        "kubectl -n {namespace} rollout restart daemonset/{name}"
    )))
}

/// Has flatnet's agent of a lab's node set up what is to be there, as the lab's own does.
pub(crate) fn once(booted: Option<&Booted>, node: &str) -> Command {
    let backend = booted.and_then(|booted| booted.option("--backend"));
    let backend = backend.unwrap_or("auto");
    Command::on(
        node,
        &format!(
            "/.flatnet/flatnet-agent --once --node {node} --nodes-file /run/flatnet/nodes.json --backend {backend} --install-plugin /.flatnet/flatnet-cni"
        ),
    )
}
