//! One packet that a difference concerns, on both sides.
use std::cell::OnceCell;
use std::collections::BTreeMap;

use flatnet_model::Family;
use flatnet_model::fact::{Kind, Place, Role};

use super::compare::Side;
use super::model::{Change, Example, HopLine};
use crate::facts::paths::Paths;

/// Walks packets on both sides, which are indexed once, when the first packet is walked.
pub(super) struct Examples<'a> {
    before: &'a Side<'a>,
    after: &'a Side<'a>,
    paths: OnceCell<Option<(Paths<'a>, Paths<'a>)>>,
}

impl<'a> Examples<'a> {
    pub(super) fn new(before: &'a Side<'a>, after: &'a Side<'a>) -> Self {
        Examples {
            before,
            after,
            paths: OnceCell::new(),
        }
    }

    fn paths(&self) -> Option<&(Paths<'a>, Paths<'a>)> {
        let index = || {
            let (before, after) = (self.before.observations?, self.after.observations?);
            Some((Paths::of(before), Paths::of(after)))
        };
        self.paths.get_or_init(index).as_ref()
    }

    /// The hops of a packet between the first that a difference is about, where it is about packets and both sides can be walked.
    pub(super) fn of(&self, change: &Change) -> Option<Example> {
        let Change {
            id,
            about,
            subjects,
            ..
        } = change;
        if !matches!(
            id,
            Kind::Reach | Kind::Path | Kind::PathMtu | Kind::RouteToPods
        ) {
            return None;
        }
        let (from, to) = subjects.iter().find_map(|subject| match subject {
            Role::Between(from, to) => Some((*from, *to)),
            Role::At(_) => None,
        })?;
        let family = match about.ends_with("IPv6") {
            true => Family::V6,
            false => Family::V4,
        };
        let (before, after) = self.paths()?;
        let was = before.hops(from, to, family)?;
        let is = after.hops(from, to, family)?;
        Some(Example {
            flow: format!(
                "{} to {}, {family}",
                pod_of(from, 1, self.after),
                pod_of(to, if from == to { 2 } else { 1 }, self.after)
            ),
            before: marked(&was, &is),
            after: marked(&is, &was),
        })
    }
}

/// Of a node its n-th pod.
fn pod_of(place: Place, pod: u32, side: &Side<'_>) -> String {
    match place {
        Place::Node(node) => side.named(Place::Pod { node, pod }),
        other => side.named(other),
    }
}

/// Hops of which the other way has fewer are the ones that differ.
fn marked(hops: &[String], other: &[String]) -> Vec<HopLine> {
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    for hop in other {
        *left.entry(hop).or_default() += 1;
    }
    let lines = hops.iter().map(|hop| {
        let there = left.get_mut(hop.as_str()).filter(|left| **left > 0);
        let differs = there.map(|left| *left -= 1).is_none();
        HopLine {
            hop: hop.clone(),
            differs,
        }
    });
    lines.collect()
}
