//! Every ordered pair over every transport: gathers pairs, groups the red ones by who is to blame, explains each group.
//!
//! An answer counts whoever gave it: a wrong responder is for `no-nat` and `pod-ip-unique` to report.
mod apart;
mod blame;
mod cause;
mod covered;
mod guess;
mod pairs;
mod seen;

use flatnet_model::PodRef;
pub(super) use flatnet_model::evidence::Span;
use flatnet_model::evidence::{Finding, Symptom};

use super::Verdict;
use super::findings::{Findings, count, transports};
use super::series::Lossy;
use super::topology::Topology;
use flatnet_model::observations::{Dial, Endpoint, Observations};
use flatnet_model::skip::SkipReason;

pub(super) fn judge_span(observations: &Observations, span: Span) -> Verdict {
    let topology = Topology::of(observations);
    let seen = pairs::gather(&topology, span);
    if seen.pairs.is_empty() && seen.missing.is_empty() && seen.absent.is_empty() {
        return nothing_measured(&topology, span);
    }
    let mut findings = Findings::default();
    for missing in &seen.missing {
        findings.unmeasured(missing.clone());
    }
    for (what, why) in &seen.absent {
        findings.unmeasured_for(what, *why);
    }
    let lossy = Lossy::of(&topology, span);
    if let Some(evidence) = lossy.evidence() {
        findings.fail(evidence);
    }
    // What fails some of the time says nothing about who is cut off.
    let steady: Vec<pairs::Pair<'_>> = seen
        .pairs
        .iter()
        .map(|pair| pair.without(|dial| lossy.explains(dial)))
        .collect();
    if steady.iter().any(|pair| !pair.failed.is_empty()) {
        let context = cause::Context::of(&topology);
        for group in apart::groups(&steady, span, &context) {
            findings.fail(context.explain(&group, span));
        }
    }
    state(&topology, span, &seen, &mut findings);
    findings.mention_forbidden(&topology);
    findings.mention_idle(&topology);
    findings.verdict()
}

/// What became of one ordered pair.
pub struct Outcome<'a> {
    pub from: &'a Endpoint,
    pub to: &'a Endpoint,
    pub from_node: &'a str,
    pub to_node: &'a str,
    /// Over every transport and address that was measured.
    pub answered: bool,
}

/// The pairs that `same-node` and `cross-node` judge, for the matrix of a report: its numbers are those of the checks.
pub fn outcomes(observations: &Observations) -> Vec<Outcome<'_>> {
    let topology = Topology::of(observations);
    let spans = [Span::SameNode, Span::CrossNode];
    let pairs = spans
        .into_iter()
        .flat_map(|span| pairs::gather(&topology, span).pairs);
    pairs
        .map(|pair| Outcome {
            from: pair.from,
            to: pair.to,
            from_node: pair.from_node,
            to_node: pair.to_node,
            answered: pair.failed.is_empty(),
        })
        .collect()
}

/// Whether a pod is an end of a failing pair that the finding is about.
pub fn touches(observations: &Observations, finding: &Finding, pod: &PodRef) -> bool {
    let Finding::Symptom {
        symptom: Symptom::Unreached { scope, span, .. },
        ..
    } = finding
    else {
        return false;
    };
    let topology = Topology::of(observations);
    let is_pod = |end: &Endpoint| matches!(end, Endpoint::Pod(other) if other == pod);
    let pairs = pairs::gather(&topology, *span).pairs;
    let mut red = pairs.iter().filter(|pair| !pair.failed.is_empty());
    red.any(|pair| {
        (is_pod(pair.from) || is_pod(pair.to)) && blame::covers(blame::Scope::of(scope), pair)
    })
}

/// Failed dials that are worth following: one of each group of red pairs, then one of the other direction of each.
pub fn representatives(observations: &Observations) -> Vec<&Dial> {
    let missed = |dial: &Dial| observations.fate(dial).reached() == Some(false);
    if !observations.dials.iter().any(missed) {
        return Vec::new();
    }
    let topology = Topology::of(observations);
    let context = cause::Context::of(&topology);
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for span in [Span::SameNode, Span::CrossNode] {
        let seen = pairs::gather(&topology, span);
        for group in apart::groups(&seen.pairs, span, &context) {
            let mut dials = group.representatives().into_iter();
            first.extend(dials.next());
            second.extend(dials);
        }
    }
    first.extend(second);
    first
}

/// No dial of this span: nothing to ask, or nothing that could be asked.
fn nothing_measured(topology: &Topology<'_>, span: Span) -> Verdict {
    if topology.idle().next().is_some() {
        return Verdict::broken("not enough pods run to make a pair, see pod-ip-present");
    }
    Verdict::Skip {
        reason: match span {
            Span::SameNode => SkipReason::NoPairOnNode,
            Span::CrossNode => SkipReason::OneNode,
        },
    }
}

fn state(topology: &Topology<'_>, span: Span, seen: &pairs::Seen<'_>, findings: &mut Findings) {
    let over = transports(
        seen.pairs
            .iter()
            .flat_map(|pair| &pair.measured)
            .map(|dial| dial.request.transport),
    );
    let answered = seen
        .pairs
        .iter()
        .filter(|pair| pair.failed.is_empty())
        .count();
    let covered = covered::words(topology, span);
    findings.fact(format!(
        "{answered} of {} ordered pairs over {over}{}",
        seen.pairs.len(),
        covered.map_or_else(String::new, |covered| format!("; {covered}"))
    ));
    let host = seen.pairs.iter().filter(|pair| !pair.pods_only).count();
    if host > 0 {
        findings.fact(format!(
            "among them {} with a node or hostNetwork pod at one end",
            count(host, "pair")
        ));
    }
    for fact in &seen.no_icmp {
        findings.fact(fact);
    }
}
