//! What a pod needs to come to run, and what became of it.
use flatnet_model::evidence::{PodAt, Start};

use super::list::{all, listed, shown};
use super::sentence::sentences;
use super::talk::node_says;
use super::{Words, count};

impl Words<'_> {
    pub(super) fn crash_loop(
        &self,
        pod: &PodAt,
        container: Option<&str>,
        exit_code: Option<i32>,
        reason: &str,
    ) -> String {
        let code = exit_code.map(|code| format!(": exit code {code}"));
        let reason = match reason {
            "" | "Error" => String::new(),
            reason => format!(" ({reason})"),
        };
        let who = match container {
            Some(container) => format!("{}: container {container}", self.pod_at(pod)),
            None => format!("the command of {}", self.pod_at(pod)),
        };
        format!("{who} does not last{}{reason}", code.unwrap_or_default())
    }

    pub(super) fn start(&self, start: &Start) -> String {
        sentences!(self, start, Start {
            OneConflist => "one conflist";
            NoConflist { files, not_ready } => ({
                let only = match files.is_empty() {
                    true => String::new(),
                    false => format!("only {}: ", listed(files, 6)),
                };
                let says = node_says(not_ready.as_deref());
                format!("{only}no file that ends in .conflist, .conf or .json{says}")
            });
            NotSaid => "the runtime says that it has none";
            Used { file, shadowed, whole } => (match whole {
                Some(whole) => format!("{file} sorts before {whole}, whose plugins are all there"),
                None => format!("{file} sorts first and is used; {} is never read", listed(shadowed, 4)),
            });
            Conflist => "JSON with a name and at least one plugin (CNI specification, section 1)";
            EveryPlugin => "every plugin that the configuration names, as an executable file";
            Programs { programs } => (match programs.is_empty() {
                true => "/opt/cni/bin has no program".to_owned(),
                false => format!("/opt/cni/bin has {}", listed(programs, 12)),
            });
            NotFound => "the runtime does not find it";
            Network { file, name, plugins, other_nodes } => ({
                let on = other_nodes.map(|n| format!(", as on {}", count(n, "other node")));
                let plugins = plugins.join(", ");
                format!("{file} (network {name}: {plugins}){}", on.unwrap_or_default())
            });
            TakenUp => "the runtime uses the configuration that is there";
            NotTakenUp { path, said } => "{path} is there and parses; the node says: {said}";
            SpokenVersion { newest } => "a cniVersion that runtime and plugins speak, at most {newest}";
            Versions { versions, said } => ({
                let has = match versions.is_empty() {
                    true => "another version".to_owned(),
                    false => format!("cniVersion {}", versions.join(", ")),
                };
                match said {
                    Some(said) => format!("{has}: {said}"),
                    None => has,
                }
            });
            PluginSpeaks { plugin, versions } => (format!("{plugin} speaks {}", versions.join(", ")));
            RuntimeLooksIn { directory, setting } => "{setting} is {directory}";
            RunnablePlugin => "a program for this machine that root may execute";
            PluginAnswers => "the plugin answers before its time limit";
            ProgramInstalled { program } => "{program} in the runtime's PATH";
            CredentialsAccepted => "the API server accepts the plugin's kubeconfig";
            AddressGiven => "at least one address in the plugin's result";
            NetworkRemoved => "DEL succeeds, and the pod's object goes";
            Record { path, empty } => (match empty {
                true => format!("{path} is empty"),
                false => format!("{path} is not JSON"),
            });
            ReservationsHeld { network } => "each reservation of {network} belongs to a pod of the node";
            Reserved { reserved, pods, unheld } => (format!(
                "{} reserved, {} on the node; no pod holds {}",
                count(*reserved, "address"),
                count(*pods, "pod"),
                shown(unheld, 6)
            ));
            NodeExists => "spec.nodeName is the name of a node";
            PinnedTo { node, nodes } => (format!(
                "spec.nodeName is {node}; the nodes are {}",
                listed(nodes, 8)
            ));
            NodeFits { node } => (match node {
                Some(node) => format!("{node} has what the pod asks for"),
                None => "one node that fits".to_owned(),
            });
            Ready => "Ready is True";
            ReadyIs { status, reason, message, kubelet } => ({
                let word = kubelet.as_ref().map(|word| format!("; systemd says that kubelet is {word}"));
                format!("Ready is {status} ({reason}): {message}{}", word.unwrap_or_default())
            });
            RangeAssigned => "a range in spec.podCIDRs";
            Ranges { ranges, others } => ({
                let own = match ranges.is_empty() {
                    true => "spec.podCIDRs is empty".to_owned(),
                    false => format!("spec.podCIDRs is {}, and its agent knows of none", all(ranges, ", ")),
                };
                match others.is_empty() {
                    true => own,
                    false => format!("{own}; other nodes have {}", shown(others, 4)),
                }
            });
            FreeAddress { ranges } => (match ranges.is_empty() {
                true => "a free address in the node's range".to_owned(),
                false => format!("a free address in {}", all(ranges, " and ")),
            });
            Exhausted { said, pods, node, reservations } => ({
                let taken = format!("{said}; {} with an address on {node}", count(*pods, "pod"));
                let counted = reservations
                    .iter()
                    .map(|(network, count)| format!("{count} in /var/lib/cni/networks/{network}"));
                match reservations.is_empty() {
                    true => taken,
                    false => format!("{taken}, reservations: {}", all(counted, ", ")),
                }
            });
            GatewayOn { address, device } => "{address} on {device}, the first address of what the plugin was given";
            BridgeHolds { device, addresses, ranges } => ({
                let held = addresses.as_ref().map_or_else(|| "another address".to_owned(), |nets| all(nets, ", "));
                let range = match ranges.is_empty() {
                    true => "none".to_owned(),
                    false => all(ranges, " and "),
                };
                format!("{device} holds {held}; podCIDR {range}")
            });
            Sandbox => "a sandbox with an address";
            AgentWorks => "it runs and is ready";
            AgentStatus { status, last_words } => (with_last_words(status, last_words.as_deref()));
            AgentOnEachNode => "one agent on each node";
            SetHasNoPod { set, node } => "{set} has no pod on {node}";
            NotStarted { node } => "no agent was started on {node}";
            NoDaemonSet => "no DaemonSet writes to /etc/cni/net.d or /opt/cni/bin of its nodes, or serves a plugin there";
            PluginSeeks { resource } => "the plugin does not find {resource}";
            PluginFinds { resource } => "the plugin finds {resource}";
            ObjectThere { object } => (match object {
                Some((kind, namespace, name)) => format!("{kind} {namespace}/{name} is there before the pod starts"),
                None => "something that it mounts or reads is there before the pod starts".to_owned(),
            });
            ImageThere => "the image, on the node or from its registry";
            Waiting { reason, said } => (match (reason.is_empty(), said.is_empty()) {
                (true, _) => said.clone(),
                (false, true) => reason.clone(),
                (false, false) => format!("{reason}: {said}"),
            });
            RunnableCommand => "a command that the image has";
            ExitCode { code, last_words } => (with_last_words(&format!("exit code {code}"), last_words.as_deref()));
            AContainer => "a container";
            Lasts => "a command that lasts";
            Ended { command, code, restarts, last_words } => ({
                let times = match restarts {
                    0 => String::new(),
                    n => format!(", restarted {}", count(*n, "time")),
                };
                let ended = format!("{} ended with exit code {code}{times}", self::command(command));
                with_last_words(&ended, last_words.as_deref())
            });
            ProbesSucceed => "its probes succeed";
        })
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
