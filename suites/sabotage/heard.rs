//! What flatnet said of a cluster, compared with what it is to say of a planted fault.
use std::collections::BTreeMap;

use flatnet::plant::{Fault, Says, Who};
use flatnet_analysis::checks::catalogue;
use flatnet_model::PodRef;
use flatnet_model::evidence::{Deviation, Evidence, Found, Subject};
use flatnet_model::observations::Observations;
use flatnet_model::verdict::Verdict;
use serde_json::Value;

pub(crate) type Verdicts = BTreeMap<&'static str, Verdict>;

/// What every check says.
pub(crate) fn verdicts(observations: &Observations) -> Verdicts {
    let judged = catalogue::all().iter();
    judged
        .map(|check| (check.id, check.judge(observations)))
        .collect()
}

/// One finding of a check that is red.
pub(crate) struct Claim<'a> {
    check: &'static str,
    culprits: &'a [Subject],
    found: Option<&'a Found>,
}

/// Values of the variables in what is expected.
pub(crate) type Variables = BTreeMap<String, String>;

pub(crate) fn claims<'a>(check: &'static str, evidence: &'a [Evidence]) -> Vec<Claim<'a>> {
    let deviations = evidence
        .iter()
        .flat_map(|evidence| std::iter::once(&evidence.deviation).chain(&evidence.alike));
    let claim = |deviation: &'a Deviation| Claim {
        check,
        culprits: &deviation.culprits,
        found: deviation.finding.found(),
    };
    deviations.map(claim).collect()
}

/// Whether that is whom the evidence names.
fn is(who: Who, subject: &Subject) -> bool {
    match (who, subject) {
        (Who::Node(number), Subject::Node { node }) => *node == format!("node{number}"),
        (Who::On(end), Subject::Node { node }) => node.ends_with(end),
        (Who::On(end), Subject::Pod(at)) => at.node.ends_with(end),
        (Who::Pod(number), Subject::Pod(at)) => {
            at.pod == PodRef::new("default", format!("busybox-{number}"))
        }
        _ => false,
    }
}

impl Claim<'_> {
    /// All of these, and nobody else.
    fn names(&self, culprits: &[Who]) -> bool {
        let all = culprits
            .iter()
            .all(|who| self.culprits.iter().any(|subject| is(*who, subject)));
        all && self.names_only(culprits)
    }

    fn names_only(&self, culprits: &[Who]) -> bool {
        let mut named = self.culprits.iter();
        named.all(|subject| culprits.iter().any(|who| is(*who, subject)))
    }

    /// Whether it is what was expected: culprits, cause, how the cause is known, and the parameters that are expected of it.
    pub(crate) fn is(&self, says: &Says, variables: &Variables) -> bool {
        let is_nobody = says.or_nobody && self.culprits.is_empty();
        let is_cause = match (self.found, says.cause) {
            (None, None) => true,
            (Some(found), Some((cause, basis))) => {
                let carried = carried(found);
                let carries = |(name, value): &(&str, &str)| {
                    carried.get(*name) == Some(&expanded(value, variables))
                };
                found.cause.id() == cause
                    && found.basis == basis
                    && (is_nobody || says.with.iter().all(carries))
            }
            _ => false,
        };
        is_cause && (is_nobody || self.names(says.culprits))
    }
}

/// With the values of its variables: the longest name that fits.
fn expanded(text: &str, variables: &Variables) -> String {
    let mut names: Vec<&String> = variables.keys().collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    names.iter().fold(text.to_owned(), |text, name| {
        text.replace(&format!("${name}"), &variables[*name])
    })
}

/// Parameters of a cause by name; those within others as `rule.chain`.
fn carried(found: &Found) -> BTreeMap<String, String> {
    let mut carried = BTreeMap::new();
    let json = serde_json::to_value(&found.cause).expect("JSON");
    collect(&json, "", &mut carried);
    carried.remove("id");
    carried
}

fn collect(value: &Value, name: &str, into: &mut BTreeMap<String, String>) {
    let within = |part: &str| match name {
        "" => part.to_owned(),
        _ => format!("{name}.{part}"),
    };
    match value {
        Value::Object(parts) => {
            for (part, value) in parts {
                collect(value, &within(part), into);
            }
        }
        Value::Array(parts) => {
            for (number, value) in parts.iter().enumerate() {
                collect(value, &within(&number.to_string()), into);
            }
        }
        Value::String(text) => {
            into.insert(name.to_owned(), text.clone());
        }
        other => {
            into.insert(name.to_owned(), other.to_string());
        }
    }
}

impl Claim<'_> {
    /// For a person, as expectations are written: values of variables by their names.
    pub(crate) fn words(&self, variables: &Variables) -> String {
        let culprits = self.culprits.iter().map(|subject| match subject {
            Subject::Node { node } => node.clone(),
            Subject::Pod(at) => at.pod.to_string(),
            other => format!("{other:?}"),
        });
        let culprits: Vec<String> = culprits.collect();
        let mut words = format!("{}: culprits [{}]", self.check, culprits.join(", "));
        if let Some(found) = self.found {
            words += &format!(", {:?} {:?}", found.basis, found.cause.id());
            for (name, value) in carried(found) {
                words += &format!(", {name}={}", named(&value, variables));
            }
        }
        words
    }
}

/// The opposite of [`expanded`].
fn named(value: &str, variables: &Variables) -> String {
    let mut names: Vec<&String> = variables.keys().collect();
    names.sort_by_key(|name| std::cmp::Reverse(variables[*name].len()));
    names.iter().fold(value.to_owned(), |value, name| {
        value.replace(&variables[*name], &format!("${name}"))
    })
}

/// Whether flatnet says of a fault what it is to say, and nothing else.
///
/// # Errors
/// What is missing or too much, and everything that was said.
pub(crate) fn exactly(
    fault: &Fault,
    verdicts: &Verdicts,
    variables: &Variables,
) -> Result<(), String> {
    let mut wrong = Vec::new();
    let may_fail = fault.may_fail_too();
    for (check, verdict) in verdicts {
        let expected = fault.says.iter().filter(|says| says.checks.contains(check));
        let expected: Vec<&Says> = expected.collect();
        let said = match verdict {
            Verdict::Fail { evidence } => claims(check, evidence),
            Verdict::Broken { error, .. } if !may_fail.contains(check) => {
                wrong.push(format!("{check} is broken: {error}"));
                continue;
            }
            _ => Vec::new(),
        };
        for claim in &said {
            let is_right = expected.iter().any(|says| claim.is(says, variables))
                || may_fail.contains(check) && follows(claim, fault.says, variables);
            if !is_right {
                wrong.push(format!("not expected: {}", claim.words(variables)));
            }
        }
        for says in expected.iter().filter(|says| !says.sometimes) {
            if !said.iter().any(|claim| claim.is(says, variables)) {
                wrong.push(format!("missing of {check}: {says:?}"));
            }
        }
    }
    told(wrong, verdicts, variables)
}

/// Whether a claim repeats what is expected of other checks, or tells a symptom of the same culprits.
pub(crate) fn follows(claim: &Claim<'_>, says: &[Says], variables: &Variables) -> bool {
    says.iter().any(|says| {
        claim.is(says, variables) || claim.found.is_none() && claim.names_only(says.culprits)
    })
}

/// Nothing where nothing is wrong; else what is, and everything that was said.
pub(crate) fn told(
    wrong: Vec<String>,
    verdicts: &Verdicts,
    variables: &Variables,
) -> Result<(), String> {
    if wrong.is_empty() {
        return Ok(());
    }
    let said = verdicts.iter().flat_map(|(check, verdict)| match verdict {
        Verdict::Fail { evidence } => claims(check, evidence),
        _ => Vec::new(),
    });
    let said: Vec<String> = said
        .map(|claim| format!("  said {}", claim.words(variables)))
        .collect();
    Err(format!("{}\n{}", wrong.join("\n"), said.join("\n")))
}
