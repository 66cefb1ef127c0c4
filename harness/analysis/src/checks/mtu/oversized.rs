//! Which paths are worth following: those whose packets nothing that was seen explains.
use std::collections::BTreeMap;

use flatnet_model::follow::Wanted;
use flatnet_model::observations::{MtuRun, Observations};
use flatnet_model::probe::{DialRequest, Transport};

use super::Lossy;
use super::data::Data;
use super::explain::{is_explained, parts};
use super::groups::groups;
use super::run::{Fault, Outcome, judge_run};
use crate::checks::topology::Topology;

/// What is tried again under watch: packets that should pass whole and do not, and data.
pub fn oversized(observations: &Observations) -> Vec<Wanted> {
    let mut red: BTreeMap<Fault, Vec<&MtuRun>> = BTreeMap::new();
    for run in &observations.mtu {
        if let Err(Outcome::Fault(fault @ Fault::TooLarge { .. })) = judge_run(run) {
            red.entry(fault).or_default().push(run);
        }
    }
    let topology = Topology::of(observations);
    for (fault, run) in Data::of(&topology, &Lossy::of_all(&topology)).red(&topology) {
        red.entry(fault).or_default().push(run);
    }
    let groups = red
        .into_iter()
        .flat_map(|(fault, runs)| groups(&topology, fault, runs));
    // What was seen of some may explain only some of a group.
    let chosen = groups
        .flat_map(|group| parts(&topology, group))
        .filter(|part| !is_explained(&topology, part))
        .flat_map(|part| {
            let runs = part.representatives(&topology).into_iter();
            runs.map(move |run| (part.fault, run))
        });
    let wanted = |(fault, run): (Fault, &MtuRun)| Wanted {
        from: run.from.clone(),
        to: run.to.clone(),
        request: DialRequest {
            address: run.address,
            transport: match fault {
                Fault::DataCut { .. } => Transport::Tcp,
                Fault::TooLarge { .. } | Fault::MorePasses { .. } => Transport::Udp,
            },
            port: run.port,
        },
        burst: fault.burst(),
    };
    chosen.map(wanted).collect()
}
