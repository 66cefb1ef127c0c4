//! CNI: versions of the specification, and network configurations as a container runtime reads them.
mod files;
mod list;
mod list_error;
#[cfg(test)]
mod list_tests;
mod plugin;
mod version;

pub use files::{Unusable, configurations, in_use, is_configuration};
pub use list::NetworkList;
pub use list_error::{ListError, PluginFault};
pub use plugin::Plugin;
pub use version::{UnknownVersion, Version};

/// Where a node keeps its CNI configuration (kubelet's and containerd's default).
pub const CONF_DIR: &str = "/etc/cni/net.d";
/// Where a node keeps its CNI plugins (the same).
pub const BIN_DIR: &str = "/opt/cni/bin";
/// Namespace of the ConfigMap in which a cluster records the CNI that flatnet gave it.
pub const RECORD_NAMESPACE: &str = "kube-system";
/// The name of that ConfigMap.
pub const RECORD_NAME: &str = "flatnet-cni";
/// Its key of what was asked for (`--cni`).
pub const RECORD_KEY_CNI: &str = "name";
/// Its key of the manifest as it was applied, YAML.
pub const RECORD_KEY_MANIFEST: &str = "manifest";
