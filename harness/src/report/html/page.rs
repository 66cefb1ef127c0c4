//! What every part of the page is made from.
use flatnet_analysis::words::{Words, count};
use flatnet_model::PodRef;
use flatnet_model::observations::{Observations, PodNames};
use flatnet_model::reference::Netns;

use super::markup::{Element, el};
use crate::report::{Outcome, Report};

/// A report, and what follows from it.
pub(super) struct Page<'a> {
    pub(super) report: &'a Report,
    pub(super) words: Words<'a>,
    pub(super) outcome: Outcome,
    names: Option<PodNames<'a>>,
}

impl<'a> Page<'a> {
    pub(super) fn of(report: &'a Report) -> Self {
        Page {
            words: report.words(),
            outcome: report.outcome(),
            names: report.observations.as_ref().map(PodNames::of),
            report,
        }
    }

    pub(super) fn observations(&self) -> Option<&'a Observations> {
        self.report.observations.as_ref()
    }

    /// What a person calls a pod.
    pub(super) fn pod(&self, pod: &PodRef) -> String {
        let short = self.names.as_ref().map(|names| names.pod(pod));
        short.unwrap_or_else(|| pod.to_string())
    }

    /// What a person calls a namespace.
    pub(super) fn netns(&self, netns: &Netns) -> String {
        match netns {
            Netns::Pod(pod) => self.pod(pod),
            Netns::Node(node) => node.clone(),
            Netns::Wire => "between the nodes".to_owned(),
        }
    }
}

/// Says that so many of something are not shown; nothing where all are.
pub(super) fn left_out(more: usize, what: &str) -> Option<Element> {
    let text = || format!("and {} more: report.json has them", count(more, what));
    (more > 0).then(|| el("p").class("left-out").text(text()))
}
