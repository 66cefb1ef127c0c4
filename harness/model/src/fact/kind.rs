//! Every kind of fact there is.
use serde::{Deserialize, Serialize};

use crate::ids::kebab_case;

/// What a difference in facts of a kind means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nature {
    /// A promise is kept or broken.
    Promise,
    /// Packets take another path.
    Path,
    /// Something is otherwise, which may break promises or not.
    State,
}

/// What a person should know of a kind of fact.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The kind.
    pub kind: Kind,
    /// What a difference means.
    pub nature: Nature,
    /// What it is called; `{}` is the part of the subject.
    pub label: &'static str,
    /// Whom such facts are about.
    pub of: &'static str,
    /// What the part of the subject is, where there is one.
    pub about: &'static str,
    /// What its value says; with its unit.
    pub value: &'static str,
    /// How it is observed.
    pub seen_by: &'static str,
}

macro_rules! kinds {
    ($($name:ident: $nature:ident, $label:literal, $of:literal, $about:literal, $value:literal, $seen_by:literal;)*) => {
        /// Which kind of fact. Ids are stable: reports and baselines name them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[expect(missing_docs, reason = "`Entry::value` says it")]
        pub enum Kind {
            $($name,)*
        }

        /// Every kind, in the order in which they are shown.
        pub const ALL: &[Entry] = &[
            $(Entry {
                kind: Kind::$name,
                nature: Nature::$nature,
                label: $label,
                of: $of,
                about: $about,
                value: $value,
                seen_by: $seen_by,
            },)*
        ];
    };
}

kinds! {
    Verdict: Promise, "check {}",
        "cluster", "check",
        "what the check found: `pass`, `report`, `fail`, `skip`, `broken`", "the check";
    Finding: Promise, "what check {} found",
        "cluster", "check",
        "what is wrong: the cause or symptom, and the culprits by role", "the check's evidence";
    Reach: Promise, "dials of {}",
        "ways between nodes, and single pairs that differ from the rest of theirs", "the ends and the family",
        "what became of dials, over which transports; whether both ends saw the client's own address", "dials, as both ends report them";
    PathMtu: Promise, "largest packet that arrives, {}",
        "ways between nodes, and single pairs that differ", "family",
        "the largest packet that arrived in one piece, bytes", "datagrams with DF, as the receiver reports them";
    Path: Path, "path of packets, {}",
        "ways between nodes", "family",
        "the devices that a packet of their first pods passes", "the walk of a packet through routes, neighbours and bridges (`flatnet inspect route`)";
    Shape: State, "shape of the cluster",
        "cluster", "",
        "number of nodes, and IP families", "the API";
    PodNetwork: State, "pod network",
        "cluster", "",
        "ranges of the pod network", "the API, or the nodes' podCIDRs";
    NodeReady: State, "Ready condition",
        "node", "",
        "whether it is Ready, or why not", "the API";
    NodeVersion: State, "version of {}",
        "node", "kubelet, runtime, machine",
        "version; kernel and OS image are recorded and not compared", "the API (`status.nodeInfo`)";
    PodRange: State, "podCIDRs",
        "node", "",
        "its podCIDRs as parts of the pod network", "the API (`spec.podCIDRs`)";
    CniFiles: State, "CNI configurations",
        "node", "",
        "configurations in `/etc/cni/net.d` in lexical order; the first is in use", "the node's files";
    CniKey: State, "CNI configuration key {}",
        "node", "path of a key in the configuration in use",
        "its value; addresses and ranges as whose they are", "the node's files";
    CniPrograms: State, "programs in /opt/cni/bin",
        "node", "",
        "programs in `/opt/cni/bin`", "the node's files";
    CniPlugin: State, "version of plugin {}",
        "node", "program that the configuration in use needs",
        "its version, or what it says of itself", "the program (CNI spec, VERSION)";
    Device: State, "device {}",
        "node or pod", "device other than pods' host ends",
        "its kind, whether it is up, the bridge it is a port of, VXLAN settings", "netlink (`ip -d link`)";
    DeviceMtu: State, "MTU of {}",
        "node or pod", "device",
        "MTU, bytes", "netlink (`ip link`)";
    DeviceAddress: State, "addresses of {}",
        "node or pod", "device",
        "its addresses as whose they are, with prefix lengths", "netlink (`ip addr`)";
    MtuBelowUnderlay: State, "MTU below that of the uplink",
        "pod", "",
        "how much its MTU is below that of its node's uplink, bytes", "netlink, in the pod and on its node";
    PodStatus: State, "status",
        "pod", "",
        "STATUS as of `kubectl get pods`", "the API";
    HostEnd: State, "host end",
        "pod", "",
        "the other end of its veth pair: its bridge, MTU, and settings as a port", "netlink (`bridge -d link`), on its node";
    RouteToPods: State, "route to the other node's pods, {}",
        "ways between nodes", "family",
        "the route to the other node's podCIDR", "netlink (`ip route`)";
    Route: State, "route to {}",
        "node or pod", "destination",
        "next hops, device, and settings", "netlink (`ip route`)";
    PolicyRule: State, "policy rules",
        "node or pod", "",
        "rules beside the kernel's three", "netlink (`ip rule`)";
    Neighbour: State, "permanent neighbour: {}",
        "node or pod", "address and device",
        "whose MAC its permanent entry has", "netlink (`ip neigh`)";
    TunnelEntry: State, "forwarding entry of {}",
        "ways between nodes", "device",
        "where frames for the other node's tunnel device are sent", "netlink (`bridge fdb`)";
    Setting: State, "sysctl net.{}",
        "node or pod", "key of sysctl without `net.`",
        "its value", "/proc/sys/net";
    NftRules: State, "nftables rules of {}",
        "node, or the pod that a rule of its node names", "table and chain",
        "where packets come to the chain, its policy, and its rules in their order; of kube-proxy, kubelet and the container engine's resolver the tables, their chains and rules are counted and not compared", "netlink (`nft list ruleset`)";
    NftSet: State, "nftables set {}",
        "node", "table and set",
        "elements as whose they are; none are compared where packets add and remove them", "netlink (`nft list sets`)";
    LegacyIptables: State, "legacy iptables rules of {}",
        "node, or the pod that a rule of its node names", "table and chain",
        "the chain's policy, and its rules in their order; the rest as for `nft-rules`", "`iptables-legacy-save`, where such tables are in use";
    Inspected: State, "{}",
        "cluster or node", "question, topic, what it is about, and the name of the value",
        "what `flatnet inspect` answered; addresses and ranges as whose they are", "`flatnet inspect --output json`";
}

impl Kind {
    /// What is known of it.
    pub fn entry(self) -> &'static Entry {
        // `the_catalogue_is_in_the_order_of_its_kinds` holds them together.
        &ALL[self as usize]
    }

    /// The unit of its numbers; empty for what is not a number of something.
    pub fn unit(self) -> &'static str {
        match self {
            Kind::PathMtu | Kind::DeviceMtu | Kind::MtuBelowUnderlay => "bytes",
            _ => "",
        }
    }

    /// What it is called, of that part of a subject.
    pub fn label(self, about: &str) -> String {
        self.entry().label.replace("{}", about)
    }

    /// Stable identifier, `kebab-case`: that of the JSON form.
    pub fn id(self) -> String {
        kebab_case(&format!("{self:?}"))
    }

    /// The kind with that identifier.
    pub fn find(id: &str) -> Option<Kind> {
        let mut kinds = ALL.iter().map(|entry| entry.kind);
        kinds.find(|kind| kind.id() == id)
    }
}

/// The table of kinds in `docs/facts.md`.
pub fn markdown() -> String {
    let heading =
        "| fact | about | value | observed by | a difference is |\n|---|---|---|---|---|\n";
    let row = |entry: &Entry| {
        let part = match entry.about {
            "" => String::new(),
            about => format!("; {about}"),
        };
        format!(
            "| `{}` | {}{part} | {} | {} | {} |\n",
            entry.kind.id(),
            entry.of,
            entry.value,
            entry.seen_by,
            match entry.nature {
                Nature::Promise => "a promise broken or restored",
                Nature::Path => "another path",
                Nature::State => "another state",
            },
        )
    };
    std::iter::once(heading.to_owned())
        .chain(ALL.iter().map(row))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_in_the_order_of_its_kinds() {
        for (at, entry) in ALL.iter().enumerate() {
            assert_eq!(entry.kind as usize, at);
            assert_eq!(Kind::find(&entry.kind.id()), Some(entry.kind));
            let json = serde_json::to_value(entry.kind).expect("a kind");
            assert_eq!(json, entry.kind.id());
        }
    }

    #[test]
    fn the_page_of_facts_is_current() {
        crate::pages::has_table("facts.md", "facts", &markdown());
    }
}
