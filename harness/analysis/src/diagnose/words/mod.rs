//! What container runtimes and CNI plugins say when a sandbox cannot be made.
//!
//! The frame around a plugin's words differs between runtimes and their versions (containerd: `failed to setup network for
//! sandbox "…": plugin type="…" failed (add): …`; CRI-O: `failed to create pod network sandbox …: error adding pod … to CNI
//! network "…": plugin type="…" failed (add): …`; dockershim: `networkPlugin cni failed to set up pod "…" network: …`), so that
//! only the plugin's own part is matched.

#[cfg(test)]
mod tests;

use flatnet_model::cause::NotAProgram;

/// What a message is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The runtime has no configuration.
    NoConflist {
        /// Where it looked, if it says so.
        directory: Option<String>,
    },
    /// The runtime has one that it cannot load.
    Malformed,
    /// The program of a plugin is nowhere.
    PluginMissing {
        /// `type` in the configuration.
        plugin: String,
        /// The directories in which the runtime looked.
        path: Vec<String>,
    },
    /// The program of a plugin is there and cannot be executed.
    NotRunnable {
        /// Its file name.
        plugin: String,
        /// Why.
        how: NotAProgram,
    },
    /// A plugin was killed before it answered.
    Killed,
    /// A plugin does not find a program that it runs.
    ProgramMissing {
        /// Its name.
        program: String,
    },
    /// The API server refuses a plugin.
    Refused,
    /// A plugin ended well and there is no address.
    NoAddress,
    /// The record of an ADD cannot be read, so that DEL cannot be done.
    BrokenRecord,
    /// A plugin cannot reach its agent, or finds nothing that its agent has left.
    AgentSilent {
        /// The add-on.
        addon: String,
        /// What it looked for.
        resource: &'static str,
    },
    /// No address is left.
    Exhausted,
    /// A bridge has another address.
    StaleBridge {
        /// Name of the bridge on the node.
        bridge: String,
        /// What it should hold.
        wanted: String,
    },
    /// The configuration's version is not spoken.
    Version,
    /// None of these.
    Other,
}

/// Words (in lower case) by which a plugin complains of its agent's absence, the add-on, and what was looked for.
/// weave: weaveworks/weave `plugin/ipam`; flannel: flannel-io/cni-plugin `flannel_linux.go`; Calico: projectcalico/calico
/// `cni-plugin/internal/pkg/utils`; Cilium: cilium/cilium `plugins/cilium-cni`.
const AGENTS: &[(&str, &str, &str)] = &[
    ("127.0.0.1:6784", "weave", "its agent on 127.0.0.1:6784"),
    (
        "/run/flannel/subnet.env: no such file",
        "flannel",
        "/run/flannel/subnet.env, which its agent writes",
    ),
    (
        "/var/lib/calico/nodename",
        "calico",
        "/var/lib/calico/nodename, which its agent writes",
    ),
    (
        "unable to connect to cilium agent",
        "cilium",
        "its agent's socket",
    ),
    ("cilium.sock", "cilium", "its agent's socket"),
];

const EXHAUSTED: &[&str] = &[
    // containernetworking/plugins, plugins/ipam/host-local/backend/allocator
    "no ip addresses available in range set",
    // flatnet-cni
    "no free addresses in",
    // cilium
    "range is full",
    // Calico
    "assigned 0 out of 1 requested",
    // whereabouts
    "could not allocate ip in range",
];

const VERSION: &[&str] = &[
    // containernetworking/cni, pkg/version
    "incompatible cni version",
    "unsupported cni result version",
    // flatnet's lab
    "unsupported cni version",
    // libcni since 1.0 on a file without cniVersion
    "the version is empty",
    // libcni, types.Create: a cniVersion that is no version
    "invalid version ",
    "unknown cni version",
];

/// Words around those of a plugin: what runtimes themselves say of images and containers has none of them.
const FRAMES: &[&str] = &[
    " failed (",
    "network for sandbox",
    "network for pod",
    "networkplugin cni",
    "to cni network",
    "from cni network",
    "setupnetwork",
];

/// The API server's refusals, as client-go words them.
const REFUSED: &[&str] = &[
    "unauthorized",
    "is forbidden: user",
    "the server has asked for the client to provide credentials",
];

const KILLED: &[&str] = &[
    // libcni, pkg/invoke: what Go's os/exec says of a process that ended so, or whose time was up
    "netplugin failed with no error message: signal: killed",
    "netplugin failed with no error message: context deadline exceeded",
    // flatnet's lab
    "netplugin failed with no error message: signal: 9",
    "and was killed",
];

const NO_ADDRESS: &[&str] = &[
    // containernetworking/plugins, plugins/main/bridge and others
    "ipam plugin returned missing ip config",
    // host-local
    "no ip ranges specified",
    // containerd, internal/cri/server
    "failed to find network info for sandbox",
];

const MALFORMED: &[&str] = &[
    "error parsing configuration",
    "missing 'type'",
    "missing network name",
    "no plugin name provided",
    "invalid characters found in network name",
    "invalid characters in network name",
    "no plugins in list",
    "failed to load cni config",
];

/// What comes before the directory that has no configuration: go-cni, CRI-O's ocicni, dockershim.
const NONE_IN: &[&str] = &[
    "no network config found in ",
    "no cni configuration file in ",
    "no valid networks found in ",
    "no networks found in ",
];

/// Reads one message.
pub(super) fn read(message: &str) -> Said {
    let lower = message.to_lowercase();
    let has = |words: &str| lower.contains(words);
    let any = |list: &[&str]| list.iter().copied().any(has);
    if let Some(plugin) = quoted_after(message, "failed to find plugin ") {
        let path = listed_after(message, " in path [");
        return Said::PluginMissing { plugin, path };
    }
    if is_record(&lower) {
        return Said::BrokenRecord;
    }
    if let Some((plugin, how)) = not_runnable(message) {
        return Said::NotRunnable { plugin, how };
    }
    if any(VERSION) {
        return Said::Version;
    }
    if any(EXHAUSTED) {
        return Said::Exhausted;
    }
    if let Some((before, wanted)) = message.split_once(" already has an IP address different from ")
    {
        let bridge = before.rsplit('"').nth(1).unwrap_or_default();
        return Said::StaleBridge {
            bridge: bridge.trim_end_matches('\\').to_owned(),
            wanted: first_word(wanted),
        };
    }
    let of_a_plugin = any(FRAMES);
    if of_a_plugin
        && has("executable file not found")
        && let Some(program) = quoted_after(message, "exec: ")
    {
        return Said::ProgramMissing { program };
    }
    if let Some((_, addon, resource)) = AGENTS.iter().find(|(words, ..)| has(words)) {
        return Said::AgentSilent {
            addon: (*addon).to_owned(),
            resource,
        };
    }
    let loopback = has("dial tcp 127.0.0.1:") || has("dial tcp [::1]:");
    if (loopback && has("connection refused")) || (has("dial unix ") && has("connect: ")) {
        return Said::AgentSilent {
            addon: plugin(message).unwrap_or_else(|| "network add-on".to_owned()),
            resource: "its agent's socket",
        };
    }
    if of_a_plugin {
        if any(REFUSED) {
            return Said::Refused;
        }
        if any(KILLED) {
            return Said::Killed;
        }
        if any(NO_ADDRESS) {
            return Said::NoAddress;
        }
    }
    if let Some(marker) = NONE_IN.iter().find(|marker| has(marker)) {
        return Said::NoConflist {
            directory: directory_after(&lower, marker, message),
        };
    }
    if any(MALFORMED) {
        return Said::Malformed;
    }
    if has("cni plugin not initialized") || has("cni config uninitialized") {
        return Said::NoConflist { directory: None };
    }
    Said::Other
}

/// libcni's words on a record that is empty (`decoding version from network config: unexpected end of JSON input`) or holds
/// something else, and the lab's.
fn is_record(lower: &str) -> bool {
    let names_it = lower.contains("cached result") || lower.contains("/var/lib/cni/results/");
    let unreadable = [
        "decoding version from network config",
        "unexpected end of json input",
        "invalid character",
        "eof while parsing",
        "expected value at line",
    ];
    names_it && unreadable.iter().any(|words| lower.contains(words))
}

/// What the kernel says when it is to execute a plugin (`fork/exec PATH: …`); a program that a plugin runs is none.
fn not_runnable(message: &str) -> Option<(String, NotAProgram)> {
    let (_, rest) = message.split_once("fork/exec ")?;
    let (path, why) = rest.split_once(": ")?;
    let (folder, plugin) = path.rsplit_once('/')?;
    let why = why.to_lowercase();
    let how = [
        ("exec format error", NotAProgram::Format),
        ("permission denied", NotAProgram::Permission),
        ("no such file or directory", NotAProgram::Interpreter),
    ];
    let (_, how) = how.iter().find(|(words, _)| why.starts_with(words))?;
    let known = folder.contains("cni") || self::plugin(message).as_deref() == Some(plugin);
    known.then(|| (plugin.to_owned(), *how))
}

/// `type` of the plugin that failed, where the runtime says it.
pub(super) fn plugin(message: &str) -> Option<String> {
    quoted_after(message, "plugin type=")
}

/// The plugin's own words, without the runtime's around them.
pub(super) fn core(message: &str) -> &str {
    let after = |marker: &str| message.split_once(marker).map(|(_, rest)| rest);
    after(" failed (add): ")
        .or_else(|| after(" failed (status): "))
        .or_else(|| after(" failed (delete): "))
        .or_else(|| after("network for sandbox ").and_then(|rest| Some(rest.split_once("\": ")?.1)))
        .or_else(|| after(" network: "))
        .unwrap_or(message)
}

fn quoted_after(text: &str, marker: &str) -> Option<String> {
    let (_, rest) = text.split_once(marker)?;
    let rest = rest.trim_start_matches('\\').strip_prefix('"')?;
    let end = rest.find(['"', '\\'])?;
    Some(rest[..end].to_owned())
}

/// The words of a list in brackets.
fn listed_after(text: &str, marker: &str) -> Vec<String> {
    let list = text
        .split_once(marker)
        .and_then(|(_, rest)| rest.split_once(']'));
    let words = list
        .into_iter()
        .flat_map(|(list, _)| list.split_whitespace());
    words.map(str::to_owned).collect()
}

/// The absolute path that follows: without the slash, full stop or colon at its end.
fn directory_after(lower: &str, marker: &str, text: &str) -> Option<String> {
    let at = lower.find(marker)? + marker.len();
    // Lower case may be longer or shorter, outside of ASCII.
    let word = text.get(at..)?.split_whitespace().next()?;
    let path = word.trim_end_matches(['.', ':', ',', ';', '"', '\\']);
    let path = path.trim_end_matches('/');
    path.starts_with('/').then(|| path.to_owned())
}

fn first_word(text: &str) -> String {
    text.split_whitespace()
        .next()
        .unwrap_or_default()
        .trim_end_matches([',', ';', ':'])
        .to_owned()
}
