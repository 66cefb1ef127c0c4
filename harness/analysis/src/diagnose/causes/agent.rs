//! The network add-on's agent on a node.
use flatnet_model::cause::AgentState;
use flatnet_model::cni::{RECORD_KEY_MANIFEST, RECORD_NAME, RECORD_NAMESPACE, in_use};
use flatnet_model::diagnosis::one_line;
use flatnet_model::evidence::{At, Command, Remediation, Start, State, Step, Subject, Todo};
use flatnet_model::symptoms::{Agent, AgentOnNode};

use crate::checks;
use crate::mend::agent::{once, restart};

use super::{About, Cause, Finding, Known, Rule, Said, Seen, said, words};

/// Plugins that do nothing without an agent, and the manifest that brings it (those in `manifests/` by their path).
const NEED_AGENT: &[(&str, &str, &str)] = &[
    ("flannel", "flannel", "manifests/flannel.yaml"),
    ("weave-net", "weave", "manifests/weave.yaml"),
    ("flatnet-cni", "flatnet", "manifests/flatnet.yaml"),
    ("calico", "calico", "the add-on's manifest"),
    ("cilium-cni", "cilium", "the add-on's manifest"),
];

pub(super) fn of(about: &About<'_>) -> Option<Finding> {
    let heard = about.said();
    // The plugin ran to its end without it, or not at all.
    if matches!(
        heard,
        Said::Exhausted
            | Said::StaleBridge { .. }
            | Said::Version
            | Said::NotRunnable { .. }
            | Said::ProgramMissing { .. }
            | Said::NoAddress
            | Said::BrokenRecord
    ) {
        return None;
    }
    if let Some((agent, one)) = down(about) {
        let state = AgentState::NotReady;
        let (cause, known) = not_ready(about, agent, one, state);
        return Some(about.finding(cause, known));
    }
    let agents: &[Agent] = about.evidence.agents.as_deref().unwrap_or_default();
    let none_here = agents
        .iter()
        .all(|agent| here(about, agent).next().is_none());
    if let Some(agent) = agents.first().filter(|_| none_here) {
        return Some(absent(about, Some(agent), addon(about)));
    }
    let nowhere = agents.is_empty() && about.evidence.agents.is_ok();
    match heard {
        Said::AgentSilent { addon, .. } if nowhere && about.evidence.advice.has_kubectl() => {
            Some(absent(about, None, Some(&addon)))
        }
        Said::AgentSilent { addon, resource } => Some(silent(about, agents, &addon, resource)),
        _ if nowhere => {
            let addon = addon(about)?;
            Some(absent(about, None, Some(addon)))
        }
        _ => None,
    }
}

/// An agent that does not work on a node that is Ready: what is there works on, and nothing follows what changes.
pub(super) fn ended(about: &About<'_>) -> Option<Finding> {
    let (agent, one) = down(about)?;
    let check = checks::find("daemonset").ok()?;
    let (cause, mut known) = not_ready(about, agent, one, AgentState::Ended);
    let advice = &about.evidence.advice;
    if !advice.has_kubectl() && one.stopped.is_none() {
        let once = known.fix.steps.into_iter().flat_map(|step| step.commands);
        let again = Remediation::to(Todo::BootAgain, advice.up_again());
        known.fix = Remediation::to(Todo::CarryOutOnce, once.collect()).then(again);
    }
    Some(known.finding(Rule::new(check.id, check.source), cause))
}

/// An agent that is on the node and does not work. Of a new pod beside an old one that is on its way out one is enough.
fn down<'a>(about: &About<'a>) -> Option<(&'a Agent, &'a AgentOnNode)> {
    let agents = about.evidence.agents.as_deref().unwrap_or_default();
    agents.iter().find_map(|agent| {
        let works = here(about, agent).any(|one| one.ready);
        let one = here(about, agent).next().filter(|_| !works)?;
        Some((agent, one))
    })
}

fn here<'a>(about: &About<'a>, agent: &'a Agent) -> impl Iterator<Item = &'a AgentOnNode> {
    let node = about.node;
    let all = agent.on_nodes.iter();
    all.filter(|one| one.node == node.object.name)
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
pub(super) fn fix(about: &About<'_>, agent: Option<&Agent>, addon: Option<&str>) -> Remediation {
    let advice = &about.evidence.advice;
    let kubectl = advice.has_kubectl();
    match agent.and_then(|agent| agent.set.as_ref()) {
        Some((namespace, name)) => restart(namespace, name),
        None if !kubectl && (agent.is_some() || addon == Some("flatnet")) => {
            Remediation::run(once(advice.booted.as_ref(), &about.node.object.name))
        }
        None if !kubectl => Remediation {
            steps: vec![Step {
                todo: None,
                commands: advice.up_again(),
            }],
        },
        None if let Some(apply) = apply_recorded(about, addon) => apply,
        None => {
            let addon = addon.or_else(|| self::addon(about));
            let known = NEED_AGENT.iter().find(|(_, name, _)| Some(*name) == addon);
            match known {
                Some((.., manifest)) => {
                    Remediation::run(Command::here(&format!("kubectl apply -f {manifest}")))
                }
                None => apply_add_on(),
            }
        }
    }
}

/// Applies the add-on again as flatnet applied it, with the image, ranges and backend of then, where the cluster has the record of it.
fn apply_recorded(about: &About<'_>, addon: Option<&str>) -> Option<Remediation> {
    let recorded = about.evidence.recorded.as_deref()?;
    // A record by a name of its own, as a file's, can be of any add-on.
    let of_another = addon.is_some_and(|addon| addon != recorded)
        && NEED_AGENT.iter().any(|(_, name, _)| *name == recorded);
    if of_another {
        return None;
    }
    Some(Remediation::run(Command::shell(
        At::Here,
        format!(
            "kubectl -n {RECORD_NAMESPACE} get configmap {RECORD_NAME} -o jsonpath='{{.data.{RECORD_KEY_MANIFEST}}}' | kubectl apply --server-side --force-conflicts -f -"
        ),
    )))
}

/// An add-on of which nothing is known.
pub(super) fn apply_add_on() -> Remediation {
    let apply = Command::here("kubectl apply -f MANIFEST");
    Remediation::to(Todo::ApplyAddOn, vec![apply])
}

fn not_ready(
    about: &About<'_>,
    agent: &Agent,
    one: &AgentOnNode,
    state: AgentState,
) -> (Cause, Known) {
    let node = about.node.object.name.clone();
    let words = one.last_words.as_deref().unwrap_or_default().trim();
    let name = match &one.pod {
        Some(pod) => format!("pod {pod} of {}", agent.name),
        None => agent.name.clone(),
    };
    let logged = (!words.is_empty()).then(|| Seen::new(format!("log of {name}"), words));
    let known = Known {
        subjects: vec![about.subject(), about.node()],
        culprit: Subject::Agent {
            node: node.clone(),
            agent: agent.name.clone(),
        },
        expected: Start::AgentWorks.into(),
        observed: vec![
            Start::AgentStatus {
                status: one.status.clone(),
                last_words: words.lines().last().map(one_line),
            }
            .into(),
        ],
        look: match &one.pod {
            Some(pod) => Command::here(&format!("kubectl -n {} logs {}", pod.namespace, pod.name)),
            None => about.on_node("ps"),
        },
        fix: match one.stopped {
            Some(pid) => Remediation::run(about.on_node(&format!("kill -CONT {pid}"))),
            None => fix(about, Some(agent), None),
        },
        seen: logged.into_iter().collect(),
    };
    let cause = Cause::AgentDown {
        node,
        agent: agent.name.clone(),
        state,
    };
    (cause, known)
}

/// There is no agent on the node: `agent` is the one that is on others.
fn absent(about: &About<'_>, agent: Option<&Agent>, addon: Option<&str>) -> Finding {
    let node = about.node.object.name.clone();
    let kubectl = about.evidence.advice.has_kubectl();
    let set = agent.and_then(|agent| agent.set.as_ref());
    let (observed, look) = match (agent, set) {
        (Some(agent), Some((namespace, name))) => (
            Start::SetHasNoPod {
                set: agent.name.clone(),
                node: node.clone(),
            },
            Command::here(&format!("kubectl -n {namespace} describe daemonset {name}")),
        ),
        _ if !kubectl => (
            Start::NotStarted { node: node.clone() },
            about.on_node("ps"),
        ),
        _ => (
            Start::NoDaemonSet,
            Command::here("kubectl get daemonsets -A"),
        ),
    };
    let missed = match about.said() {
        Said::AgentSilent { resource, .. } => Some(Start::PluginSeeks {
            resource: resource.to_owned(),
        }),
        _ => None,
    };
    let name = match (agent, addon) {
        (Some(agent), _) => agent.name.clone(),
        (None, Some(addon)) => addon.to_owned(),
        (None, None) => "the network add-on".to_owned(),
    };
    let known = Known {
        subjects: vec![about.subject(), about.node()],
        culprit: Subject::Agent {
            node: node.clone(),
            agent: name.clone(),
        },
        expected: Start::AgentOnEachNode.into(),
        observed: std::iter::once(observed)
            .chain(missed)
            .map(State::from)
            .collect(),
        look,
        fix: match set {
            Some((namespace, name)) => {
                let edit = format!("kubectl -n {namespace} edit daemonset {name}");
                Remediation::to(Todo::EditDaemonSet, vec![Command::here(&edit)])
            }
            None => fix(about, agent, addon),
        },
        seen: Vec::new(),
    };
    let cause = Cause::AgentDown {
        node,
        agent: name,
        state: match agent {
            Some(_) => AgentState::NotScheduled,
            None => AgentState::Gone,
        },
    };
    about.finding(cause, known)
}

/// A plugin that does not find its agent although there is one, or it is not known.
fn silent(about: &About<'_>, agents: &[Agent], addon: &str, resource: &str) -> Finding {
    let node = about.node.object.name.clone();
    let words = about.network_words();
    let core = words.as_ref().map_or("", |seen| words::core(&seen.text));
    // The agents of another add-on are none of its.
    let agent = agents.iter().find(|agent| agent.name.contains(addon));
    let known = Known {
        subjects: vec![about.subject(), about.node()],
        culprit: Subject::Agent {
            node: node.clone(),
            agent: addon.to_owned(),
        },
        expected: Start::PluginFinds {
            resource: resource.to_owned(),
        }
        .into(),
        observed: vec![said(core)],
        look: match agent.and_then(|agent| agent.set.as_ref()) {
            Some((namespace, name)) => {
                let pods = format!("kubectl -n {namespace} get pods -o wide | grep {name}");
                Command::shell(At::Here, pods)
            }
            None => about.on_node("ps"),
        },
        fix: fix(about, agent, Some(addon)),
        seen: Vec::new(),
    };
    let cause = Cause::AgentDown {
        node,
        agent: agent.map_or_else(|| addon.to_owned(), |agent| agent.name.clone()),
        state: AgentState::Silent {
            ready: agent.is_some(),
        },
    };
    about.finding(cause, known)
}
