//! What is known of Kubernetes' own components on a node: where their files are, their ports, how their flags are written.
pub mod flags;
pub mod paths;
pub mod ports;
