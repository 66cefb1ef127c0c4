//! Reservations of addresses that belong to nobody.
use flatnet_model::components::paths::{CNI_NETWORKS, CNI_RESULTS};
use flatnet_model::evidence::{Remediation, Start, Todo};

use super::{About, Cause, Finding, Known};

/// A node's reservations that no pod of it holds, where none is still waiting for an address.
pub(super) fn of(about: &About<'_>) -> Option<Finding> {
    let unheld = about.evidence.unheld(about.node);
    if !unheld.is_leak() || unheld.awaited > 0 {
        return None;
    }
    let node = about.node.object.name.clone();
    let network = unheld.network;
    let known = Known {
        subjects: vec![about.node()],
        culprit: about.node(),
        expected: Start::ReservationsHeld {
            network: network.clone(),
        }
        .into(),
        observed: vec![
            Start::Reserved {
                reserved: unheld.reserved,
                pods: about.evidence.pods_with_address(&node),
                unheld: unheld.addresses.clone(),
            }
            .into(),
        ],
        look: about.on_node(&format!("ls {CNI_NETWORKS}/{network}")),
        fix: give_back(about, &network),
        seen: Vec::new(),
    };
    let cause = Cause::ReservationsLeft {
        node,
        network,
        addresses: unheld.addresses,
    };
    Some(known.finding(flatnet_model::evidence::Rule::node_ready(), cause))
}

/// Removes address files that name no sandbox of the runtime, whatever their format: host-local writes container and interface
/// on two lines, flatnet-cni JSON. A sandbox that is being made meanwhile is known to the runtime after the pause.
pub(super) fn give_back(about: &About<'_>, network: &str) -> Remediation {
    let ids = match about.evidence.advice.has_kubectl() {
        true => "crictl pods -q --no-trunc".to_owned(),
        false => format!("ls {CNI_RESULTS} | sed \"s/.*-\\([0-9a-f]*\\)-[^-]*$/\\1/\""),
    };
    // Nothing else there consists of these characters alone.
    let each = r#"case $f in *[!0-9a-f.:]*) ;; *) printf "%s" "$ids" | grep -q -F -f - $f || rm $f ;; esac"#;
    let line = format!(
        "cd {CNI_NETWORKS}/{network} && files=$(ls) && sleep 5 && ids=$({ids}) && for f in $files; do {each}; done"
    );
    Remediation::to(Todo::GiveBackReservations, vec![about.shell(line)])
}
