//! Which pairs reached each other, as a table: nodes by nodes, and pods by pods if there are few.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use flatnet_analysis::checks::outcomes;
use flatnet_model::observations::{Endpoint, Observations, PodNames};

/// More pods than this make an unreadable table.
const MOST_PODS: usize = 12;

/// The matrix of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matrix {
    /// Ordered pairs by the nodes of their ends; a node's own cell holds the pairs within it.
    pub nodes: Grid,
    /// Ordered pairs of pods, a pod's own cell being its hairpin; only while there are at most twelve pods.
    pub pods: Option<Grid>,
}

/// A square table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grid {
    /// Names of rows and columns.
    pub names: Vec<String>,
    /// Rows are clients, columns servers; `null` where nothing was measured.
    pub cells: Vec<Vec<Option<Share>>>,
}

/// How many pairs answered, of how many measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Pairs that answered over every transport and address measured.
    pub answered: usize,
    /// Pairs measured.
    pub measured: usize,
}

impl Share {
    /// Whether everything measured answered.
    pub fn is_full(self) -> bool {
        self.answered == self.measured
    }
}

impl Matrix {
    /// Counts the pairs that `same-node` and `cross-node` judge, and for pods their hairpins.
    pub fn of(observations: &Observations) -> Self {
        let pairs = outcomes(observations);
        let names = PodNames::of(observations);
        let mut nodes = Grid::empty(
            observations
                .nodes
                .iter()
                .map(|node| node.object.name.clone()),
        );
        let all = observations.pods.iter();
        let mut pods = (observations.pods.len() <= MOST_PODS)
            .then(|| Grid::empty(all.map(|pod| names.pod(pod.reference()))));
        for pair in &pairs {
            nodes.add(pair.from_node, pair.to_node, pair.answered);
            if let (Some(pods), Endpoint::Pod(from), Endpoint::Pod(to)) =
                (&mut pods, pair.from, pair.to)
            {
                pods.add(&names.pod(from), &names.pod(to), pair.answered);
            }
        }
        if let Some(pods) = &mut pods {
            for (pod, answered) in hairpins(observations) {
                let name = names.end(pod);
                pods.add(&name, &name, answered);
            }
        }
        Matrix { nodes, pods }
    }
}

impl Grid {
    fn empty(names: impl Iterator<Item = String>) -> Self {
        let names: Vec<String> = names.collect();
        let cells = vec![vec![None; names.len()]; names.len()];
        Grid { names, cells }
    }

    fn add(&mut self, from: &str, to: &str, answered: bool) {
        let at = |name: &str| self.names.iter().position(|known| known == name);
        if let (Some(row), Some(column)) = (at(from), at(to)) {
            let share = self.cells[row][column].get_or_insert_default();
            share.measured += 1;
            share.answered += usize::from(answered);
        }
    }

    /// Whether every measured pair answered.
    pub fn is_full(&self) -> bool {
        self.cells
            .iter()
            .flatten()
            .flatten()
            .all(|share| share.is_full())
    }
}

/// Whether a pod reached itself, over everything measured.
fn hairpins(observations: &Observations) -> BTreeMap<&Endpoint, bool> {
    let mut own: BTreeMap<&Endpoint, bool> = BTreeMap::new();
    for dial in observations
        .dials
        .iter()
        .filter(|dial| dial.from == dial.to)
    {
        let Some(answered) = observations.fate(dial).reached() else {
            continue;
        };
        *own.entry(&dial.from).or_insert(true) &= answered;
    }
    own
}
