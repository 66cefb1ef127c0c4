//! What a cluster can do besides nodes and pods, as data: where it cannot, the reason is what a skipped check says.
use serde::{Deserialize, Serialize};

/// Whether a cluster can do something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// It can.
    #[default]
    Present,
    /// It cannot.
    Absent {
        /// Why, as a fragment.
        why: String,
    },
}

impl Capability {
    /// It cannot, because of `why`.
    pub fn absent(why: impl Into<String>) -> Self {
        Capability::Absent { why: why.into() }
    }

    /// False where the provider cannot do it.
    pub fn is_present(&self) -> bool {
        *self == Capability::Present
    }

    /// The reason, for a skipped check; none where it is present.
    pub fn why_absent(&self) -> Option<&str> {
        match self {
            Capability::Present => None,
            Capability::Absent { why } => Some(why),
        }
    }
}

/// What a cluster can do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// There is an API server that kubectl can talk to.
    pub kubectl: Capability,
    /// It has what makes a control plane: controllers, services, DaemonSets, DNS.
    pub control_plane: Capability,
    /// A peer outside the cluster, on the network of its nodes, can be started.
    pub outside_peer: Capability,
    /// Nodes take images from registries, and pods run what is in them.
    pub image_pulls: Capability,
    /// Images of this machine can be put onto its nodes.
    pub image_loads: Capability,
    /// The log of every container is kept.
    pub logs: Capability,
    /// What joins the nodes can be looked at, as a node can.
    pub wire: Capability,
    /// flatnet's programs are in view on every node and in every pod without being put there.
    pub programs_in_view: Capability,
    /// `flatnet exec` runs commands on its nodes.
    pub exec_on_nodes: Capability,
    /// Each node has a kernel of its own, and with it the limits of one.
    #[serde(default)]
    pub own_kernels: Capability,
}

/// Why only kind has a peer outside.
const NO_PEER: &str = "a peer outside the cluster can be started for --provider kind only";
const NO_WIRE: &str = "what joins the nodes is not part of the cluster";
const NOT_IN_VIEW: &str = "flatnet's programs are put there first";
const ONE_KERNEL: &str = "all nodes are on this machine";
const OWN_PROGRAMS: &str = "pods of a lab run the programs of this machine";

impl Capabilities {
    /// Of a lab: namespaces of this machine.
    pub fn lab() -> Self {
        Capabilities {
            kubectl: Capability::absent(
                "the lab has no control plane: its nodes and pods are namespaces of this machine",
            ),
            control_plane: Capability::absent(
                "provider lab has no control plane: no services, no DNS, no network agents; see --provider kind",
            ),
            outside_peer: Capability::absent(NO_PEER),
            image_pulls: Capability::absent(OWN_PROGRAMS),
            image_loads: Capability::absent(OWN_PROGRAMS),
            logs: Capability::absent("the lab keeps the last words of containers that ended"),
            wire: Capability::Present,
            programs_in_view: Capability::Present,
            exec_on_nodes: Capability::Present,
            own_kernels: Capability::absent(ONE_KERNEL),
        }
    }

    /// Of a kind cluster: containers of this machine.
    pub fn kind() -> Self {
        Capabilities {
            wire: Capability::absent(NO_WIRE),
            programs_in_view: Capability::absent(NOT_IN_VIEW),
            own_kernels: Capability::absent(ONE_KERNEL),
            ..Capabilities::default()
        }
    }

    /// Of whatever a kubeconfig leads to.
    pub fn kubeconfig() -> Self {
        Capabilities {
            outside_peer: Capability::absent(NO_PEER),
            image_loads: Capability::absent("its nodes are not containers of this machine"),
            exec_on_nodes: Capability::absent("its nodes are not on this machine"),
            own_kernels: Capability::Present,
            ..Capabilities::kind()
        }
    }
}
