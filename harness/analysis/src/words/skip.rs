//! Why the question of a check does not arise.
use flatnet_model::skip::SkipReason;

use super::Words;
use super::list::shown;
use super::sentence::sentences;

impl Words<'_> {
    /// The reason for skipping a check, as a fragment that says what to do about it where something can be done.
    pub fn skip(&self, reason: &SkipReason) -> String {
        sentences!(self, reason, SkipReason {
            NotAvailable { why } => "{why}";
            ControlPlaneNotObserved => "the control plane was not looked at";
            NodesForbidden { what, rule } => "nodes may not be looked at: {what}: not allowed: {rule}";
            OnePod => "a packet needs two pods: raise --nodes or --pods-per-node";
            NoPairOnNode => "no node has two ends to pair: raise --pods-per-node";
            OneNode => "pods are on one node only: raise --nodes";
            NoPodAddress => "no pod has an IP of its own, see pod-ip-present";
            NoBridge => "this CNI uses no bridge: no pod's host end is a port of one";
            NoPodCidrs => "nodes have no podCIDRs: this CNI assigns addresses in its own way";
            PodCidrsUnused => "pod addresses do not come from the nodes' podCIDRs: this CNI assigns them in its own way";
            NoClusterDomain { pods } => (format!(
                "no cluster domain in /etc/resolv.conf of {}: dnsPolicy is not ClusterFirst there",
                shown(pods.iter().map(|pod| self.names.pod(pod)), 4)
            ));
            NoPortMapping => "no plugin of the CNI configuration asks for port mappings (capabilities.portMappings), so hostPort is not promised: chain portmap";
        })
    }
}
