//! `cross-node`: every ordered pair on different nodes reaches each other.
use super::Verdict;
use super::reachability::{Span, judge_span};
use flatnet_model::observations::Observations;

pub(super) fn judge(observations: &Observations) -> Verdict {
    judge_span(observations, Span::CrossNode)
}
