//! CNI configuration.
/// Where a node keeps its CNI configuration (kubelet's and containerd's default).
pub const CONF_DIR: &str = "/etc/cni/net.d";
/// Where a node keeps its CNI plugins (the same).
pub const BIN_DIR: &str = "/opt/cni/bin";

pub mod network_config;
