//! Whether one pod reaches another, and as whom.
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use flatnet_analysis::checks::{self, catalogue};
use flatnet_analysis::words::all;
use flatnet_model::observations::{Endpoint, Observations, Observed};
use flatnet_model::probe::{DialOutcome, ReceivedRequest, Transport};
use flatnet_model::snapshot::PodSnapshot;

use super::evidence;
use super::inside::{Inside, or_panic};

/// A pod that reached another, with what both ends saw.
pub struct Reached<'a> {
    inside: &'a Inside,
    ends: Ends<'a>,
    observations: Observations,
}

impl Reached<'_> {
    /// Fails unless each end saw the other at its own address: nothing on the way translated one.
    ///
    /// # Panics
    /// With the addresses that were expected and seen, the rule that translates where it was found, and the command that shows it.
    #[track_caller]
    pub fn without_nat(self) -> Self {
        let no_nat = or_panic(catalogue::find("no-nat"));
        let seen = self.ends.in_this_direction(&self.observations);
        let report = self.inside.judged(seen, &[no_nat]);
        if let Some(words) = evidence::against(&report) {
            let told = self
                .ends
                .told("reaches", ", but not without NAT", &self.observations);
            panic!("{told}\n{words}")
        }
        self
    }

    /// The addresses under which the first pod's TCP and UDP arrived at the second.
    pub fn seen_as(&self) -> Vec<IpAddr> {
        let requests = self.ends.received(&self.observations).unwrap_or_default();
        let sources: BTreeSet<IpAddr> = requests.iter().map(|request| request.source).collect();
        sources.into_iter().collect()
    }
}

/// Has `from` dial `to`; in words why it does not get through.
pub(super) fn reaches<'a>(
    inside: &'a Inside,
    from: &'a PodSnapshot,
    to: &'a PodSnapshot,
) -> Result<Reached<'a>, String> {
    let ends = Ends { from, to };
    let both = [&from.reference, &to.reference];
    if both[0] == both[1] {
        return Err(format!(
            "{} to itself is not a pair; check(\"hairpin\") is about that",
            from.reference.name
        ));
    }
    let observations = inside
        .observed(async |session| session.observe_only(&both).await)
        .map_err(|e| {
            let (from, to) = (&from.reference.name, &to.reference.name);
            format!("whether {from} reaches {to} cannot be observed: {e}")
        })?;
    if ends.answered(&observations) {
        return Ok(Reached {
            inside,
            ends,
            observations,
        });
    }
    let span = match from.node == to.node {
        true => "same-node",
        false => "cross-node",
    };
    let check = catalogue::find(span).map_err(|e| e.to_string())?;
    let told = ends.told("does not reach", "", &observations);
    let words = evidence::against(&inside.judged(observations, &[check]));
    Err(format!("{told}\n{}", words.unwrap_or_default()))
}

#[derive(Clone, Copy)]
struct Ends<'a> {
    from: &'a PodSnapshot,
    to: &'a PodSnapshot,
}

impl Ends<'_> {
    fn endpoints(&self) -> (Endpoint, Endpoint) {
        let of = |pod: &PodSnapshot| Endpoint::Pod(pod.reference.clone());
        (of(self.from), of(self.to))
    }

    fn answered(&self, observations: &Observations) -> bool {
        let (from, to) = self.endpoints();
        let mut pairs = checks::outcomes(observations).into_iter();
        pairs.any(|pair| *pair.from == from && *pair.to == to && pair.answered)
    }

    /// Only what the first pod sent, and what of it arrived.
    fn in_this_direction(&self, observations: &Observations) -> Observations {
        let (from, to) = self.endpoints();
        let mut seen = observations.clone();
        seen.dials.retain(|dial| dial.from == from && dial.to == to);
        seen.received.retain(|at, _| *at == to);
        for requests in seen.received.values_mut().flatten() {
            requests.retain(|request| from.is_called(&request.from));
        }
        seen
    }

    /// What of the first pod's requests arrived at the second.
    fn received(&self, observations: &Observations) -> Observed<Vec<ReceivedRequest>> {
        let (from, to) = self.endpoints();
        let mut requests = match observations.received.get(&to) {
            Some(received) => received.clone()?,
            None => return Err("no probe runs there".to_owned()),
        };
        requests.retain(|request| from.is_called(&request.from));
        Ok(requests)
    }

    /// Who they are, what the first sent and what arrived at the second.
    fn told(&self, what: &str, how: &str, observations: &Observations) -> String {
        format!(
            "{} {what} {}{how}\n  sent      {}\n  arrived   {}",
            called(self.from, observations),
            called(self.to, observations),
            self.sent(observations),
            self.arrived(observations)
        )
    }

    fn sent(&self, observations: &Observations) -> String {
        let (from, to) = self.endpoints();
        let mut came: BTreeMap<(String, IpAddr), Vec<Transport>> = BTreeMap::new();
        let dials = observations.dials.iter();
        for dial in dials.filter(|dial| dial.from == from && dial.to == to) {
            let result = match &dial.result {
                DialOutcome::Failed { detail, .. } => detail.clone(),
                DialOutcome::Answered { .. } => match dial.result.answered_by_other(&to) {
                    Some(other) => format!("answered by {other}"),
                    None => "answered".to_owned(),
                },
            };
            let alike = came.entry((result, dial.request.address));
            alike.or_default().push(dial.request.transport);
        }
        if came.is_empty() {
            return "nothing: no probe runs at one of the two".to_owned();
        }
        let lines = came.iter().map(|((result, address), over)| {
            let over = all(over, ", ");
            format!("{over} to {address}: {result}")
        });
        all(lines, "; ")
    }

    fn arrived(&self, observations: &Observations) -> String {
        match self.received(observations) {
            Err(why) => format!("not known: {why}"),
            Ok(requests) if requests.is_empty() => "nothing".to_owned(),
            Ok(requests) => {
                let words = |request: &ReceivedRequest| {
                    format!("{} from {}", request.transport, request.source)
                };
                let words: BTreeSet<String> = requests.iter().map(words).collect();
                all(words, ", ")
            }
        }
    }
}

/// `busybox-1 (node1, 10.244.0.2)`.
fn called(pod: &PodSnapshot, observations: &Observations) -> String {
    let seen = observations.pods.iter();
    let mut seen = seen.filter(|seen| *seen.reference() == pod.reference);
    let ips = seen.next().map(|seen| all(&seen.object.ips, ", "));
    let ips = ips.unwrap_or_default();
    format!("{} ({}, {ips})", pod.reference.name, pod.node)
}
