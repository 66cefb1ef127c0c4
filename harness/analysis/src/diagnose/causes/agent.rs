//! The network add-on's agent on a node.
use super::{About, Cause, Finding, Said, Seen, checks, words};
use flatnet_model::cni::in_use;
use flatnet_model::symptoms::{Agent, AgentOnNode};

/// Plugins that do nothing without an agent, and the manifest that brings it (those in `manifests/` by their path).
const NEED_AGENT: &[(&str, &str, &str)] = &[
    ("flannel", "flannel", "manifests/flannel.yaml"),
    ("weave-net", "weave", "manifests/weave.yaml"),
    ("flatnet-cni", "flatnet", "manifests/flatnet.yaml"),
    ("calico", "calico", "the add-on's manifest"),
    ("cilium-cni", "cilium", "the add-on's manifest"),
];

pub(super) fn of(about: &About<'_>) -> Option<Finding> {
    let said = about.said();
    // The plugin ran to its end without it.
    if matches!(
        said,
        Said::Exhausted | Said::StaleBridge { .. } | Said::Version
    ) {
        return None;
    }
    let agents: &[Agent] = about.evidence.agents.as_deref().unwrap_or_default();
    let here = |agent: &Agent| -> Vec<AgentOnNode> {
        let all = agent.on_nodes.iter();
        let here = all.filter(|one| one.node == about.node.object.name);
        here.cloned().collect()
    };
    // A new pod beside an old one that is on its way out: it works if one of them does.
    let down = agents.iter().find_map(|agent| {
        let there = here(agent);
        let works = there.iter().any(|one| one.ready);
        let one = there.into_iter().next().filter(|_| !works)?;
        Some((agent, one))
    });
    if let Some((agent, one)) = down {
        return Some(not_ready(about, agent, &one));
    }
    let none_here = agents.iter().all(|agent| here(agent).is_empty());
    if let Some(agent) = agents.first().filter(|_| none_here) {
        return Some(absent(about, Some(agent), addon(about)));
    }
    let nowhere = agents.is_empty() && about.evidence.agents.is_ok();
    match said {
        Said::AgentSilent { addon, .. } if nowhere && !about.evidence.advice.is_lab() => {
            Some(absent(about, None, Some(&addon)))
        }
        Said::AgentSilent { addon, sought } => Some(silent(about, agents, &addon, sought)),
        _ if nowhere => {
            let addon = addon(about)?;
            Some(absent(about, None, Some(addon)))
        }
        _ => None,
    }
}

/// The add-on that the configuration in use belongs to, where it is one with an agent.
fn addon(about: &About<'_>) -> Option<&'static str> {
    let network = in_use(about.node.inside.cni().ok()?)?;
    let known = NEED_AGENT
        .iter()
        .find(|(plugin, ..)| network.kinds().any(|kind| kind == *plugin));
    known.map(|(_, addon, _)| *addon)
}

/// What brings the agent back. `agent` is what there is of it, `addon` what is known where there is nothing.
pub(super) fn mend(about: &About<'_>, agent: Option<&Agent>, addon: Option<&str>) -> String {
    let advice = &about.evidence.advice;
    match agent.and_then(|agent| agent.set.as_ref()) {
        Some((namespace, name)) => {
            format!("kubectl -n {namespace} rollout restart daemonset/{name}")
        }
        None if advice.is_lab() && (agent.is_some() || addon == Some("flatnet")) => {
            let node = &about.node.object.name;
            about.on_node(&format!(
                "/.flatnet/flatnet-agent --once --node {node} --nodes-file /run/flatnet/nodes.json --install-plugin /.flatnet/flatnet-cni"
            ))
        }
        None if advice.is_lab() => format!(
            "flatnet down {0} && flatnet up --name {0} with the same options",
            advice.cluster
        ),
        None => {
            let addon = addon.or_else(|| self::addon(about));
            let known = NEED_AGENT.iter().find(|(_, name, _)| Some(*name) == addon);
            let manifest = known.map_or("the network add-on's manifest", |(.., file)| file);
            format!("kubectl apply -f {manifest}")
        }
    }
}

fn not_ready(about: &About<'_>, agent: &Agent, one: &AgentOnNode) -> Finding {
    let node = &about.node.object.name;
    let words = one.last_words.as_deref().unwrap_or_default().trim();
    let last = words.lines().last();
    let said = last.map(|line| format!("; its last words: {line}"));
    let name = match &one.pod {
        Some(pod) => format!("pod {pod} of {}", agent.name),
        None => agent.name.clone(),
    };
    let look = match &one.pod {
        Some(pod) => format!("kubectl -n {} logs {}", pod.namespace, pod.name),
        None => about.on_node("ps"),
    };
    let evidence = checks::Evidence {
        what: format!("the network add-on's agent does not work on {node}: {name}"),
        expected: "it runs and is ready".to_owned(),
        observed: format!("{}{}", one.status, said.unwrap_or_default()),
        culprit: Some(format!("{} on {node}", agent.name)),
        cause: Some("without its agent the node has no network to give to new pods".to_owned()),
        look,
    };
    let mut finding = about.finding(Cause::AgentDown, evidence, mend(about, Some(agent), None));
    if !words.is_empty() {
        finding
            .seen
            .push(Seen::new(format!("log of {name}"), words));
    }
    finding
}

/// There is no agent on the node: `agent` is the one that is on others.
fn absent(about: &About<'_>, agent: Option<&Agent>, addon: Option<&str>) -> Finding {
    let node = &about.node.object.name;
    let is_lab = about.evidence.advice.is_lab();
    let (observed, look) = match agent.and_then(|agent| agent.set.as_ref()) {
        Some((namespace, name)) => (
            format!("DaemonSet {namespace}/{name} has no pod on {node}"),
            format!("kubectl -n {namespace} describe daemonset {name}"),
        ),
        None if is_lab => (
            format!("no agent was started on {node}"),
            about.on_node("ps"),
        ),
        None => (
            "no DaemonSet mounts /etc/cni/net.d or /opt/cni/bin of its nodes".to_owned(),
            "kubectl get daemonsets -A".to_owned(),
        ),
    };
    let name = addon.map_or_else(|| "the network add-on".to_owned(), str::to_owned);
    let evidence = checks::Evidence {
        what: format!("the agent of {name} is not there on {node}"),
        expected: "one agent on each node".to_owned(),
        observed: match about.said() {
            Said::AgentSilent { sought, .. } => {
                format!("{observed}; the plugin does not find {sought}")
            }
            _ => observed,
        },
        culprit: Some(format!("{name} on {node}")),
        cause: Some(match agent {
            Some(_) => "a selector, an affinity or a taint keeps it off the node".to_owned(),
            None => "the add-on was taken away, and its files stayed".to_owned(),
        }),
        look,
    };
    let mend = match agent.and_then(|agent| agent.set.as_ref()) {
        Some((namespace, name)) => format!(
            "kubectl -n {namespace} edit daemonset {name} (nodeSelector, affinity, tolerations)"
        ),
        None => mend(about, agent, addon),
    };
    about.finding(Cause::AgentDown, evidence, mend)
}

/// A plugin that does not find its agent although there is one, or nobody knows.
fn silent(about: &About<'_>, agents: &[Agent], addon: &str, sought: &str) -> Finding {
    let node = &about.node.object.name;
    let words = about.network_words();
    let core = words.as_ref().map_or("", |seen| words::core(&seen.text));
    // The agents of another add-on are none of its.
    let agent = agents.iter().find(|agent| agent.name.contains(addon));
    let evidence = checks::Evidence {
        what: format!("the agent of {addon} does not answer on {node}"),
        expected: format!("the plugin finds {sought}"),
        observed: core.to_owned(),
        culprit: Some(format!("{addon} on {node}")),
        cause: Some(match agent {
            Some(agent) => format!(
                "{} has a pod there that is ready, and yet does not serve the plugin: it has just started, or what it wrote was removed",
                agent.name
            ),
            None => "its agent does not run there, and none is known that should".to_owned(),
        }),
        look: match agent.and_then(|agent| agent.set.as_ref()) {
            Some((namespace, name)) => {
                format!("kubectl -n {namespace} get pods -o wide | grep {name}")
            }
            None => about.on_node("ps"),
        },
    };
    about.finding(Cause::AgentDown, evidence, mend(about, agent, Some(addon)))
}
