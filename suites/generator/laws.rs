//! The four laws: what flatnet may say of a fault, and what it must.
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use flatnet_model::PodRef;
use flatnet_model::cause::{Cause, CauseId};
use flatnet_model::evidence::{Basis, Evidence, Found, Subject};
use flatnet_model::follow::RuleRef;
use flatnet_model::reference::Netns;
use flatnet_model::verdict::Verdict;
use serde::Deserialize;

use crate::grammar::{RuleAt, Truth};
use crate::ground::Ground;

/// A law that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// 1 not flat and not red, 2 flat and red, 3 the wrong one is named, 4 red when the fault is gone.
    pub(crate) law: u8,
    pub(crate) what: String,
}

fn violation(law: u8, what: impl Into<String>) -> Violation {
    let what = what.into();
    Violation { law, what }
}

/// What flatnet said while a fault was there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) red: BTreeSet<&'static str>,
    pub(crate) broken: Vec<String>,
    /// Whether a culprit is named, and whether each is one that was planted.
    pub(crate) culprit: Option<bool>,
    /// The same of causes that were seen.
    pub(crate) cause: Option<bool>,
    pub(crate) violations: Vec<Violation>,
    /// A planted rule was seen to drop packets: the network is not flat, also where none of the oracle's few packets met it.
    proven: bool,
    /// Culprits and causes, for a person.
    pub(crate) words: Vec<String>,
}

pub(crate) struct Judge<'a> {
    pub(crate) ground: &'a Ground,
    pub(crate) truth: &'a Truth,
    /// The node of a hostNetwork pod.
    pub(crate) node_of: &'a dyn Fn(&PodRef) -> Option<String>,
}

/// What a seen cause says of where and what, whichever cause it is.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Claims {
    at: Option<Netns>,
    node: Option<String>,
    rule: Option<RuleRef>,
    key: Option<String>,
    counter: Option<String>,
    device: Option<String>,
    bridge: Option<String>,
}

impl Judge<'_> {
    /// Laws 1 to 3.
    pub(crate) fn hear(&self, verdicts: &BTreeMap<&'static str, Verdict>, is_flat: bool) -> Said {
        let mut said = Said::default();
        for (check, verdict) in verdicts {
            match verdict {
                Verdict::Fail { evidence } => {
                    said.red.insert(check);
                    for evidence in evidence {
                        self.evidence(evidence, &mut said);
                    }
                }
                Verdict::Broken { error, .. } => said.broken.push(format!("{check}: {error}")),
                Verdict::Pass { .. } | Verdict::Report { .. } | Verdict::Skip { .. } => {}
            }
        }
        let truth = self.truth;
        for check in truth.must.iter().filter(|check| !said.red.contains(*check)) {
            said.violations
                .push(violation(1, format!("{check} is not red")));
        }
        if !is_flat && said.red.is_empty() && truth.uncovered.is_none() {
            said.violations
                .push(violation(1, "not flat and nothing is red"));
        }
        let is_flat = is_flat && !said.proven;
        let allowed = |check: &&&str| truth.may.contains(*check) || truth.must.contains(*check);
        let alarms: Vec<&str> = said
            .red
            .iter()
            .filter(|check| !allowed(check))
            .copied()
            .collect();
        if is_flat && !alarms.is_empty() && truth.uncovered.is_none() {
            said.violations
                .push(violation(2, format!("flat and red: {}", alarms.join(", "))));
        }
        // Of what does not come through, sizes cannot be measured.
        for broken in said.broken.iter().filter(|_| is_flat) {
            said.violations
                .push(violation(2, format!("broken: {broken}")));
        }
        said.words.sort();
        said.words.dedup();
        said.violations.dedup();
        said
    }

    fn evidence(&self, evidence: &Evidence, said: &mut Said) {
        let check = &evidence.rule.id;
        for culprit in &evidence.deviation.culprits {
            let place = self.place(culprit);
            let is_right = place.as_ref().is_some_and(|place| self.is_planted(place));
            let name = place.map_or_else(|| format!("{culprit:?}"), |place| place.to_string());
            said.words.push(format!("{check} culprit {name}"));
            said.culprit = Some(said.culprit.unwrap_or(true) && is_right);
            if !is_right {
                said.violations
                    .push(violation(3, format!("{check} names {name}")));
            }
        }
        let Some(found) = evidence.deviation.finding.found() else {
            return;
        };
        said.words.push(format!(
            "{check} {:?} {}",
            found.basis,
            serde_json::to_string(&found.cause).unwrap_or_default()
        ));
        if found.basis == Basis::Seen {
            let wrong = self.seen(found);
            said.proven |= wrong.is_none() && matches!(found.cause, Cause::DroppedByRule { .. });
            said.cause = Some(said.cause.unwrap_or(true) && wrong.is_none());
            said.violations
                .extend(wrong.map(|wrong| violation(3, format!("{check}: {wrong}"))));
        }
    }

    /// Node or pod of a culprit; a hostNetwork pod is its node's network.
    fn place(&self, culprit: &Subject) -> Option<Netns> {
        let pod = match culprit {
            Subject::Pod(at) | Subject::Container { pod: at, .. } => Some(&at.pod),
            Subject::UnscheduledPod(pod) => Some(pod),
            _ => None,
        };
        match pod {
            Some(pod) => Some(match (self.node_of)(pod) {
                Some(node) => Netns::Node(node),
                None => Netns::Pod(pod.clone()),
            }),
            None => culprit
                .nodes()
                .first()
                .map(|node| Netns::Node((*node).to_owned())),
        }
    }

    fn is_planted(&self, place: &Netns) -> bool {
        let mut culprits = self.truth.culprits.iter();
        culprits.any(|spot| self.ground.netns(*spot) == *place)
    }

    /// What is wrong with a cause that flatnet says it has seen.
    fn seen(&self, found: &Found) -> Option<String> {
        let id = found.cause.id();
        let truth = self.truth;
        let json = serde_json::to_value(&found.cause).expect("JSON");
        let name = json.to_string();
        if !truth.causes.contains(&id) {
            return Some(format!("saw {name}"));
        }
        let claims: Claims = serde_json::from_value(json).expect("parameters of a cause");
        let whose = |hop: &IpAddr| {
            let spots = self.ground.spots();
            let mut holders = spots.filter(|spot| self.ground.ips(*spot).contains(hop));
            holders.next().map(|spot| self.ground.netns(spot))
        };
        let node = match &found.cause {
            // `node` knows the address that the VTEP of `to` had.
            Cause::VtepMacMismatch {
                to,
                device_changed: true,
                ..
            } => Some(to.clone()),
            _ => claims.node,
        };
        // The entry and the device whose Ethernet address it should name are in two places: the culprit says which was changed.
        let has_two_places = matches!(found.cause, Cause::NeighbourWrong { .. });
        let at = match &found.cause {
            // Who asks and who does not answer.
            Cause::NeighbourUnresolved { hop, .. } => {
                let asks = claims.at.filter(|at| self.is_planted(at));
                asks.or_else(|| whose(hop))
            }
            _ => claims.at.or(node.map(Netns::Node)),
        };
        let at = at.filter(|_| !has_two_places);
        if at.is_some_and(|at| !self.is_planted(&at)) {
            return Some(format!("saw it elsewhere: {name}"));
        }
        if claims.key.is_some_and(|key| !truth.keys.contains(&key)) {
            return Some(format!("saw another setting: {name}"));
        }
        let known = |counter: &String| {
            truth.counters.is_empty() || truth.counters.iter().any(|word| counter.contains(word))
        };
        if claims.counter.is_some_and(|counter| !known(&counter)) {
            return Some(format!("saw another counter: {name}"));
        }
        let device = claims
            .device
            .or(claims.bridge)
            .filter(|_| OF_DEVICES.contains(&id));
        if device.is_some_and(|device| !truth.devices.contains(&device)) {
            return Some(format!("saw another device: {name}"));
        }
        let rule = claims.rule?;
        let is_right = truth.rules.iter().any(|planted| is_rule(planted, &rule));
        (!is_right).then(|| format!("saw another rule: {name}"))
    }
}

/// Causes whose device is the one that was changed.
const OF_DEVICES: [CauseId; 6] = [
    CauseId::InterfaceDown,
    CauseId::HostEndDown,
    CauseId::HostEndNotOnBridge,
    CauseId::BridgeDown,
    CauseId::VxlanDown,
    CauseId::LinkDown,
];

/// A rule is the planted one by family, table, chain and handle; the chain's policy has none, and is the fault's where it drops.
fn is_rule(planted: &RuleAt, rule: &RuleRef) -> bool {
    if planted.family != rule.family || planted.table != rule.table {
        return false;
    }
    if planted.is_legacy {
        let chain = format!(" {} ", planted.chain);
        return rule.text.as_ref().is_some_and(|text| text.contains(&chain));
    }
    planted.chain == rule.chain
        && match rule.handle {
            None => planted.policy_drops,
            handle => handle == planted.handle,
        }
}

/// Law 4.
pub(crate) fn after(verdicts: &BTreeMap<&'static str, Verdict>) -> Option<Violation> {
    let words = |(check, verdict): (&&str, &Verdict)| match verdict {
        Verdict::Fail { evidence } => {
            let causes: BTreeSet<String> = evidence
                .iter()
                .filter_map(|e| Some(e.cause()?.id().id()))
                .collect();
            let causes: Vec<String> = causes.into_iter().collect();
            Some(format!("{check} ({})", causes.join(", ")))
        }
        Verdict::Broken { error, .. } => Some(format!("{check} broken: {error}")),
        Verdict::Pass { .. } | Verdict::Report { .. } | Verdict::Skip { .. } => None,
    };
    let red: Vec<String> = verdicts.iter().filter_map(words).collect();
    (!red.is_empty()).then(|| violation(4, format!("still red: {}", red.join("; "))))
}
