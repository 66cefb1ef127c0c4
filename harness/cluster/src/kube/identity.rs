//! What flatnet knows of a cluster beyond its API.
use flatnet_model::capabilities::Capabilities;

/// Which cluster it is.
#[derive(Debug)]
pub struct Identity {
    /// `kind` or `kubeconfig`, for reports.
    pub provider: &'static str,
    /// Its name.
    pub name: String,
    /// What it can do.
    pub capabilities: Capabilities,
}

impl Identity {
    /// The kind cluster of that name on this machine.
    pub fn kind(name: &str) -> Self {
        Identity {
            provider: "kind",
            name: name.to_owned(),
            capabilities: Capabilities::kind(),
        }
    }

    /// What this context of a kubeconfig leads to.
    pub fn kubeconfig(context: &str) -> Self {
        Identity {
            provider: "kubeconfig",
            name: context.to_owned(),
            capabilities: Capabilities::kubeconfig(),
        }
    }
}
