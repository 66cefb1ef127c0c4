//! What was seen of pairs that fail: over what, who said what, and whether requests arrive.
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use flatnet_model::evidence::{self, Complaint, State, Talk};
use flatnet_model::network::Family;
use flatnet_model::probe::Transport;

use super::blame::Group;
use super::pairs::Pair;
use crate::checks::findings::some;
use flatnet_model::observations::{Dial, Fate, Observations};

/// Requests that failed, by direction between nodes: how many are known to have arrived, of how many that could be known.
pub(super) type Arrivals<'a> = BTreeMap<(&'a str, &'a str), (usize, usize)>;

/// Over which transports and families a group fails.
pub(super) struct Over {
    pub(super) failing: BTreeSet<Transport>,
    /// Measured on the same pairs, and never failed.
    pub(super) passing: BTreeSet<Transport>,
    /// Only this one fails, of several.
    pub(super) family: Option<Family>,
}

impl Over {
    pub(super) fn of(red: &[&Pair<'_>]) -> Self {
        let of =
            |dials: &mut dyn Iterator<Item = &&Dial>| -> (BTreeSet<Transport>, BTreeSet<Family>) {
                let dials: Vec<&&Dial> = dials.collect();
                (
                    dials.iter().map(|dial| dial.request.transport).collect(),
                    dials
                        .iter()
                        .map(|dial| Family::of(dial.request.address))
                        .collect(),
                )
            };
        let (failing, failing_families) = of(&mut red.iter().flat_map(|pair| &pair.failed));
        let (measured, families) = of(&mut red.iter().flat_map(|pair| &pair.measured));
        Over {
            passing: measured.difference(&failing).copied().collect(),
            failing,
            family: (failing_families.len() < families.len())
                .then(|| failing_families.first().copied())
                .flatten(),
        }
    }

    pub(super) fn measured(&self) -> BTreeSet<Transport> {
        self.failing.union(&self.passing).copied().collect()
    }
}

/// Examples, pods first, and which requests arrive.
pub(super) fn observed(
    observations: &Observations,
    group: &Group<'_, '_>,
    arrivals: &Arrivals<'_>,
) -> Vec<State> {
    let mut pairs: Vec<&&Pair<'_>> = group.red.iter().collect();
    pairs.sort_by_key(|pair| !pair.pods_only);
    let examples = pairs.iter().take(3);
    let mut states: Vec<State> = examples.map(|pair| example(observations, pair)).collect();
    if pairs.len() > states.len() {
        let count = pairs.len() - states.len();
        states.push(State::MorePairs { count });
    }
    let arrived = arrivals.iter().map(|((from, to), (arrived, known))| {
        State::from(Talk::Arrived(evidence::Arrivals {
            from: (*from).to_owned(),
            to: (*to).to_owned(),
            arrived: *arrived,
            known: *known,
        }))
    });
    states.extend(some(arrived.collect(), 4));
    states
}

fn example(observations: &Observations, pair: &Pair<'_>) -> State {
    let mut said: Vec<(IpAddr, BTreeSet<Transport>, Complaint)> = Vec::new();
    for dial in &pair.failed {
        let (address, over) = (dial.request.address, dial.request.transport);
        let complaint = match observations.fate(dial) {
            Fate::Failed { detail, .. } => Complaint::Said(detail.to_owned()),
            Fate::Diverted(name) => Complaint::AnsweredBy {
                responder: Some(name.to_owned()),
                no_backend: false,
            },
            Fate::Reached | Fate::NotMade(_) | Fate::NobodyThere(_) => continue,
        };
        match said
            .iter_mut()
            .find(|(at, _, what)| *at == address && *what == complaint)
        {
            Some((_, transports, _)) => drop(transports.insert(over)),
            None => said.push((address, BTreeSet::from([over]), complaint)),
        }
    }
    Talk::PairSilent {
        from: pair.from.clone(),
        to: pair.to.clone(),
        said,
    }
    .into()
}
