//! What checks found.
use flatnet_model::cause::CauseId;
use flatnet_model::evidence::{Deviation, Evidence, Finding, Symptom};
use flatnet_model::fact::{Kind, Place, Value};
use flatnet_model::verdict::Verdict;

use super::collect::Collected;
use super::roles::Roles;

pub(super) fn facts<'a>(
    checks: impl IntoIterator<Item = (&'a str, &'a Verdict)>,
    roles: &Roles<'_>,
    facts: &mut Collected,
) {
    for (check, verdict) in checks {
        let about = (Kind::Verdict, check);
        facts.add(about, Place::Cluster, verdict.name(), None);
        if let Verdict::Fail { evidence } = verdict {
            let mut found: Vec<String> = evidence
                .iter()
                .flat_map(|evidence| findings(evidence, roles))
                .collect();
            found.sort();
            found.dedup();
            let about = (Kind::Finding, check);
            facts.add(about, Place::Cluster, Value::List(found), None);
        }
    }
}

fn findings(evidence: &Evidence, roles: &Roles<'_>) -> Vec<String> {
    let all = std::iter::once(&evidence.deviation).chain(&evidence.alike);
    all.map(|deviation| finding(deviation, roles)).collect()
}

/// The cause (or symptom) and whose it is; not the sentence, which names addresses and counts.
fn finding(deviation: &Deviation, roles: &Roles<'_>) -> String {
    let what = match &deviation.finding {
        Finding::Symptom {
            cause: Some(found), ..
        }
        | Finding::Cause { cause: found } => CauseId::id(found.cause.id()),
        Finding::Symptom {
            symptom,
            cause: None,
        } => tag(symptom),
    };
    let whom = match deviation.culprits.is_empty() {
        true => &deviation.subjects,
        false => &deviation.culprits,
    };
    let mut whom: Vec<String> = whom.iter().map(|subject| roles.subject(subject)).collect();
    whom.sort();
    format!("{what}: {}", whom.join(", "))
}

/// The id of a symptom: that of its JSON form.
fn tag(symptom: &Symptom) -> String {
    let json = serde_json::to_value(symptom).unwrap_or_default();
    json["id"].as_str().unwrap_or("symptom").to_owned()
}
