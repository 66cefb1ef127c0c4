//! What a pod needs to come to run, and what became of it.
use flatnet_model::evidence::Start;

use super::list::{all, listed, shown};
use super::{Words, count};

impl Words<'_> {
    pub(super) fn start(&self, start: &Start) -> String {
        match start {
            Start::OneConflist => "one conflist".to_owned(),
            Start::NoConflist { files, not_ready } => {
                let what = match files.is_empty() {
                    true => "no file that ends in .conflist, .conf or .json".to_owned(),
                    false => format!(
                        "only {}: no file that ends in .conflist, .conf or .json",
                        listed(files, 6)
                    ),
                };
                let says = not_ready
                    .as_ref()
                    .map(|why| format!("; the node says: {why}"));
                format!("{what}{}", says.unwrap_or_default())
            }
            Start::NotSaid => "the runtime says that it has none".to_owned(),
            Start::Used {
                file,
                shadowed,
                whole,
            } => match whole {
                Some(whole) => format!("{file} sorts before {whole}, whose plugins are all there"),
                None => format!(
                    "{file} sorts first and is used; {} is never read",
                    listed(shadowed, 4)
                ),
            },
            Start::Conflist => {
                "JSON with a name and at least one plugin (CNI specification, section 1)".to_owned()
            }
            Start::EveryPlugin => {
                "every plugin that the configuration names, as an executable file".to_owned()
            }
            Start::Programs { programs } => match programs.is_empty() {
                true => "/opt/cni/bin has no program".to_owned(),
                false => format!("/opt/cni/bin has {}", listed(programs, 12)),
            },
            Start::NotFound => "the runtime does not find it".to_owned(),
            Start::Network {
                file,
                name,
                plugins,
                other_nodes,
            } => {
                let on = other_nodes.map(|n| format!(", as on {}", count(n, "other node")));
                format!(
                    "{file} (network {name}: {}){}",
                    plugins.join(", "),
                    on.unwrap_or_default()
                )
            }
            Start::TakenUp => "the runtime uses the configuration that is there".to_owned(),
            Start::NotTakenUp { path, said } => {
                format!("{path} is there and parses; the node says: {said}")
            }
            Start::SpokenVersion { newest } => {
                format!("a cniVersion that runtime and plugins speak, at most {newest}")
            }
            Start::Versions { versions, said } => {
                let has = match versions.is_empty() {
                    true => "another version".to_owned(),
                    false => format!("cniVersion {}", versions.join(", ")),
                };
                match said {
                    Some(said) => format!("{has}: {said}"),
                    None => has,
                }
            }
            Start::PluginSpeaks { plugin, versions } => {
                format!("{plugin} speaks {}", versions.join(", "))
            }
            Start::NodeExists => "spec.nodeName is the name of a node".to_owned(),
            Start::PinnedTo { node, nodes } => {
                format!(
                    "spec.nodeName is {node}; the nodes are {}",
                    listed(nodes, 8)
                )
            }
            Start::NodeFits { node } => match node {
                Some(node) => format!("{node} has what the pod asks for"),
                None => "one node that fits".to_owned(),
            },
            Start::Ready => "Ready is True".to_owned(),
            Start::ReadyIs {
                status,
                reason,
                message,
                kubelet,
            } => {
                let word = kubelet
                    .as_ref()
                    .map(|word| format!("; systemd says that kubelet is {word}"));
                format!(
                    "Ready is {status} ({reason}): {message}{}",
                    word.unwrap_or_default()
                )
            }
            Start::RangeAssigned => "a range in spec.podCIDRs".to_owned(),
            Start::Ranges { ranges, others } => {
                let mut text = match ranges.is_empty() {
                    true => "spec.podCIDRs is empty".to_owned(),
                    false => format!(
                        "spec.podCIDRs is {}, and its agent knows of none",
                        all(ranges, ", ")
                    ),
                };
                if !others.is_empty() {
                    text.push_str(&format!("; other nodes have {}", shown(others, 4)));
                }
                text
            }
            Start::FreeAddress { ranges } => match ranges.is_empty() {
                true => "a free address in the node's range".to_owned(),
                false => format!("a free address in {}", all(ranges, " and ")),
            },
            Start::Exhausted {
                said,
                pods,
                node,
                reservations,
            } => {
                let mut text = format!("{said}; {} with an address on {node}", count(*pods, "pod"));
                let counted = reservations
                    .iter()
                    .map(|(network, count)| format!("{count} in /var/lib/cni/networks/{network}"));
                if !reservations.is_empty() {
                    text.push_str(&format!(", reservations: {}", all(counted, ", ")));
                }
                text
            }
            Start::GatewayOn { address, device } => {
                format!("{address} on {device}, the first address of what the plugin was given")
            }
            Start::BridgeHolds {
                device,
                addresses,
                ranges,
            } => {
                let held = addresses
                    .as_ref()
                    .map_or_else(|| "another address".to_owned(), |nets| all(nets, ", "));
                let range = match ranges.is_empty() {
                    true => "none".to_owned(),
                    false => all(ranges, " and "),
                };
                format!("{device} holds {held}; podCIDR {range}")
            }
            Start::Sandbox => "a sandbox with an address".to_owned(),
            Start::AgentWorks => "it runs and is ready".to_owned(),
            Start::AgentStatus { status, last_words } => {
                with_last_words(status, last_words.as_deref())
            }
            Start::AgentOnEachNode => "one agent on each node".to_owned(),
            Start::SetHasNoPod { set, node } => format!("{set} has no pod on {node}"),
            Start::NotStarted { node } => format!("no agent was started on {node}"),
            Start::NoDaemonSet => {
                "no DaemonSet mounts /etc/cni/net.d or /opt/cni/bin of its nodes".to_owned()
            }
            Start::PluginSeeks { sought } => format!("the plugin does not find {sought}"),
            Start::PluginFinds { sought } => format!("the plugin finds {sought}"),
            Start::ObjectThere { object } => match object {
                Some((kind, namespace, name)) => {
                    format!("{kind} {namespace}/{name} is there before the pod starts")
                }
                None => {
                    "something that it mounts or reads is there before the pod starts".to_owned()
                }
            },
            Start::ImageThere => "the image, on the node or from its registry".to_owned(),
            Start::Waiting { reason, said } => match (reason.is_empty(), said.is_empty()) {
                (true, _) => said.clone(),
                (false, true) => reason.clone(),
                (false, false) => format!("{reason}: {said}"),
            },
            Start::RunnableCommand => "a command that the image has".to_owned(),
            Start::ExitCode { code, last_words } => {
                with_last_words(&format!("exit code {code}"), last_words.as_deref())
            }
            Start::AContainer => "a container".to_owned(),
            Start::Lasts => "a command that lasts".to_owned(),
            Start::Ended {
                command: of,
                code,
                restarts,
                last_words,
            } => {
                let times = match restarts {
                    0 => String::new(),
                    n => format!(", restarted {}", count(*n, "time")),
                };
                let ended = format!("{} ended with exit code {code}{times}", command(of));
                with_last_words(&ended, last_words.as_deref())
            }
            Start::ProbesSucceed => "its probes succeed".to_owned(),
        }
    }
}

fn with_last_words(text: &str, words: Option<&str>) -> String {
    match words {
        Some(words) => format!("{text}; its last words: {words}"),
        None => text.to_owned(),
    }
}

/// What a container runs, as the manifest has it.
pub(super) fn command(argv: &[String]) -> String {
    match argv.is_empty() {
        true => "the image's own command".to_owned(),
        false => format!("`{}`", argv.join(" ")),
    }
}
