//! What flatnet brings along: the texts of `manifests/`, and where distributions put plugins.

/// flatnet's own CNI.
pub(super) const FLATNET: &str = include_str!("../../../manifests/flatnet.yaml");
/// flannel.
pub(super) const FLANNEL: &str = include_str!("../../../manifests/flannel.yaml");
/// Weave Net.
pub(super) const WEAVE: &str = include_str!("../../../manifests/weave.yaml");
/// The conflist of the `reference` CNI: containernetworking's bridge, host-local and portmap.
pub(crate) const REFERENCE: &str = include_str!("../../../manifests/reference.conflist");
/// Where distributions put the reference plugins.
pub(crate) const REFERENCE_DIRS: [&str; 3] = ["/usr/lib/cni", "/usr/libexec/cni", "/opt/cni/bin"];
