//! A CNI plugin that failed for a reason that nothing else explains: its own words.
use flatnet_model::evidence::{Remediation, Start, Subject, Todo};

use super::{About, Cause, Finding, Known, said, words};

pub(super) fn of(about: &About<'_>) -> Option<Finding> {
    let pod = about.pod?;
    let message = pod.latest(&["FailedCreatePodSandBox"])?.message.as_str();
    let node = about.node.object.name.clone();
    let plugin = words::plugin(message);
    let advice = &about.evidence.advice;
    let more = match advice.has_kubectl() {
        true => about.on_node("journalctl -u containerd -u crio -n 50"),
        false => about.shell("cat /etc/cni/net.d/*"),
    };
    let known = Known {
        subjects: vec![about.subject(), about.node()],
        culprit: match plugin.clone() {
            Some(plugin) => Subject::Plugin { node, plugin },
            None => about.node(),
        },
        expected: Start::Sandbox.into(),
        observed: vec![said(words::core(message))],
        look: advice.describe(&pod.object.reference),
        fix: Remediation::to(Todo::ReadMoreWords, vec![more]),
        seen: Vec::new(),
    };
    let pod = about.pod_at(pod);
    Some(about.finding(Cause::PluginFailed { pod, plugin }, known))
}
