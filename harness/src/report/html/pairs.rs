//! Who reached whom, over each transport and family by itself.
use std::collections::BTreeMap;

use flatnet_model::network::{Family, Transport};
use flatnet_model::observations::{Dial, Endpoint, Observations};

use super::page::Page;
use crate::report::{Grid, Share};

/// What ordered pairs are put together by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Nodes,
    Pods,
}

/// The pairs of one family, over transports over which they came out alike.
pub(super) struct Heat {
    pub(super) family: Family,
    pub(super) over: Vec<Transport>,
    pub(super) grid: Grid,
}

/// One table for each family and transport; alike ones once.
pub(super) fn heats(page: &Page<'_>, observations: &Observations, by: By) -> Vec<Heat> {
    let places = Places::of(page, observations, by);
    let mut grids: BTreeMap<(Family, Transport), Vec<Vec<Option<Share>>>> = BTreeMap::new();
    for dial in &observations.dials {
        let Some(reached) = observations.fate(dial).reached() else {
            continue;
        };
        let Some((row, column)) = places.cell(dial) else {
            continue;
        };
        let size = places.names.len();
        let key = (Family::of(dial.request.address), dial.request.transport);
        let cells = grids
            .entry(key)
            .or_insert_with(|| vec![vec![None; size]; size]);
        let share: &mut Share = cells[row][column].get_or_insert_default();
        share.measured += 1;
        share.answered += usize::from(reached);
    }
    let mut heats: Vec<Heat> = Vec::new();
    for ((family, transport), cells) in grids {
        let mut known = heats.iter_mut();
        let same = known.find(|heat| heat.family == family && heat.grid.cells == cells);
        match same {
            Some(heat) => heat.over.push(transport),
            None => heats.push(Heat {
                family,
                over: vec![transport],
                grid: Grid {
                    names: places.names.clone(),
                    cells,
                },
            }),
        }
    }
    heats
}

/// Who has which row and column.
struct Places<'a> {
    by: By,
    names: Vec<String>,
    rows: BTreeMap<Endpoint, usize>,
    /// The addresses that the API gives an end: others that are dialled are gateways.
    own: BTreeMap<Endpoint, &'a [std::net::IpAddr]>,
}

impl<'a> Places<'a> {
    fn of(page: &Page<'_>, observations: &'a Observations, by: By) -> Self {
        let mut places = Places {
            by,
            names: Vec::new(),
            rows: BTreeMap::new(),
            own: BTreeMap::new(),
        };
        let mut nodes: BTreeMap<&str, usize> = BTreeMap::new();
        for (row, node) in observations.nodes.iter().enumerate() {
            let end = node.endpoint();
            places.own.insert(end.clone(), &node.object.internal_ips);
            nodes.insert(&node.object.name, row);
            if by == By::Nodes {
                places.names.push(node.object.name.clone());
                places.rows.insert(end, row);
            }
        }
        for (place, pod) in observations.pods.iter().enumerate() {
            let end = pod.endpoint();
            places.own.insert(end.clone(), &pod.object.ips);
            let row = match by {
                By::Nodes => nodes.get(pod.object.node.as_str()).copied(),
                By::Pods => {
                    places.names.push(page.pod(pod.reference()));
                    Some(place)
                }
            };
            places.rows.extend(row.map(|row| (end, row)));
        }
        places
    }

    /// Row and column of a dial; hairpins are no pairs of a node.
    fn cell(&self, dial: &Dial) -> Option<(usize, usize)> {
        let own = self.own.get(&dial.to)?;
        let hairpin = dial.from == dial.to && self.by == By::Nodes;
        if hairpin || !own.contains(&dial.request.address) {
            return None;
        }
        Some((*self.rows.get(&dial.from)?, *self.rows.get(&dial.to)?))
    }
}
