//! The node itself: its kubelet's report.
use super::{About, Cause, Finding, Seen, checks};

pub(super) fn of(about: &About<'_>) -> Option<Finding> {
    let node = about.node;
    let (status, reason, message) = node.ready();
    if status == "True" {
        return None;
    }
    let name = &node.object.name;
    let seen = vec![Seen::new(
        "condition Ready",
        &format!("{status} {reason}: {message}"),
    )];
    let observed = |words: &str| format!("Ready is {status} ({reason}): {words}");
    if status == "Unknown" {
        let systemd = node.kubelet.as_deref();
        let word = systemd.map(|word| format!("; systemd says that kubelet is {word}"));
        let stopped = systemd.is_some_and(|word| word != "active");
        return Some(Finding {
            id: Cause::KubeletSilent,
            evidence: checks::Evidence {
                what: format!("the kubelet of {name} does not report"),
                expected: "Ready is True".to_owned(),
                observed: observed(&format!("{message}{}", word.unwrap_or_default())),
                culprit: Some(name.clone()),
                cause: Some(if stopped {
                    "the kubelet is stopped: pods there are neither started nor ended".to_owned()
                } else {
                    "the node is down, its kubelet is stopped, or it does not reach the API server: pods there are neither started nor ended".to_owned()
                }),
                look: about.on_node("systemctl status kubelet"),
            },
            mend: about.on_node("systemctl restart kubelet"),
            seen,
        });
    }
    let network = message.contains("network not ready");
    let mend = match network {
        true => format!(
            "what gives it one: the cause named before this, or what these words say; look: {}",
            look(about)
        ),
        false => about.on_node("systemctl restart kubelet"),
    };
    Some(Finding {
        id: Cause::NodeNotReady,
        evidence: checks::Evidence {
            what: format!("{name} is not Ready"),
            expected: "Ready is True".to_owned(),
            observed: observed(message),
            culprit: Some(name.clone()),
            cause: Some(if network {
                "its container runtime has no pod network to offer".to_owned()
            } else {
                format!("the kubelet says {reason}")
            }),
            look: look(about),
        },
        mend,
        seen,
    })
}

fn look(about: &About<'_>) -> String {
    if about.evidence.advice.is_lab() {
        about.on_node("ls /etc/cni/net.d /opt/cni/bin")
    } else {
        format!("kubectl describe node {}", about.node.object.name)
    }
}
