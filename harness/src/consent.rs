//! Whether a run may add tables of its own to the nodes of a cluster.

/// Whether a run may add a table to nodes for the time of a burst, or of some dials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Consent {
    /// The cluster is flatnet's, or its owner said so.
    Given,
    /// It was not asked for; why that matters.
    Withheld(String),
}

impl Consent {
    /// A cluster that flatnet did not boot gets a table on its nodes only where its owner says so.
    pub fn of(booted_by_flatnet: bool, trace: bool) -> Self {
        match booted_by_flatnet || trace {
            true => Consent::Given,
            false => Consent::Withheld(NOT_FOLLOWED.to_owned()),
        }
    }

    /// Whether it may.
    pub fn is_given(&self) -> bool {
        matches!(self, Consent::Given)
    }
}

/// What failures on a cluster of somebody else's say.
const NOT_FOLLOWED: &str = "packets were not followed: --trace would name the hop and the rule that ends them, with a table of flatnet's own on the nodes for less than a second";
