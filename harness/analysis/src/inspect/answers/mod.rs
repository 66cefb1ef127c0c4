//! The answers: one pure function a question, from what was gathered.
pub(super) mod addon;
mod attachments;
pub(super) mod bridges;
pub(super) mod cni_config;
mod conf_keys;
pub(crate) mod containerd;
mod control_plane;
pub(super) mod etcd;
mod findings;
pub(super) mod listeners;
pub(super) mod node_routes;
pub(super) mod nodes;
pub(crate) mod plugins;
pub(super) mod pod_gateway;
pub(super) mod ranges;
pub(super) mod runtime;
#[cfg(test)]
mod tests;
mod weave_log;
