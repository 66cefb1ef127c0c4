//! Equal findings are one finding: evidence that differs only in whom it is about is put together, so that every report says
//! it once and lists whom it concerns.
mod pair;

use std::net::IpAddr;

use flatnet_model::diagnosis;
use flatnet_model::evidence::{Deviation, Evidence, Subject};
use flatnet_model::kernel::MacAddr;
use ipnet::IpNet;
use serde::Serialize;
use serde_json::Value;

/// Puts pieces of evidence that are alike into the first of them, in the order in which they came. A subject is in each at
/// most once: what was found of it twice was two things.
pub fn grouped(evidence: Vec<Evidence>) -> Vec<Evidence> {
    let mut groups: Vec<(Option<Value>, Evidence)> = Vec::new();
    for piece in evidence {
        let key = pattern(&piece.deviation);
        let same = groups.iter_mut().find(|(other, head)| {
            key.is_some()
                && *other == key
                && head.rule == piece.rule
                && (!pair::is_of(&piece.deviation) || head.remediation == piece.remediation)
                && !about(head).any(|subjects| *subjects == piece.deviation.subjects)
        });
        match same {
            Some((_, head)) => head.alike.push(piece.deviation),
            None => groups.push((key, piece)),
        }
    }
    groups.into_iter().map(|(_, head)| head).collect()
}

/// Pods and nodes of a diagnosis of whom the same is known, in the order in which they came.
pub fn subjects(diagnosis: &diagnosis::Diagnosis) -> Vec<Vec<&diagnosis::Subject>> {
    type Findings = Vec<(String, Value)>;
    let key = |subject: &diagnosis::Subject| {
        let findings = subject.findings.iter();
        let patterns: Option<Findings> = findings
            .map(|finding| Some((finding.id.id(), pattern(&finding.evidence.deviation)?)))
            .collect();
        // Without a finding there is nothing that they share.
        patterns.filter(|all| !all.is_empty())
    };
    let mut groups: Vec<(Option<Findings>, Vec<&diagnosis::Subject>)> = Vec::new();
    for subject in &diagnosis.subjects {
        let key = key(subject);
        let same = groups.iter_mut().find(|(other, group)| {
            let first = group[0];
            key.is_some()
                && *other == key
                && (first.kind, &first.node, &first.status)
                    == (subject.kind, &subject.node, &subject.status)
                && first.restarted == subject.restarted
        });
        match same {
            Some((_, group)) => group.push(subject),
            None => groups.push((key, vec![subject])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// The subjects of each deviation of a group.
fn about(group: &Evidence) -> impl Iterator<Item = &Vec<Subject>> {
    let all = std::iter::once(&group.deviation).chain(&group.alike);
    all.map(|deviation| &deviation.subjects)
}

/// A deviation without what tells its subject from others: their names, and of pods the addresses, devices and sandbox ids.
/// None where it is not about pods, a node, or two of which one is to blame, alone.
fn pattern(deviation: &Deviation) -> Option<Value> {
    if let [Subject::Pair { from, to }] = &deviation.subjects[..] {
        return pair::pattern(deviation, [from, to]);
    }
    let own = Own::of(&deviation.subjects)?;
    let own_fault = deviation.culprits == deviation.subjects;
    let culprits = match own_fault {
        true => Value::Null,
        false => json(&deviation.culprits)?,
    };
    let mut finding = json(&deviation.finding)?;
    let mut states = json(&(&deviation.expected, &deviation.observed))?;
    // How many pairs of each are red, and which, are figures and not what is wrong.
    if let Some(symptom) = finding.get_mut("symptom").and_then(Value::as_object_mut)
        && symptom.get("id").is_some_and(|id| id == "unreached")
    {
        for figure in ["red", "all", "hosts"] {
            symptom.remove(figure);
        }
        states = Value::Null;
    }
    own.leave_out(&mut finding, own_fault);
    own.leave_out(&mut states, own_fault);
    Some(Value::Array(vec![culprits, finding, states]))
}

fn json(of: &impl Serialize) -> Option<Value> {
    serde_json::to_value(of).ok()
}

/// What is a subject's own.
struct Own<'a> {
    names: Vec<&'a str>,
    nodes: Vec<&'a str>,
    /// Whether addresses and what is named after them are its own.
    addresses: bool,
}

impl<'a> Own<'a> {
    fn of(subjects: &'a [Subject]) -> Option<Self> {
        let mut own = Own {
            names: Vec::new(),
            nodes: Vec::new(),
            addresses: false,
        };
        for subject in subjects {
            match subject {
                Subject::Pod(at) | Subject::Container { pod: at, .. } => {
                    own.addresses = true;
                    own.names.push(&at.pod.name);
                    own.nodes.push(&at.node);
                }
                Subject::Node { node } if subjects.len() == 1 => own.nodes.push(node),
                _ => return None,
            }
        }
        (!subjects.is_empty()).then_some(own)
    }

    /// Names of nodes are left out only where the subject itself is to blame.
    fn leave_out(&self, value: &mut Value, own_fault: bool) {
        match value {
            Value::String(text) => *text = self.without(text, own_fault),
            Value::Array(items) => items
                .iter_mut()
                .for_each(|item| self.leave_out(item, own_fault)),
            Value::Object(fields) => fields
                .values_mut()
                .for_each(|item| self.leave_out(item, own_fault)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn without(&self, text: &str, own_fault: bool) -> String {
        let part = |c: char| c.is_ascii_alphanumeric() || "._:/-".contains(c);
        let mut out = String::new();
        let mut rest = text;
        while let Some(start) = rest.find(part) {
            let (between, word) = rest.split_at(start);
            let end = word.find(|c| !part(c)).unwrap_or(word.len());
            let (word, after) = word.split_at(end);
            out.push_str(between);
            out.push_str(if self.is_own(word, own_fault) {
                "@"
            } else {
                word
            });
            rest = after;
        }
        out.push_str(rest);
        out
    }

    fn is_own(&self, word: &str, own_fault: bool) -> bool {
        let name = word.rsplit_once('/').map_or(word, |(_, name)| name);
        self.names.contains(&name)
            || (own_fault && self.nodes.contains(&word))
            || (self.addresses && of_one_pod(word))
    }
}

/// An address, a device that a CNI made, a sandbox.
fn of_one_pod(word: &str) -> bool {
    let address = word.trim_end_matches(':');
    let id = |text: &str| text.len() >= 8 && text.chars().all(|c| c.is_ascii_hexdigit());
    address.parse::<IpAddr>().is_ok()
        || address.parse::<IpNet>().is_ok()
        || address.parse::<MacAddr>().is_ok()
        || word.strip_prefix("veth").is_some_and(id)
        || (id(word) && word.contains(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use flatnet_model::PodRef;
    use flatnet_model::cause::Cause;
    use flatnet_model::evidence::{Command, Finding, Found, PodAt, Rule, State, Symptom};

    use super::*;
    use crate::words::Words;

    fn at(name: &str, node: &str) -> PodAt {
        PodAt::new(PodRef::new("default", name), node)
    }

    /// A pod that does not run, in the runtime's words, which name its sandbox.
    fn idle(name: &str, node: &str, words: &str) -> Evidence {
        let pod = at(name, node);
        let cause = Cause::PluginFailed {
            pod: pod.clone(),
            plugin: None,
        };
        Evidence {
            rule: Rule::new("pod-ip-present", "a page"),
            deviation: Deviation {
                subjects: vec![Subject::Pod(pod.clone())],
                culprits: vec![Subject::node_of(node)],
                finding: Finding::of(Symptom::NotRunning { pod }, Found::inferred(cause)),
                expected: State::Running,
                observed: vec![State::Phase {
                    phase: "Pending".to_owned(),
                    said: Some(words.to_owned()),
                }],
                look: Command::on(node, "ls /opt/cni/bin"),
            },
            remediation: None,
            alike: Vec::new(),
        }
    }

    fn missing(node: &str, to: &str, range: &str) -> Evidence {
        let cause = Cause::RouteMissing {
            node: node.to_owned(),
            to: to.to_owned(),
            range: range.parse().unwrap(),
        };
        let mut evidence = idle("x", node, "");
        evidence.deviation.subjects = vec![Subject::node_of(node)];
        evidence.deviation.finding = Finding::cause(cause);
        evidence.deviation.observed = vec![State::Uncovered];
        evidence
    }

    fn whats(evidence: Vec<Evidence>) -> Vec<String> {
        let words = Words::of_report(None, None);
        let groups = grouped(evidence);
        groups.iter().map(|group| words.text(group).what).collect()
    }

    #[test]
    fn pods_of_one_node_with_one_fault_are_one_finding_with_all_of_it_kept() {
        let pods = [
            ("a", "e50335f4fde6"),
            ("b", "60903d644dad"),
            ("c", "0e565bea6e5f"),
        ];
        let said = |id: &str| format!("sandbox \"{id}\": no plugin");
        let all: Vec<Evidence> = pods.map(|(name, id)| idle(name, "node2", &said(id))).into();

        let groups = grouped(all.clone());

        assert_eq!(groups.len(), 1, "{groups:#?}");
        assert_eq!(groups[0].deviation, all[0].deviation);
        assert_eq!(groups[0].alike, [1, 2].map(|at| all[at].deviation.clone()));
        assert_eq!(
            whats(all),
            ["pod a on node2 does not run, so it has no IP; the same for pods b, c on node2"]
        );
    }

    #[test]
    fn what_differs_in_more_than_the_subject_stays_apart() {
        let all = vec![
            idle("a", "node1", "sandbox: no plugin"),
            idle("b", "node2", "sandbox: no plugin"),
            idle("c", "node1", "image not found"),
            idle("a", "node1", "sandbox: no plugin"),
        ];
        // Another culprit, another observation, and the same pod a second time.
        assert_eq!(grouped(all).len(), 4);
    }

    #[test]
    fn nodes_that_lack_one_route_are_one_finding_and_another_route_is_another() {
        let range = "10.244.1.0/24";
        let all = vec![
            missing("node1", "node2", range),
            missing("node3", "node2", range),
            missing("node1", "node2", "fd00:10:244:1::/64"),
            missing("node1", "node3", "10.244.2.0/24"),
        ];
        assert_eq!(
            whats(all),
            [
                "node1 has no route to 10.244.1.0/24 of node2; the same for node3",
                "node1 has no route to fd00:10:244:1::/64 of node2",
                "node1 has no route to 10.244.2.0/24 of node3",
            ]
        );
    }
}
