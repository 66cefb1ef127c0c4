//! Which paths are worth following: those whose packets nothing that was seen explains.
use std::collections::BTreeMap;

use flatnet_model::follow::{Burst, Wanted};
use flatnet_model::observations::{MtuRun, Observations};
use flatnet_model::probe::{DialRequest, Transport};

use super::explain::{is_explained, parts};
use super::groups::groups;
use super::run::{Fault, Outcome, judge_run};
use crate::checks::topology::Topology;

/// What is tried again under watch: packets that should pass whole and do not.
pub fn oversized(observations: &Observations) -> Vec<Wanted> {
    let mut red: BTreeMap<Fault, Vec<&MtuRun>> = BTreeMap::new();
    for run in &observations.mtu {
        if let Err(Outcome::Fault(fault @ Fault::TooLarge { .. })) = judge_run(run) {
            red.entry(fault).or_default().push(run);
        }
    }
    if red.is_empty() {
        return Vec::new();
    }
    let topology = Topology::of(observations);
    let groups = red
        .into_iter()
        .flat_map(|(fault, runs)| groups(&topology, fault, runs));
    // What was seen of some may explain only some of a group.
    let chosen = groups
        .flat_map(|group| parts(&topology, group))
        .filter(|part| !is_explained(&topology, part))
        .flat_map(|part| part.representatives(&topology));
    let wanted = |run: &MtuRun| Wanted {
        from: run.from.clone(),
        to: run.to.clone(),
        request: DialRequest {
            address: run.address,
            transport: Transport::Udp,
            port: run.port,
        },
        burst: Burst::Sized {
            bytes: run.interface_mtu,
        },
    };
    chosen.map(wanted).collect()
}
