//! A CNI plugin that failed for a reason that nothing else explains: its own words.
use super::{About, Cause, Finding, checks, words};

pub(super) fn of(about: &About<'_>) -> Option<Finding> {
    let pod = about.pod?;
    let message = pod.latest(&["FailedCreatePodSandBox"])?.message.as_str();
    let node = &about.node.object.name;
    let plugin = words::plugin(message);
    let (what, culprit) = match &plugin {
        Some(plugin) => (
            format!(
                "the plugin {plugin} cannot set up the network of {}",
                about.who()
            ),
            format!("{plugin} on {node}"),
        ),
        None => (
            format!(
                "the container runtime of {node} cannot make a sandbox for {}",
                about.who()
            ),
            node.clone(),
        ),
    };
    let evidence = checks::Evidence {
        what,
        expected: "a sandbox with an address".to_owned(),
        observed: words::core(message).to_owned(),
        culprit: Some(culprit),
        cause: plugin.map(|plugin| {
            format!("{plugin} failed for a reason of its own, in its own words above")
        }),
        look: about.evidence.advice.describe(&pod.object.reference),
    };
    let mend = match about.evidence.advice.is_lab() {
        true => about.on_node("cat /etc/cni/net.d/*"),
        false => about.on_node("journalctl -u containerd -u crio -n 50"),
    };
    let mend = format!("what these words say; more of them: {mend}");
    Some(about.finding(Cause::PluginFailed, evidence, mend))
}
