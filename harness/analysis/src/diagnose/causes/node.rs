//! The node itself: its kubelet's report.
use flatnet_model::evidence::{Command, Remediation, Rule, Start, Todo};

use super::{About, Cause, Finding, Known, Seen};

pub(super) fn of(about: &About<'_>) -> Option<Finding> {
    let node = about.node;
    let (status, reason, message) = node.ready();
    if status == "True" {
        return None;
    }
    let name = &node.object.name;
    let silent = status == "Unknown";
    let systemd = node.kubelet.as_deref().filter(|_| silent);
    let network = message.contains("network not ready");
    let restart = || Remediation::run(about.on_node("systemctl restart kubelet"));
    let known = Known {
        subjects: vec![about.subject(), about.node()],
        culprit: about.node(),
        expected: Start::Ready.into(),
        observed: vec![
            Start::ReadyIs {
                status: status.to_owned(),
                reason: reason.to_owned(),
                message: flatnet_model::diagnosis::one_line(message),
                kubelet: systemd.map(str::to_owned),
            }
            .into(),
        ],
        look: match silent {
            true => about.on_node("systemctl status kubelet"),
            false => look(about),
        },
        fix: match network && !silent {
            true => Remediation::to(Todo::EarlierCause, vec![look(about)]),
            false => restart(),
        },
        seen: vec![Seen::new(
            "condition Ready",
            &format!("{status} {reason}: {message}"),
        )],
    };
    let rule = match about.pod {
        Some(_) => Rule::pod_runs(),
        None => Rule::node_ready(),
    };
    let node = name.clone();
    let cause = match silent {
        true => Cause::KubeletSilent {
            node,
            stopped: systemd.is_some_and(|word| word != "active"),
        },
        false => Cause::NodeNotReady {
            node,
            network,
            reason: reason.to_owned(),
        },
    };
    Some(known.finding(rule, cause))
}

fn look(about: &About<'_>) -> Command {
    if about.evidence.advice.has_kubectl() {
        Command::here(&format!("kubectl describe node {}", about.node.object.name))
    } else {
        about.on_node("ls /etc/cni/net.d /opt/cni/bin")
    }
}
