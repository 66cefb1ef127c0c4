//! Facts: what was observed, about roles instead of names and in normal form, so that two runs can be compared.
//!
//! [`roles`] says who is who, [`whose`] turns addresses, ranges and MACs into whose they are; the other files each make the facts of one subject.
mod cluster;
mod cni;
mod collect;
pub mod inspected;
mod links;
mod netfilter;
mod nodes;
pub(crate) mod paths;
mod pods;
mod roles;
mod routes;
mod spread;
mod talk;
mod verdicts;
mod whose;

#[cfg(test)]
pub(crate) mod tests;

use flatnet_model::fact::Fact;
use flatnet_model::observations::Observations;
use flatnet_model::verdict::Verdict;

use collect::Collected;
use paths::Paths;
use whose::Whose;

pub use roles::Roles;

/// The facts of a run, sorted by their keys: what was observed, and what checks made of it (by their ids).
pub fn of<'a>(
    observations: &'a Observations,
    checks: impl IntoIterator<Item = (&'a str, &'a Verdict)>,
) -> Vec<Fact> {
    let roles = Roles::of(observations);
    let whose = Whose::of(observations, &roles);
    let mut facts = Collected::default();
    verdicts::facts(checks, &roles, &mut facts);
    cluster::facts(observations, &mut facts);
    for (number, node) in roles.nodes() {
        nodes::facts(number, node, &whose, &mut facts);
        cni::facts(number, node, &whose, &mut facts);
    }
    for (place, pod) in roles.pods() {
        pods::facts(place, pod, &roles, &whose, &mut facts);
    }
    talk::facts(observations, &roles, &whose, &mut facts);
    Paths::indexed(observations, roles, whose).facts(&mut facts);
    facts.sorted()
}
