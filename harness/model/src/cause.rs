//! Every cause that is known, in the order in which they are named.
use serde::{Deserialize, Serialize};

/// A cause. Their order is the rank of findings: along the way of a pod from its node's name to an answered packet, what
/// comes earlier prevents what comes later, so that of two findings the earlier one is the root. Where two stand at the same
/// place of that way, the one that says more comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "`Entry::summary` says it")]
pub enum Cause {
    // Without a node nothing happens at all.
    NodeUnknown,
    Unschedulable,
    // Nobody works on that node.
    KubeletSilent,
    // The range is what agents start from.
    PodCidrMissing,
    // The wrong file is in use: what it lacks is not worth mending.
    TwoConflists,
    // A file that is there and unusable is nobody's but its writer's: an agent that runs does not write it again.
    ConflistMalformed,
    CniVersion,
    // An agent brings both file and programs, so that it comes before their absence.
    AgentDown,
    NoConflist,
    ConflistNotLoaded,
    PluginMissing,
    // From here on the plugin ran by itself.
    AddressesExhausted,
    StaleBridge,
    PluginFailed,
    // What the kubelet sums up of the above, or has of its own (disk, memory).
    NodeNotReady,
    // The kubelet mounts before it starts anything, and pulls before it starts.
    ObjectMissing,
    ImagePull,
    CommandNotFound,
    ContainerCreate,
    CrashLoop,
    ProbeFails,
    // It runs: how it is wired, and last whom it does not reach.
    Wiring,
    Unreachable,
}

/// What a person should know of a cause before he meets it.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Which.
    pub cause: Cause,
    /// What is wrong, in a few words.
    pub summary: &'static str,
    /// What it is told by.
    pub told_by: &'static str,
    /// What mends it, in general.
    pub mend: &'static str,
}

/// Every cause, in the order of rank.
pub const ALL: &[Entry] = &[
    Entry {
        cause: Cause::NodeUnknown,
        summary: "the pod is pinned to a node that is not there",
        told_by: "`spec.nodeName` against the list of nodes",
        mend: "another `nodeName`; the pod has to be made anew, the field cannot be changed",
    },
    Entry {
        cause: Cause::Unschedulable,
        summary: "no node takes the pod: resources, taints, selectors, a volume; or the one it is pinned to refuses it",
        told_by: "the condition `PodScheduled`; `status.reason` of a pod the kubelet refused (`OutOfcpu`, `NodeAffinity`, …)",
        mend: "what the scheduler's words ask for: smaller requests, a toleration, a label, a volume",
    },
    Entry {
        cause: Cause::KubeletSilent,
        summary: "the node's kubelet does not report: it is stopped, or cut off",
        told_by: "the node's Ready condition is `Unknown` (`NodeStatusUnknown`); where a command still runs there, systemd's word",
        mend: "`systemctl restart kubelet` on the node",
    },
    Entry {
        cause: Cause::PodCidrMissing,
        summary: "the node has no podCIDR, and its network add-on needs one",
        told_by: "`spec.podCIDRs`, the other nodes', and the agent's last words",
        mend: "kube-controller-manager with `--allocate-node-cidrs` and a `--cluster-cidr` with room",
    },
    Entry {
        cause: Cause::TwoConflists,
        summary: "several CNI configurations: the first in lexical order is used and does not work, a later one would",
        told_by: "`/etc/cni/net.d`, the plugins each file names, and whose plugin failed",
        mend: "remove the file of the add-on that is gone",
    },
    Entry {
        cause: Cause::ConflistMalformed,
        summary: "the CNI configuration in use does not parse",
        told_by: "the file itself, with line and column",
        mend: "have the add-on write it again",
    },
    Entry {
        cause: Cause::CniVersion,
        summary: "the configuration's `cniVersion` is one that the runtime or a plugin does not speak",
        told_by: "the file, and `incompatible CNI versions` from the plugin",
        mend: "a version that all of them speak, or newer plugins",
    },
    Entry {
        cause: Cause::AgentDown,
        summary: "the network add-on's agent does not run on the node",
        told_by: "DaemonSets that mount `/etc/cni/net.d` or `/opt/cni/bin` and their pods' last words (on the lab: flatnet's agent); or a plugin that cannot reach its agent: weave's port 6784, flannel's `/run/flannel/subnet.env`, Calico's `nodename`, Cilium's socket",
        mend: "apply the add-on again, or restart its DaemonSet",
    },
    Entry {
        cause: Cause::NoConflist,
        summary: "there is no CNI configuration on the node",
        told_by: "`/etc/cni/net.d`; `cni plugin not initialized` from the runtime",
        mend: "install a network add-on, or restart the one there is",
    },
    Entry {
        cause: Cause::ConflistNotLoaded,
        summary: "the CNI configuration is there, and the container runtime has not taken it up",
        told_by: "`cni plugin not initialized` in the node's Ready condition although the file in use parses: containerd follows writes, and not files that are moved into the folder",
        mend: "write the file anew, or restart the runtime",
    },
    Entry {
        cause: Cause::PluginMissing,
        summary: "the configuration names a plugin that is not on the node",
        told_by: "`/opt/cni/bin` against the configuration, IPAM and delegates included; `failed to find plugin`",
        mend: "put the plugin there: apply the add-on again, or install the reference plugins",
    },
    Entry {
        cause: Cause::AddressesExhausted,
        summary: "the node's range has no address left",
        told_by: "the IPAM plugin's words; reservations in `/var/lib/cni/networks` against the pods that are there",
        mend: "fewer pods on that node, a larger range a node, or reservations of dead pods removed",
    },
    Entry {
        cause: Cause::StaleBridge,
        summary: "the bridge still holds the gateway address of an earlier podCIDR",
        told_by: "`already has an IP address different from`; the bridge's addresses against the podCIDR",
        mend: "delete the bridge: the plugin makes it anew; then restart the node's pods",
    },
    Entry {
        cause: Cause::PluginFailed,
        summary: "a CNI plugin failed for a reason of its own",
        told_by: "`FailedCreatePodSandBox` that is none of the above",
        mend: "what its own words say",
    },
    Entry {
        cause: Cause::NodeNotReady,
        summary: "the node is not Ready",
        told_by: "its Ready condition, with the kubelet's reason",
        mend: "what the reason says; often it follows from a cause named before",
    },
    Entry {
        cause: Cause::ObjectMissing,
        summary: "a ConfigMap, Secret, claim or path that the pod names is not there",
        told_by: "`FailedMount`, `CreateContainerConfigError`",
        mend: "make the object, or correct its name",
    },
    Entry {
        cause: Cause::ImagePull,
        summary: "an image is not on the node and cannot be pulled",
        told_by: "`ErrImagePull`, `ImagePullBackOff`, `ErrImageNeverPull`, `InvalidImageName`",
        mend: "the image's right name, a registry in reach, or the image put onto the node",
    },
    Entry {
        cause: Cause::CommandNotFound,
        summary: "a container's command is not in its image, or cannot be executed",
        told_by: "`executable file not found`, `StartError`, exit codes 126 and 127",
        mend: "a command that the image has",
    },
    Entry {
        cause: Cause::ContainerCreate,
        summary: "the runtime cannot make a container",
        told_by: "`CreateContainerError`, `RunContainerError` that is none of the above",
        mend: "what the runtime's words say",
    },
    Entry {
        cause: Cause::CrashLoop,
        summary: "a container starts and ends again",
        told_by: "`CrashLoopBackOff`, exit code, last words; `OOMKilled`",
        mend: "what its last words say; a command that lasts; a higher memory limit",
    },
    Entry {
        cause: Cause::ProbeFails,
        summary: "the pod runs, and its readiness, liveness or startup probe fails",
        told_by: "`Unhealthy` events of a pod that is not Ready",
        mend: "what the probe's words say",
    },
    Entry {
        cause: Cause::Wiring,
        summary: "the pod runs, and its interface, bridge, gateway or its node's routes are not as they should be",
        told_by: "the checks `pod-ip-present`, `pod-ip-unique`, `gateway`, `bridge`, `node-routes`",
        mend: "make the pod anew; restart the node's agent for a route",
    },
    Entry {
        cause: Cause::Unreachable,
        summary: "the pod runs and is wired as it should be, and packets do not come through or are rewritten",
        told_by: "the checks `same-node`, `cross-node`, `no-nat`, `mtu`, `hairpin`, with nodes as peers",
        mend: "the rule or device that the check's evidence names",
    },
];

impl Cause {
    /// What is known of it.
    pub fn entry(self) -> &'static Entry {
        // `the_catalogue_is_in_the_order_of_rank` holds them together.
        &ALL[self as usize]
    }

    /// Stable identifier, `kebab-case`: that of the JSON form.
    pub fn id(self) -> String {
        let mut id = String::new();
        for letter in format!("{self:?}").chars() {
            if letter.is_ascii_uppercase() && !id.is_empty() {
                id.push('-');
            }
            id.push(letter.to_ascii_lowercase());
        }
        id
    }
}

/// The rows of the table in `docs/troubleshooting.md`.
pub fn markdown() -> String {
    let mut text =
        "| cause | what is wrong | told by | mended by |\n|---|---|---|---|\n".to_owned();
    for entry in ALL {
        text.push_str(&format!(
            "| `{}` | {} | {} | {} |\n",
            entry.cause.id(),
            entry.summary,
            entry.told_by,
            entry.mend
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_catalogue_is_in_the_order_of_rank() {
        for (at, entry) in ALL.iter().enumerate() {
            assert_eq!(entry.cause as usize, at, "{:?}", entry.cause);
        }
        assert_eq!(Cause::Unreachable as usize, ALL.len() - 1);
    }

    #[test]
    fn an_id_is_what_json_has() {
        for entry in ALL {
            let json = serde_json::to_value(entry.cause).unwrap();
            assert_eq!(json, entry.cause.id());
        }
    }

    #[test]
    fn the_catalogue_in_the_documentation_is_current() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/troubleshooting.md");
        let page = std::fs::read_to_string(&path).unwrap();
        let (start, end) = ("<!-- causes -->\n", "<!-- /causes -->");
        let (before, rest) = page.split_once(start).expect("the table's beginning");
        let (table, after) = rest.split_once(end).expect("the table's end");
        if std::env::var_os("FLATNET_REGENERATE").is_some() {
            let new = format!("{before}{start}{}{end}{after}", markdown());
            std::fs::write(&path, new).unwrap();
        } else {
            assert_eq!(table, markdown(), "`make docs` writes it");
        }
    }
}
