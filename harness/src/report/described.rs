//! What was run, as a report says it.
use std::net::IpAddr;

use super::{Gone, Run};
use crate::plant::Fault;
use crate::session::plan::{Keep, Plan};
use flatnet_model::IpFamily;
use flatnet_model::observations::Observations;

impl Run {
    /// A run by this plan, with what it observed.
    pub fn of(plan: &Plan, observations: &Observations, fault: Option<&Fault>) -> Run {
        let lab = plan.source.lab();
        Run {
            provider: observations.provider.clone(),
            cluster: plan.outlives_run().map(str::to_owned),
            gone: deleted(plan, observations),
            cni: plan.cni_name.clone(),
            nodes: observations.nodes.len(),
            pods: observations.pods.len(),
            underlay: lab.map(|spec| spec.underlay.to_string()),
            mtu: lab.map(|spec| spec.mtu),
            ip_family: family_of(observations).to_string(),
            coverage: observations.coverage.to_string(),
            planted: fault.map(|fault| fault.id.to_owned()),
        }
    }

    /// In one line, as a baseline says what it was made of.
    pub fn summary(&self) -> String {
        let underlay = self.underlay.as_ref();
        let underlay = underlay.map(|underlay| format!(", underlay {underlay}"));
        let mtu = self.mtu.map(|mtu| format!(", mtu {mtu}"));
        format!(
            "{} on {}, {} nodes, {} pods, {}{}{}",
            self.cni,
            self.provider,
            self.nodes,
            self.pods,
            self.ip_family,
            underlay.unwrap_or_default(),
            mtu.unwrap_or_default()
        )
    }
}

/// What the run did not leave.
fn deleted(plan: &Plan, observations: &Observations) -> Option<Gone> {
    match (plan.keep, plan.source.is_running()) {
        (Keep::Never, true) => Some(Gone::Pods {
            namespace: observations.namespace.clone(),
        }),
        (Keep::Never, false) => Some(Gone::Cluster),
        (Keep::OnceUp | Keep::Always, _) => None,
    }
}

/// The families that nodes have: those of a running cluster were not chosen by this run.
fn family_of(observations: &Observations) -> IpFamily {
    let mut ips = observations
        .nodes
        .iter()
        .flat_map(|n| &n.object.internal_ips);
    let v4 = ips.clone().any(IpAddr::is_ipv4);
    match (v4, ips.any(IpAddr::is_ipv6)) {
        (true, true) => IpFamily::Dual,
        (false, true) => IpFamily::Ipv6,
        _ => IpFamily::Ipv4,
    }
}
